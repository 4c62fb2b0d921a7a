//! Rooms on this edge: who is in them, what they say, and what they are told.
//!
//! The rules are the crate `rooms`'; here are its sockets, clocks and filters. The video path waits
//! for nothing of it.
//!
//! ```text
//! pipeline::room ─▶ door (who may come in) ─▶ socket | events (how they are told)
//!                                                 │ member: one connection
//!     filters ◀─ speak ◀── what a member says ────┤
//!                  └─ effects (commands) ─▶ room ─┴─▶ bus ─▶ the hub, in an origin
//! ```

mod door;
mod effects;
mod events;
pub mod frame;
mod gifts;
mod member;
mod metrics;
mod own;
mod pace;
mod roles;
mod room;
mod socket;
mod speak;
mod stopped;
pub mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bus::{EdgeBus, EdgeEvent, EdgeInbox, RoomName};
use parking_lot::{Mutex, RwLock};
use rooms::schema::{EVERY_EDGE, Stopped};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use crate::clock;
use crate::config::RoomsSettings;
use crate::control::ControlApi;
use crate::pipeline::Filters;

pub use door::{Entrance, Guest, NoEntry};
pub use events::{EventStream, POST_BYTES_MAX, Posted, parse_position};
pub use gifts::GIFT_BYTES_MAX;
pub use member::Member;
pub use metrics::Metrics;
pub use own::take_stream;

use gifts::{Combos, Orders};
use room::Room;
use stopped::Off;

/// Between two looks at what rooms have to do.
const TICK: Duration = Duration::from_millis(50);
/// Rooms of which the hub said that there is none, and which are not asked for again for
/// [`UNKNOWN_FOR`].
const UNKNOWN_MAX: usize = 1_024;
/// See [`UNKNOWN_MAX`].
const UNKNOWN_FOR: Duration = Duration::from_secs(3);

/// All rooms of an edge. Clones are the same.
#[derive(Clone, Debug)]
pub struct Rooms {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: RoomsSettings,
    /// The last life of a room here, for hubs: each is greater than all before.
    incarnation: AtomicU64,
    bus: EdgeBus,
    filters: Filters,
    control: ControlApi,
    combos: Combos,
    orders: Orders,
    off: Off,
    rooms: RwLock<HashMap<RoomName, Arc<Room>>>,
    unknown: Mutex<HashMap<RoomName, Instant>>,
    /// Connections without a socket of their own, by their secret.
    sessions: Mutex<HashMap<String, Arc<Member>>>,
    next_connection: AtomicU64,
    presence_calls: Arc<Semaphore>,
    metrics: Metrics,
    /// Where sockets run: a tick wakes thousands of them at once, and no viewer's picture waits behind.
    sockets: Handle,
    /// Whether everybody is being sent away.
    draining: watch::Sender<bool>,
}

impl Inner {
    /// For a room that is opened: its reports begin anew.
    fn next_incarnation(&self) -> u64 {
        let now = clock::unix_ms();
        if self.incarnation.fetch_max(now, Ordering::Relaxed) < now {
            now
        } else {
            self.incarnation.fetch_add(1, Ordering::Relaxed) + 1
        }
    }
}

impl Rooms {
    /// Rooms that hear of their hubs through `bus`. [`Self::run`] has to be spawned.
    pub fn new(
        settings: RoomsSettings,
        bus: EdgeBus,
        filters: Filters,
        control: ControlApi,
        metrics: Metrics,
        sockets: Handle,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                incarnation: AtomicU64::new(0),
                bus,
                filters,
                control,
                combos: Combos::default(),
                orders: Orders::default(),
                off: Off::default(),
                rooms: RwLock::default(),
                unknown: Mutex::default(),
                sessions: Mutex::default(),
                next_connection: AtomicU64::new(1),
                presence_calls: effects::presence_places(),
                metrics,
                sockets,
                draining: watch::Sender::new(false),
            }),
        }
    }

    /// Follows the hubs, for as long as the bus is there.
    pub async fn run(self, mut inbox: EdgeInbox) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        if let Some(name) = RoomName::new(EVERY_EDGE).ok()
            && let Err(error) = self.inner.bus.follow(name)
        {
            tracing::error!(%error, "streams that are stopped are not heard of");
        }
        loop {
            tokio::select! {
                event = inbox.recv() => match event {
                    EdgeEvent::Up => {
                        for room in self.all() {
                            room.link_up();
                        }
                    }
                    EdgeEvent::Down => {
                        tracing::warn!("the link to the hubs of rooms is down");
                    }
                    EdgeEvent::Message { room, message } => self.hear(&room, &message),
                },
                _ = ticks.tick() => self.tick(),
            }
        }
    }

    /// Attends to a socket to its end, beside everything else.
    pub fn attend<S: wire::Socket + 'static>(&self, stream: S, guest: Guest, codec: rooms::Codec) {
        let attending = socket::run(stream, guest, codec);
        drop(self.inner.sockets.spawn(attending));
    }

    /// The way to the control API.
    pub fn control(&self) -> &ControlApi {
        &self.inner.control
    }

    /// What is set.
    pub fn settings(&self) -> &RoomsSettings {
        &self.inner.settings
    }

    /// Figures.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Sends everybody away, and lets nobody in: they come again elsewhere, not all at once.
    pub fn drain(&self) {
        self.inner.draining.send_replace(true);
        for room in self.all() {
            room.send_away();
        }
    }

    /// Until everybody is sent away.
    async fn drained(&self) {
        let mut draining = self.inner.draining.subscribe();
        // The sender is in `self`.
        drop(draining.wait_for(|draining| *draining).await);
    }

    /// Connections there are, those that have said nothing yet among them.
    pub fn connections(&self) -> usize {
        usize::try_from(self.inner.metrics.connections.get()).unwrap_or(0)
    }

    fn all(&self) -> Vec<Arc<Room>> {
        self.inner.rooms.read().values().cloned().collect()
    }

    /// Whether somebody stopped a stream not long ago.
    pub fn is_off(&self, stream: &str) -> bool {
        self.inner.off.has(stream, Instant::now())
    }

    fn hear(&self, name: &RoomName, message: &[u8]) {
        if name.as_str() == EVERY_EDGE {
            match Stopped::from_json(message) {
                Ok(stopped) => self.inner.off.hear(stopped, Instant::now()),
                Err(error) => {
                    self.inner.metrics.link_nonsense.inc();
                    tracing::warn!(%error, "an origin said what is no message");
                }
            }
            return;
        }
        let room = self.inner.rooms.read().get(name).cloned();
        let Some(room) = room else {
            return;
        };
        match rooms::schema::ToEdge::from_binary(message) {
            Ok(message) => room.hear(message),
            Err(error) => {
                self.inner.metrics.link_nonsense.inc();
                tracing::warn!(room = %name, %error, "the hub said what is no message");
            }
        }
    }

    fn tick(&self) {
        let mut connections = 0;
        let mut idle = Vec::new();
        for room in self.all() {
            let figures = room.tick();
            connections += figures.connections;
            if room.is_over() {
                idle.push(room);
            }
        }
        let rooms = &self.inner.metrics;
        rooms
            .members
            .set(i64::try_from(connections).unwrap_or(i64::MAX));
        for room in idle {
            self.close(&room);
        }
    }

    /// The room of this name, opened if need be; unless there are as many as may be, or the hub has just
    /// said that there is none.
    fn open(&self, name: &RoomName) -> Result<Arc<Room>, NoEntry> {
        if let Some(room) = self.inner.rooms.read().get(name) {
            return Ok(Arc::clone(room));
        }
        if name.as_str() == EVERY_EDGE || self.is_unknown(name) {
            return Err(NoEntry::UnknownRoom);
        }
        let mut rooms = self.inner.rooms.write();
        if let Some(room) = rooms.get(name) {
            return Ok(Arc::clone(room));
        }
        if rooms.len() >= self.inner.settings.rooms_max {
            return Err(NoEntry::TooManyRooms);
        }
        let room = Room::new(name.clone(), &self.inner).ok_or(NoEntry::Unavailable)?;
        rooms.insert(name.clone(), Arc::clone(&room));
        self.inner
            .metrics
            .rooms
            .set(i64::try_from(rooms.len()).unwrap_or(i64::MAX));
        drop(rooms);
        if let Err(error) = self.inner.bus.follow(name.clone()) {
            tracing::warn!(%error, "a room cannot be followed");
        }
        room.link_up();
        Ok(room)
    }

    fn close(&self, room: &Arc<Room>) {
        let mut rooms = self.inner.rooms.write();
        let known = rooms.get(room.name());
        if !known.is_some_and(|known| Arc::ptr_eq(known, room)) || !room.close() {
            // Another one of the same name, or somebody has come in.
            return;
        }
        if room.is_unknown() {
            let mut unknown = self.inner.unknown.lock();
            unknown.retain(|_, since| since.elapsed() < UNKNOWN_FOR);
            if unknown.len() < UNKNOWN_MAX {
                unknown.insert(room.name().clone(), Instant::now());
            }
        }
        rooms.remove(room.name());
        self.inner.bus.unfollow(room.name());
        self.inner
            .metrics
            .rooms
            .set(i64::try_from(rooms.len()).unwrap_or(i64::MAX));
    }

    fn is_unknown(&self, name: &RoomName) -> bool {
        let unknown = self.inner.unknown.lock();
        unknown
            .get(name)
            .is_some_and(|since| since.elapsed() < UNKNOWN_FOR)
    }

    fn filters(&self) -> &Filters {
        &self.inner.filters
    }

    fn presence_calls(&self) -> &Arc<Semaphore> {
        &self.inner.presence_calls
    }

    fn next_connection(&self) -> u64 {
        self.inner.next_connection.fetch_add(1, Ordering::Relaxed)
    }
}
