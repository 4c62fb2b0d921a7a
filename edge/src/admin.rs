//! The edge's own part of the admin listener: status, purging, the filters of this node, the page
//! about them, and a relay to the registry.
//!
//! Reading asks for nothing, as `/metrics` does. What changes this node needs `admin.token`; what
//! changes the registry needs the registry's tokens, which pass through unread.

/// The filters of this node.
mod filters;
/// What this API looks like, for machines.
mod openapi;
/// The page about filters.
mod page;
/// Forgetting cached objects.
mod purge;
/// Saying no.
mod refusal;
/// Requests to the registry.
mod relay;
/// Reading the configuration again.
mod reload;
/// What this node is and how it is.
mod status;
/// Certificates and keys.
mod tls;

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{MethodRouter, any, get, post};
use serde::de::DeserializeOwned;
use telemetry::Health;

pub use self::filters::NodeFilters;
use self::refusal::Refusal;
pub use self::relay::{Relay, RelayError};
pub use self::status::Facts;
use crate::cache::Cache;
use crate::metrics::Metrics;
use crate::pages::Pages;
use crate::reload::Reloader;
use crate::tls::Tls;

/// Bytes of a request's body, those of relayed requests left out.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What the admin API reads and changes.
#[derive(Debug)]
pub struct Admin {
    /// What does not change while the process runs.
    pub facts: Facts,
    /// The configuration in force.
    pub reloader: Reloader,
    /// Since when it runs.
    pub started: SystemTime,
    /// Readiness.
    pub health: Health,
    /// Memory and flights.
    pub cache: Cache,
    /// Certificates and keys; `None`: none, as in tests.
    pub tls: Option<Tls>,
    /// Figures.
    pub metrics: Metrics,
    /// The filters that run here; `None`: none.
    pub filters: Option<NodeFilters>,
    /// The way to the registry; `None`: there is none.
    pub relay: Option<Relay>,
    /// The edge's pages, the operators' among them.
    pub pages: Arc<Pages>,
}

type Shared = Arc<Admin>;

/// One path of the API: how it stands in the OpenAPI document, its methods there, and who serves it.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "a test holds the OpenAPI document to the methods")
)]
struct Endpoint {
    path: &'static str,
    methods: &'static [&'static str],
    /// Pages are no API, and do not stand in the document.
    documented: bool,
    handler: MethodRouter<Shared>,
}

impl Endpoint {
    fn new(
        path: &'static str,
        methods: &'static [&'static str],
        handler: MethodRouter<Shared>,
    ) -> Self {
        Self {
            path,
            methods,
            documented: true,
            handler,
        }
    }

    fn page(path: &'static str) -> Self {
        Self {
            documented: false,
            ..Self::new(path, &["get"], get(page::serve))
        }
    }
}

/// Everything that is served, in one list: the router and the test of the document read it.
fn endpoints() -> Vec<Endpoint> {
    const RELAYED: &[&str] = &["get", "post", "put"];
    vec![
        Endpoint::new("/v1/status", &["get"], get(status::serve)),
        Endpoint::new("/v1/purge", &["post"], post(purge::serve)),
        Endpoint::new("/v1/config/reload", &["post"], post(reload::serve)),
        Endpoint::new("/v1/tls/reload", &["post"], post(tls::reload)),
        Endpoint::new("/v1/openapi.json", &["get"], get(openapi::serve)),
        Endpoint::new("/v1/node/filters", &["get"], get(filters::status)),
        Endpoint::new("/v1/node/filters/{name}/logs", &["get"], get(filters::logs)),
        Endpoint::new(
            "/v1/node/filters/{name}/rollback",
            &["post"],
            post(filters::rollback),
        ),
        Endpoint::new("/v1/node/grants/revoke", &["post"], post(filters::revoke)),
        // The relay bounds its bodies itself: components come through it.
        Endpoint::new(
            "/v1/filters",
            &["get"],
            any(relay::serve).layer(DefaultBodyLimit::disable()),
        ),
        Endpoint::new(
            "/v1/filters/{*path}",
            RELAYED,
            any(relay::serve).layer(DefaultBodyLimit::disable()),
        ),
        Endpoint::page("/filters"),
        Endpoint::page("/assets/{*name}"),
    ]
}

/// The edge's pages for the admin listener, beside `/metrics`, `/healthz` and `/readyz`.
pub fn router(admin: Arc<Admin>) -> Router {
    endpoints()
        .into_iter()
        .fold(Router::new(), |router, endpoint| {
            router.route(endpoint.path, endpoint.handler)
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(admin)
}

impl Admin {
    /// Lets a change pass, or says why not.
    fn authorise(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let current = self.reloader.current();
        let Some(token) = &current.loaded.settings.admin_token else {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "admin.token of this edge is empty: nothing is changed through this listener",
            ));
        };
        let presented = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        match presented {
            Some(presented) if equal(presented.as_bytes(), token.expose().as_bytes()) => Ok(()),
            _ => Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "this needs the bearer token admin.token of this edge",
            )),
        }
    }
}

/// In a time that does not depend on where they differ.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let differ = left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b));
    left.len() == right.len() && std::hint::black_box(differ) == 0
}

/// A JSON body. An empty one is an empty object.
fn parse<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = body.map_err(|error| Refusal::new(error.status(), error.body_text()))?;
    let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("the body: {error}")))
}

#[cfg(test)]
mod tests;
