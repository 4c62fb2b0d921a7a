//! Changes of one room's value, one after the other.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::name::RoomName;

/// Rooms whose values are changed at the same time. Others wait their turn.
const LANES: usize = 16;

/// Turns, in the order of the calls: tokio's mutex is fair.
#[derive(Debug, Default)]
pub(crate) struct Lanes([Arc<Mutex<()>>; LANES]);

impl Lanes {
    /// Waits until it is a room's turn. Safe to cancel.
    pub(crate) async fn turn(&self, room: &RoomName) -> Option<OwnedMutexGuard<()>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(room);
        let lane = usize::try_from(hash % LANES as u64).unwrap_or_default();
        let lane = self.0.get(lane)?;
        Some(Arc::clone(lane).lock_owned().await)
    }
}
