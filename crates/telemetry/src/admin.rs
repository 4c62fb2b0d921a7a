//! The admin listener: `/metrics`, `/healthz`, `/readyz`, and whatever a component adds.
//!
//! It speaks plain HTTP and checks no one's identity. Bind it to loopback or a private network.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use tokio::net::TcpListener;

use crate::Health;

/// Serves the admin pages until `shutdown` completes and requests in flight are answered.
///
/// `extra` holds the component's own pages. A path of it that collides with `/metrics`,
/// `/healthz` or `/readyz` is a bug of the caller, and axum panics on it.
pub async fn serve(
    listener: TcpListener,
    registry: Registry,
    health: Health,
    extra: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = router(registry, health).merge(extra);
    // For those pages that write down who changed something.
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(shutdown)
        .await
}

/// The admin pages without a listener, for tests and for nesting.
pub fn router(registry: Registry, health: Health) -> Router {
    Router::new()
        .route("/metrics", get(metrics).with_state(registry))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz).with_state(health))
}

/// Prometheus' text format.
async fn metrics(State(registry): State<Registry>) -> Response {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// 200 when ready, else 503; either way the conditions.
async fn readyz(State(health): State<Health>) -> Response {
    let readiness = health.readiness();
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        [(header::CACHE_CONTROL, "no-store")],
        Json(readiness),
    )
        .into_response()
}

#[cfg(test)]
mod tests;
