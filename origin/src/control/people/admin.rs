//! What staff do with people: `/v1/admin/users`.

use accounts::UserId;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use crate::control::Desk;
use crate::control::problem::Problem;

/// Below `/v1/admin`.
pub(in crate::control) fn router() -> Router<Desk> {
    Router::new().route("/users/{id}", get(look))
}

async fn look(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let id = UserId::new(id).map_err(accounts::Error::from)?;
    let account = desk.accounts.account(&id).await?;
    let mut shown = super::shown(&account);
    shown["state"] = serde_json::to_value(account.state).unwrap_or_default();
    Ok(Json(shown))
}
