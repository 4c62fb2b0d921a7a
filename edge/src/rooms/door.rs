//! Who comes into a room, and that everybody who came in goes out again.

use std::sync::Arc;
use std::time::Duration;

use bus::RoomName;
use prometheus::IntGauge;
use rooms::schema::{CloseCode, Position, User};
use rooms::{Codec, JoinError};
use wasm_filters::contract::types;
use wasm_filters::grants::Granted;

use super::member::{Identity, Member};
use super::roles::from_contract;
use super::room::{Contact, NotJoined, Room};
use super::{Rooms, effects};

/// Until a hub that has not been heard of has answered.
const CONTACT_WITHIN: Duration = Duration::from_secs(3);
/// Bytes of the random part of a listener's id.
const LISTENER_BYTES: usize = 12;

/// Why somebody does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEntry {
    /// There is no such room. (404)
    UnknownRoom,
    /// Its hub is away. (503)
    Unavailable,
    /// As many are connected as may be. (503)
    Full,
    /// As many rooms are open as may be. (503)
    TooManyRooms,
}

/// Somebody who may come in.
#[derive(Debug)]
pub struct Guest {
    rooms: Rooms,
    room: Arc<Room>,
    identity: Identity,
    place: Place,
}

/// One of the connections that an edge has room for, from before its handshake is answered: who says
/// nothing after it takes a place all the same.
#[derive(Debug)]
pub(super) struct Place(IntGauge);

impl Place {
    /// `None`: all are taken.
    fn take(taken: &IntGauge, most: usize) -> Option<Self> {
        let place = Self(taken.clone());
        taken.inc();
        // Counted first and given back if it was one too many: of two who come at once for the last
        // one, one gets it or none.
        usize::try_from(taken.get())
            .is_ok_and(|taken| taken <= most)
            .then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The door of one room.
#[derive(Debug)]
pub struct Entrance {
    pub(super) rooms: Rooms,
    pub(super) room: Arc<Room>,
}

impl Rooms {
    /// Finds a room.
    ///
    /// # Errors
    /// See [`NoEntry`].
    pub async fn find(&self, name: &str) -> Result<Entrance, NoEntry> {
        let name = RoomName::new(name).map_err(|_| NoEntry::UnknownRoom)?;
        if *self.inner.draining.borrow() {
            return Err(NoEntry::Unavailable);
        }
        let room = self.open(&name)?;
        match room.contact(CONTACT_WITHIN).await {
            Contact::Ready => Ok(Entrance {
                rooms: self.clone(),
                room,
            }),
            Contact::Waiting => Err(NoEntry::Unavailable),
            Contact::None => {
                self.close(&room);
                Err(NoEntry::UnknownRoom)
            }
        }
    }

    /// When to come again, in milliseconds: not all at once.
    pub(super) fn retry_after_ms(&self) -> u32 {
        let most = self.inner.settings.reconnect_within.as_millis();
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        rand::random_range(0..=most)
    }
}

impl Entrance {
    /// Connections in the room, on all edges.
    pub fn connections(&self) -> u32 {
        self.room.connections()
    }

    /// Lets in whom the auth filters granted it.
    ///
    /// # Errors
    /// [`NoEntry::Full`].
    pub fn admit(self, granted: &Arc<Granted>) -> Result<Guest, NoEntry> {
        let rooms = &self.rooms;
        let most = rooms.settings().connections_max;
        let place = Place::take(&rooms.metrics().connections, most).ok_or(NoEntry::Full)?;
        let user = user_of(&granted.user);
        Ok(Guest {
            place,
            identity: Identity {
                granted: Arc::clone(granted),
                attrs: granted.user.attrs.clone(),
                expires_at_ms: granted.expires_at_ms,
                user,
            },
            rooms: self.rooms,
            room: self.room,
        })
    }
}

impl Guest {
    pub(super) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// Comes in, and is greeted.
    pub(super) fn enter(
        self,
        codec: Codec,
        resume: Option<Position>,
        session: Option<String>,
    ) -> Result<Stay, CloseCode> {
        let Self {
            rooms,
            room,
            identity,
            place,
        } = self;
        let per_user_max = rooms.settings().connections_per_user_max;
        let draining = rooms.inner.draining.subscribe();
        let member = Arc::new(Member::new(
            rooms,
            Arc::clone(&room),
            codec,
            (identity, place),
            resume,
        ));
        match room.join(&member, per_user_max) {
            Ok((oldest, was_here)) => {
                // Asked after the join: who joins while everybody is sent away is seen by the one or
                // sees the other.
                if *draining.borrow() {
                    member.end(CloseCode::Draining);
                }
                if let Some(oldest) = oldest {
                    oldest.end(CloseCode::Superseded);
                }
                member.greet(session);
                if !was_here {
                    effects::joined(&member);
                }
                Ok(Stay { member })
            }
            Err(error) => {
                tracing::debug!(room = %room.name(), %error, "somebody cannot come in");
                Err(match error {
                    NotJoined::Refused(JoinError::User) => CloseCode::Protocol,
                    NotJoined::Closed | NotJoined::Refused(JoinError::Again | JoinError::Full) => {
                        CloseCode::Unavailable
                    }
                })
            }
        }
    }
}

/// Somebody in a room, until this is dropped.
#[derive(Debug)]
pub(super) struct Stay {
    member: Arc<Member>,
}

impl Stay {
    pub(super) fn member(&self) -> &Arc<Member> {
        &self.member
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let member = &self.member;
        let user = member.user();
        if member.room().leave(member.connection(), &user.id) {
            effects::left(member, user);
        }
    }
}

/// Without a name one listens. Everybody who does is somebody of his own, or all of them would be
/// one person in many places.
pub(super) fn user_of(granted: &types::User) -> User {
    let id = if granted.name.is_empty() {
        let random: [u8; LISTENER_BYTES] = rand::random();
        let hex = random.iter().map(|byte| format!("{byte:02x}"));
        format!("listener-{}", hex.collect::<String>())
    } else {
        granted.id.clone()
    };
    User {
        id,
        name: granted.name.clone(),
        roles: from_contract(granted.roles),
        level: granted.level,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_gives_the_place_back() {
        let taken = IntGauge::new("taken", "places").unwrap();
        let first = Place::take(&taken, 2);
        let second = Place::take(&taken, 2);
        assert!(first.is_some() && second.is_some());
        assert!(Place::take(&taken, 2).is_none());
        assert_eq!(taken.get(), 2, "a refusal takes none");
        drop(first);
        assert!(Place::take(&taken, 2).is_some());
    }
}
