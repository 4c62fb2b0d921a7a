//! One connection in a room, however it is told: who it is, how far it has read, what it may do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rooms::schema::{
    Ability, ClientMessage, CloseCode, Position, RefusalCode, Roles, ServerMessage, User, View,
};
use rooms::{Codec, LIKES_PER_CALL_MAX, Next, Reader, Timeline};
use tokio::sync::Notify;
use wasm_filters::contract::types::Attr;
use wasm_filters::grants::Granted;

use super::door::Place;
use super::pace::Pace;
use super::room::Room;
use super::{Rooms, speak};
use crate::clock;

/// Who somebody is, as the auth filters granted it.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) granted: Arc<Granted>,
    pub(super) user: User,
    /// Open slots of the user, for filters.
    pub(super) attrs: Vec<Attr>,
    /// Unix milliseconds.
    pub(super) expires_at_ms: Option<u64>,
}

/// A connection in a room; see [`super::door::Stay`] for when it leaves.
#[derive(Debug)]
pub struct Member {
    rooms: Rooms,
    room: Arc<Room>,
    connection: u64,
    granted: Arc<Granted>,
    attrs: Vec<Attr>,
    expires_at_ms: Option<u64>,
    user: Mutex<User>,
    reader: Mutex<Reader>,
    woken: Notify,
    /// The socket may have something to read.
    is_readable: AtomicBool,
    /// What may still be said.
    pace: Mutex<Pace>,
    ending: Mutex<Option<CloseCode>>,
    is_ended: AtomicBool,
    _place: Place,
}

/// What a connection was told; see [`Member::tell`].
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Messages.
    pub(super) count: u64,
    /// The last one of them ends the connection.
    pub(super) closing: Option<CloseCode>,
    /// There is more, and no room for it.
    pub(super) has_more: bool,
    /// In how many milliseconds something that is held back is due.
    due_in_ms: Option<u64>,
}

impl Told {
    /// When there is more, a millisecond from now at the soonest.
    pub(super) fn due(&self) -> Option<tokio::time::Instant> {
        self.due_in_ms
            .map(|left_ms| tokio::time::Instant::now() + Duration::from_millis(left_ms.max(1)))
    }
}

impl Member {
    pub(super) fn new(
        rooms: Rooms,
        room: Arc<Room>,
        codec: Codec,
        (identity, place): (Identity, Place),
        resume: Option<Position>,
    ) -> Self {
        let Identity {
            granted,
            user,
            attrs,
            expires_at_ms,
        } = identity;
        let reader = Reader::new(codec, view_of(user.roles), Some(user.id.clone()), resume);
        Self {
            connection: rooms.next_connection(),
            pace: Mutex::new(Pace::new(
                Instant::now(),
                user.roles.intersects(Roles::IN_CHARGE),
            )),
            rooms,
            room,
            granted,
            attrs,
            expires_at_ms,
            user: Mutex::new(user),
            reader: Mutex::new(reader),
            woken: Notify::new(),
            is_readable: AtomicBool::new(true),
            ending: Mutex::default(),
            is_ended: AtomicBool::new(false),
            _place: place,
        }
    }

    pub(super) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    pub(super) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Its number on this edge.
    pub(super) fn connection(&self) -> u64 {
        self.connection
    }

    /// Who it is, with the roles of now.
    pub(super) fn user(&self) -> User {
        self.user.lock().clone()
    }

    /// Open slots of the user.
    pub(super) fn attrs(&self) -> &[Attr] {
        &self.attrs
    }

    /// Whether it has a name: who has none listens.
    pub(super) fn can_speak(&self) -> bool {
        !self.user.lock().name.is_empty()
    }

    /// The first thing that it is told.
    pub(super) fn greet(&self, session: Option<String>) {
        self.room.tell(self, &self.you(session));
    }

    /// Who it is, and what it may do.
    pub(super) fn you(&self, session: Option<String>) -> ServerMessage {
        let user = self.user();
        let mut can = Vec::new();
        if self.can_speak() {
            can.push(Ability::Speak);
        }
        if user.roles.intersects(Roles::IN_CHARGE) {
            can.push(Ability::Moderate);
        }
        let heartbeat = self.rooms.settings().heartbeat;
        ServerMessage::You {
            user,
            session,
            server_ms: clock::unix_ms(),
            heartbeat_ms: u32::try_from(heartbeat.as_millis()).unwrap_or(u32::MAX),
            can,
        }
    }

    /// Queues something for this connection alone. One that does not take it is closed as slow.
    pub(super) fn push(&self, timeline: &Timeline, message: &ServerMessage) {
        // The next step closes it if this was too much.
        let _ = self.reader.lock().push_direct(timeline, message);
        self.woken.notify_one();
    }

    /// Ends the connection, with a reason.
    pub(super) fn end(&self, code: CloseCode) {
        self.ending.lock().get_or_insert(code);
        self.is_ended.store(true, Ordering::Release);
        self.woken.notify_one();
    }

    /// A filter or a moderator gave or took roles.
    pub(super) fn change_roles(&self, add: Roles, remove: Roles) {
        let roles = {
            let mut user = self.user.lock();
            user.roles = user.roles.union(add).without(remove);
            user.roles
        };
        self.reader.lock().set_view(view_of(roles));
        self.woken.notify_one();
    }

    /// Whether there may be something to read, since this was asked last.
    pub(super) fn take_readable(&self) -> bool {
        self.is_readable.swap(false, Ordering::AcqRel)
    }

    /// There may be something to say.
    pub(super) fn nudge(&self) {
        self.woken.notify_one();
    }

    /// Until there may be something to say.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Tells everything that is there for this connection: `write` gets each message, the position
    /// after it for those who number what they send, and says whether there is room for another one.
    ///
    /// The room is locked once: thousands do this with every tick.
    pub(super) fn tell(&self, mut write: impl FnMut(&[u8], Option<Position>) -> bool) -> Told {
        let mut told = Told::default();
        if self.is_ended.load(Ordering::Acquire)
            && let Some(code) = self.ending.lock().take()
        {
            let (code, bytes) = self.closing(code);
            write(&bytes, None);
            return Told {
                count: 1,
                closing: Some(code),
                ..told
            };
        }
        let now_ms = self.room.now_ms();
        self.room.read(|timeline| {
            let mut reader = self.reader.lock();
            while let Some(next) = reader.poll(timeline, now_ms) {
                told.count += 1;
                match next {
                    Next::Send(bytes) => {
                        if !write(&bytes, reader.position()) {
                            told.has_more = true;
                            return;
                        }
                    }
                    Next::Close(code, bytes) => {
                        write(&bytes, None);
                        told.closing = Some(code);
                        return;
                    }
                }
            }
            let due_ms = reader.due_at(timeline);
            told.due_in_ms = due_ms.map(|at_ms| at_ms.saturating_sub(now_ms));
        });
        told
    }

    fn closing(&self, code: CloseCode) -> (CloseCode, bytes::Bytes) {
        let retry_after_ms = match code {
            CloseCode::Draining | CloseCode::Unavailable => {
                Some(u64::from(self.rooms.retry_after_ms()))
            }
            _ => None,
        };
        let (Next::Close(_, bytes) | Next::Send(bytes)) =
            self.reader.lock().close(code, retry_after_ms);
        (code, bytes)
    }

    /// Whether it does not take what it must, and has to go.
    pub(super) fn is_slow(&self) -> bool {
        let now_ms = self.room.now_ms();
        self.room
            .read(|timeline| self.reader.lock().is_slow(timeline, now_ms))
    }

    /// Why it has to go now, though it did nothing.
    pub(super) fn is_due_to_go(&self, now_ms: u64) -> Option<CloseCode> {
        if self.expires_at_ms.is_some_and(|at| at <= now_ms) {
            return Some(CloseCode::Expired);
        }
        let host = self.rooms.filters().host();
        host.is_revoked(&self.granted, now_ms)
            .then_some(CloseCode::Expired)
    }

    /// How far behind the live edge it wants to be.
    pub(super) fn hold(&self, hold_ms: u32) {
        self.reader.lock().hold(hold_ms);
        self.woken.notify_one();
    }

    /// Takes what the client says.
    pub(super) async fn take(self: &Arc<Self>, message: ClientMessage) {
        let now = Instant::now();
        match message {
            // The first one was taken before; another one changes nothing but the hold.
            ClientMessage::Hello { hold_ms, .. } | ClientMessage::Hold { hold_ms } => {
                self.hold(hold_ms);
            }
            ClientMessage::Ping { nonce } => {
                if self.pace.lock().signal(now) {
                    let server_ms = clock::unix_ms();
                    self.room
                        .tell(self, &ServerMessage::Pong { nonce, server_ms });
                }
            }
            ClientMessage::Like { count } => {
                if self.pace.lock().signal(now) {
                    self.room
                        .like(self.connection, count.min(LIKES_PER_CALL_MAX));
                }
            }
            ClientMessage::Publish {
                client_id,
                kind,
                text,
                reply_to,
                media_ms,
            } => {
                let said = speak::Said {
                    client_id,
                    kind,
                    text,
                    reply_to,
                    media_ms,
                };
                match self.may_say(now) {
                    Ok(()) => speak::speak(self, said).await,
                    Err(code) => self.room.refuse(self, said.client_id, code),
                }
            }
            ClientMessage::Act {
                client_id,
                reason,
                act,
            } => match self.may_say(now) {
                Ok(()) => speak::act(self, client_id, reason, act),
                Err(code) => self.room.refuse(self, client_id, code),
            },
        }
    }

    fn may_say(&self, now: Instant) -> Result<(), RefusalCode> {
        // An event stream that has ended may have its POST still.
        let is_over =
            self.is_ended.load(Ordering::Acquire) || self.is_due_to_go(clock::unix_ms()).is_some();
        if is_over || *self.rooms.inner.draining.borrow() {
            return Err(RefusalCode::Closed);
        }
        if !self.can_speak() {
            return Err(RefusalCode::Forbidden);
        }
        if !self.pace.lock().say(now) {
            return Err(RefusalCode::TooFast);
        }
        Ok(())
    }
}

/// Woken as a waker, it is the socket that can be read: a tick wakes thousands, and would otherwise
/// look at thousands of sockets that have nothing to say.
impl Wake for Member {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_readable.store(true, Ordering::Release);
        self.woken.notify_one();
    }
}

/// Those in charge see what moderators see.
fn view_of(roles: Roles) -> View {
    if roles.intersects(Roles::IN_CHARGE) {
        View::Moderator
    } else {
        View::Public
    }
}
