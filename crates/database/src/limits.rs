//! Every bound, with the reason for its value.

/// Operations that may wait for their turn. Beyond it is [`crate::Error::Busy`].
pub const WAITING_MAX: usize = 1_024;

/// Connections to PostgreSQL unless configured otherwise.
pub const CONNECTIONS_DEFAULT: usize = 4;

/// Connections to PostgreSQL that may be configured.
pub const CONNECTIONS_LIMIT: usize = 64;

/// Milliseconds for which an operation may wait, and then run, unless configured otherwise.
pub const TIMEOUT_MS_DEFAULT: u64 = 5_000;

/// Milliseconds that may be configured for that.
pub const TIMEOUT_MS_LIMIT: u64 = 60_000;
