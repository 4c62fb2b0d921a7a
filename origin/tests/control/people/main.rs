//! The control API over HTTP, on SQLite: an edge asks for people, staff and operators for themselves.
//!
//! Waiting is for answers and barriers, never for a time.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test's helpers fail the test; clippy.toml excuses only functions marked #[test]"
)]

mod credits;
mod guessing;
mod harness;
mod names;
mod outbox;
mod payments;
mod person;
mod refusals;
mod registration;
mod sessions;
mod staff;
mod tokens;
