//! The page about streams, carried inside the binary: `/streams`, `/streams/{name}` and what it loads.
//!
//! It knows no streams: it asks the API beside it, with the token that the operator enters.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

/// The output of `npm run build` in `edge/web` (`make web`).
#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Dist;

const PAGE: &str = "admin/streams.html";
/// What the page may load: itself, and the figures.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Files = Arc<HashMap<String, (HeaderMap, Bytes)>>;

/// See the module's documentation.
pub(super) fn router() -> Router {
    let files = Dist::iter().filter_map(|name| {
        let bytes = Bytes::from(Dist::get(&name)?.data.into_owned());
        Some((name.to_string(), (headers(&name), bytes)))
    });
    let files: Files = Arc::new(files.collect());
    Router::new()
        .route("/streams", get(page))
        .route("/streams/{name}", get(page))
        .route("/assets/{name}", get(asset))
        .with_state(files)
}

async fn page(State(files): State<Files>) -> Response {
    give(&files, PAGE)
}

async fn asset(State(files): State<Files>, Path(name): Path<String>) -> Response {
    give(&files, &format!("assets/{name}"))
}

fn give(files: &Files, name: &str) -> Response {
    match files.get(name) {
        Some((headers, bytes)) => (headers.clone(), bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn headers(name: &str) -> HeaderMap {
    let kind = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    // Names under assets/ hold a hash of their content.
    let cache = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let fields: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, cache),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}
