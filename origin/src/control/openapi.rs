//! `GET /v1/openapi.json`: what the control API answers, as OpenAPI 3.1.
//!
//! A line of [`table`] is a route; schemas are made from the types that are read and written
//! ([`shapes`] has those of answers that are put together by hand). A test compares the table with the
//! routers' source: a route that is missing here, or there, fails it.

mod shapes;
mod table;

use std::collections::BTreeMap;

use axum::routing::get;
use axum::{Json, Router};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Desk;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Whoever reaches it.
    Anyone,
    /// Who is signed in.
    Person,
    /// Staff, or who runs this.
    Staff,
    /// Who runs this, on the admin listener.
    Operator,
}

/// A route, as it is written down.
#[derive(Clone, Copy)]
struct Route {
    method: &'static str,
    /// Below `/v1`.
    path: &'static str,
    says: &'static str,
    who: Who,
    query: &'static [&'static str],
    asks: Option<SchemaOf>,
    status: u16,
    gives: Option<SchemaOf>,
    /// Whether it takes an `Idempotency-Key`.
    again: bool,
    /// Whether edges answer it by themselves.
    of_edges: bool,
}

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The document, on either listener; `base` is where its routes are.
pub(super) fn router(base: &'static str) -> Router<Desk> {
    let document = document(base);
    Router::new().route(
        "/v1/openapi.json",
        get(async move || Json(document.clone())),
    )
}

fn document(base: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = settings.into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in table::routes() {
        let operation = route.operation(&mut generator);
        let path = paths.entry(route.path).or_default();
        path.insert(route.method.to_owned(), operation);
    }
    let problem = generator.subschema_for::<shapes::Problem>();
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Weir",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Accounts, wallets, gifts, rooms. Viewers and staff ask edges, below /api; \
                operators ask the origin's admin listener, below /v1, with the token admin.token.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": base }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "It was not done; code says why (RFC 9457).",
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
            "securitySchemes": {
                "access": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token, of a sign-in. On the admin listener: admin.token.",
                },
            },
        },
    })
}

impl Route {
    const fn new(method: &'static str, path: &'static str, says: &'static str, who: Who) -> Self {
        Self {
            method,
            path,
            says,
            who,
            query: &[],
            asks: None,
            status: 204,
            gives: None,
            again: false,
            of_edges: false,
        }
    }

    /// What is in the request.
    fn asks<T: JsonSchema>(mut self) -> Self {
        self.asks = Some(schema_of::<T>);
        self
    }

    /// What is in the answer, and its status.
    fn gives<T: JsonSchema>(mut self, status: u16) -> Self {
        self.gives = Some(schema_of::<T>);
        self.status = status;
        self
    }

    fn query(mut self, names: &'static [&'static str]) -> Self {
        self.query = names;
        self
    }

    /// The same again with the same `Idempotency-Key` is the same.
    fn again(mut self) -> Self {
        self.again = true;
        self
    }

    fn of_edges(mut self) -> Self {
        self.of_edges = true;
        self
    }

    fn operation(&self, generator: &mut SchemaGenerator) -> Value {
        let mut answer = json!({ "description": "It was done." });
        let content = |schema: Schema| json!({ "application/json": { "schema": schema } });
        if let (Some(gives), Some(fields)) = (self.gives, answer.as_object_mut()) {
            fields.insert("content".to_owned(), content(gives(generator)));
        }
        let status = self.status.to_string();
        let mut operation = json!({
            "operationId": self.id(),
            "summary": self.says,
            "tags": [self.tag()],
            "parameters": self.parameters(),
            "responses": {
                status: answer,
                "default": { "$ref": "#/components/responses/Problem" },
            },
        });
        let Some(fields) = operation.as_object_mut() else {
            return operation;
        };
        if self.who != Who::Anyone {
            fields.insert("security".to_owned(), json!([{ "access": [] }]));
        }
        if self.of_edges {
            fields.insert("x-weir-edge".to_owned(), true.into());
        }
        if let Some(asks) = self.asks {
            let body = json!({ "required": true, "content": content(asks(generator)) });
            fields.insert("requestBody".to_owned(), body);
        }
        operation
    }

    fn parameters(&self) -> Vec<Value> {
        let string = |name: &str, place: &str, required: bool| json!({ "name": name, "in": place, "required": required, "schema": { "type": "string" } });
        let parts = self.path.split('/');
        let named = parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let mut parameters: Vec<Value> = named.map(|name| string(name, "path", true)).collect();
        let query = self.query.iter();
        parameters.extend(query.map(|name| string(name, "query", false)));
        if self.again {
            parameters.push(string("Idempotency-Key", "header", false));
        }
        parameters
    }

    /// One for each route: its method and path, as a word.
    fn id(&self) -> String {
        let words = self.path.split(['/', '{', '}', '-']);
        let words = words.filter(|word| !word.is_empty());
        words.fold(self.method.to_owned(), |mut id, word| {
            let mut letters = word.chars();
            id.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            id.extend(letters);
            id
        })
    }

    fn tag(&self) -> &'static str {
        match self.who {
            Who::Staff => "staff",
            Who::Operator => "operators",
            _ if self.path.contains("/studio") => "studio",
            _ => "viewers",
        }
    }
}

#[cfg(test)]
mod tests;
