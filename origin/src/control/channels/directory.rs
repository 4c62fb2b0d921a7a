//! What this process knows of its rooms, without asking anybody.

use std::collections::HashMap;
use std::sync::Arc;

use channels::{Channels, Error, Room, RoomState, Snapshot};
use parking_lot::RwLock;

/// All rooms as they were a moment ago. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    known: Arc<RwLock<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    version: u64,
    rooms: HashMap<String, Room>,
}

/// A room that nobody may watch any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) name: String,
    /// For its publisher.
    pub(super) why: String,
}

/// What is otherwise since the last time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Rooms that are closed.
    pub(super) closed: Vec<Closed>,
    /// Rooms whose keys were all taken back: their publishers have to go.
    pub(super) cut: Vec<String>,
}

impl Directory {
    /// Whether a room is open; `None`: it is not known.
    pub(crate) fn state(&self, name: &str) -> Option<RoomState> {
        let known = self.known.read();
        known.rooms.get(name).map(|room| room.state)
    }

    /// What a room is called for people.
    pub(super) fn title(&self, name: &str) -> Option<String> {
        let known = self.known.read();
        let room = known.rooms.get(name)?;
        (!room.title.is_empty()).then(|| room.title.clone())
    }

    /// Why a room is closed; `None`: it is not, or not known.
    pub(super) fn stopped(&self, name: &str) -> Option<String> {
        let known = self.known.read();
        let room = known.rooms.get(name)?;
        (room.state == RoomState::Stopped).then(|| room.reason.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.known.read().rooms.len()
    }

    pub(super) fn version(&self) -> u64 {
        self.known.read().version
    }

    /// Reads the store for the first time.
    pub(super) async fn read(&self, store: &Channels) -> Result<(), Error> {
        self.reload(store).await.map(drop)
    }

    /// Reads the store; answers what is otherwise since the last time.
    pub(super) async fn reload(&self, store: &Channels) -> Result<Changes, Error> {
        Ok(self.replace(store.snapshot().await?))
    }

    /// An older snapshot, of somebody who was slower, changes nothing.
    fn replace(&self, snapshot: Snapshot) -> Changes {
        let mut known = self.known.write();
        if snapshot.version < known.version {
            return Changes::default();
        }
        known.version = snapshot.version;
        let named = |room: Room| (room.name.clone(), room);
        let rooms = snapshot.rooms.into_iter().map(named).collect();
        let before = std::mem::replace(&mut known.rooms, rooms);
        let (mut closed, mut cut) = (Vec::new(), Vec::new());
        for room in known.rooms.values() {
            let before = before.get(&room.name);
            if before.is_some_and(|before| before.cuts != room.cuts) {
                cut.push(room.name.clone());
            }
            let was_stopped = before.is_some_and(|before| before.state == RoomState::Stopped);
            if room.state == RoomState::Stopped && !was_stopped {
                closed.push(Closed::stopped(&room.name, &room.reason));
            }
        }
        let gone = before.into_keys();
        let gone = gone.filter(|name| !known.rooms.contains_key(name));
        closed.extend(gone.map(|name| Closed {
            name,
            why: "the room was deleted".to_owned(),
        }));
        Changes { closed, cut }
    }
}

impl Closed {
    pub(super) fn stopped(name: &str, reason: &str) -> Self {
        let reason = reason.to_owned();
        Self {
            name: name.to_owned(),
            why: channels::Refused::Stopped { reason }.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use channels::Source;

    use super::*;

    fn snapshot(version: u64, rooms: &[(&str, RoomState)]) -> Snapshot {
        let room = |(name, state): &(&str, RoomState)| Room {
            name: (*name).to_owned(),
            title: String::new(),
            owner: None,
            state: *state,
            reason: "enough".to_owned(),
            source: Source::Api,
            created_ms: 1,
            cuts: 0,
        };
        Snapshot {
            version,
            rooms: rooms.iter().map(room).collect(),
        }
    }

    #[test]
    fn what_is_closed_is_said_once() {
        use RoomState::{Open, Stopped};
        let directory = Directory::default();
        let replace = |snapshot| directory.replace(snapshot).closed;
        assert_eq!(replace(snapshot(1, &[("a", Open), ("b", Open)])), []);
        let closed = replace(snapshot(2, &[("a", Stopped), ("b", Open)]));
        assert_eq!(closed, [Closed::stopped("a", "enough")]);
        assert_eq!(directory.state("a"), Some(Stopped));
        assert_eq!(directory.stopped("a").as_deref(), Some("enough"));
        assert_eq!(replace(snapshot(2, &[("a", Stopped), ("b", Open)])), []);
        assert_eq!(replace(snapshot(1, &[])), [], "somebody was slower");
        let closed = replace(snapshot(3, &[("a", Open)]));
        assert_eq!(closed.len(), 1);
        assert_eq!(closed[0].why, "the room was deleted");
        assert_eq!(
            (directory.state("a"), directory.state("b")),
            (Some(Open), None)
        );
    }

    #[test]
    fn whoever_published_with_keys_that_are_taken_back_is_cut_once() {
        let directory = Directory::default();
        let at = |version, cuts| {
            let rooms = [("a", RoomState::Open), ("b", RoomState::Open)];
            let mut snapshot = snapshot(version, &rooms);
            snapshot.rooms[0].cuts = cuts;
            directory.replace(snapshot).cut
        };
        assert!(at(1, 5).is_empty(), "nobody has published yet");
        assert_eq!(at(2, 6), ["a"]);
        assert!(at(3, 6).is_empty());
    }
}
