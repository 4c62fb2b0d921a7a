//! Which filter runs where: the catalogue and its store, the HTTP API in front of them, the client
//! of that API, and the agent that makes a node follow the catalogue.
//!
//! It runs no filter: a node does, through the [`agent::Node`] trait. It serves no viewer.
//!
//! Who decides what: [`Registry`] decides which version of each filter is wanted
//! ([`catalogue::Desired`]); an [`agent::Agent`] on every node makes it so and reports. A node acts
//! alone in one case only, when a new version is worse than the one before it: it goes back at
//! once, and the registry then makes that the wish for all.

pub mod agent;
pub mod api;
pub mod catalogue;
pub mod client;
pub mod config;
mod metrics;
pub mod node;
pub mod registry;
pub mod signature;
pub mod source;
pub mod store;
pub mod wire;

#[cfg(test)]
mod testing;

pub use agent::{Agent, AgentHandle, AgentOptions};
pub use api::router;
pub use client::{Client, ClientError, ClientOptions};
pub use registry::{Registry, RegistryError, RegistryOptions, Vetting};
pub use wire::VetReport;
