//! The ledger over HTTP, as operators and staff ask for it: an origin in this process, on SQLite.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test's helpers fail the test; clippy.toml excuses only functions marked #[test]"
)]

mod audit;
mod doors;
mod harness;
mod reads;
