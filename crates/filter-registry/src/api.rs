//! The registry's HTTP API: `/v1/filters`, JSON, bearer tokens, problem documents (RFC 9457).
//!
//! It decides nothing; [`crate::Registry`] does. [`routes`] is the only list of what there is:
//! the router and the OpenAPI document are both made from it.

mod answer;
mod auth;
mod body;
mod handlers;
mod openapi;
mod problem;
mod routes;
mod schemas;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use serde_json::Value;
use settings::Secret;
use tokio::sync::Semaphore;

use crate::registry::Registry;

use auth::Tokens;
use problem::ApiError;

/// Largest component in bytes.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;
/// Largest manifest with its envelope in bytes.
pub const MANIFEST_BYTES_MAX: usize = 1 << 20;
/// Largest report of a node in bytes.
pub const REPORT_BYTES_MAX: usize = 4 << 20;
/// Largest body of every other request in bytes.
pub const BODY_BYTES_MAX: usize = 16 << 10;

/// Who may use the API, and how much of it at once.
#[derive(Clone, Debug)]
pub struct ApiOptions {
    /// Bearer tokens. Without any, nobody gets in.
    pub tokens: Vec<Token>,
    /// Components that arrive at once; each takes up to [`COMPONENT_BYTES_MAX`] of memory.
    pub uploads_max: usize,
    /// Within which a body has to arrive.
    pub body_timeout: Duration,
    /// Between two pieces of a body.
    pub body_idle_timeout: Duration,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            uploads_max: 4,
            body_timeout: Duration::from_secs(120),
            body_idle_timeout: Duration::from_secs(10),
        }
    }
}

/// A bearer token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Who has it; stands in the audit log.
    pub name: String,
    /// The secret.
    pub secret: Secret,
    /// What it opens.
    pub role: Role,
}

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reading, and a node's own reports.
    Node,
    /// Everything.
    Operator,
}

impl Role {
    /// As in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Operator => "operator",
        }
    }
}

/// What every request needs.
#[derive(Debug)]
pub(crate) struct Api {
    registry: Registry,
    tokens: Tokens,
    uploads: Semaphore,
    options: ApiOptions,
}

/// All routes, to be merged into an admin listener.
///
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: the audit log names the
/// peer's address where the listener gives one.
pub fn router(registry: Registry, options: ApiOptions) -> Router {
    let api = Arc::new(Api {
        registry,
        tokens: Tokens::new(&options.tokens),
        uploads: Semaphore::new(options.uploads_max),
        options,
    });
    let mut router = Router::new();
    for route in routes::routes() {
        let gate = (Arc::clone(&api), route.role);
        let handler = route.handler.layer(from_fn_with_state(gate, auth::admit));
        router = router.route(route.path, handler);
    }
    router
        .method_not_allowed_fallback(async || ApiError::Method)
        .with_state(api)
}

/// The OpenAPI 3.1 document of the API.
pub fn openapi() -> Value {
    openapi::document(&routes::routes())
}

#[cfg(test)]
mod tests;
