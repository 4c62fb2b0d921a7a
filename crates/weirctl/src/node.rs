//! What is asked of single nodes, not of the registry: their state, their streams, their cache.

pub(crate) mod client;
pub(crate) mod purge;
pub(crate) mod rooms;
pub(crate) mod status;
pub(crate) mod streams;
