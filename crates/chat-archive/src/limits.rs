//! Every bound, with the reason for its value.

/// Length of a room's name, in bytes; those of the bus.
pub const ROOM_NAME_BYTES_MAX: usize = 64;

/// Length of the id of a master key, in bytes: it has a fixed place in each file's header.
pub const KEY_ID_BYTES_MAX: usize = 32;

/// Master keys of one file: one per year, for longer than anything is kept.
pub const KEYS_MAX: usize = 16;

/// Size of a key file: [`KEYS_MAX`] lines of 80 bytes, and comments.
pub const KEY_FILE_BYTES_MAX: u64 = 16 * 1024;

/// Longest retention: ten years.
pub const RETENTION_DAYS_MAX: u32 = 3_660;

/// Least size at which a segment is closed: below it there would be a file per message.
pub const SEGMENT_BYTES_LEAST: u64 = 4 * 1024;

/// Greatest size at which a segment is closed: rewriting one takes seconds.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// Size of one record. The greatest event (a text, a payload and 16 attributes, everything
/// escaped sixfold) has about 130 KiB.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;

/// Deletions of a room that wait to be applied to what is stored; at this number `append` applies
/// them itself. About 200 bytes each.
pub const PENDING_DELETIONS_MAX: usize = 10_000;

/// Erasures that are remembered; beyond it the oldest are forgotten (records that come late, or
/// out of a backup, are not recognised then). 100 bytes each, in one file.
pub const TOMBSTONES_MAX: usize = 50_000;

/// Size of the state file: [`TOMBSTONES_MAX`] and a hundred thousand rooms.
pub const STATE_BYTES_MAX: u64 = 32 << 20;

/// What a reader takes from a segment at once, in bytes and records. The room waits so long.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;
/// See [`CHUNK_BYTES`].
pub(crate) const CHUNK_RECORDS: usize = 512;

/// Milliseconds of a day.
pub const DAY_MS: u64 = 24 * 3600 * 1000;
