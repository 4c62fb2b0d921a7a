//! Who may publish to a room: asked by [`crate::publish`], twice for each publisher.

use channels::{Begun, Channels, Error, Key, PublishKey, Refused, Room};

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

    /// The key that somebody shows, and its room, if it opens it now. Whether one comes back that is used up
    /// is [`crate::publish`]'s to know.
    pub(crate) async fn find(&self, shown: &str) -> Result<(Key, Room), ClaimError> {
        // What cannot be one costs no query.
        if !PublishKey::is_one(shown) {
            return Err(ClaimError::WrongKey);
        }
        let found = self.store.find_key(shown, unix_ms()).await;
        found.map_err(refusal)
    }

    /// Once the room's name is held: whether it is open, and the key still opens it, again if `comes_back`
    /// says what it began. Answers what a key comes back with the next time that is good for one broadcast.
    pub(crate) async fn begin(
        &self,
        room: &str,
        key: Option<&Key>,
        comes_back: Option<Begun>,
    ) -> Result<Option<Begun>, ClaimError> {
        let Some(key) = key else {
            self.admit(room).await?;
            return Ok(None);
        };
        let begun = match comes_back {
            Some(begun) => self.store.use_key_again(key, begun, unix_ms()).await,
            None => self.store.use_key(key, unix_ms()).await,
        };
        let begun = begun.map_err(refusal)?;
        Ok(Some(begun).filter(|_| key.once))
    }

    /// Configured streams go on without the store, as far as is known.
    async fn admit(&self, room: &str) -> Result<(), ClaimError> {
        match self.store.admit(room).await {
            Err(Error::Database(_)) => match self.directory.stopped(room) {
                Some(reason) => Err(Refused::Stopped { reason }.into()),
                None => Ok(()),
            },
            admitted => admitted.map_err(refusal),
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
