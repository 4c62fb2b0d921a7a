//! The agent: makes a node run what the catalogue wants, and says how that went.
//!
//! It follows the catalogue of a [`Source`], fetches the versions that are wanted, has the [`Node`]
//! make them ready, and switches when they are. It runs no filter itself.
//!
//! **What runs goes on running.** A version that cannot be fetched or made ready leaves the one
//! before it in place; a registry that is away changes nothing; a node that starts without its
//! registry comes back with what it ran, from its own copy. One filter's trouble is never another's.

mod actor;
mod fetch;
mod follow;
mod host;
mod local;
mod node;
mod plan;
mod report;
mod slots;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::metrics::AgentMetrics;
use crate::signature::SignaturePolicy;
use crate::source::Source;
use crate::store::StoreError;
use crate::store::files::FileStore;
use crate::wire::NodeName;

pub use host::HostNode;
pub use node::{Node, NodeEvent, Routing};
pub use report::{AgentStatus, FilterState, FilterStatus};

/// Versions that are fetched or made ready at once. The node compiles one at a time by itself.
const PREPARING_MAX: usize = 4;
/// Longest a version may take from the beginning of its fetching until it is ready.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long the registry is asked to hold a request for news.
const FOLLOW_WAIT: Duration = Duration::from_secs(25);
/// Between two reports when nothing happens.
const REPORT_INTERVAL: Duration = Duration::from_secs(3);
/// First and longest pause after a failed request; each is twice the one before, less up to half.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// See [`RETRY_MIN`].
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How an agent works.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// Under which name it reports.
    pub node: NodeName,
    /// "edge", "origin".
    pub role: String,
    /// For the node's own copy; made when it is not there, used by this agent alone.
    pub state_dir: PathBuf,
    /// What a version needs to be run here. A registry that was broken into cannot sign.
    pub signatures: SignaturePolicy,
}

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Its directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Registered twice, or under a bad name.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

/// Starts agents.
#[derive(Clone, Copy, Debug)]
pub struct Agent;

impl Agent {
    /// Starts following in a task of its own. Returns once the node's own copy is read; what that
    /// says is made ready at once, whether or not the registry answers. Metrics are registered
    /// under `filter_agent_`.
    ///
    /// # Errors
    /// The directory cannot be used, or the metrics are registered already.
    pub async fn start<N: Node>(
        options: AgentOptions,
        node: Arc<N>,
        source: Arc<dyn Source>,
        metrics: &prometheus::Registry,
    ) -> Result<AgentHandle, AgentError> {
        let metrics = AgentMetrics::register(metrics)?;
        let store = Arc::new(FileStore::open(&options.state_dir).await?);
        let local = local::Local::open(store).await;
        let (status, watched) = watch::channel(AgentStatus::default());
        let stop = CancellationToken::new();
        let actor = actor::Actor::new(options, node, source, local, metrics, status);
        let task = tokio::spawn(actor.run(stop.clone()));
        Ok(AgentHandle {
            status: watched,
            task,
            stop: stop.drop_guard(),
        })
    }
}

/// A running agent; it stops when this is dropped.
#[derive(Debug)]
pub struct AgentHandle {
    status: watch::Receiver<AgentStatus>,
    task: JoinHandle<()>,
    stop: DropGuard,
}

impl AgentHandle {
    /// How far the node is.
    pub fn status(&self) -> AgentStatus {
        self.status.borrow().clone()
    }

    /// To wait for a status.
    pub fn watch(&self) -> watch::Receiver<AgentStatus> {
        self.status.clone()
    }

    /// Waits until the node has a catalogue, its own copy's or the registry's, and every version
    /// that it wants active is ready or cannot become so. True: none is missing.
    pub async fn settled(&self) -> bool {
        let mut status = self.status.clone();
        let settled = status.wait_for(|status| status.settled).await;
        settled.is_ok_and(|status| {
            status
                .filters
                .values()
                .all(|filter| filter.state != FilterState::Missing)
        })
    }

    /// Stops following. What runs goes on running.
    pub async fn stop(self) {
        drop(self.stop);
        // It ends by itself; a panic in it was reported by the runtime.
        let _ = self.task.await;
    }
}

#[cfg(test)]
mod tests;
