//! The edge: one request pipeline for HTTP/1.1, HTTP/2 and HTTP/3 in front of a cache that asks
//! its parents once per object however many viewers wait.
//!
//! It knows nothing of media and never depends on the origin: to it a part is bytes with a
//! lifetime.

pub mod access_log;
pub mod admin;
pub mod cache;
pub mod clock;
pub mod config;
pub mod control;
pub mod frontend;
pub mod limits;
pub mod live;
pub mod metrics;
pub mod pages;
pub mod pipeline;
pub mod problem;
pub mod relay;
pub mod reload;
pub mod rooms;
pub mod server;
pub mod sites;
pub mod streams;
pub mod target;
pub mod tls;
pub mod upgrade;
pub mod upstream;
