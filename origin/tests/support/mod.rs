//! What all that start whole origins in their own process have in common: starting one, asking
//! it, publishing to it, waiting.

mod client;
mod publisher;
mod running;
mod wait;

pub(crate) use client::Client;
pub(crate) use publisher::Publisher;
pub(crate) use running::run;
pub(crate) use wait::{PATIENCE, eventually, patiently};

/// Of the configured stream `demo`.
pub(crate) const KEY: &str = "key-of-the-demo-stream";
