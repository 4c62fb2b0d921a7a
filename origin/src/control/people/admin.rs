//! What staff do with people: `/v1/admin/users`. All that changes something is written down.

use accounts::{Account, Login, Password, Role, Room, State as AccountState, UserId};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{credits, detached, erase, export};
use crate::caller::{Actor, ROLES, STAFF};
use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::problem::{Checked, Problem};
use crate::control::wallet;

/// Users that are listed at once.
const USERS_MAX: usize = 100;
/// Unless it is said how many.
const USERS: usize = 50;

/// Below `/v1/admin`.
pub(in crate::control) fn router() -> Router<Desk> {
    Router::new()
        .route("/users", get(list))
        .route("/users/{id}", get(look).delete(remove))
        .route("/users/{id}/block", post(block))
        .route("/users/{id}/unblock", post(unblock))
        .route("/users/{id}/sign-out", post(sign_out))
        .route("/users/{id}/roles/{role}", put(grant).delete(revoke))
        .route("/users/{id}/password", post(password))
        .route("/users/{id}/export", get(all))
        .route("/users/{id}/credits", post(credits::credit))
}

/// The id in a path: what is none is nobody's.
pub(super) fn user(id: String) -> Result<UserId, Problem> {
    let id = UserId::new(id).map_err(|_| accounts::Error::Unknown);
    Ok(id?)
}

/// An account, for staff.
fn shown(account: &Account) -> Value {
    let mut shown = super::shown(account);
    if let Some(fields) = shown.as_object_mut() {
        let state = serde_json::to_value(account.state).unwrap_or_default();
        fields.insert("state".to_owned(), state);
    }
    shown
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    /// The beginning of a login name.
    login: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// By id, or with `login` by login name; `next` is what to give as `after`.
async fn list(
    State(desk): State<Desk>,
    Checked(Query(search)): Checked<Query<Search>>,
) -> Result<Json<Value>, Problem> {
    let limit = search.limit.unwrap_or(USERS).clamp(1, USERS_MAX);
    let wrong = |_| Problem::malformed("after is not what the page before gave as next");
    let (found, next) = match search.login {
        Some(prefix) => {
            let after = search.after.as_deref().map(Login::new).transpose();
            let after = after.map_err(wrong)?;
            let page = desk.accounts.search(&prefix, after, limit).await?;
            (page.accounts, page.next.map(|login| login.to_string()))
        }
        None => {
            let after = search.after.map(UserId::new).transpose();
            let page = desk.accounts.list(after.map_err(wrong)?, limit).await?;
            (page.accounts, page.next.map(|id| id.to_string()))
        }
    };
    let users: Vec<Value> = found.iter().map(shown).collect();
    Ok(Json(json!({ "users": users, "next": next })))
}

async fn look(
    State(desk): State<Desk>,
    Checked(Path(id)): Checked<Path<String>>,
) -> Result<Json<Value>, Problem> {
    let id = user(id)?;
    let mut shown = shown(&desk.accounts.account(&id).await?);
    let funds = wallet::funds(&desk, id.as_str()).await?;
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("wallet".to_owned(), funds);
    }
    Ok(Json(shown))
}

async fn block(
    state: State<Desk>,
    actor: Actor,
    id: Checked<Path<String>>,
) -> Result<StatusCode, Problem> {
    set_state(state, actor, id, ("block", AccountState::Blocked)).await
}

async fn unblock(
    state: State<Desk>,
    actor: Actor,
    id: Checked<Path<String>>,
) -> Result<StatusCode, Problem> {
    set_state(state, actor, id, ("unblock", AccountState::Active)).await
}

async fn set_state(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path(id)): Checked<Path<String>>,
    (act, to): (&str, AccountState),
) -> Result<StatusCode, Problem> {
    let id = user(id)?;
    desk.accounts.set_state(&id, to).await?;
    desk.log(&actor, act, &id, Value::Null).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn sign_out(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path(id)): Checked<Path<String>>,
) -> Result<StatusCode, Problem> {
    let id = user(id)?;
    desk.accounts.sign_out_everywhere(&id).await?;
    desk.log(&actor, "sign-out", &id, Value::Null).await;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InRoom {
    room: Option<String>,
}

/// A role that can be given, and where.
fn role(role: String, room: Option<String>) -> Result<(Role, Option<Room>), Problem> {
    let refused =
        |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-role", detail);
    if !ROLES.contains(&role.as_str()) {
        return Err(refused(format!("the roles are {}", ROLES.join(", "))));
    }
    if role == STAFF && room.is_some() {
        return Err(refused("staff are staff everywhere".to_owned()));
    }
    let room = room.map(Room::new).transpose();
    let role = Role::new(role).map_err(accounts::Error::from)?;
    Ok((role, room.map_err(accounts::Error::from)?))
}

async fn grant(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path((id, name))): Checked<Path<(String, String)>>,
    Checked(Query(InRoom { room })): Checked<Query<InRoom>>,
) -> Result<Json<Value>, Problem> {
    let id = user(id)?;
    let details = json!({ "role": name, "room": room });
    let (role, room) = role(name, room)?;
    let account = desk.accounts.grant(&id, room, role, unix_ms()).await?;
    desk.log(&actor, "grant", &id, details).await;
    Ok(Json(super::shown(&account)))
}

async fn revoke(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path((id, name))): Checked<Path<(String, String)>>,
    Checked(Query(InRoom { room })): Checked<Query<InRoom>>,
) -> Result<Json<Value>, Problem> {
    let id = user(id)?;
    let details = json!({ "role": name, "room": room });
    let (role, room) = role(name, room)?;
    let account = desk.accounts.revoke(&id, room, role).await?;
    desk.log(&actor, "revoke", &id, details).await;
    Ok(Json(super::shown(&account)))
}

/// It holds a password: it is not shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
}

async fn password(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path(id)): Checked<Path<String>>,
    Checked(Json(ask)): Checked<Json<NewPassword>>,
) -> Result<StatusCode, Problem> {
    let id = user(id)?;
    let password = Password::new(&ask.password).map_err(accounts::Error::from)?;
    desk.accounts.set_password(&id, password).await?;
    desk.log(&actor, "password", &id, Value::Null).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn all(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path(id)): Checked<Path<String>>,
) -> Result<Response, Problem> {
    let id = user(id)?;
    let document = export::answer(&desk, &id).await?;
    desk.log(&actor, "export", &id, Value::Null).await;
    Ok(document)
}

async fn remove(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path(id)): Checked<Path<String>>,
) -> Result<StatusCode, Problem> {
    let id = user(id)?;
    detached(async move {
        erase::erase(&desk, &id, &actor).await?;
        desk.log(&actor, "erase", &id, Value::Null).await;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
