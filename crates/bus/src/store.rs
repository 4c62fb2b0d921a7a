//! What has to outlive a hub.

use std::io;

use bytes::Bytes;

use crate::name::RoomName;
use crate::{embedded, nats};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Files.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
    /// NATS says no.
    #[error("NATS: {0}")]
    Nats(String),
    /// No answer in time. A `save` or `remove` may still take effect.
    #[error("the store did not answer in time")]
    Timeout,
    /// Larger than a value may be.
    #[error("the value has {bytes} bytes, and {max} is the limit")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// What is allowed.
        max: usize,
    },
    /// NATS cannot be reached; nothing was tried.
    #[error("the store cannot be reached")]
    Unavailable,
}

/// One value per room, kept over restarts. A crash, and an error, leave the old value or the new
/// one. Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct Store(pub(crate) Inner);

#[derive(Clone, Debug)]
pub(crate) enum Inner {
    Files(embedded::Files),
    Nats(nats::KeyValue),
}

impl Store {
    /// The value of a room, if it has one.
    ///
    /// # Errors
    /// Nobody knows whether there is one.
    pub async fn load(&self, room: &RoomName) -> Result<Option<Bytes>, StoreError> {
        match &self.0 {
            Inner::Files(store) => store.load(room).await,
            Inner::Nats(store) => store.load(room).await,
        }
    }

    /// Puts a room's value. Ok: it is durable, as far as the backend's settings go (README.md).
    /// Saves of a room take effect in the order of their calls. One that failed or was given up may
    /// take effect later, but not after another one.
    ///
    /// # Errors
    /// The value is the old one or the new one.
    pub async fn save(&self, room: &RoomName, value: Bytes) -> Result<(), StoreError> {
        match &self.0 {
            Inner::Files(store) => store.save(room, value).await,
            Inner::Nats(store) => store.save(room, value).await,
        }
    }

    /// Takes a room's value away; no error if it has none.
    ///
    /// # Errors
    /// It may be there still, and with NATS it may still be taken away, even after a save.
    pub async fn remove(&self, room: &RoomName) -> Result<(), StoreError> {
        match &self.0 {
            Inner::Files(store) => store.remove(room).await,
            Inner::Nats(store) => store.remove(room).await,
        }
    }

    /// The rooms that have a value, in order.
    ///
    /// # Errors
    /// Nobody knows.
    pub async fn list(&self) -> Result<Vec<RoomName>, StoreError> {
        match &self.0 {
            Inner::Files(store) => store.list().await,
            Inner::Nats(store) => store.list().await,
        }
    }
}
