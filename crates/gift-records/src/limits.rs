//! Every bound, with the reason for its value.

/// Messages that one transaction applies: the sync of the disk is spread over them, and readers of a
/// SQLite file wait for some tens of milliseconds at most.
pub const GROUP_MAX: usize = 256;

/// Greatest count, total, points or diamonds of one gift; what is beyond counts as this. Eight million
/// such gifts fit into a sum of 63 bits.
pub const VALUE_MAX: u64 = 1 << 40;

/// Records that one read answers at most.
pub const PAGE_MAX: usize = 200;

/// Entries of a leaderboard: as many as the hub of a room keeps points of.
pub const ENTRIES_MAX: usize = 1_000;

/// Days of earnings that one read answers at most.
pub const DAYS_MAX: usize = 400;

/// Records that one transaction of an export reads or of an erasure changes; others get their turn
/// between two.
pub(crate) const STRIDE: usize = 1_000;

/// Rows that one transaction of a sweep removes.
pub(crate) const SWEEP_STRIDE: usize = 5_000;
