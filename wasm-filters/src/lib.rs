//! The host of filters: WebAssembly components that operators load into running nodes.
//!
//! This crate knows nothing of edges, registries or HTTP servers. It takes a component and its manifest, checks and
//! compiles them, and calls the hooks that the component exports, each within its limits.
pub mod call;
pub mod check;
pub mod compile;
pub mod contract;
pub mod engine;
pub mod imports;
pub mod keys;
pub mod kv;
mod limits;
pub mod manifest;
pub mod services;
mod state;
pub mod version;

pub use services::Services;
