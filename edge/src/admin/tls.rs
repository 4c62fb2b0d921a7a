//! Looking at the files of certificates and keys now: `POST /v1/tls/reload`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::Shared;
use super::refusal::Refusal;
use crate::tls::Reload;

#[derive(Debug, Serialize)]
pub(super) struct Reloaded {
    /// Every file that is watched, and what became of it.
    files: Vec<Reload>,
}

/// 200, or 422 if a file cannot be used; either way the others are in force.
pub(super) async fn reload(
    State(admin): State<Shared>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Reloaded>), Refusal> {
    admin.authorise(&headers)?;
    let tls = admin.tls.clone();
    let files =
        tokio::task::spawn_blocking(move || tls.map_or_else(Vec::new, |it| it.reload(true)))
            .await
            .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the reload failed"))?;
    let status = match files.iter().any(Reload::is_refused) {
        true => StatusCode::UNPROCESSABLE_ENTITY,
        false => StatusCode::OK,
    };
    Ok((status, Json(Reloaded { files })))
}
