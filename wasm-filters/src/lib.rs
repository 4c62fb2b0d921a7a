//! The host of filters: WebAssembly components that operators load into running nodes.
//!
//! This crate knows nothing of edges, registries or HTTP servers. It takes a component and its manifest, checks and
//! compiles them, and calls the hooks that the component exports, each within its limits.
mod answer_cache;
pub mod breaker;
pub mod call;
mod chain;
pub mod check;
pub mod compile;
pub mod contract;
pub mod country;
pub mod edits;
pub mod engine;
pub mod grants;
pub mod host;
pub mod imports;
mod keyed;
pub mod keys;
pub mod kv;
mod limits;
pub mod log_ring;
pub mod manifest;
mod memo;
pub mod metrics;
pub mod plan;
pub mod probe;
pub mod rollout;
pub mod services;
pub mod shadow;
mod sights;
mod state;
pub mod stats;
pub mod table;
pub mod version;

pub use services::Services;
