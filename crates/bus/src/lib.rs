//! The bus of rooms: carries opaque bytes between the hubs of rooms, which live in the origin, and
//! the edges.
//!
//! **At most once, and it never blocks.** What does not fit into a bound is dropped and counted;
//! the protocol of rooms heals loss, doubles and reordering. It does not know what it carries.
//!
//! Two backends with the same guarantees, see README.md: [`embedded`] (each edge holds one
//! WebSocket link to the origin) and [`nats`].

pub mod config;
pub mod embedded;
pub mod nats;

mod backoff;
mod edge;
mod error;
mod follows;
mod hub;
mod inbox;
mod lanes;
mod metrics;
mod name;
mod queue;
mod store;
mod tls;

pub use edge::{EdgeBus, EdgeEvent, EdgeInbox, FollowError, SendError};
pub use error::BusError;
pub use hub::{FromEdge, HubBus, HubInbox};
pub use name::{EDGE_NAME_BYTES_MAX, EdgeName, NameError, ROOM_NAME_BYTES_MAX, RoomName};
pub use store::{Store, StoreError};

/// Largest message that may be configured, in bytes.
pub const MESSAGE_BYTES_LIMIT: usize = 64 << 20;
/// Largest message unless configured otherwise, in bytes. NATS has the same default.
pub const MESSAGE_BYTES_DEFAULT: usize = 1 << 20;
/// Largest value of a [`Store`] that may be configured, in bytes.
pub const VALUE_BYTES_LIMIT: usize = 64 << 20;
/// Largest value of a [`Store`] unless configured otherwise, in bytes.
pub const VALUE_BYTES_DEFAULT: usize = 1 << 20;
