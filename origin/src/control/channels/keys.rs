//! Keys to publish to rooms with: `/v1/admin/rooms/{room}/keys`.

use std::sync::Arc;

use ::channels::{Error, Key, NewKey, PublishKey};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::again::Answer;
use super::{Ask, studio};
use crate::caller::{Actor, IdempotencyKey, Person};
use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::people::detached;
use crate::control::problem::{Checked, Problem};

/// The longest life of a key that expires: a year.
const EXPIRES_IN_MAX: u64 = 31_622_400;

/// A key to be made.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewKey")]
pub(in crate::control) struct KeyAsk {
    #[serde(default)]
    label: String,
    /// Seconds; for ever if it is left out.
    #[serde(default)]
    expires_in: Option<u64>,
    /// Whether it is good for one broadcast only: its encoder may come back to it as long as the stream
    /// waits for one that vanished.
    #[serde(default)]
    once: bool,
}

/// A key that was made, shown this once.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "KeyMade")]
pub(in crate::control) struct NewKeyShown {
    id: String,
    key: String,
    /// Where to publish to, the key in it.
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<u64>,
}

/// A key, without what opens.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Key")]
pub(in crate::control) struct KeyShown {
    id: String,
    label: String,
    created_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<u64>,
    /// When somebody began to publish with it, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at_ms: Option<u64>,
    once: bool,
    /// `active`, `expired` or `used`.
    state: &'static str,
}

/// The keys of a room.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control) struct Keys {
    keys: Vec<KeyShown>,
}

fn shown(key: Key) -> KeyShown {
    let state = key.state(unix_ms()).as_str();
    KeyShown {
        id: key.id,
        label: key.label,
        created_at_ms: key.created_ms,
        expires_at_ms: key.expires_ms,
        last_used_at_ms: key.last_used_ms,
        once: key.once,
        state,
    }
}

pub(super) async fn create(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    key: IdempotencyKey,
    Checked(Path(room)): Checked<Path<String>>,
    Checked(Json(ask)): Checked<Json<KeyAsk>>,
) -> Result<Answer, Problem> {
    make(desk, Maker::Staff(actor), key, room, ask).await
}

/// Who makes a key.
#[derive(Debug)]
pub(super) enum Maker {
    /// Of any room.
    Staff(String),
    /// Of a room that is theirs: so it was when they asked.
    Broadcaster(Person),
}

impl Maker {
    fn actor(&self) -> String {
        match self {
            Self::Staff(actor) => actor.clone(),
            Self::Broadcaster(person) => person.id.to_string(),
        }
    }
}

/// Makes a key, for whoever may.
pub(super) async fn make(
    desk: Desk,
    maker: Maker,
    IdempotencyKey(key): IdempotencyKey,
    room: String,
    ask: KeyAsk,
) -> Result<Answer, Problem> {
    let actor = maker.actor();
    let (house, who) = (Arc::clone(&desk.house), actor.clone());
    let asked = Ask {
        actor: &who,
        what: &format!("keys of {room}"),
        key,
        body: serde_json::to_value(&ask).unwrap_or_default(),
    };
    let work = async move {
        let seconds = ask.expires_in;
        if seconds.is_some_and(|seconds| !(1..=EXPIRES_IN_MAX).contains(&seconds)) {
            let detail = format!("expires_in has to be 1 to {EXPIRES_IN_MAX} seconds");
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Problem::new(status, "bad-expiry", detail));
        }
        let now = unix_ms();
        let expires_ms = seconds.map(|seconds| now + seconds * 1_000);
        let key = PublishKey::random()?;
        let new = NewKey::new(&key, ask.label, expires_ms, ask.once).map_err(Error::from)?;
        let made = desk.house.store.create_key(&room, new, now).await?;
        if let Maker::Broadcaster(person) = &maker {
            // Whoever lost the room meanwhile lost its keys before this one was there.
            let still = studio::broadcaster(&desk, person, &room).await;
            if let Err(problem) = still {
                desk.house.store.revoke_key(&room, &made.id).await?;
                return Err(problem);
            }
        }
        let details = json!({ "key": made.id, "expires_at_ms": expires_ms, "once": made.once });
        desk.log_room(&actor, "key-create", &room, details).await;
        let shown = NewKeyShown {
            id: made.id,
            url: format!("{}/{}", desk.house.ingest_url, key.expose()),
            key: key.expose().to_owned(),
            expires_at_ms: expires_ms,
        };
        let shown = serde_json::to_value(shown).unwrap_or_default();
        Ok((StatusCode::CREATED, shown))
    };
    house.again.once(asked, work).await
}

pub(super) async fn list(
    State(desk): State<Desk>,
    Checked(Path(room)): Checked<Path<String>>,
) -> Result<Json<Keys>, Problem> {
    of(&desk, &room).await
}

/// The keys of a room, for whoever may see them.
pub(super) async fn of(desk: &Desk, room: &str) -> Result<Json<Keys>, Problem> {
    let keys = desk.house.store.keys(room).await?;
    let keys = keys.into_iter().map(shown).collect();
    Ok(Json(Keys { keys }))
}

pub(super) async fn remove(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path((room, id))): Checked<Path<(String, String)>>,
) -> Result<StatusCode, Problem> {
    revoke(desk, actor, room, id).await
}

/// Takes a key back, for whoever may.
pub(super) async fn revoke(
    desk: Desk,
    actor: String,
    room: String,
    id: String,
) -> Result<StatusCode, Problem> {
    detached(async move {
        desk.house.store.revoke_key(&room, &id).await?;
        let details = json!({ "key": id });
        desk.log_room(&actor, "key-delete", &room, details).await;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
