//! What a broadcaster does with a room of their own: `/v1/rooms/{room}/studio`.

use ::accounts::State as AccountState;
use ::channels::By;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;

use super::again::Answer;
use super::keys::{KeyAsk, Keys, Maker};
use super::rooms::{StopAsk, Switch, set};
use super::{RoomShown, keys};
use crate::caller::{BROADCASTER, IdempotencyKey, MODERATOR, Person, STAFF, of_token};
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

/// As whom somebody may stop a room: moderators may, too, and nothing else here.
async fn standing(desk: &Desk, person: &Person, room: &str) -> Result<By, Problem> {
    let account = of_token(desk.accounts.account(&person.id).await)?;
    let here = account.grants.iter();
    let has_here = |wanted| {
        let mut here = here.clone();
        here.any(|grant| grant.room.as_str() == room && grant.role.as_str() == wanted)
    };
    let has = |wanted| account.roles.iter().any(|role| role.as_str() == wanted);
    match account.state {
        AccountState::Active if has(STAFF) => Ok(By::Staff),
        AccountState::Active if has_here(BROADCASTER) => Ok(By::Broadcaster),
        AccountState::Active if has(MODERATOR) || has_here(MODERATOR) => Ok(By::Moderator),
        _ => Err(Problem::forbidden(
            "only who keeps order in this room may do this",
        )),
    }
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
    let by = standing(&desk, &person, &room).await?;
    let actor = person.id.to_string();
    set(desk, actor, room, Switch::Open(by)).await
}

pub(super) async fn stop(
    State(desk): State<Desk>,
    person: Person,
    Checked(Path(room)): Checked<Path<String>>,
    StopAsk { reason }: StopAsk,
) -> Result<Json<RoomShown>, Problem> {
    let by = standing(&desk, &person, &room).await?;
    let actor = person.id.to_string();
    set(desk, actor, room, Switch::Stop(by, reason)).await
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
