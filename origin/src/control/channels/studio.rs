//! What a broadcaster does with a room of their own: `/v1/rooms/{room}/studio`.

use ::accounts::State as AccountState;
use ::channels::RoomState;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;

use super::again::Answer;
use super::keys::{KeyAsk, Keys, Maker};
use super::rooms::{StopAsk, set};
use super::{RoomShown, keys};
use crate::caller::{BROADCASTER, IdempotencyKey, Person, STAFF, of_token};
use crate::control::Desk;
use crate::control::problem::{Checked, Problem};

/// Lets the broadcaster of a room through, and staff. The account is asked, not the token: a role that
/// was given or taken a moment ago counts.
pub(super) async fn broadcaster(desk: &Desk, person: &Person, room: &str) -> Result<(), Problem> {
    let account = of_token(desk.accounts.account(&person.id).await)?;
    let is_staff = account.roles.iter().any(|role| role.as_str() == STAFF);
    let mut grants = account.grants.iter();
    let is_theirs =
        grants.any(|grant| grant.room.as_str() == room && grant.role.as_str() == BROADCASTER);
    if account.state != AccountState::Active || !(is_staff || is_theirs) {
        return Err(Problem::forbidden(
            "only a broadcaster of this room may do this",
        ));
    }
    Ok(())
}

pub(super) async fn look(
    State(desk): State<Desk>,
    person: Person,
    Checked(Path(room)): Checked<Path<String>>,
) -> Result<Json<RoomShown>, Problem> {
    broadcaster(&desk, &person, &room).await?;
    let room = desk.house.store.room(&room).await?;
    Ok(Json(desk.house.shown(room)))
}

pub(super) async fn start(
    State(desk): State<Desk>,
    person: Person,
    Checked(Path(room)): Checked<Path<String>>,
) -> Result<Json<RoomShown>, Problem> {
    broadcaster(&desk, &person, &room).await?;
    let actor = person.id.to_string();
    set(desk, actor, room, (RoomState::Open, String::new())).await
}

pub(super) async fn stop(
    State(desk): State<Desk>,
    person: Person,
    Checked(Path(room)): Checked<Path<String>>,
    StopAsk { reason }: StopAsk,
) -> Result<Json<RoomShown>, Problem> {
    broadcaster(&desk, &person, &room).await?;
    let actor = person.id.to_string();
    set(desk, actor, room, (RoomState::Stopped, reason)).await
}

pub(super) async fn keys(
    State(desk): State<Desk>,
    person: Person,
    Checked(Path(room)): Checked<Path<String>>,
) -> Result<Json<Keys>, Problem> {
    broadcaster(&desk, &person, &room).await?;
    keys::of(&desk, &room).await
}

pub(super) async fn create_key(
    State(desk): State<Desk>,
    person: Person,
    key: IdempotencyKey,
    Checked(Path(room)): Checked<Path<String>>,
    Checked(Json(ask)): Checked<Json<KeyAsk>>,
) -> Result<Answer, Problem> {
    broadcaster(&desk, &person, &room).await?;
    keys::make(desk, Maker::Broadcaster(person), key, room, ask).await
}

pub(super) async fn remove_key(
    State(desk): State<Desk>,
    person: Person,
    Checked(Path((room, id))): Checked<Path<(String, String)>>,
) -> Result<StatusCode, Problem> {
    broadcaster(&desk, &person, &room).await?;
    keys::revoke(desk, person.id.to_string(), room, id).await
}
