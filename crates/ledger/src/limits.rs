//! Every bound, with the reason for its value.

pub use database::limits::{TIMEOUT_MS_DEFAULT, TIMEOUT_MS_LIMIT};

/// Length of the id of an account, a transfer or a hold, in bytes: a gift's id with a suffix fits.
pub const ID_BYTES_MAX: usize = 128;

/// Length of a [`crate::Kind`], in bytes.
pub const KIND_BYTES_MAX: usize = 32;

/// Length of a [`crate::Reference`], in bytes: two ids, and what joins them.
pub const REFERENCE_BYTES_MAX: usize = 260;

/// Transfers of one batch. A gift has two; a batch holds up all others of its group.
pub const TRANSFERS_PER_BATCH_MAX: usize = 64;

/// Outbox messages of one batch.
pub const MESSAGES_PER_BATCH_MAX: usize = 16;

/// Size of the payload of an outbox message, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// Greatest amount of one transfer, and greatest absolute balance: what 64-bit integers of SQL hold,
/// symmetrical, so that every balance has a negative.
pub const AMOUNT_MAX: u64 = i64::MAX as u64;

/// Open holds of one account: a commit looks at all of them that have expired.
pub const HOLDS_PER_ACCOUNT_MAX: u32 = 64;

/// Holds that one call of [`crate::Store::expire`] closes.
pub const EXPIRE_MAX: usize = 1_000;

/// Entries, messages and rows that one read answers at most.
pub const PAGE_MAX: usize = 1_000;

/// Differences that a [`crate::Report`] lists; the rest is counted.
pub const DIFFERENCES_MAX: usize = 10_000;

/// Operations that may wait for the writer unless configured otherwise. Beyond it is
/// [`database::Error::Busy`].
pub const QUEUE_DEFAULT: usize = 4_096;

/// Greatest queue that may be configured. A batch is some hundred bytes, 1.1 MiB at worst.
pub const QUEUE_LIMIT: usize = 65_536;

/// Operations that one commit of the database takes unless configured otherwise: the sync of the
/// disk is spread over them, and none waits for more than that many others.
pub const GROUP_DEFAULT: usize = 512;

/// Greatest group that may be configured.
pub const GROUP_LIMIT: usize = 4_096;

/// Connections that read, unless configured otherwise.
pub const READERS_DEFAULT: usize = 4;

/// Connections that may be configured to read.
pub const READERS_LIMIT: usize = 64;

/// Lines that an export has ready before they are asked for.
pub(crate) const EXPORT_LINES_READY: usize = 1_024;

/// Reads that may wait for a connection. Each takes some hundred microseconds.
pub(crate) const READS_WAITING_MAX: usize = 1_024;
