//! One room on this edge: the state machine behind a lock, and whom to wake when it has changed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bus::RoomName;
use parking_lot::RwLock;
use rooms::schema::{
    CloseCode, Message, Outcome, Publish, RefusalCode, Relay, Roles, ServerMessage, ToEdge,
};
use rooms::{Clock, EdgeFigures, EdgeOutput, EdgeRoom, JoinError, Settings, Timeline};
use tokio::sync::watch;
use wasm_filters::contract::types::Attr;

use super::{Inner, Member};
use crate::clock;

/// Publishes of which it is remembered that the filters let them pass, so that one that comes again
/// after a reconnect is not judged again: it would be found too soon, or a repetition of itself.
const PASSED_MAX: usize = 512;

/// What a chat filter is told of the room.
const ROOM_SETTINGS: &str = "room-settings";
/// The longest of it, in bytes.
const ROOM_SETTINGS_BYTES_MAX: usize = 8 << 10;

/// A room that nobody is in is kept for so long: people reload pages.
const EMPTY_FOR: Duration = Duration::from_secs(30);
/// The same of one whose hub has not answered: names cost nothing, and there are as many as one likes.
const UNHEARD_FOR: Duration = Duration::from_secs(6);

/// Where a room stands with its hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contact {
    /// Nothing was heard yet.
    Waiting,
    /// It can be joined.
    Ready,
    /// The hub keeps no such room.
    None,
}

/// Why somebody is not in a room.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotJoined {
    /// It was empty for long, and has just been closed: it is opened again by who comes again.
    #[error("the room has been closed")]
    Closed,
    /// The room refuses.
    #[error(transparent)]
    Refused(#[from] JoinError),
}

/// One room.
#[derive(Debug)]
pub(super) struct Room {
    name: RoomName,
    rooms: Weak<Inner>,
    /// How long the hub knows a message that comes again.
    dedup_ms: u64,
    clock: Clock,
    state: RwLock<State>,
    contact: watch::Sender<Contact>,
}

#[derive(Debug)]
struct State {
    room: EdgeRoom,
    members: HashMap<u64, Arc<Member>>,
    empty_since: Option<Instant>,
    /// It is in no table any more, and hears nothing: whoever found it before looks for it again.
    is_closed: bool,
    passed: Passed,
    /// What filters are told of the settings, and of which.
    attrs: Option<(Settings, Arc<[Attr]>)>,
}

/// The last [`PASSED_MAX`], by the message's id, with the room's time at which they passed.
#[derive(Debug, Default)]
struct Passed {
    by_id: HashMap<Arc<str>, (u64, Publish)>,
    order: VecDeque<Arc<str>>,
}

impl Passed {
    fn insert(&mut self, id: &str, now_ms: u64, publish: Publish) {
        let id: Arc<str> = id.into();
        if self
            .by_id
            .insert(Arc::clone(&id), (now_ms, publish))
            .is_some()
        {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > PASSED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }
}

impl Room {
    /// `None`: the settings are refused, which the configuration's checks do before.
    pub(super) fn new(name: RoomName, rooms: &Arc<Inner>) -> Option<Arc<Self>> {
        let edge = rooms.settings.edge.to_string();
        let now = clock::unix_ms();
        let clock = Clock::new(now, Instant::now());
        let room = EdgeRoom::new(
            &rooms.settings.room,
            edge,
            rooms.next_incarnation(),
            now,
            rand::random(),
        );
        Some(Arc::new(Self {
            name,
            rooms: Arc::downgrade(rooms),
            dedup_ms: rooms.settings.room.dedup_ms,
            clock,
            state: RwLock::new(State {
                room: room.ok()?,
                members: HashMap::new(),
                empty_since: Some(Instant::now()),
                is_closed: false,
                passed: Passed::default(),
                attrs: None,
            }),
            contact: watch::Sender::new(Contact::Waiting),
        }))
    }

    pub(super) fn name(&self) -> &RoomName {
        &self.name
    }

    /// Whether the hub keeps no such room.
    pub(super) fn is_unknown(&self) -> bool {
        *self.contact.borrow() == Contact::None
    }

    /// Until it can be joined, or cannot.
    pub(super) async fn contact(&self, within: Duration) -> Contact {
        let mut contact = self.contact.subscribe();
        let settled = contact.wait_for(|contact| *contact != Contact::Waiting);
        match tokio::time::timeout(within, settled).await {
            Ok(Ok(contact)) => *contact,
            _ => Contact::Waiting,
        }
    }

    /// What connections read.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Timeline) -> T) -> T {
        look(self.state.read().room.timeline())
    }

    /// The room's time, Unix milliseconds, whatever is done to the wall's meanwhile: for everything that is
    /// compared with its deadlines and with when its frames were made.
    pub(super) fn now_ms(&self) -> u64 {
        self.clock.at(Instant::now())
    }

    pub(super) fn link_up(&self) {
        self.change(|state| state.room.link_up(self.now_ms()));
    }

    pub(super) fn hear(&self, message: ToEdge) {
        self.change(|state| state.room.handle(self.now_ms(), message));
    }

    pub(super) fn tick(&self) -> EdgeFigures {
        let now_ms = self.now_ms();
        let is_due = self.state.read().room.deadline() <= now_ms;
        if is_due {
            self.change(|state| state.room.tick(now_ms));
        }
        self.state.read().room.figures()
    }

    /// Nobody has been here for long, or there is nothing to be in.
    pub(super) fn is_over(&self) -> bool {
        self.is_over_as(&self.state.read())
    }

    fn is_over_as(&self, state: &State) -> bool {
        let stays = match *self.contact.borrow() {
            Contact::Ready => EMPTY_FOR,
            Contact::Waiting => UNHEARD_FOR,
            Contact::None => Duration::ZERO,
        };
        state
            .empty_since
            .is_some_and(|since| since.elapsed() >= stays)
    }

    /// Lets nobody in any more, if it is over still.
    pub(super) fn close(&self) -> bool {
        let mut state = self.state.write();
        state.is_closed |= self.is_over_as(&state);
        state.is_closed
    }

    /// A connection comes. Gives the oldest one of the same user if there are too many now, and
    /// whether the user was here before.
    pub(super) fn join(
        &self,
        member: &Arc<Member>,
        per_user_max: usize,
    ) -> Result<(Option<Arc<Member>>, bool), NotJoined> {
        let user = member.user();
        self.change(|state| {
            if state.is_closed {
                return Err(NotJoined::Closed);
            }
            let mine = state.room.connections_of_user(&user.id).to_vec();
            state.room.join(self.now_ms(), member.connection(), &user)?;
            state
                .members
                .insert(member.connection(), Arc::clone(member));
            state.empty_since = None;
            let oldest = (mine.len() >= per_user_max).then(|| mine.first().copied());
            let oldest = oldest.flatten().and_then(|it| state.members.get(&it));
            Ok((oldest.cloned(), !mine.is_empty()))
        })
    }

    /// Connections, as the hub published them last.
    pub(super) fn connections(&self) -> u32 {
        let state = self.state.read();
        let published = state.room.timeline().state();
        published.map_or(0, |state| state.connections)
    }

    /// Everybody goes.
    pub(super) fn send_away(&self) {
        for member in self.state.read().members.values() {
            member.end(CloseCode::Draining);
        }
    }

    /// A connection goes. Whether it was the user's last one here.
    pub(super) fn leave(&self, connection: u64, user: &str) -> bool {
        self.change(|state| {
            state.room.leave(self.now_ms(), connection);
            state.members.remove(&connection);
            if state.members.is_empty() {
                state.empty_since = Some(Instant::now());
            }
            state.room.connections_of_user(user).is_empty()
        })
    }

    /// On behalf of a connection, or of none (0): of a filter.
    pub(super) fn publish(&self, connection: u64, publish: Publish) {
        self.change(|state| state.room.publish(self.now_ms(), connection, publish));
    }

    /// The filters let it pass: it is published, and will not be judged again.
    pub(super) fn publish_passed(&self, connection: u64, id: &str, publish: Publish) {
        self.change(|state| {
            let now = self.now_ms();
            state.passed.insert(id, now, publish.clone());
            state.room.publish(now, connection, publish);
        });
    }

    /// What was let pass under this message id, for as long as the hub knows it for the same: then it is
    /// a new message, and the filters are asked.
    pub(super) fn passed(&self, id: &str) -> Option<Publish> {
        let state = self.state.read();
        let (at_ms, publish) = state.passed.by_id.get(id)?;
        let age_ms = self.now_ms().saturating_sub(*at_ms);
        (age_ms < self.dedup_ms).then(|| publish.clone())
    }

    /// Shows a message to its author alone.
    pub(super) fn echo(&self, connection: u64, client_id: String, message: Message) {
        self.change(|state| {
            let now = self.now_ms();
            state.room.echo(now, connection, client_id, message);
        });
    }

    pub(super) fn like(&self, connection: u64, count: u32) {
        self.state.write().room.like(connection, count);
    }

    pub(super) fn relay(&self, relay: Relay) {
        if !self.change(|state| state.room.relay(relay)) {
            tracing::warn!(room = %self.name, "a filter's command is out of bounds: ignored");
        }
    }

    pub(super) fn audit(&self, actor: String, text: String) {
        self.change(|state| state.room.audit(actor, text));
    }

    pub(super) fn roles_of(&self, user: &str) -> Option<Roles> {
        self.state.read().room.roles_of(user)
    }

    pub(super) fn message(&self, id: &str) -> Option<Message> {
        self.state.read().room.message(id)
    }

    /// The room's settings, as the chat filter reads them.
    /// Whether somebody may not speak, for a time or at all, and knows it.
    pub(super) fn is_silenced(&self, user: &str) -> bool {
        let now_ms = self.now_ms();
        let state = self.state.read();
        let room = state.room.timeline().room();
        room.sanction(user, now_ms).is_some()
    }

    pub(super) fn attrs(&self) -> Arc<[Attr]> {
        {
            let state = self.state.read();
            if let Some((settings, attrs)) = &state.attrs
                && settings == state.room.timeline().room().settings()
            {
                return Arc::clone(attrs);
            }
        }
        let mut state = self.state.write();
        let settings = state.room.timeline().room().settings().clone();
        let attrs = room_attrs(&settings);
        state.attrs = Some((settings, Arc::clone(&attrs)));
        attrs
    }

    /// Does something to the room, then what follows from it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut is_changed = false;
        let result = {
            let mut state = self.state.write();
            let result = change(&mut state);
            while let Some(output) = state.room.poll_output() {
                is_changed |= self.follow(&state, output);
            }
            result
        };
        if is_changed {
            for member in self.state.read().members.values() {
                member.nudge();
            }
        }
        result
    }

    /// Whether the timeline has changed.
    fn follow(&self, state: &State, output: EdgeOutput) -> bool {
        match output {
            EdgeOutput::Changed => {
                if *self.contact.borrow() != Contact::Ready && state.room.timeline().is_ready() {
                    self.contact.send_replace(Contact::Ready);
                }
                return true;
            }
            EdgeOutput::Direct {
                connection,
                message,
            } => {
                if let Some(member) = state.members.get(&connection) {
                    self.count(&message);
                    member.push(state.room.timeline(), &message);
                }
            }
            EdgeOutput::ToHub(message) => {
                if let Some(rooms) = self.rooms.upgrade()
                    && rooms.bus.send(&self.name, message.to_binary()).is_err()
                {
                    // It is said again: reports by their rhythm, publishes until they are given up.
                    rooms.metrics.link_full.inc();
                }
            }
            EdgeOutput::Disconnect {
                connections,
                reason: _,
            } => {
                for connection in connections {
                    if let Some(member) = state.members.get(&connection) {
                        member.end(CloseCode::Removed);
                    }
                }
            }
            EdgeOutput::Roles {
                connections,
                add,
                remove,
            } => {
                for connection in connections {
                    if let Some(member) = state.members.get(&connection) {
                        member.change_roles(add, remove);
                        member.push(state.room.timeline(), &member.you(None));
                    }
                }
            }
            EdgeOutput::NoRoom => {
                self.contact.send_replace(Contact::None);
                for member in state.members.values() {
                    member.end(CloseCode::Unavailable);
                }
            }
        }
        false
    }

    fn count(&self, message: &ServerMessage) {
        let ServerMessage::Ack { outcome, .. } = message else {
            return;
        };
        if let Some(rooms) = self.rooms.upgrade() {
            rooms.metrics.outcome(outcome);
        }
    }

    /// An answer for one connection.
    pub(super) fn answer(&self, member: &Member, client_id: String, outcome: Outcome) {
        let message = ServerMessage::Ack { client_id, outcome };
        self.count(&message);
        self.tell(member, &message);
    }

    pub(super) fn tell(&self, member: &Member, message: &ServerMessage) {
        let state = self.state.read();
        member.push(state.room.timeline(), message);
    }

    pub(super) fn refuse(&self, member: &Member, client_id: String, code: RefusalCode) {
        let outcome = Outcome::Refused {
            code,
            retry_after_ms: None,
        };
        self.answer(member, client_id, outcome);
    }
}

/// What stands in the room's settings, as JSON.
fn room_attrs(settings: &Settings) -> Arc<[Attr]> {
    let mut object = serde_json::Map::new();
    for attr in &settings.attrs {
        // Values are JSON; what is none is a string.
        let value = serde_json::from_str(&attr.value)
            .unwrap_or_else(|_| serde_json::Value::from(attr.value.as_str()));
        object.insert(attr.key.clone(), value);
    }
    if settings.slow_mode_ms > 0 {
        let seconds = settings.slow_mode_ms.div_ceil(1_000);
        object.insert("slow_mode_s".to_owned(), seconds.into());
    }
    if settings.restrict.intersects(Roles::SUBSCRIBER) {
        object.insert("subscribers_only".to_owned(), true.into());
    }
    // What is too long is left out from the end, the room's own modes at the last: a filter that is told
    // nothing enforces nothing.
    let mut value = serde_json::Value::Object(object.clone()).to_string();
    for attr in settings.attrs.iter().rev() {
        if value.len() <= ROOM_SETTINGS_BYTES_MAX {
            break;
        }
        tracing::warn!(
            key = attr.key,
            "the settings of a room are too long for its filters"
        );
        object.remove(&attr.key);
        value = serde_json::Value::Object(object.clone()).to_string();
    }
    Arc::new([Attr {
        key: ROOM_SETTINGS.to_owned(),
        value,
    }])
}
