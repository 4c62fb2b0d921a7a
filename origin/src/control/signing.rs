//! The keys that sign access tokens: replaced by whoever runs this, `POST /v1/admin/keys/rotate`.

use accounts::Rotation;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Desk;
use super::people::detached;
use crate::caller::Actor;
use crate::clock::unix_ms;
use crate::problem::{Checked, Problem};

/// Below `/v1/admin`, for operators alone.
pub(super) fn router() -> Router<Desk> {
    Router::new().route("/keys/rotate", post(rotate))
}

/// How the signing key is replaced.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeyRotation")]
pub(super) struct Ask {
    /// Others know a key: the new one signs at once, and no token of those before counts any more.
    #[serde(default)]
    compromised: bool,
}

/// What became of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "KeyRotated")]
pub(super) struct Rotated {
    /// From when on the newest key signs.
    signs_from_ms: u64,
    /// Whether it was made now; a planned one is not, while another waits to sign.
    is_new: bool,
}

async fn rotate(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Json(ask)): Checked<Json<Ask>>,
) -> Result<Json<Rotated>, Problem> {
    let rotation = if ask.compromised {
        Rotation::Compromised
    } else {
        Rotation::Planned
    };
    detached(async move {
        // Another origin may have made the newest.
        desk.accounts.reload_keys().await?;
        let before = desk.accounts.newest_key_ms();
        desk.accounts.rotate_keys(rotation, unix_ms()).await?;
        let signs_from_ms = desk.accounts.newest_key_ms();
        let is_new = ask.compromised || signs_from_ms != before;
        if is_new {
            let details = json!({ "compromised": ask.compromised });
            desk.log_room(&actor, "keys-rotate", "", details).await;
        }
        Ok(Json(Rotated {
            signs_from_ms,
            is_new,
        }))
    })
    .await
}
