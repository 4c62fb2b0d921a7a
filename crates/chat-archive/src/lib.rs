//! Keeps the chat of rooms on disk: encrypted, for a number of days, with export and erasure by
//! user. Format, promises and limits are in this crate's README.
//!
//! It has no runtime and no clock: all calls block, the time is an argument. It logs nothing.
//!
//! **No text is under one nonce twice, no record is read elsewhere than where it was written, and
//! nothing is read that was deleted or erased.**

mod archive;
mod config;
mod deletions;
mod disk;
mod error;
mod header;
mod keys;
mod limits;
mod person;
mod record;
mod room;
mod segment;
mod state;

pub use archive::{
    Archive, Erased, Export, OpenReport, Options, Read, Recovered, Resealed, Stats, Swept,
};
pub use config::{ArchiveConfig, ArchiveSettings};
pub use error::{Error, KeyError, SegmentId};
pub use keys::KeyFile;
pub use limits::{
    DAY_MS, KEY_FILE_BYTES_MAX, KEY_ID_BYTES_MAX, KEYS_MAX, PENDING_DELETIONS_MAX,
    RECORD_BYTES_MAX, RETENTION_DAYS_MAX, ROOM_NAME_BYTES_MAX, SEGMENT_BYTES_LEAST,
    SEGMENT_BYTES_MAX, STATE_BYTES_MAX, TOMBSTONES_MAX,
};
pub use record::Record;
pub use room::Appended;
