//! Ingest over real sockets: what encoders do, and what strangers do.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../../../crates/rtmp/tests/it/client.rs"]
mod client;
mod ffmpeg;
mod harness;
mod publisher;
mod rules;
mod strangers;
