//! Rooms that were made by API, keys to publish to them with, and webhooks with the queue of what they
//! are still to hear; in SQLite or PostgreSQL. Model and guarantees are in this crate's README.
//!
//! **A key is stored as its SHA-256. What a webhook is to hear is on the disk before anybody tries to
//! tell it.** It speaks no HTTP and tells nobody anything: that is the origin's.
//!
//! The time is always an argument, in milliseconds since 1970.

pub mod limits;

mod backoff;
mod error;
mod key;
mod model;
mod store;

pub use backoff::backoff_ms;
pub use database::OpenError;
pub use database::config::{DatabaseConfig, DatabaseSettings, Kind};
pub use error::{Error, Invalid, Refused};
pub use key::{PublishKey, SigningSecret, random_id};
pub use model::{
    Begun, By, Change, Delivery, Enqueued, Event, Events, Key, KeyState, NewKey, NewRoom,
    NewWebhook, Page, Queue, Room, RoomState, Snapshot, Source, Webhook, check_reason,
};
pub use store::Channels;
