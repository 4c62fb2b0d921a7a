//! Weir's load generator, prober and headless player, as a library.
//!
//! One client for HTTP/1.1, HTTP/2 and HTTP/3 ([`client`]) carries everything: the same code asks
//! every server in a comparison and every tier in a test. Knows nothing of the origin's or the
//! edge's insides; what it learns, it learns over the wire or from `/proc`.

pub mod bench;
pub mod chat;
pub mod client;
pub mod conform;
pub mod cpu;
pub mod gifts;
pub mod herd;
mod histogram;
pub mod load;
pub mod play;
mod problem;
pub mod process;
pub mod publish;
pub mod register;

pub mod safety;
