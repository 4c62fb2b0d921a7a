//! The OpenAPI 3.1 document, made from the list of routes.

use serde_json::{Map, Value, json};

use super::routes::{Content, Route};
use super::schemas;

/// The whole document.
pub(super) fn document(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_owned(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Weir filter registry",
            "version": "1.0.0",
            "description": "Which WebAssembly filters run on the nodes of a Weir cluster. Times are Unix milliseconds. Errors are problem documents (RFC 9457).",
        },
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "operator": { "type": "http", "scheme": "bearer", "description": "Opens everything." },
                "node": { "type": "http", "scheme": "bearer", "description": "Reads, and reports of a node. A token of an operator does as well." },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "parameters": parameters(route),
        "responses": responses(route),
        "security": route.role.map_or_else(
            || json!([]),
            |role| json!([{ (role.as_str()): [] }]),
        ),
    });
    if let (Some(content), Some(operation)) = (content(route.request), operation.as_object_mut()) {
        let body = json!({ "required": true, "content": content });
        operation.insert("requestBody".to_owned(), body);
    }
    operation
}

/// Such as `post-name-activate`.
fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/v1/filters");
    let words = path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    std::iter::once(route.method)
        .chain(words)
        .collect::<Vec<_>>()
        .join("-")
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let schema = match name {
                "sha256" | "id" => "Sha256",
                "node" => "NodeName",
                _ => "FilterName",
            };
            json!({ "name": name, "in": "path", "required": true, "schema": reference(schema) })
        });
    let in_query = route.query.iter().map(|name| {
        json!({ "name": name, "in": "query", "required": false, "schema": { "type": "integer", "minimum": 0 } })
    });
    in_path.chain(in_query).collect()
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for status in route.success {
        let mut response = json!({ "description": "Done" });
        let content = content(route.response).filter(|_| *status != 204);
        if let (Some(content), Some(response)) = (content, response.as_object_mut()) {
            response.insert("content".to_owned(), content);
        }
        responses.insert(status.to_string(), response);
    }
    let common: &[u16] = if route.role.is_some() {
        &[400, 401, 403, 405, 500]
    } else {
        &[405]
    };
    for status in route.refusals.iter().chain(common) {
        let problem = json!({
            "description": "Refused",
            "content": { "application/problem+json": { "schema": reference("Problem") } },
        });
        responses.insert(status.to_string(), problem);
    }
    Value::Object(responses)
}

fn content(content: Content) -> Option<Value> {
    match content {
        Content::Nothing => None,
        Content::Wasm => Some(json!({ "application/wasm": {} })),
        Content::Json(schema) => {
            Some(json!({ "application/json": { "schema": reference(schema) } }))
        }
    }
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}
