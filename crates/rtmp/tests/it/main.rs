//! The crate from a client's side of the wire.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod chunks;
mod client;
mod hostile;
mod session;
