//! Reading the configuration file again: `POST /v1/config/reload`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::Shared;
use super::refusal::Refusal;
use crate::reload::ReloadError;
use crate::reload::diff::Change;

#[derive(Debug, Serialize)]
pub(super) struct Reloaded {
    /// The configuration in force.
    generation: u64,
    /// What is other than before; empty: the file says what was in force.
    changes: Vec<Change>,
}

/// 200, or 422 if the file cannot be used: then nothing has changed.
pub(super) async fn serve(
    State(admin): State<Shared>,
    headers: HeaderMap,
) -> Result<Json<Reloaded>, Refusal> {
    admin.authorise(&headers)?;
    let reloader = admin.reloader.clone();
    let reload = tokio::task::spawn_blocking(move || reloader.reload()).await;
    let failed = "the reload failed: nothing changed";
    let reloaded = reload
        .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, failed))?
        .map_err(|error| match error {
            ReloadError::NoFile => Refusal::new(StatusCode::CONFLICT, error.to_string()),
            ReloadError::NeedsUpgrade { ref keys, .. } => {
                Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
                    .naming(keys.clone())
            }
            error => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        })?;
    Ok(Json(Reloaded {
        generation: reloaded.generation,
        changes: reloaded.changes,
    }))
}
