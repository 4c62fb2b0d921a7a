//! Every bound, with the reason for its value.

/// Rooms, made by API or configured: as many as an origin has hubs for.
pub const ROOMS_MAX: u64 = 10_000;

/// Longest name of a room, in bytes: as long as a stream's.
pub const NAME_BYTES_MAX: usize = 64;

/// Longest title of a room, in bytes.
pub const TITLE_BYTES_MAX: usize = 256;

/// Longest reason for which a room is stopped, in bytes: encoders show it in one line.
pub const REASON_BYTES_MAX: usize = 256;

/// Longest rules of a room, in bytes: four times what all of them take.
pub const RULES_BYTES_MAX: usize = 2_048;

/// Keys of a room that open it.
pub const KEYS_MAX: u64 = 16;

/// Keys of a room, those included that open nothing any more: the oldest of these go first.
pub const KEYS_KEPT_MAX: u64 = 32;

/// Longest label of a key, in bytes.
pub const LABEL_BYTES_MAX: usize = 64;

/// Random bytes of a key: 160 bits.
pub const KEY_BYTES: usize = 20;

/// Webhooks.
pub const WEBHOOKS_MAX: u64 = 64;

/// Longest URL of a webhook, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;

/// Deliveries that wait. At 1 KiB each that is 100 MiB of the disk; one more drops the oldest.
pub const DELIVERIES_MAX: u64 = 100_000;

/// Longest body of a delivery, in bytes.
pub const BODY_BYTES_MAX: usize = 16 << 10;

/// First pause after an attempt that failed, in milliseconds; it doubles.
pub const BACKOFF_MIN_MS: u64 = 1_000;

/// Longest pause, in milliseconds: an hour.
pub const BACKOFF_MAX_MS: u64 = 3_600_000;

/// How long a delivery is tried, in milliseconds from its event: a day.
pub const DELIVER_WITHIN_MS: u64 = 86_400_000;

/// For how long a delivery is nobody else's once it was taken, in milliseconds: longer than an attempt
/// may take.
pub const LEASE_MS: u64 = 60_000;

/// Rows that one read answers at most.
pub const PAGE_MAX: usize = 1_000;
