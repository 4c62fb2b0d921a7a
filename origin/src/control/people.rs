//! People: registering, signing in, and what they do with their own account.

pub(super) mod admin;

use accounts::Account;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::Value;

use super::Desk;
use super::caller::Person;
use super::problem::Problem;

/// `/v1/accounts`, `/v1/session`, `/v1/me`.
pub(super) fn router() -> Router<Desk> {
    Router::new().route("/v1/me", get(me))
}

async fn me(State(desk): State<Desk>, person: Person) -> Result<Json<Value>, Problem> {
    let account = desk.accounts.account(&person.id).await?;
    Ok(Json(shown(&account)))
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
            Error::Busy => Self::unavailable("busy", detail),
            // What went wrong in the store is for the log alone.
            Error::Full { .. } => {
                tracing::error!(%error, "accounts take no writes");
                let status = StatusCode::INSUFFICIENT_STORAGE;
                Self::new(status, "full", "accounts take no changes right now")
            }
            _ => {
                tracing::error!(%error, "accounts are unavailable");
                Self::unavailable("unavailable", "accounts cannot be reached right now")
            }
        }
    }
}
