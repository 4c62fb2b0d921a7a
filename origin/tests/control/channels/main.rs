//! Rooms by API over HTTP, with publishers and receivers that are real: ffmpeg, and HTTP servers.
//!
//! Waiting is for a condition, never for a time.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test's helpers fail the test; clippy.toml excuses only functions marked #[test]"
)]

mod harness;
mod keys;
mod members;
mod openapi;
mod rooms;
mod stop;
mod studio;
mod webhooks;
