//! The hub's side: who is linked and what each edge follows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use parking_lot::RwLock;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use super::envelope::{Envelope, message};
use super::tokens::Tokens;
use super::{HubOptions, PATH, link};
use crate::error::BusError;
use crate::hub::{FromEdge, HubBus, HubInbox, Inner};
use crate::metrics::{Drop as Dropped, Metrics, Refusal, Role};
use crate::name::{EdgeName, RoomName};
use crate::queue::{self, Refused};

/// Shared by the bus, the route and the links.
#[derive(Clone, Debug)]
pub(crate) struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: HubOptions,
    tokens: Tokens,
    metrics: Metrics,
    inbox: queue::Sender<FromEdge>,
    links: RwLock<Links>,
    next_link: AtomicU64,
    closed: CancellationToken,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.inbox.end();
    }
}

#[derive(Debug, Default)]
struct Links {
    by_edge: HashMap<EdgeName, Link>,
    followers: HashMap<RoomName, HashMap<EdgeName, queue::Sender<Frame>>>,
}

#[derive(Debug)]
struct Link {
    id: u64,
    rooms: HashSet<RoomName>,
    replaced: CancellationToken,
}

/// What a link has to write.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    /// Of a message, the bytes that are not the envelope's.
    pub(super) payload: Option<usize>,
}

/// A link's place at the hub, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    hub: Hub,
    pub(super) edge: EdgeName,
    id: u64,
    out: queue::Sender<Frame>,
    /// A newer link of this edge took over.
    pub(super) replaced: CancellationToken,
}

pub(super) fn start(
    options: HubOptions,
    registry: &Registry,
) -> Result<(HubBus, HubInbox, Router), BusError> {
    let metrics = Metrics::new(Role::Hub, registry)?;
    let (inbox, inbox_end) = queue::queue(options.inbox_bytes_max, metrics.inbox_bytes.clone());
    let hub = Hub(Arc::new(Shared {
        tokens: Tokens::new(&options.tokens)?,
        options,
        metrics: metrics.clone(),
        inbox,
        links: RwLock::default(),
        next_link: AtomicU64::new(0),
        closed: CancellationToken::new(),
    }));
    let router = Router::new()
        .route(PATH, get(link::upgrade))
        .with_state(hub.clone());
    let inbox = HubInbox {
        queue: inbox_end,
        metrics,
    };
    Ok((HubBus(Inner::Embedded(hub)), inbox, router))
}

impl Hub {
    pub(crate) fn publish(&self, room: &RoomName, payload: &Bytes) {
        if self.is_too_large(room, payload) {
            return;
        }
        let links = self.0.links.read();
        let Some(followers) = links.followers.get(room) else {
            return;
        };
        let frame = Frame {
            bytes: message(room, payload),
            payload: Some(payload.len()),
        };
        for out in followers.values() {
            self.push(out, frame.clone());
        }
    }

    pub(crate) fn send(&self, room: &RoomName, edge: &EdgeName, payload: &Bytes) {
        if self.is_too_large(room, payload) {
            return;
        }
        let links = self.0.links.read();
        let followers = links.followers.get(room);
        let Some(out) = followers.and_then(|followers| followers.get(edge)) else {
            self.0.metrics.dropped(Dropped::NotFollowed);
            return;
        };
        let frame = Frame {
            bytes: message(room, payload),
            payload: Some(payload.len()),
        };
        self.push(out, frame);
    }

    pub(crate) fn is_up(&self) -> bool {
        !self.0.closed.is_cancelled()
    }

    pub(crate) fn close(&self) {
        self.0.closed.cancel();
        self.0.inbox.end();
    }

    pub(super) fn options(&self) -> &HubOptions {
        &self.0.options
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(super) fn closed(&self) -> &CancellationToken {
        &self.0.closed
    }

    pub(super) fn knows(&self, token: &str) -> bool {
        self.0.tokens.contains(token)
    }

    /// Whether a link of this edge would be taken now.
    pub(super) fn has_room_for(&self, edge: &EdgeName) -> bool {
        let links = self.0.links.read();
        links.by_edge.len() < self.0.options.links_max || links.by_edge.contains_key(edge)
    }

    /// Takes a link, in the place of an older one of the same edge. None: too many.
    pub(super) fn admit(&self, edge: &EdgeName) -> Option<(Place, queue::Receiver<Frame>)> {
        let shared = &self.0;
        let gauge = shared.metrics.out_bytes.clone();
        let (out, frames) = queue::queue(shared.options.link_queue_bytes_max, gauge);
        let place = Place {
            hub: self.clone(),
            edge: edge.clone(),
            id: shared.next_link.fetch_add(1, Ordering::Relaxed),
            out,
            replaced: CancellationToken::new(),
        };
        let link = Link {
            id: place.id,
            rooms: HashSet::new(),
            replaced: place.replaced.clone(),
        };
        let mut links = shared.links.write();
        if let Some(older) = links.take(edge) {
            older.replaced.cancel();
            shared.metrics.refused(Refusal::Replaced);
            tracing::warn!(%edge, "an edge has made a new link; the older one is ended");
        } else if links.by_edge.len() >= shared.options.links_max {
            // Without the lock: the place takes it when it is dropped.
            drop(links);
            return None;
        }
        links.by_edge.insert(edge.clone(), link);
        shared.count(&links);
        drop(links);
        Some((place, frames))
    }

    fn push(&self, out: &queue::Sender<Frame>, frame: Frame) {
        let metrics = &self.0.metrics;
        match out.push(frame.bytes.len(), frame) {
            Ok(()) => {}
            Err(Refused::Full) => metrics.dropped(Dropped::QueueFull),
            Err(Refused::Closed) => metrics.dropped(Dropped::Down),
        }
    }

    fn is_too_large(&self, room: &RoomName, payload: &Bytes) -> bool {
        let (bytes, max) = (payload.len(), self.0.options.message_bytes_max);
        if bytes <= max {
            return false;
        }
        self.0.metrics.dropped(Dropped::TooLarge);
        tracing::error!(%room, bytes, max, "a message of a hub is too large for the bus");
        true
    }
}

impl Shared {
    fn count(&self, links: &Links) {
        let count = i64::try_from(links.by_edge.len()).unwrap_or(i64::MAX);
        self.metrics.links.set(count);
    }
}

impl Links {
    /// Takes an edge's link out, with what it follows.
    fn take(&mut self, edge: &EdgeName) -> Option<Link> {
        let link = self.by_edge.remove(edge)?;
        for room in &link.rooms {
            self.forget(room, edge);
        }
        Some(link)
    }

    fn forget(&mut self, room: &RoomName, edge: &EdgeName) {
        if let Some(followers) = self.followers.get_mut(room) {
            followers.remove(edge);
            if followers.is_empty() {
                self.followers.remove(room);
            }
        }
    }
}

impl Place {
    /// Does what an edge says.
    ///
    /// # Errors
    /// It may not say that.
    pub(super) fn handle(&self, envelope: Envelope) -> Result<(), Refusal> {
        match envelope {
            Envelope::Follow(room) => self.follow(room),
            Envelope::Unfollow(room) => self.unfollow(&room),
            Envelope::Message(room, message) => return self.deliver(room, message),
            Envelope::Refused(_) => return Err(Refusal::Protocol),
        }
        Ok(())
    }

    fn follow(&self, room: RoomName) {
        let shared = &self.hub.0;
        let mut guard = shared.links.write();
        let links = &mut *guard;
        let Some(link) = links.by_edge.get_mut(&self.edge) else {
            return;
        };
        if link.id != self.id || link.rooms.contains(&room) {
            return;
        }
        let max = shared.options.rooms_per_edge_max;
        if link.rooms.len() >= max {
            shared.metrics.refused(Refusal::TooManyRooms);
            tracing::warn!(edge = %self.edge, %room, max, "an edge follows too many rooms");
            let frame = Frame {
                bytes: Envelope::Refused(room).encode(),
                payload: None,
            };
            // An edge that does not hear of it gets nothing of the room, all the same.
            let _ = self.out.push(frame.bytes.len(), frame);
            return;
        }
        link.rooms.insert(room.clone());
        let followers = links.followers.entry(room).or_default();
        followers.insert(self.edge.clone(), self.out.clone());
    }

    fn unfollow(&self, room: &RoomName) {
        let mut links = self.hub.0.links.write();
        let Some(link) = links.by_edge.get_mut(&self.edge) else {
            return;
        };
        if link.id == self.id && link.rooms.remove(room) {
            links.forget(room, &self.edge);
        }
    }

    fn deliver(&self, room: RoomName, message: Bytes) -> Result<(), Refusal> {
        let shared = &self.hub.0;
        let bytes = message.len();
        if bytes > shared.options.message_bytes_max {
            return Err(Refusal::TooLarge);
        }
        let from = FromEdge {
            room,
            edge: self.edge.clone(),
            message,
        };
        match shared.inbox.push(bytes, from) {
            Ok(()) => {}
            Err(Refused::Full) => shared.metrics.dropped(Dropped::InboxFull),
            Err(Refused::Closed) => shared.metrics.dropped(Dropped::Down),
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let shared = &self.hub.0;
        let mut links = shared.links.write();
        let current = links.by_edge.get(&self.edge);
        if current.is_some_and(|link| link.id == self.id) {
            links.take(&self.edge);
            shared.count(&links);
        }
    }
}
