//! Who may publish to a room: asked by [`crate::publish`], twice for each publisher.

use channels::{Channels, Error, Key, PublishKey, Refused, Room};

use super::Directory;
use crate::clock::unix_ms;
use crate::publish::ClaimError;

/// Asks the store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admission {
    store: Channels,
    directory: Directory,
}

impl Admission {
    pub(super) fn new(store: Channels, directory: Directory) -> Self {
        Self { store, directory }
    }

    /// The key that somebody shows, and its room, if it opens it now.
    pub(crate) async fn find(&self, shown: &str) -> Result<(Key, Room), ClaimError> {
        // What cannot be one costs no query.
        if !PublishKey::is_one(shown) {
            return Err(ClaimError::WrongKey);
        }
        let found = self.store.find_key(shown, unix_ms()).await;
        found.map_err(refusal)
    }

    /// Once the room's name is held: whether it is open, and the key still opens it.
    pub(crate) async fn begin(&self, room: &str, key: Option<&Key>) -> Result<(), ClaimError> {
        let begun = match key {
            Some(key) => self.store.use_key(key, unix_ms()).await,
            None => self.store.admit(room).await,
        };
        match (begun, key) {
            (Err(Error::Database(_)), None) => {
                // Configured streams go on without the store, as far as is known.
                let stopped = self.directory.stopped(room);
                stopped.map_or(Ok(()), |reason| Err(Refused::Stopped { reason }.into()))
            }
            (begun, _) => begun.map_err(refusal),
        }
    }

    /// What a room is called for people.
    pub(crate) fn title(&self, room: &str) -> Option<String> {
        self.directory.title(room)
    }
}

fn refusal(error: Error) -> ClaimError {
    match error {
        Error::Refused(Refused::WrongKey) => ClaimError::WrongKey,
        Error::Refused(refused) => ClaimError::NotOpen(refused),
        error => {
            tracing::error!(%error, "a publish key cannot be looked up");
            ClaimError::Unavailable
        }
    }
}
