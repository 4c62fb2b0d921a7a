//! Waits until the nodes have done what the registry wants, and says what each of them does.

mod progress;

use std::collections::BTreeMap;
use std::time::Duration;

use filter_registry::Client;
use filter_registry::wire::NodeName;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::Output;

pub(crate) use progress::{Goal, Progress, Want};

/// Between two looks: a tenth of what a push should take to reach every node.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where every node is.
pub(crate) type Nodes = BTreeMap<NodeName, Progress>;

/// Looks until no node is on its way, or the time is over. Prints what changes.
///
/// # Errors
/// The registry cannot be asked.
pub(crate) async fn nodes(
    client: &Client,
    goal: &Goal,
    patience: Duration,
    output: Output,
) -> Result<Nodes, Failure> {
    let end = Instant::now() + patience;
    let mut last = Nodes::new();
    loop {
        let overview = client.overview().await.map_err(Failure::failed)?;
        let nodes = progress::all(&overview, goal);
        for (node, progress) in &nodes {
            if last.get(node) != Some(progress) {
                output.step(&progress::line(node, progress, output.style));
            }
        }
        let done = !nodes.values().any(Progress::is_open);
        if done || Instant::now() >= end {
            return Ok(nodes);
        }
        last = nodes;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How it ended, in words; an error where not every node got there.
///
/// # Errors
/// A node refused, went back, or was not done in time.
pub(crate) fn verdict(nodes: &Nodes, goal: &Goal, patience: Duration) -> Result<String, Failure> {
    progress::verdict(nodes, goal, patience).map_err(Failure::Failed)
}
