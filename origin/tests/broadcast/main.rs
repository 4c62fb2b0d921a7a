//! Real broadcasts: ffmpeg publishes over RTMP, the answers are read over HTTP.
//!
//! One binary, because linking costs more than running. Waiting is always for a condition, with
//! a deadline.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test's helpers fail the test; clippy.toml excuses only functions marked #[test]"
)]

#[path = "../../../crates/rtmp/tests/it/client.rs"]
mod client;
mod codecs;
mod comes_back;
mod encoder;
mod encoders;
mod end;
mod grid;
mod harness;
mod hdr;
mod health;
mod jobs;
mod multitrack;
mod passthrough;
mod process;
mod refusal;
mod requests;
mod restart;
mod shed;

#[path = "../support/mod.rs"]
mod support;
