//! What an agent needs of the node that it serves.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use wasm_filters::manifest::{FilterName, VersionDocument, VersionId};

use crate::catalogue::{Rejection, Revocation};
use crate::wire::LogLine;

/// A node that runs filters: the host of an edge or an origin, or a fake in a test.
#[async_trait]
pub trait Node: Send + Sync + 'static {
    /// A version that can be switched to at once; cheap to clone.
    type Version: Clone + Send + Sync + 'static;

    /// Checks, compiles, loads and probes a version.
    ///
    /// # Errors
    /// Where it failed and why.
    async fn prepare(
        &self,
        document: VersionDocument,
        component: Bytes,
    ) -> Result<Self::Version, Rejection>;

    /// Routes so from the next request on. Filters that are not named are out of every chain.
    fn apply(&self, routing: BTreeMap<FilterName, Routing<Self::Version>>);

    /// Makes grants void. The same one may come again.
    fn revoke(&self, revocation: &Revocation);

    /// What is counted of each filter, as JSON objects.
    fn stats(&self) -> BTreeMap<FilterName, serde_json::Value>;

    /// A filter's log lines after a number, oldest first.
    fn logs(&self, filter: &FilterName, after: u64) -> Vec<LogLine>;

    /// What the node does by itself. Asked for once.
    fn events(&self) -> mpsc::Receiver<NodeEvent>;
}

/// What runs of one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing<V> {
    /// For everybody, less the canary's share. None: the version that is wanted is not ready, and
    /// none ran before it.
    pub active: Option<V>,
    /// What a rollback goes to.
    pub previous: Option<V>,
    /// With its share, 1..=99 percent.
    pub canary: Option<(V, u8)>,
    /// Called without effect.
    pub shadow: Option<V>,
    /// How long the newcomer is judged, in milliseconds; 0: not at all.
    pub bake_ms: u64,
    /// Which activation this is: another number means that somebody activated anew.
    pub since_generation: u64,
    /// False: out of every chain.
    pub enabled: bool,
}

/// What a node does by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// The newcomer was worse than what was before it, or the node's operator went back.
    RolledBack {
        /// Of which filter.
        filter: FilterName,
        /// The version that was left.
        from: VersionId,
        /// What runs instead.
        to: Option<VersionId>,
        /// With the numbers.
        reason: String,
    },
    /// Something that the next report should not wait for, such as a filter switched off by its
    /// breaker.
    Noteworthy,
}
