//! Every bound, with the reason for its value.

pub use database::limits::{
    CONNECTIONS_DEFAULT, CONNECTIONS_LIMIT, TIMEOUT_MS_DEFAULT, TIMEOUT_MS_LIMIT,
};

/// Shortest login name, in characters.
pub const LOGIN_CHARS_MIN: usize = 3;

/// Longest login name, in characters (each is one byte).
pub const LOGIN_CHARS_MAX: usize = 64;

/// Longest display name, in bytes of UTF-8: it is in every access token.
pub const DISPLAY_BYTES_MAX: usize = 96;

/// Longest name of a role, in bytes.
pub const ROLE_BYTES_MAX: usize = 16;

/// Longest id of a room, in bytes.
pub const ROOM_BYTES_MAX: usize = 64;

/// Platform-wide roles of one account.
pub const ROLES_MAX: usize = 8;

/// Grants for rooms of one account: all of them are in every access token.
pub const GRANTS_MAX: usize = 32;

/// Shortest password, in bytes.
pub const PASSWORD_BYTES_MIN: usize = 8;

/// Longest password, in bytes: no bound would let anybody keep the hash busy.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// Memory of one hash, in KiB (OWASP: 19 MiB with two passes and one lane).
pub const HASH_MEMORY_KIB: u32 = 19 * 1024;

/// Passes over that memory.
pub const HASH_PASSES: u32 = 2;

/// Lanes of one hash.
pub const HASH_LANES: u32 = 1;

/// Hashes that are computed at once unless configured otherwise: 38 MiB, and at most two cores,
/// which video needs more.
pub const HASHES_DEFAULT: usize = 2;

/// Hashes that may be configured to be computed at once: 1.2 GiB.
pub const HASHES_LIMIT: usize = 64;

/// Hashes that may wait for one that is computed. At some 30 ms each the last waits for a second;
/// beyond it is [`crate::Error::Busy`].
pub const HASHES_WAITING_MAX: usize = 64;

/// Of all places before the hash and in it, one network has one in so many: others are served.
pub const PLACES_SHARE: usize = 8;

/// Sign-ins of one network at once, right or wrong: a class of a school.
pub const SIGN_INS_AT_ONCE: u64 = 30;

/// One more sign-in of a network after each of these, in milliseconds.
pub const SIGN_IN_EVERY_MS: u64 = 1_000;

/// Lifetime of an access token unless configured otherwise, in seconds: a block or a lost role
/// counts after this at the latest.
pub const ACCESS_SECONDS_DEFAULT: u64 = 600;

/// Longest lifetime of an access token that may be configured, in seconds.
pub const ACCESS_SECONDS_LIMIT: u64 = 3_600;

/// Difference of clocks that a check of a token bears with, in seconds.
pub const LEEWAY_SECONDS: u64 = 30;

/// Longest access token that is read, in bytes: all roles and grants at their longest fit.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;

/// How long a new key is published before it signs, in milliseconds: others that keep the key set
/// have to have fetched it by then.
pub const KEY_PUBLISHED_AHEAD_MS: u64 = 10 * 60 * 1_000;

/// Lifetime of a refresh token from its last rotation, in milliseconds: 30 days.
pub const REFRESH_MS: u64 = 30 * DAY_MS;

/// Lifetime of a family of refresh tokens, however often it is used, in milliseconds: a year.
pub const FAMILY_MS: u64 = 365 * DAY_MS;

/// For how long the token before the current one gives the current one again, in milliseconds.
pub const REFRESH_GRACE_MS: u64 = 30 * 1_000;

/// Families of refresh tokens (signed-in devices) of one account: another one ends the one that was
/// not used for longest.
pub const FAMILIES_MAX: usize = 16;

/// Accounts that one read answers at most.
pub const PAGE_MAX: usize = 1_000;

/// Accounts that one search answers at most: the roles of each are a read of their own.
pub const SEARCH_MAX: usize = 100;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
