//! What an edge follows.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::edge::FollowError;
use crate::name::RoomName;

/// The rooms that an edge wants to hear. The link is made to agree with it before each message
/// that it carries, so that there is nothing to queue, however often a room is followed and left.
#[derive(Debug)]
pub(crate) struct Follows {
    rooms: Mutex<HashSet<RoomName>>,
    rooms_max: usize,
    /// Grows with each change.
    version: AtomicU64,
    changed: Notify,
}

/// How a link has to change.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) add: Vec<RoomName>,
    pub(crate) remove: Vec<RoomName>,
}

/// What a link knows.
#[derive(Debug, Default)]
pub(crate) struct Told {
    rooms: HashSet<RoomName>,
    version: Option<u64>,
}

impl Follows {
    pub(crate) fn new(rooms_max: usize) -> Self {
        Self {
            rooms: Mutex::default(),
            rooms_max,
            version: AtomicU64::new(0),
            changed: Notify::new(),
        }
    }

    pub(crate) fn add(&self, room: RoomName) -> Result<(), FollowError> {
        {
            let mut rooms = self.rooms.lock();
            if rooms.contains(&room) {
                return Ok(());
            }
            if rooms.len() >= self.rooms_max {
                let max = self.rooms_max;
                return Err(FollowError::TooMany { max });
            }
            rooms.insert(room);
            self.version.fetch_add(1, Ordering::Release);
        }
        self.changed.notify_one();
        Ok(())
    }

    pub(crate) fn remove(&self, room: &RoomName) {
        let removed = {
            let mut rooms = self.rooms.lock();
            let removed = rooms.remove(room);
            self.version.fetch_add(1, Ordering::Release);
            removed
        };
        if removed {
            self.changed.notify_one();
        }
    }

    pub(crate) fn contains(&self, room: &RoomName) -> bool {
        self.rooms.lock().contains(room)
    }

    /// Waits for a change; one reader. Safe to cancel.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What is new for a link, which knows it from now on.
    pub(crate) fn changes(&self, told: &mut Told) -> Changes {
        if told.version == Some(self.version.load(Ordering::Acquire)) {
            return Changes::default();
        }
        let rooms = self.rooms.lock();
        let changes = Changes {
            add: rooms.difference(&told.rooms).cloned().collect(),
            remove: told.rooms.difference(&rooms).cloned().collect(),
        };
        told.rooms.clone_from(&rooms);
        told.version = Some(self.version.load(Ordering::Acquire));
        changes
    }
}
