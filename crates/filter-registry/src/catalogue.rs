//! The catalogue: every filter, its versions, and which of them is wanted where.
//!
//! It does no I/O and reads no clock: a transition takes the state and `now`, and gives the next
//! state with what happened ([`Change`]). [`crate::Registry`] makes it durable and tells others.
//!
//! The rules:
//! 1. Every change that nodes must see raises the generation, by one.
//! 2. `active`, `previous`, `canary` and `shadow` name versions that are kept. Other versions go,
//!    oldest first, when a filter has more than [`Limits::versions_max`].
//! 3. `since_generation` of [`Desired`] names the activation that is in force. What a node says
//!    about an earlier activation changes nothing.
//! 4. A push's serial is higher than every serial of its filter before.

mod audit;
mod error;
mod operate;
mod push;
mod report;
mod state;
mod view;

#[cfg(test)]
mod tests;

pub use audit::{Actor, AuditAction, AuditRecord, Event};
pub use error::CatalogueError;
pub use push::Push;
pub use state::{
    Bake, Canary, Catalogue, Changed, Desired, Entry, Limits, NodeSeen, Rejection, Revocation,
    RevocationKind, Version,
};

/// Unix time in milliseconds.
pub type UnixMillis = u64;

/// Bake time of an activation that does not say: a minute.
pub const BAKE_MS_DEFAULT: u64 = 60_000;
/// Longest bake time: a day.
pub const BAKE_MS_MAX: u64 = 86_400_000;
/// Longest life of a revocation: 30 days.
pub const REVOCATION_SECONDS_MAX: u64 = 2_592_000;
/// Longest value of a revocation: a user's id or a stream's name.
pub const REVOCATION_VALUE_BYTES_MAX: usize = 256;
/// A node that is silent for so long is forgotten, with what it refused.
pub const NODE_FORGOTTEN_AFTER_MS: u64 = 600_000;
/// Activations that can be gone back, one after the other.
const HISTORY_MAX: usize = 8;

/// Names that paths of the API begin with.
const RESERVED_NAMES: [&str; 5] = ["audit", "blobs", "catalogue", "nodes", "revocations"];

/// What a transition gives.
#[derive(Clone, Debug)]
pub struct Change<T> {
    /// The state after it.
    pub next: Catalogue,
    /// For the audit log. Empty, together with an unchanged generation: nothing has to be kept.
    pub events: Vec<Event>,
    /// Versions that are no longer kept; their documents and components can go.
    pub dropped: Vec<Version>,
    /// The answer.
    pub value: T,
}

impl<T> Change<T> {
    fn new(next: Catalogue, events: Vec<Event>, value: T) -> Self {
        Self {
            next,
            events,
            dropped: Vec::new(),
            value,
        }
    }
}
