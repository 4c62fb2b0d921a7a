//! The control API over HTTP, on SQLite: an edge asks for people, staff and operators for themselves.
//!
//! One binary, because linking costs more than running. Waiting is for answers, barriers and
//! conditions, never for a time.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test's helpers fail the test; clippy.toml excuses only functions marked #[test]"
)]

mod channels;
mod harness;
mod ledger;
mod people;
#[path = "../support/mod.rs"]
mod support;
