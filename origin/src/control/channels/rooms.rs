//! What staff do with rooms: `/v1/admin/rooms`. All that changes something is written down.

use std::sync::Arc;

use ::accounts::UserId;
use ::channels::{By, Change, Error, NewRoom, Room};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query, Request, State};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Ask, RoomShown, handover};
use crate::caller::{Actor, IdempotencyKey};
use crate::clock::unix_ms;
use crate::config::StreamRulesConfig;
use crate::control::Desk;
use crate::control::people::detached;
use crate::control::problem::{Checked, Problem};

/// Rooms that are listed at once.
const ROOMS_MAX: usize = 100;
/// Unless it is said how many.
const ROOMS: usize = 50;

/// A room to be made.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewRoom")]
pub(in crate::control) struct RoomAsk {
    /// In URLs: 1 to 64 of `a-z A-Z 0-9 _ -`.
    name: String,
    #[serde(default)]
    title: String,
    /// A user id; they become `broadcaster` of the room.
    #[serde(default)]
    owner: Option<String>,
    /// What may be sent to it, where that is other than the origin's `[ingest_rules]`.
    #[serde(default)]
    rules: StreamRulesConfig,
}

/// What is changed; what is left out stays. An empty owner is nobody.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct RoomChange {
    title: Option<String>,
    owner: Option<String>,
    /// All of its rules, in place of those that it had; `{}`: none of its own. They hold at once.
    rules: Option<StreamRulesConfig>,
}

/// Why a room is stopped.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stop")]
pub(in crate::control) struct StopAsk {
    /// Its publisher is told.
    #[serde(default)]
    pub(super) reason: String,
}

/// It may be left out.
impl<S: Send + Sync> FromRequest<S> for StopAsk {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state).await?;
        if body.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(&body).map_err(|error| Problem::malformed(error.to_string()))
    }
}

/// Some rooms; `next` is what to give as `after`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control) struct Rooms {
    rooms: Vec<RoomShown>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    after: Option<String>,
    limit: Option<usize>,
}

/// A user id that may own a room.
fn owner(id: Option<String>) -> Result<Option<UserId>, Problem> {
    let id = id.map(|id| UserId::new(id).map_err(|_| ::accounts::Error::Unknown));
    Ok(id.transpose()?)
}

pub(super) async fn create(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    IdempotencyKey(key): IdempotencyKey,
    Checked(Json(ask)): Checked<Json<RoomAsk>>,
) -> Result<super::again::Answer, Problem> {
    let body = serde_json::to_value(&ask).unwrap_or_default();
    let house = Arc::clone(&desk.house);
    let asked = Ask {
        actor: &actor.clone(),
        what: "rooms",
        key,
        body,
    };
    let work = async move {
        let owner = owner(ask.owner)?;
        let named = owner.as_ref().map(ToString::to_string);
        let rules = desk.house.directory.written(&ask.rules)?;
        let new = NewRoom::new(ask.name, ask.title, named);
        let new = new.and_then(|new| new.with_rules(rules));
        let new = new.map_err(Error::from)?;
        let given = handover::role(new.name())?;
        if let Some(owner) = &owner {
            // Before anything is there of the room.
            desk.accounts.account(owner).await?;
        }
        let room = desk.house.store.create_room(new, unix_ms()).await?;
        if let Some(owner) = &owner {
            let (named, role) = given;
            let granted = desk.accounts.grant(owner, Some(named), role, unix_ms());
            if let Err(error) = granted.await {
                // A room that nobody was given would stay in the way of the next attempt.
                let undone = desk.house.store.delete_room(&room.name, false).await;
                undone.inspect_err(|error| tracing::warn!(%error, "a room is left over"))?;
                return Err(error.into());
            }
        }
        desk.house.refresh_or_later().await;
        let details = json!({ "title": room.title, "owner": room.owner, "rules": ask.rules });
        desk.log_room(&actor, "room-create", &room.name, details)
            .await;
        Ok((StatusCode::CREATED, shown(&desk, room)))
    };
    house.again.once(asked, work).await
}

pub(super) fn shown(desk: &Desk, room: Room) -> Value {
    serde_json::to_value(desk.house.shown(room)).unwrap_or_default()
}

pub(super) async fn list(
    State(desk): State<Desk>,
    Checked(Query(paging)): Checked<Query<Paging>>,
) -> Result<Json<Rooms>, Problem> {
    let limit = paging.limit.unwrap_or(ROOMS).clamp(1, ROOMS_MAX);
    let page = desk.house.store.rooms(paging.after, limit).await?;
    let rooms = page.rooms.into_iter();
    Ok(Json(Rooms {
        rooms: rooms.map(|room| desk.house.shown(room)).collect(),
        next: page.next,
    }))
}

pub(super) async fn look(
    State(desk): State<Desk>,
    Checked(Path(room)): Checked<Path<String>>,
) -> Result<Json<RoomShown>, Problem> {
    let room = desk.house.store.room(&room).await?;
    Ok(Json(desk.house.shown(room)))
}

pub(super) async fn change(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path(room)): Checked<Path<String>>,
    Checked(Json(ask)): Checked<Json<RoomChange>>,
) -> Result<Json<RoomShown>, Problem> {
    let mut details = json!({ "title": ask.title, "owner": ask.owner, "rules": ask.rules });
    let to = match ask.owner {
        None => None,
        Some(id) => Some(owner(Some(id).filter(|id| !id.is_empty()))?),
    };
    let rules = ask.rules.map(|own| desk.house.directory.written(&own));
    let change = Change {
        title: ask.title,
        rules: rules.transpose()?,
        owner: None,
    };
    detached(async move {
        let changed = handover::change(&desk, &room, change, to).await;
        match &changed {
            Ok((is_new, _)) if !is_new => {}
            Err(problem) if !problem.is_ours() => {}
            changed => {
                if changed.is_err()
                    && let Some(fields) = details.as_object_mut()
                {
                    // Some of it may be done.
                    fields.insert("unfinished".to_owned(), true.into());
                }
                desk.house.refresh_or_later().await;
                desk.log_room(&actor, "room-change", &room, details).await;
            }
        }
        Ok(Json(desk.house.shown(changed?.1)))
    })
    .await
}

pub(super) async fn remove(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path(room)): Checked<Path<String>>,
) -> Result<StatusCode, Problem> {
    detached(async move {
        let removed = handover::remove(&desk, &room).await;
        let details = match &removed {
            Ok(()) => Value::Null,
            // Nobody may have a role in it any more.
            Err(problem) if problem.is_ours() => json!({ "unfinished": true }),
            Err(_) => return removed.map(|()| StatusCode::NO_CONTENT),
        };
        desk.house.refresh_or_later().await;
        desk.log_room(&actor, "room-delete", &room, details).await;
        removed.map(|()| StatusCode::NO_CONTENT)
    })
    .await
}

pub(super) async fn start(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path(room)): Checked<Path<String>>,
) -> Result<Json<RoomShown>, Problem> {
    set(desk, actor, room, Switch::Open(By::Staff)).await
}

pub(super) async fn stop(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path(room)): Checked<Path<String>>,
    StopAsk { reason }: StopAsk,
) -> Result<Json<RoomShown>, Problem> {
    set(desk, actor, room, Switch::Stop(By::Staff, reason)).await
}

/// What is to become of a room, and as whom somebody wants it; why, if it is stopped.
#[derive(Debug)]
pub(super) enum Switch {
    Open(By),
    Stop(By, String),
}

/// Opens or stops a room, to its end, whether or not somebody still waits for it.
pub(super) async fn set(
    desk: Desk,
    actor: String,
    room: String,
    to: Switch,
) -> Result<Json<RoomShown>, Problem> {
    detached(async move {
        let (act, reason, set) = match to {
            Switch::Open(by) => {
                let set = desk.house.open(&room, by).await;
                ("room-start", String::new(), set)
            }
            Switch::Stop(by, reason) => {
                let set = desk.house.stop(&room, by, &reason).await;
                ("room-stop", reason, set)
            }
        };
        let is_changed = match &set {
            Ok((before, after)) => before != after,
            // A stop that the store did not take is one, too.
            Err(problem) => problem.is_ours() && act == "room-stop" && desk.house.is_off(&room),
        };
        if is_changed {
            let details = json!({ "reason": reason });
            desk.log_room(&actor, act, &room, details).await;
        }
        let (_, after) = set?;
        Ok(Json(desk.house.shown(after)))
    })
    .await
}
