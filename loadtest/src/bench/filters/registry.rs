//! The registry, as its operator uses it: changes by `weirctl`, and looks at what it knows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::artifact::Artifact;
use crate::client::{Client, Protocol, Trust};

/// Bearer token of the operator.
pub(super) const OPERATOR_TOKEN: &str = "operator-token-of-the-benchmark";

/// Bearer token of the nodes.
pub(super) const NODE_TOKEN: &str = "node-token-of-the-benchmark";

/// The name under which the origin reports.
const ORIGIN: &str = "weir-origin";

/// Between two looks at the registry: how exact the times are.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long a change may take.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// When a change had come how far, since `weirctl` was started.
#[derive(Debug, Clone)]
pub(super) struct Times {
    /// The version that is to run.
    pub(super) id: String,
    /// The registry has accepted it, or has decided for it.
    pub(super) accepted: Duration,
    /// All edges report that they run it.
    pub(super) edges: Duration,
    /// The origin does, too.
    pub(super) everywhere: Duration,
    /// `weirctl` has told the operator.
    pub(super) told: Duration,
}

/// A client of the registry.
pub(super) struct Registry {
    url: String,
    client: Client,
    weirctl: PathBuf,
    /// The edges that follow it.
    edges: Vec<String>,
}

impl Registry {
    pub(super) async fn new(
        url: String,
        weirctl: PathBuf,
        edges: Vec<String>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            client: Client::connect(&url, Protocol::H1, &Trust::Insecure).await?,
            url,
            weirctl,
            edges,
        })
    }

    /// Pushes a version and activates it; waits until all nodes run it.
    pub(super) async fn push(&self, artifact: &Artifact) -> anyhow::Result<Times> {
        self.push_with(artifact, &[]).await
    }

    /// The same, but no node goes back by itself when the version turns out to be bad.
    pub(super) async fn push_for_good(&self, artifact: &Artifact) -> anyhow::Result<Times> {
        self.push_with(artifact, &["--bake", "0"]).await
    }

    async fn push_with(&self, artifact: &Artifact, options: &[&str]) -> anyhow::Result<Times> {
        let before = self.overview().await?;
        let known = before.newest(artifact.name).map(|newest| newest.number);
        let mut command = self.weirctl();
        command.args(["filter", "push", "--activate", "--component"]);
        command.arg(&artifact.component);
        command.arg("--manifest").arg(&artifact.manifest);
        command.args(options);
        let target = |overview: &Overview| {
            let newest = overview.newest(artifact.name)?;
            (Some(newest.number) != known).then(|| newest.id.clone())
        };
        self.change(artifact.name, command, target)
            .await
            .with_context(|| format!("pushing {}", artifact.component.display()))
    }

    /// Goes back to the version before; waits until all nodes run it.
    pub(super) async fn roll_back(&self, name: &str) -> anyhow::Result<Times> {
        let before = self.overview().await?;
        let previous = before
            .filters
            .get(name)
            .and_then(|filter| filter.desired.previous.clone())
            .context("there is no version to go back to")?;
        let mut command = self.weirctl();
        command.args(["filter", "rollback", name]);
        let target = |overview: &Overview| {
            let wanted = overview.wanted(name)?;
            (wanted == previous).then(|| previous.clone())
        };
        self.change(name, command, target)
            .await
            .with_context(|| format!("rolling {name} back"))
    }

    /// The id of the version that is wanted active.
    pub(super) async fn wanted(&self, name: &str) -> anyhow::Result<Option<String>> {
        Ok(self.overview().await?.wanted(name).map(str::to_owned))
    }

    async fn change(
        &self,
        name: &str,
        mut command: tokio::process::Command,
        target: impl Fn(&Overview) -> Option<String>,
    ) -> anyhow::Result<Times> {
        let started = Instant::now();
        let told = async {
            let output = command.output().await?;
            ensure!(
                output.status.success(),
                "weirctl: {}: {}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            Ok(started.elapsed())
        };
        let (times, told) = tokio::try_join!(self.follow(name, started, target), told)?;
        Ok(Times { told, ..times })
    }

    /// Looks until all nodes run what `target` names.
    async fn follow(
        &self,
        name: &str,
        started: Instant,
        target: impl Fn(&Overview) -> Option<String>,
    ) -> anyhow::Result<Times> {
        let (mut accepted, mut edges) = (None, None);
        loop {
            let overview = self.overview().await?;
            let now = started.elapsed();
            if let Some(id) = target(&overview) {
                let accepted = *accepted.get_or_insert(now);
                let runs = |node: &str| overview.runs(node, name) == Some(&id);
                if self.edges.iter().all(|edge| runs(edge)) {
                    let edges = *edges.get_or_insert(now);
                    if runs(ORIGIN) {
                        return Ok(Times {
                            id,
                            accepted,
                            edges,
                            everywhere: now,
                            told: now,
                        });
                    }
                }
            }
            ensure!(
                now < CHANGE_TIMEOUT,
                "not on all nodes after {CHANGE_TIMEOUT:?}: {overview:?}"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn overview(&self) -> anyhow::Result<Overview> {
        let bearer = format!("Bearer {OPERATOR_TOKEN}");
        let fields = [("authorization", bearer.as_str())];
        let fetched = self.client.fetch("/v1/filters", &fields).await?;
        ensure!(
            fetched.status == 200 && fetched.is_whole(),
            "the registry answers {}: {:.300}",
            fetched.status,
            fetched.text()
        );
        Ok(serde_json::from_slice(&fetched.body)?)
    }

    fn weirctl(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.weirctl);
        command
            .env("WEIR_REGISTRY", &self.url)
            .env("WEIR_TOKEN", OPERATOR_TOKEN)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

/// What is needed of the registry's answer to `GET /v1/filters`.
#[derive(Debug, Deserialize)]
struct Overview {
    filters: BTreeMap<String, Filter>,
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug, Deserialize)]
struct Filter {
    /// The newest first.
    versions: Vec<Version>,
    desired: Desired,
}

#[derive(Debug, Deserialize)]
struct Version {
    number: u32,
    id: String,
}

#[derive(Debug, Deserialize)]
struct Desired {
    active: Option<String>,
    previous: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Node {
    report: NodeReport,
}

#[derive(Debug, Deserialize)]
struct NodeReport {
    filters: BTreeMap<String, FilterReport>,
}

#[derive(Debug, Deserialize)]
struct FilterReport {
    active: Option<String>,
}

impl Overview {
    fn newest(&self, filter: &str) -> Option<&Version> {
        self.filters.get(filter)?.versions.first()
    }

    fn wanted(&self, filter: &str) -> Option<&str> {
        self.filters.get(filter)?.desired.active.as_deref()
    }

    /// What a node reports as active.
    fn runs(&self, node: &str, filter: &str) -> Option<&String> {
        let report = &self.nodes.get(node)?.report;
        report.filters.get(filter)?.active.as_ref()
    }
}
