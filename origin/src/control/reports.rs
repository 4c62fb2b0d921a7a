//! What waits for a decision in open rooms: `/v1/admin/reports`.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use bus::RoomName;
use http::StatusCode;
use rooms::schema::Act;
use serde_json::{Value, json};

use super::Desk;
use crate::caller::Actor;
use crate::problem::{Checked, Problem};

/// Below `/v1/admin`.
pub(super) fn router() -> Router<Desk> {
    Router::new()
        .route("/reports", get(list))
        .route("/reports/{room}/{id}/approve", post(approve))
        .route("/reports/{room}/{id}/dismiss", post(dismiss))
}

/// The open reviews of all open rooms.
async fn list(State(desk): State<Desk>) -> Json<Value> {
    let reviews = desk.rooms.reviews().await;
    let reports: Vec<Value> = reviews
        .into_iter()
        .map(|(room, review)| json!({ "room": room.as_str(), "review": review }))
        .collect();
    Json(json!({ "reports": reports }))
}

async fn approve(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path((room, id))): Checked<Path<(String, String)>>,
) -> Result<StatusCode, Problem> {
    decide(&desk, &actor, &room, Act::Approve { id }).await
}

async fn dismiss(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path((room, id))): Checked<Path<(String, String)>>,
) -> Result<StatusCode, Problem> {
    decide(&desk, &actor, &room, Act::Dismiss { id }).await
}

/// The room's own log has it, too.
async fn decide(desk: &Desk, actor: &str, room: &str, act: Act) -> Result<StatusCode, Problem> {
    let unknown = || Problem::unknown("unknown-room", "there is no such room");
    let room = RoomName::new(room).map_err(|_| unknown())?;
    let details = serde_json::to_value(&act).unwrap_or_default();
    desk.rooms.act(&room, actor, act).await?;
    let details = json!({ "room": room.as_str(), "act": details });
    desk.log_about(actor, "report-decided", "", details).await;
    Ok(StatusCode::NO_CONTENT)
}
