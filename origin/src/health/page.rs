//! The page about streams: `/streams` on the admin listener.

use axum::Router;

/// See the module's documentation.
pub(super) fn router() -> Router {
    Router::new()
}
