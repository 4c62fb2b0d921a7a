//! The origin: takes a broadcast, makes the ladder, packages Low-Latency HLS, serves it.
//!
//! ```text
//!  ingest --> publish --> packager --------------------------> window <-- serve <-- edges
//!                            |  ^                              (playlists and media, in memory)
//!                            v  |
//!                          transcode (one supervised ffmpeg per stream)
//! ```
//!
//! It caches nothing for others and knows no viewer: that is the edge's work.

pub mod app;
mod audit;
mod caller;
mod clock;
pub mod config;
pub mod control;
pub mod filters;
pub mod health;
pub mod ingest;
pub mod metrics;
pub mod numbers;
mod pace;
pub mod packager;
mod problem;
pub mod publish;
pub mod rooms;
pub mod serve;
pub mod thumbnails;
pub mod transcode;
pub mod window;
