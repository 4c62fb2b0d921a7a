//! The rooms' side of an origin: their hubs, who is who in them, and what operators do with them.
//!
//! What a hub decides is the crate `rooms`; here are its clock, its store, its log and its bus.
//!
//! ```text
//! edges ─▶ bus ─▶ Hubs ─▶ hub (one task per room) ─▶ store, audit ─▶ bus ─▶ edges
//!                            ▲                └─▶ counts ─▶ GET /api/streams
//! operators ─▶ api ──────────┘        guests ─▶ identity (EdDSA), names
//! ```

mod api;
mod archive;
mod audit;
mod guests;
mod hub;
mod identity;
mod metrics;
mod names;
mod person;
mod register;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounts::Accounts;
use axum::Router;
use bus::config::{BusSettings, LINK_MESSAGE_BYTES_MAX};
use bus::{BusError, EdgeName, HubBus, HubInbox, RoomName, Store, StoreError};
use channels::RoomState;
use chat_archive::ArchiveSettings;
use parking_lot::Mutex;
use rooms::schema::{
    Act, EVERY_EDGE, FromEdge, Outcome, Publish, Review, STOPPED_MAX, Score, Stopped, ToEdge,
};
use settings::Secret;
use telemetry::Registry;
use telemetry::metrics::RegisterError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Audit;
use crate::control::Directory;
use crate::problem::Problem;
use crate::window::Catalog;

pub use crate::audit::AuditError;
pub use archive::ArchiveError;
pub use guests::GuestSettings;
pub use identity::IdentityError;
pub use metrics::Metrics;

use archive::Chronicle;
use guests::Desk;
use hub::{Input, RoomHub};
use identity::Identity;
use register::Register;

/// What waits for one hub; more is dropped, and said again.
const INPUTS_MAX: usize = 4_096;
/// A hub answers within.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Rooms at once.
const ROOMS_MAX: usize = 10_000;
/// The largest state of a room: [`rooms::SANCTIONS_MAX`] and all that belongs to it.
const STATE_BYTES_MAX: usize = 16 << 20;

/// `[rooms]`, checked.
#[derive(Clone, Debug)]
pub struct RoomsSettings {
    /// What carries rooms.
    pub bus: BusSettings,
    /// Bearer tokens of edges.
    pub link_tokens: Vec<Secret>,
    /// Where rooms, names, keys and the log are kept.
    pub state_dir: PathBuf,
    /// Guests.
    pub guests: GuestSettings,
    /// Of the rooms themselves.
    pub room: rooms::Config,
    /// Rooms that are there though nobody has published yet: the configured streams.
    pub names: BTreeSet<String>,
    /// Where chat is stored; `None`: nowhere.
    pub archive: Option<ArchiveSettings>,
    /// Bearer token of the operators' API.
    pub operator_token: Option<Secret>,
}

/// Why rooms cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoomsError {
    /// Stored chat.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// What carries them.
    #[error("rooms.bus: {0}")]
    Bus(#[from] BusError),
    /// The directory.
    #[error("rooms.state_dir: {path}: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key that signs identities.
    #[error("rooms.state_dir: {0}")]
    Identity(#[from] IdentityError),
    /// A metric is registered twice: a bug.
    #[error(transparent)]
    Metrics(#[from] RegisterError),
    /// What keeps rooms.
    #[error("rooms.state_dir: {0}")]
    Store(#[from] StoreError),
}

/// People and connections of each room.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// None: there are no rooms.
    rooms: Arc<Mutex<Option<HashMap<String, u32>>>>,
}

impl Counts {
    /// Connections in a room; `None`: there are no rooms here.
    pub fn viewers(&self, room: &str) -> Option<u32> {
        let rooms = self.rooms.lock();
        let rooms = rooms.as_ref()?;
        Some(rooms.get(room).copied().unwrap_or_default())
    }

    /// From now on there are.
    fn begin(&self) {
        self.rooms.lock().get_or_insert_default();
    }

    fn set(&self, room: &RoomName, viewers: Option<u32>) {
        let mut rooms = self.rooms.lock();
        let rooms = rooms.get_or_insert_default();
        match viewers {
            Some(viewers) => rooms.insert(room.as_str().to_owned(), viewers),
            None => rooms.remove(room.as_str()),
        };
    }
}

/// Everything that hubs share.
#[derive(Debug)]
struct Shared {
    settings: RoomsSettings,
    bus: HubBus,
    store: Store,
    audit: Audit,
    archive: Option<Chronicle>,
    counts: Counts,
    metrics: Metrics,
    catalog: Catalog,
    directory: Directory,
}

/// All hubs of an origin. Clones are the same.
#[derive(Clone, Debug)]
pub struct Hubs {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    names: Arc<Register>,
    rooms: Arc<Mutex<HashMap<RoomName, mpsc::Sender<Input>>>>,
    /// Since when rooms are off, of which edges are told.
    off: Arc<Mutex<HashMap<RoomName, Instant>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Edges are told that a stream is off every second, for longer than any of them keeps an object of it.
const OFF_EVERY: Duration = Duration::from_secs(1);
/// See [`OFF_EVERY`].
const OFF_FOR: Duration = Duration::from_secs(3_600);

/// Who acts when an operator does.
const OPERATOR: &str = "operator";

/// Why a room was not told everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotPublished {
    /// There is no such room.
    NoRoom,
    /// Its hub does not answer, or the process ends: the rest may be published later.
    Busy {
        /// How many were published, from the first on.
        told: usize,
    },
}

/// Why there is no hub for a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoHub {
    /// There is no such room.
    Unknown,
    /// The process ends, or has as many as may be.
    Busy,
}

/// What [`Hubs::start`] gives.
#[derive(Debug)]
pub struct Started {
    /// The hubs; [`Hubs::run`] has to be spawned.
    pub hubs: Hubs,
    /// What edges say.
    pub inbox: HubInbox,
    /// For the listener that edges reach: links, identities, keys.
    pub public: Router,
    /// For the admin listener: rooms, tokens, the log.
    pub admin: Router,
}

impl Hubs {
    /// Opens everything. To be called within a tokio runtime.
    ///
    /// # Errors
    /// A directory, a key or a port that cannot be used.
    pub async fn start(
        settings: RoomsSettings,
        accounts: Option<Arc<Accounts>>,
        directory: Directory,
        catalog: Catalog,
        counts: Counts,
        registry: &Registry,
    ) -> Result<Started, RoomsError> {
        private_directory(&settings.state_dir)?;
        let (bus, inbox, links, store) = open_bus(&settings, registry)?;
        let identity = Identity::open(&settings.state_dir.join("identity.pk8"))?;
        let metrics = Metrics::new(registry)?;
        let reserved = settings.guests.reserved.iter();
        let reserved = reserved.chain(&settings.names).cloned();
        let file = settings.state_dir.join("names.json");
        let names = Arc::new(Register::open(file, reserved, metrics.clone()).await);
        let (guests, tokens) = (settings.guests.clone(), settings.link_tokens.clone());
        let desk = Desk::new(
            guests,
            identity,
            Arc::clone(&names),
            tokens,
            metrics.clone(),
        );
        let desk = Arc::new(desk.with_accounts(accounts));
        counts.begin();
        let tasks = TaskTracker::new();
        let archive = match settings.archive.clone() {
            Some(archive) => {
                let (archive, writer) = Chronicle::open(archive, metrics.clone()).await?;
                tokio::spawn(writer.run());
                Some(archive)
            }
            None => None,
        };
        let shared = Shared {
            archive,
            audit: Audit::open(&settings.state_dir.join("audit")).await?,
            settings,
            bus,
            store,
            counts,
            metrics,
            catalog,
            directory,
        };
        let hubs = Self {
            shared: Arc::new(shared),
            desk: Arc::clone(&desk),
            names,
            rooms: Arc::default(),
            off: Arc::default(),
            tasks,
            stop: CancellationToken::new(),
        };
        Ok(Started {
            public: guests::router(desk).merge(links),
            admin: api::router(hubs.clone()),
            inbox,
            hubs,
        })
    }

    /// What can be played.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    /// How many people there are where.
    pub(crate) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Who is called what.
    pub(crate) fn names(&self) -> Arc<Register> {
        Arc::clone(&self.names)
    }

    /// Where rooms are kept.
    pub(crate) fn state_dir(&self) -> &Path {
        &self.shared.settings.state_dir
    }

    /// Hears edges until the bus closes.
    pub async fn run(self, mut inbox: HubInbox) {
        let (names, stop) = (Arc::clone(&self.names), self.stop.clone());
        let names = self.tasks.spawn(async move { names.keep(stop).await });
        let mut telling = tokio::time::interval(OFF_EVERY);
        telling.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let heard = tokio::select! {
                heard = inbox.recv() => heard,
                _ = telling.tick() => {
                    self.tell_off();
                    continue;
                }
            };
            let Some(heard) = heard else {
                break;
            };
            match FromEdge::from_binary(&heard.message) {
                // Whoever is on the link is who it says, whatever it says.
                Ok(message) if message.edge == heard.edge.as_str() => {
                    self.hear(&heard.room, &heard.edge, message);
                }
                Ok(_) => self.shared.metrics.nonsense.inc(),
                Err(error) => {
                    self.shared.metrics.nonsense.inc();
                    tracing::warn!(edge = %heard.edge, %error, "an edge said what is no message");
                }
            }
        }
        drop(names);
    }

    /// Saves every room, and says no more.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.rooms.lock().clear();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(archive) = &self.shared.archive {
            archive.end().await;
        }
        self.shared.bus.close();
    }

    fn hear(&self, room: &RoomName, edge: &EdgeName, message: FromEdge) {
        let sent = match self.room(room) {
            Ok(input) => input.try_send(Input::Edge(message)).is_ok(),
            Err(NoHub::Unknown) => {
                let nothing = ToEdge::NoRoom.to_binary();
                self.shared.bus.send(room, edge, nothing);
                return;
            }
            // Not that there is no such room: the edge would send everybody away.
            Err(NoHub::Busy) => false,
        };
        if !sent {
            self.shared.metrics.inputs_lost.inc();
        }
    }

    /// The way to a room's hub, which is opened if need be.
    fn room(&self, name: &RoomName) -> Result<mpsc::Sender<Input>, NoHub> {
        let mut rooms = self.rooms.lock();
        if let Some(input) = rooms.get(name)
            && !input.is_closed()
        {
            return Ok(input.clone());
        }
        if self.stop.is_cancelled() {
            return Err(NoHub::Busy);
        }
        if !self.is_known(name) {
            return Err(NoHub::Unknown);
        }
        if rooms.len() >= ROOMS_MAX {
            return Err(NoHub::Busy);
        }
        let (input, inputs) = mpsc::channel(INPUTS_MAX);
        rooms.insert(name.clone(), input.clone());
        let hub = RoomHub::new(name.clone(), Arc::clone(&self.shared));
        let (rooms, name, stop) = (Arc::clone(&self.rooms), name.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            hub.run(inputs, stop).await;
            let mut rooms = rooms.lock();
            if rooms.get(&name).is_some_and(mpsc::Sender::is_closed) {
                rooms.remove(&name);
            }
        });
        Ok(input)
    }

    /// Publishes in a room, in order, and waits for its hub as long as there is one: nothing is given to the
    /// same hub twice. What the hub refuses counts as published: it would refuse it again.
    pub(crate) async fn publish(
        &self,
        name: &RoomName,
        publishes: Vec<Publish>,
    ) -> Result<(), NotPublished> {
        let input = match self.room(name) {
            Ok(input) => input,
            Err(NoHub::Unknown) => return Err(NotPublished::NoRoom),
            Err(NoHub::Busy) => return Err(NotPublished::Busy { told: 0 }),
        };
        let count = publishes.len();
        let mut answers = Vec::with_capacity(count);
        for publish in publishes {
            let (answer, answered) = oneshot::channel();
            let sent = input.send(Input::Publish(Box::new(publish), answer));
            if sent.await.is_err() {
                break;
            }
            answers.push(answered);
        }
        // The hub that ends answers nobody: the rest may be published by the next one.
        let mut told = 0;
        for answered in answers {
            let Ok(outcome) = answered.await else { break };
            if let Outcome::Refused { code, .. } = outcome {
                tracing::error!(room = %name, code = code.as_str(), "a hub refuses what was paid");
            }
            told += 1;
        }
        if told == count {
            Ok(())
        } else {
            Err(NotPublished::Busy { told })
        }
    }

    /// Publishes one thing, and waits a little for the hub.
    pub(crate) async fn say(&self, name: &RoomName, publish: Publish) -> Result<(), NotPublished> {
        let said = self.publish(name, vec![publish]);
        let said = tokio::time::timeout(ANSWER_WITHIN, said).await;
        said.unwrap_or(Err(NotPublished::Busy { told: 0 }))
    }

    /// What waits for a decision in open rooms. One that does not answer is left out.
    pub(crate) async fn reviews(&self) -> Vec<(RoomName, Review)> {
        let open: Vec<(RoomName, mpsc::Sender<Input>)> = {
            let rooms = self.rooms.lock();
            rooms
                .iter()
                .map(|(name, input)| (name.clone(), input.clone()))
                .collect()
        };
        let asking = open.into_iter().map(|(name, input)| async move {
            let (answer, answered) = oneshot::channel();
            input.try_send(Input::Reviews(answer)).ok()?;
            let answered = tokio::time::timeout(ANSWER_WITHIN, answered).await;
            Some((name, answered.ok()?.ok()?))
        });
        let answers = futures::future::join_all(asking).await;
        let reviews = answers.into_iter().flatten();
        reviews
            .flat_map(|(name, reviews)| reviews.into_iter().map(move |it| (name.clone(), it)))
            .collect()
    }

    /// An act of staff, or an operator.
    pub(crate) async fn act(&self, name: &RoomName, actor: &str, act: Act) -> Result<(), Problem> {
        if !self.rooms.lock().contains_key(name) {
            return Err(Problem::unknown("unknown-room", "this room is not open"));
        }
        api::operate(self, name, actor, (act, String::new()), None).await?;
        Ok(())
    }

    /// Corrects the points of a room. Whether that is done with: a hub that is too busy is to be corrected
    /// later, a room that is not there is not.
    pub(crate) fn set_scores(&self, name: &RoomName, scores: Vec<Score>) -> bool {
        match self.room(name) {
            Ok(input) => input.try_send(Input::Scores(scores)).is_ok(),
            Err(NoHub::Unknown) => true,
            Err(NoHub::Busy) => false,
        }
    }

    /// Sends everybody away from a room that is no longer known, and closes it.
    pub(crate) async fn dismiss(&self, name: &str) {
        let Ok(name) = RoomName::new(name) else {
            return;
        };
        self.off.lock().insert(name.clone(), Instant::now());
        self.tell_off();
        let nothing = || ToEdge::NoRoom.to_binary();
        self.shared.bus.publish(&name, nothing());
        let input = self.rooms.lock().get(&name).cloned();
        let Some(input) = input else {
            return;
        };
        let ended = async {
            if input.send(Input::End).await.is_ok() {
                input.closed().await;
            }
        };
        if tokio::time::timeout(ANSWER_WITHIN, ended).await.is_err() {
            tracing::warn!(room = %name, "a hub does not end");
        }
        // After whatever it still said.
        self.shared.bus.publish(&name, nothing());
    }

    /// Tells every edge which streams are off; whoever is behind an edge that has kept something of them sees
    /// no more of it.
    fn tell_off(&self) {
        let streams: Vec<String> = {
            let mut off = self.off.lock();
            off.retain(|name, since| since.elapsed() < OFF_FOR && !self.is_known(name));
            let mut oldest: Vec<_> = off.iter().map(|(name, at)| (*at, name.clone())).collect();
            oldest.sort_unstable();
            let too_many = oldest.len().saturating_sub(STOPPED_MAX);
            for (_, name) in oldest.drain(..too_many) {
                off.remove(&name);
            }
            oldest.iter().map(|(_, name)| name.to_string()).collect()
        };
        if !streams.is_empty()
            && let Ok(every) = RoomName::new(EVERY_EDGE)
        {
            self.shared
                .bus
                .publish(&every, Stopped { streams }.to_json());
        }
    }

    /// Takes what a user wrote out of the rooms that are kept and not open. In how many there was
    /// something.
    async fn forget_in_closed(&self, user: &str) -> Result<usize, String> {
        let kept = self.shared.store.list().await;
        let mut count = 0;
        for name in kept.map_err(|error| error.to_string())? {
            let is_open = self.rooms.lock().contains_key(&name);
            if !is_open && hub::forget(&self.shared, &name, user).await? {
                count += 1;
            }
        }
        Ok(count)
    }

    /// A room is there for each stream that is configured, or live, or was made by the API; but for
    /// those that are stopped.
    fn is_known(&self, name: &RoomName) -> bool {
        let name = name.as_str();
        if name == EVERY_EDGE {
            return false;
        }
        match self.shared.directory.state(name) {
            Some(RoomState::Stopped) => return false,
            Some(RoomState::Open) => return true,
            None => {}
        }
        self.shared.settings.names.contains(name) || self.shared.catalog.get(name).is_some()
    }
}

fn open_bus(
    settings: &RoomsSettings,
    registry: &Registry,
) -> Result<(HubBus, HubInbox, Router, Store), RoomsError> {
    match &settings.bus {
        BusSettings::Embedded => {
            let mut options = bus::embedded::HubOptions::new(settings.link_tokens.clone());
            options.message_bytes_max = LINK_MESSAGE_BYTES_MAX;
            options.link_queue_bytes_max = 2 * LINK_MESSAGE_BYTES_MAX;
            options.inbox_bytes_max = 8 * LINK_MESSAGE_BYTES_MAX;
            options.rooms_per_edge_max = ROOMS_MAX;
            let (bus, inbox, links) = bus::embedded::hub(options, registry)?;
            let directory = settings.state_dir.join("state");
            let store = bus::embedded::store(&directory, STATE_BYTES_MAX)?;
            Ok((bus, inbox, links, store))
        }
        BusSettings::Nats(nats) => {
            let (bus, inbox) = bus::nats::hub(nats.clone(), registry)?;
            let store = bus::nats::store(nats.clone(), bus::nats::StoreOptions::default())?;
            Ok((bus, inbox, Router::new(), store))
        }
    }
}

fn private_directory(path: &Path) -> Result<(), RoomsError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(|source| RoomsError::Directory {
        path: path.to_owned(),
        source,
    })
}
