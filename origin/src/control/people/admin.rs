//! What staff do with people: `/v1/admin/users`. All that changes something is written down.

use accounts::{Account, Login, Password, Role, Room, State as AccountState, UserId};
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{credits, detached, erase, export};
use crate::caller::{Actor, BROADCASTER, ROLES, STAFF};
use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::channels::rooms_of;
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

/// What is done with somebody: to its end, and written down, though whoever asked may go away.
struct Case {
    desk: Desk,
    actor: String,
    id: UserId,
}

/// The part of a path that all of them have.
#[derive(Deserialize)]
struct Of {
    id: String,
}

impl FromRequestParts<Desk> for Case {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Problem> {
        let Actor(actor) = Actor::from_request_parts(parts, desk).await?;
        let of = Checked::<Path<Of>>::from_request_parts(parts, desk).await?;
        let Checked(Path(Of { id })) = of;
        Ok(Self {
            desk: desk.clone(),
            actor,
            id: user(id)?,
        })
    }
}

impl Case {
    async fn log(&self, act: &str, details: Value) {
        self.desk.log(&self.actor, act, &self.id, details).await;
    }

    /// The same, if it made anything otherwise: whoever repeats what changes nothing pushes nothing out of
    /// the log.
    async fn log_if(&self, is_new: bool, act: &str, details: Value) {
        if is_new {
            self.log(act, details).await;
        }
    }
}

/// With the account the keys of its rooms go: whoever knew them knows them still. They do not come back
/// when it is unblocked.
async fn block(case: Case) -> Result<StatusCode, Problem> {
    detached(async move {
        let desk = &case.desk;
        let blocked = desk.accounts.set_state(&case.id, AccountState::Blocked);
        let blocked = blocked.await?;
        let rooms = rooms_of(&blocked.account);
        let keys = desk.house.lock_out(rooms, Some(&case.id)).await;
        let is_new = blocked.is_new || keys.as_ref().is_ok_and(|keys| *keys > 0);
        case.log_if(is_new, "block", Value::Null).await;
        keys.map(|_| StatusCode::NO_CONTENT)
    })
    .await
}

async fn unblock(case: Case) -> Result<StatusCode, Problem> {
    detached(async move {
        let accounts = &case.desk.accounts;
        let unblocked = accounts.set_state(&case.id, AccountState::Active).await?;
        case.log_if(unblocked.is_new, "unblock", Value::Null).await;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

async fn sign_out(case: Case) -> Result<StatusCode, Problem> {
    detached(async move {
        let ended = case.desk.accounts.sign_out_everywhere(&case.id).await?;
        case.log_if(ended > 0, "sign-out", Value::Null).await;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
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

/// The other part of a path.
#[derive(Deserialize)]
struct What {
    role: String,
}

async fn grant(
    case: Case,
    Checked(Path(What { role: name })): Checked<Path<What>>,
    Checked(Query(InRoom { room })): Checked<Query<InRoom>>,
) -> Result<Json<Value>, Problem> {
    let details = json!({ "role": name, "room": room });
    let (role, room) = role(name, room)?;
    detached(async move {
        let accounts = &case.desk.accounts;
        let granted = accounts.grant(&case.id, room, role, unix_ms()).await?;
        case.log_if(granted.is_new, "grant", details).await;
        Ok(Json(super::shown(&granted.account)))
    })
    .await
}

async fn revoke(
    case: Case,
    Checked(Path(What { role: name })): Checked<Path<What>>,
    Checked(Query(InRoom { room })): Checked<Query<InRoom>>,
) -> Result<Json<Value>, Problem> {
    let details = json!({ "role": name, "room": room });
    let lost = room.clone().filter(|_| name == BROADCASTER);
    let (role, room) = role(name, room)?;
    detached(async move {
        let desk = &case.desk;
        let revoked = desk.accounts.revoke(&case.id, room, role).await?;
        let keys = match lost {
            Some(room) => desk.house.lock_out(vec![room], None).await,
            None => Ok(0),
        };
        let is_new = revoked.is_new || keys.as_ref().is_ok_and(|keys| *keys > 0);
        case.log_if(is_new, "revoke", details).await;
        keys.map(|_| Json(super::shown(&revoked.account)))
    })
    .await
}

/// It holds a password: it is not shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
}

async fn password(
    case: Case,
    Checked(Json(ask)): Checked<Json<NewPassword>>,
) -> Result<StatusCode, Problem> {
    let password = Password::new(&ask.password).map_err(accounts::Error::from)?;
    detached(async move {
        let accounts = &case.desk.accounts;
        accounts.set_password(&case.id, password).await?;
        case.log("password", Value::Null).await;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// It changes nothing, and is written down nevertheless: somebody has read all about a person.
async fn all(case: Case) -> Result<Response, Problem> {
    detached(async move {
        let document = export::answer(&case.desk, &case.id).await?;
        case.log("export", Value::Null).await;
        Ok(document)
    })
    .await
}

async fn remove(case: Case) -> Result<StatusCode, Problem> {
    detached(async move {
        let is_new = erase::erase(&case.desk, &case.id, &case.actor).await?;
        case.log_if(is_new, "erase", Value::Null).await;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
