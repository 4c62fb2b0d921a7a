//! What this API looks like, for machines: OpenAPI 3.1 at `/v1/openapi.json`.

use axum::http::header;
use axum::response::IntoResponse;

/// The document. A test holds it equal to the router.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
