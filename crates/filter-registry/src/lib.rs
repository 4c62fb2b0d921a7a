//! Which filter runs where: the catalogue, its store and API, and the agent that makes a node follow it.

pub mod config;
