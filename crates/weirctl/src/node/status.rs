//! `weirctl status`: what nodes do, as each says itself and as the registry heard of them.

mod metrics;
mod view;

use std::collections::BTreeMap;

use filter_registry::wire::{NodeName, NodeOverview, Overview};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::NodeClient;
use crate::args::Status;
use crate::config::Target;
use crate::failure::Failure;
use crate::operate;
use crate::output::Output;

/// What a node says of itself, as far as it is shown. A later node may say more.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct NodeStatus {
    node: String,
    version: String,
    /// "edge" or "origin", where the node says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    ready: bool,
    draining: bool,
    uptime_seconds: u64,
    requests_in_progress: i64,
    /// What is being broadcast: an origin's.
    #[serde(skip_serializing_if = "Option::is_none")]
    streams: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<CacheStatus>,
    /// Whether it runs filters, and how far its agent is.
    #[serde(skip_serializing_if = "Value::is_null")]
    filters: Value,
    /// `wasm_filters::host::HostStatus`, which is asked for separately.
    #[serde(skip_serializing_if = "Value::is_null")]
    host: Value,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct CacheStatus {
    bytes: u64,
    objects: u64,
    /// From the node's metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcomes: Option<metrics::Outcomes>,
}

/// What was asked and what was heard.
#[derive(Debug, Default, Serialize)]
struct Known {
    /// By the URL that was asked.
    nodes: BTreeMap<String, Answer>,
    /// What the registry heard, where one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<Registry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Status(Box<NodeStatus>),
    Failed(String),
}

#[derive(Debug, Serialize)]
struct Registry {
    now_unix_ms: u64,
    nodes: BTreeMap<NodeName, NodeOverview>,
}

/// `weirctl status`
///
/// # Errors
/// A node that was named did not answer, or nothing did.
pub(crate) async fn run(target: &Target, output: Output, wanted: &Status) -> Result<(), Failure> {
    let named = if wanted.nodes.is_empty() {
        &target.nodes
    } else {
        &wanted.nodes
    };
    let mut known = Known::default();
    let client = NodeClient::new(target)?;
    for node in named {
        let answer = ask(&client, node).await;
        known.nodes.insert(node.to_string(), answer);
    }
    let mut problem = None;
    if wanted.nodes.is_empty() {
        match overview(target).await {
            Ok(overview) => {
                known.registry = Some(Registry {
                    now_unix_ms: overview.now_unix_ms,
                    nodes: overview.nodes,
                });
            }
            Err(failure) => problem = Some(failure),
        }
        // The registry's own node; an origin of an earlier release has no status of its own.
        let answer = ask(&client, &target.registry).await;
        if matches!(answer, Answer::Status(_)) {
            let url = target.registry.to_string();
            known.nodes.entry(url).or_insert(answer);
        }
    }
    if known.nodes.is_empty()
        && let Some(problem) = problem
    {
        return Err(problem);
    }
    output.show(&known, view::render)?;
    let failed = known
        .nodes
        .values()
        .any(|answer| matches!(answer, Answer::Failed(_)));
    match problem {
        Some(problem) => Err(problem),
        None if failed => Err(Failure::Shown),
        None => Ok(()),
    }
}

async fn ask(client: &NodeClient, node: &Url) -> Answer {
    let mut status = match client.get::<NodeStatus>(node, "/v1/status").await {
        Ok(Some(status)) => status,
        Ok(None) => {
            return Answer::Failed("has no /v1/status: is it a node's admin listener?".to_owned());
        }
        Err(failure) => return Answer::Failed(failure.line().unwrap_or_default()),
    };
    if let Some(cache) = &mut status.cache
        && let Some(text) = client.text(node, "/metrics").await
    {
        cache.outcomes = Some(metrics::outcomes(&text));
    }
    // A node without filters says so with an error, which is no reason to show nothing.
    if let Ok(Some(host)) = client.get::<Value>(node, "/v1/node/filters").await {
        status.host = host;
    }
    Answer::Status(Box::new(status))
}

async fn overview(target: &Target) -> Result<Overview, Failure> {
    let client = operate::client(target)?;
    client.overview().await.map_err(Failure::failed)
}
