//! People: registering, signing in, and what they do with their own account.

pub(super) mod admin;
mod cookie;
mod credits;
mod erase;
mod export;
mod front;
mod me;
mod register;
mod session;

use std::time::Duration;

use accounts::limits::PAGE_MAX;
use accounts::{Account, Accounts};
use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::Value;

use super::Desk;
use super::problem::Problem;
use crate::rooms::Hubs;

pub(super) use front::Front;

/// `/v1/accounts`, `/v1/session`, `/v1/me`.
pub(super) fn router() -> Router<Desk> {
    Router::new()
        .route(
            "/v1/accounts",
            get(register::offered).post(register::register),
        )
        .route("/v1/session", post(session::sign_in))
        .route("/v1/session/refresh", post(session::refresh))
        .route("/v1/session/end", post(session::end))
        .route("/v1/me", get(me::look).patch(me::rename))
        .route("/v1/me/password", post(me::password))
        .route("/v1/me/sign-out-everywhere", post(me::sign_out_everywhere))
        .route("/v1/me/export", get(me::all))
        .route("/v1/me/erase", post(me::leave))
}

/// Tells rooms what accounts are called: no guest is to be called so.
pub(super) async fn recall_names(accounts: &Accounts, rooms: &Hubs) -> Result<(), accounts::Error> {
    let names = rooms.names();
    let mut after = None;
    loop {
        let page = accounts.list(after, PAGE_MAX).await?;
        let named = page.accounts.iter();
        names.recall(named.map(|it| (it.id.as_str(), it.display_name.as_str())));
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Does something to its end, though whoever asked may go away: half of it would have to be undone.
pub(super) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|error| {
        tracing::error!(%error, "a request was not done to its end");
        Err(Problem::unavailable("unavailable", "it was not done"))
    })
}

/// An account, for who has it.
fn shown(account: &Account) -> Value {
    let mut rooms = serde_json::Map::new();
    for grant in &account.grants {
        let roles = rooms
            .entry(grant.room.as_str())
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(roles) = roles {
            roles.push(grant.role.as_str().into());
        }
    }
    let roles: Vec<&str> = account.roles.iter().map(accounts::Role::as_str).collect();
    serde_json::json!({
        "id": account.id.as_str(),
        "login": account.login.as_str(),
        "name": account.display_name.as_str(),
        "roles": roles,
        "rooms": rooms,
        "created_at_ms": account.created_ms,
    })
}

impl From<accounts::Error> for Problem {
    fn from(error: accounts::Error) -> Self {
        use accounts::{Error, Invalid};
        let detail = error.to_string();
        let unprocessable =
            |code| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail.clone());
        match &error {
            Error::Invalid(Invalid::Login) => unprocessable("bad-login"),
            Error::Invalid(Invalid::DisplayName) => unprocessable("bad-name"),
            Error::Invalid(Invalid::PasswordLength) => unprocessable("bad-password"),
            Error::Invalid(Invalid::PasswordCommon) => unprocessable("common-password"),
            Error::Invalid(_) => unprocessable("malformed"),
            Error::Credentials => Self::new(StatusCode::UNAUTHORIZED, "wrong-credentials", detail),
            Error::RefreshToken => Self::signed_out(),
            Error::Blocked => Self::new(StatusCode::FORBIDDEN, "blocked", detail),
            Error::Unknown => Self::unknown("unknown-account", detail),
            Error::Taken => Self::new(StatusCode::CONFLICT, "login-taken", detail),
            Error::Locked { wait_ms } => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                Self::new(status, "locked", detail).after_ms(*wait_ms)
            }
            Error::Crowded { wait_ms } => Self::too_many(detail, Duration::from_millis(*wait_ms)),
            Error::Busy => Self::unavailable("busy", detail),
            Error::Database(error) => Self::of_store("accounts", error),
            _ => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", detail),
        }
    }
}
