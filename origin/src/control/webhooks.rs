//! Webhooks: who is told when a room is live, when it no longer is, and of gifts.
//!
//! ```text
//! Herald (packager), gift (outbox) ─▶ store ─▶ worker ─▶ endpoints (signed, in order, again for a day)
//! staff ─▶ /v1/admin/webhooks ────────┘
//! ```
//!
//! **What was accepted is in the store first.** A receiver may hear the same twice, after a crash: the
//! `id` tells.

mod address;
mod herald;
mod metrics;
mod worker;

use std::sync::Arc;

use ::channels::limits::BODY_BYTES_MAX;
use ::channels::{Channels, Error, Event, Events, NewWebhook, SigningSecret, Webhook};
use ::gifts::Announcement;
use axum::extract::{Path, State};
use axum::routing::{delete, get};
use axum::{Json, Router};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::Desk;
use super::channels::Ask;
use super::problem::{Checked, Problem};
use crate::caller::{Actor, IdempotencyKey};
use crate::clock::unix_ms;

pub use herald::Herald;
pub use worker::WorkerError;

pub(super) use herald::{herald, write};
pub(super) use metrics::Metrics;
pub(super) use worker::Worker;

/// What tells webhooks. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Webhooks {
    store: Channels,
    metrics: Metrics,
    allow_private: bool,
    /// Something was queued.
    queued: Arc<Notify>,
}

/// A webhook to be made.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewWebhook")]
pub(super) struct HookAsk {
    /// `https://…`
    url: String,
    /// Some of `live`, `ended`, `gift`.
    events: Vec<String>,
    /// Of this room alone.
    #[serde(default)]
    room: Option<String>,
}

/// A webhook that was made; what its deliveries are signed with is shown this once.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookMade")]
pub(super) struct HookMade {
    id: String,
    secret: String,
}

/// A webhook.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub(super) struct HookShown {
    id: String,
    url: String,
    events: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    created_at_ms: u64,
}

/// All webhooks.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Webhooks")]
pub(super) struct Hooks {
    webhooks: Vec<HookShown>,
}

/// `/v1/admin/webhooks`.
pub(super) fn router() -> Router<Desk> {
    Router::new()
        .route("/webhooks", get(list).post(create))
        .route("/webhooks/{id}", delete(remove))
}

impl Webhooks {
    pub(super) fn new(store: Channels, metrics: Metrics, allow_private: bool) -> Self {
        Self {
            store,
            metrics,
            allow_private,
            queued: Arc::default(),
        }
    }

    /// Queues gifts that were given or taken back, in order. When it returns, the deliveries are in the
    /// store; the same announcement again is the same delivery, as long as it waits.
    pub(super) async fn gifts(&self, announcements: &[Announcement]) -> Result<(), Error> {
        self.tell(announcements.iter().map(of_gift)).await
    }

    /// Queues events.
    async fn tell(&self, told: impl IntoIterator<Item = Told>) -> Result<(), Error> {
        let events = told.into_iter().map(Event::from).collect();
        let queued = self.store.enqueue_all(events, unix_ms()).await?;
        self.metrics.dropped.inc_by(queued.dropped);
        if queued.waiting > 0 {
            self.queued.notify_one();
        }
        Ok(())
    }
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    id: String,
    kind: Events,
    room: String,
    at_ms: u64,
    data: Value,
    /// The user id of whose doing it is.
    sender: Option<String>,
}

impl From<Told> for Event {
    fn from(told: Told) -> Self {
        let body = |data: &Value| {
            json!({
                "id": told.id,
                "type": told.kind.names().first(),
                "at_ms": told.at_ms,
                "room": told.room,
                "data": data,
            })
            .to_string()
        };
        let whole = body(&told.data);
        let body = if whole.len() > BODY_BYTES_MAX {
            // Who wants more can ask for it by the id.
            body(&json!({ "id": told.data.get("id"), "too_long": true }))
        } else {
            whole
        };
        Self {
            body,
            id: told.id,
            kind: told.kind,
            room: told.room,
            at_ms: told.at_ms,
            sender: told.sender,
        }
    }
}

fn of_gift(announcement: &Announcement) -> Told {
    match announcement {
        Announcement::Given {
            gift,
            room,
            total,
            earned,
            at_ms,
            ..
        } => Told {
            id: format!("gift.{}", gift.id),
            kind: Events::GIFT,
            room: room.clone(),
            at_ms: *at_ms,
            data: json!({
                "state": "given",
                "id": gift.id,
                "sender": { "id": gift.sender.id, "name": gift.sender.name },
                "item": gift.item,
                "count": gift.count,
                "points": gift.points,
                "note": gift.note,
                "total": total,
                "earned": earned,
            }),
            sender: Some(gift.sender.id.clone()),
        },
        Announcement::Refunded { id, room, at_ms } => Told {
            id: format!("refund.{id}"),
            kind: Events::GIFT,
            room: room.clone(),
            at_ms: *at_ms,
            data: json!({ "state": "refunded", "id": id }),
            // It names nobody.
            sender: None,
        },
    }
}

async fn create(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    IdempotencyKey(key): IdempotencyKey,
    Checked(Json(ask)): Checked<Json<HookAsk>>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (house, who) = (Arc::clone(&desk.house), actor.clone());
    let asked = Ask {
        actor: &who,
        what: "webhooks",
        key,
        body: serde_json::to_value(&ask).unwrap_or_default(),
    };
    let work = async move {
        let checked = address::check(&ask.url, desk.webhooks.allow_private);
        let url = checked.map_err(|error| {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "bad-url", error.to_string())
        })?;
        // What follows may be what opens it.
        let to = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
        if let Some(room) = &ask.room {
            desk.house.store.room(room).await?;
        }
        let events = Events::parse(ask.events.iter().map(String::as_str)).map_err(Error::from)?;
        let secret = SigningSecret::random()?;
        let room = ask.room.clone();
        let new = NewWebhook::new(ask.url, events, room, secret.clone()).map_err(Error::from)?;
        let made = desk.house.store.create_webhook(new, unix_ms()).await?;
        let details = json!({ "webhook": made.id, "to": to, "events": ask.events });
        let room = ask.room.unwrap_or_default();
        desk.log_room(&actor, "webhook-create", &room, details)
            .await;
        let shown = HookMade {
            id: made.id,
            secret: secret.expose().to_owned(),
        };
        let shown = serde_json::to_value(shown).unwrap_or_default();
        Ok((StatusCode::CREATED, shown))
    };
    house.again.once(asked, work).await
}

async fn list(State(desk): State<Desk>) -> Result<Json<Hooks>, Problem> {
    let webhooks = desk.house.store.webhooks().await?;
    let webhooks = webhooks.into_iter().map(shown).collect();
    Ok(Json(Hooks { webhooks }))
}

fn shown(webhook: Webhook) -> HookShown {
    HookShown {
        id: webhook.id,
        url: webhook.url,
        events: webhook.events.names(),
        room: webhook.room,
        created_at_ms: webhook.created_ms,
    }
}

async fn remove(
    State(desk): State<Desk>,
    Actor(actor): Actor,
    Checked(Path(id)): Checked<Path<String>>,
) -> Result<StatusCode, Problem> {
    desk.house.store.delete_webhook(&id).await?;
    let details = json!({ "webhook": id });
    desk.log_room(&actor, "webhook-delete", "", details).await;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gift_is_told_once_for_each_thing_that_happens() {
        let gift = rooms::schema::Gift {
            id: "g1".to_owned(),
            item: "rose".to_owned(),
            count: 2,
            sender: rooms::schema::User {
                id: "u-1".to_owned(),
                ..Default::default()
            },
            ..Default::default()
        };
        let given = of_gift(&Announcement::Given {
            gift: Box::new(gift),
            room: "demo".to_owned(),
            total: 200,
            earned: 100,
            at_ms: 7,
            media_ms: None,
        });
        assert_eq!((given.id.as_str(), given.at_ms), ("gift.g1", 7));
        assert_eq!((given.kind, given.room.as_str()), (Events::GIFT, "demo"));
        assert_eq!(given.data["total"], 200);
        assert_eq!(Event::from(given.clone()).sender.as_deref(), Some("u-1"));
        let long = Told {
            data: json!({ "id": "g1", "note": "x".repeat(BODY_BYTES_MAX) }),
            ..given.clone()
        };
        assert!(Event::from(long).body.contains("too_long"));
        assert!(Event::from(given.clone()).body.contains("\"total\":200"));
        let refunded = of_gift(&Announcement::Refunded {
            id: "g1".to_owned(),
            room: "demo".to_owned(),
            at_ms: 8,
        });
        assert_ne!(refunded.id, given.id);
        assert_eq!(refunded.data["state"], "refunded");
    }
}
