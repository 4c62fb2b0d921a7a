//! Rooms by API: made, stopped and started, the keys to publish to them with.
//!
//! ```text
//! staff ─▶ rooms, keys ─┐                       ┌─▶ Streams (publishers are cut off)
//! broadcasters ─▶ studio ┴▶ store ─▶ Directory ─┼─▶ Catalog (viewers are)
//! encoders ─▶ Streams ─▶ Admission ─▶ store     └─▶ Hubs   (so is everybody in the room)
//! ```
//!
//! The rules are the crate `channels`'. The Directory is what this process knows of its rooms; another
//! origin's changes are seen within [`LOOK_EVERY`].

mod admission;
mod again;
mod directory;
mod handover;
mod keys;
mod lockout;
mod metrics;
mod open;
mod rooms;
mod rules;
mod studio;
mod switch;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ::channels::{By, Channels, Error, Refused, Room, RoomState};
use axum::Router;
use axum::routing::{delete, get, post};
use futures::StreamExt as _;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Desk;
use super::problem::Problem;
use crate::clock::unix_ms_of;
use crate::config::StreamRulesConfig;
use crate::publish::Streams;
use crate::rooms::Hubs;

pub use admission::Admission;
pub use directory::Directory;

pub(super) use again::{Again, Ask};
pub(super) use keys::{KeyAsk, Keys, NewKeyShown};
pub(super) use lockout::rooms_of;
pub(super) use open::{Opened, Running};
pub(super) use rooms::{RoomAsk, RoomChange, Rooms, StopAsk};

use directory::{Changes, Closed};
use metrics::Metrics;

/// For a publisher who is cut off.
const KEYS_TAKEN_BACK: &str = "the room's publish keys were taken back";
/// How often other origins' changes are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Hubs that are told at once that their room is closed.
const DISMISSALS_MAX: usize = 64;

/// What handlers of rooms need.
#[derive(Debug)]
pub(super) struct House {
    pub(super) store: Channels,
    directory: Directory,
    hubs: Hubs,
    metrics: Metrics,
    /// There once the origin serves.
    streams: OnceLock<Streams>,
    pub(super) again: Again,
    ingest_url: String,
    configured: BTreeSet<String>,
}

/// A room, as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Room")]
pub(super) struct RoomShown {
    name: String,
    title: String,
    /// The user id of whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// `open` or `stopped`.
    state: &'static str,
    /// Why it is stopped.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// Who stopped it: `staff`, whom nobody else may open it after, `broadcaster` or `moderator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<&'static str>,
    live: bool,
    /// Since when it is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at_ms: Option<u64>,
    /// Connections in the room.
    viewers: u32,
    created_at_ms: u64,
    /// `api` or `config`.
    source: &'static str,
    /// What may be sent to it, where that is other than the origin's `[ingest_rules]`. Streams of the
    /// configuration have that there.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<StreamRulesConfig>,
}

/// `/v1/admin/rooms`.
pub(super) fn admin() -> Router<Desk> {
    Router::new()
        .route("/rooms", get(rooms::list).post(rooms::create))
        .route(
            "/rooms/{room}",
            get(rooms::look).patch(rooms::change).delete(rooms::remove),
        )
        .route("/rooms/{room}/start", post(rooms::start))
        .route("/rooms/{room}/stop", post(rooms::stop))
        .route("/rooms/{room}/keys", get(keys::list).post(keys::create))
        .route("/rooms/{room}/keys/{id}", delete(keys::remove))
}

/// `/v1/rooms/{room}/studio`, for whose room it is.
pub(super) fn router() -> Router<Desk> {
    Router::new()
        .route("/v1/rooms/{room}/studio", get(studio::look))
        .route("/v1/rooms/{room}/studio/start", post(studio::start))
        .route("/v1/rooms/{room}/studio/stop", post(studio::stop))
        .route(
            "/v1/rooms/{room}/studio/keys",
            get(studio::keys).post(studio::create_key),
        )
        .route(
            "/v1/rooms/{room}/studio/keys/{id}",
            delete(studio::remove_key),
        )
}

impl House {
    fn new(
        store: Channels,
        directory: Directory,
        hubs: Hubs,
        metrics: Metrics,
        (ingest_url, configured): (String, BTreeSet<String>),
    ) -> Self {
        Self {
            store,
            directory,
            hubs,
            streams: OnceLock::new(),
            again: Again::new(metrics.answers.clone()),
            metrics,
            ingest_url,
            configured,
        }
    }

    /// Who is asked before somebody publishes.
    pub(super) fn admission(&self) -> Admission {
        Admission::new(self.store.clone(), self.directory.clone())
    }

    /// What is known of rooms here.
    pub(super) fn directory(&self) -> Directory {
        self.directory.clone()
    }

    /// From now on publishers can be cut off.
    pub(super) fn attend(&self, streams: Streams) {
        // The second time it would be the same.
        drop(self.streams.set(streams));
    }

    /// Reads the rooms anew, and cuts off what is closed since. Their hubs end meanwhile: one that is
    /// slow to save keeps nobody else from being cut off. Who waits for what is given waits for them.
    async fn refresh(&self) -> Result<JoinHandle<()>, Error> {
        let Changes { closed, cut } = self.directory.reload(&self.store).await?;
        let known = i64::try_from(self.directory.len()).unwrap_or(i64::MAX);
        self.metrics.known.set(known);
        for name in &cut {
            // Whoever watches may stay: somebody else may publish here.
            let streams = self.streams.get();
            let published = streams.is_some_and(|streams| streams.cut(name, KEYS_TAKEN_BACK));
            tracing::info!(room = name, published, "the keys of a room are taken back");
        }
        for closed in &closed {
            self.cut(closed);
        }
        let count = u64::try_from(closed.len()).unwrap_or(u64::MAX);
        self.metrics.closed.inc_by(count);
        Ok(tokio::spawn(dismiss(self.hubs.clone(), closed)))
    }

    /// The same after a change of this process, which is done whatever becomes of this: then whoever
    /// looks for other origins' changes makes up for it.
    async fn refresh_or_later(&self) {
        match self.refresh().await {
            Ok(dismissed) => drop(dismissed.await),
            Err(error) => tracing::warn!(%error, "rooms cannot be read; trying again"),
        }
    }

    /// Cuts off the publisher, then the viewers, at once.
    fn cut(&self, closed: &Closed) {
        let streams = self.streams.get();
        let published = streams.is_some_and(|streams| streams.cut(&closed.name, &closed.why));
        let played = self.hubs.catalog().cut(&closed.name);
        tracing::info!(room = closed.name, published, played, "a room is closed");
    }

    fn shown(&self, room: Room) -> RoomShown {
        let live = self.hubs.catalog().get(&room.name);
        let live = live.filter(|stream| !stream.is_ended());
        let started = live.as_ref().map(|stream| stream.started_at());
        let rules = rules::own(&room);
        let (state, reason) = match self.directory.off(&room.name) {
            Some(reason) => (RoomState::Stopped, reason),
            None => (room.state, room.reason),
        };
        RoomShown {
            rules,
            viewers: self.hubs.counts().viewers(&room.name).unwrap_or_default(),
            name: room.name,
            title: room.title,
            owner: room.owner,
            state: state.as_str(),
            reason,
            stopped_by: room.stopped_by.map(By::as_str),
            live: live.is_some(),
            started_at_ms: started.map(unix_ms_of),
            created_at_ms: room.created_ms,
            source: room.source.as_str(),
        }
    }

    /// Looks for other origins' changes, and forgets what is old, until it is told to stop.
    async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            self.again.sweep(Instant::now());
            let looked = async {
                if self.store.version().await? != self.directory.version() {
                    drop(self.refresh().await?);
                }
                Ok::<_, Error>(())
            };
            match looked.await {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "rooms cannot be read; trying again");
                }
                Err(_) => {}
            }
        }
    }
}

/// Sends everybody away from rooms that are closed.
async fn dismiss(hubs: Hubs, closed: Vec<Closed>) {
    let closed = futures::stream::iter(closed);
    closed
        .for_each_concurrent(DISMISSALS_MAX, |closed| {
            let hubs = &hubs;
            async move { hubs.dismiss(&closed.name).await }
        })
        .await;
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        use ::channels::Invalid;
        let detail = error.to_string();
        let unprocessable = |code| {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Self::new(status, code, error.to_string())
        };
        let conflict = |code| Self::new(StatusCode::CONFLICT, code, error.to_string());
        match &error {
            Error::Invalid(Invalid::Name) => unprocessable("bad-name"),
            Error::Invalid(Invalid::Title) => unprocessable("bad-title"),
            Error::Invalid(Invalid::Reason) => unprocessable("bad-reason"),
            Error::Invalid(Invalid::Rules) => unprocessable("bad-rules"),
            Error::Invalid(Invalid::Label) => unprocessable("bad-label"),
            Error::Invalid(Invalid::Events) => unprocessable("bad-events"),
            Error::Invalid(_) => unprocessable("bad-url"),
            Error::UnknownRoom => Self::unknown("unknown-room", detail),
            Error::UnknownKey => Self::unknown("unknown-key", detail),
            Error::UnknownWebhook => Self::unknown("unknown-webhook", detail),
            Error::Taken => conflict("room-taken"),
            Error::Configured => conflict("configured"),
            Error::TooManyRooms | Error::TooManyKeys | Error::TooManyWebhooks => {
                conflict("too-many")
            }
            Error::Refused(Refused::Stopped { .. }) => conflict("stopped"),
            Error::StoppedByStaff => Self::new(StatusCode::FORBIDDEN, "stopped-by-staff", detail),
            Error::Refused(_) => Self::forbidden(detail),
            Error::Database(error) => Self::of_store("rooms", error),
            _ => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", detail),
        }
    }
}
