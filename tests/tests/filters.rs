//! Filters on running nodes: pushed under load, rolled back, refused, and there again after a
//! restart. Viewers notice nothing but what the filter does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use filter_registry::wire::{Activate, VersionRef};
use loadtest::client::{Client, Protocol};
use parking_lot::Mutex;
use serde_json::json;
use tests::edge::Edge;
use tests::filters::{Filter, Fleet};
use tests::node::Settings;
use tests::parent::{Reply, pattern};
use tests::wait;
use tokio::task::JoinSet;
use wasm_filters::manifest::Hook;

const SEGMENT: &str = "/live/demo/720p/100.m4s";
/// The field in which the test's filter says which version it is.
const LABEL: &str = "x-filter";
const WITHIN: Duration = Duration::from_secs(30);

/// A filter that puts its label on every answer.
fn labelled(label: &str) -> anyhow::Result<Filter> {
    let config = json!({ "label": label });
    Filter::guest("all-hooks", "label", &[Hook::HttpResponse], config)
}

/// The same, but it panics over every answer.
fn broken() -> anyhow::Result<Filter> {
    let config = json!({ "label": "broken", "broken": true });
    Filter::guest("all-hooks", "label", &[Hook::HttpResponse], config)
}

/// The label on an edge's answer.
async fn label(client: &Client) -> anyhow::Result<Option<String>> {
    let fetched = client.fetch(SEGMENT, &[]).await?;
    anyhow::ensure!(fetched.status == 200, "status {}", fetched.status);
    Ok(fetched.header(LABEL).map(str::to_owned))
}

/// Viewers of all edges, over all protocols, who ask again and again.
struct Load {
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
    labels: Arc<Mutex<BTreeSet<String>>>,
    viewers: JoinSet<()>,
}

impl Load {
    async fn on(edges: &[Edge]) -> anyhow::Result<Self> {
        let mut load = Self {
            stop: Arc::default(),
            requests: Arc::default(),
            failures: Arc::default(),
            labels: Arc::default(),
            viewers: JoinSet::new(),
        };
        for edge in edges {
            for client in edge.clients_of_all(1).await? {
                load.add(client);
            }
        }
        Ok(load)
    }

    fn add(&mut self, client: Client) {
        let (stop, requests) = (Arc::clone(&self.stop), Arc::clone(&self.requests));
        let (failures, labels) = (Arc::clone(&self.failures), Arc::clone(&self.labels));
        self.viewers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                match label(&client).await {
                    Ok(label) => drop(labels.lock().insert(label.unwrap_or_default())),
                    Err(error) => {
                        failures
                            .lock()
                            .push(format!("{}: {error:#}", client.protocol()));
                    }
                }
                requests.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    /// Waits until every viewer has asked about twice more.
    async fn go_on(&self) -> anyhow::Result<()> {
        let goal = self.requests.load(Ordering::Relaxed) + 2 * self.viewers.len() as u64;
        wait::until("the viewers go on", WITHIN, async || {
            Ok((self.requests.load(Ordering::Relaxed) >= goal).then_some(()))
        })
        .await
    }

    /// How many requests there were, and the labels seen. No request may have failed.
    async fn end(mut self) -> anyhow::Result<(u64, BTreeSet<String>)> {
        self.stop.store(true, Ordering::Relaxed);
        while self.viewers.join_next().await.is_some() {}
        let failures = self.failures.lock();
        anyhow::ensure!(
            failures.is_empty(),
            "{} requests failed, such as {:?}",
            failures.len(),
            failures.first()
        );
        let labels = self.labels.lock().clone();
        Ok((self.requests.load(Ordering::Relaxed), labels))
    }
}

async fn fleet(edges: usize) -> anyhow::Result<Fleet> {
    let fleet = Fleet::start(edges, &Settings::default()).await?;
    fleet.parent.on(
        SEGMENT,
        Reply::ok(pattern(10_000)).header("Cache-Control", "max-age=600"),
    );
    Ok(fleet)
}

#[tokio::test(flavor = "multi_thread")]
async fn swaps_under_load_fail_no_request() -> anyhow::Result<()> {
    let fleet = fleet(3).await?;
    let load = Load::on(&fleet.edges).await?;
    let mut expected = BTreeSet::from([String::new()]);
    for round in 1..=5 {
        let name = format!("round-{round}");
        let filter = labelled(&name)?;
        fleet.operator.deploy(&filter, fleet.nodes()).await?;
        for edge in &fleet.edges {
            let client = edge.client(Protocol::H2).await?;
            assert_eq!(label(&client).await?.as_deref(), Some(name.as_str()));
        }
        expected.insert(name);
        load.go_on().await?;
    }
    let (requests, labels) = load.end().await?;
    assert!(requests > 100, "{requests} requests");
    assert_eq!(labels, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worse_version_is_taken_back_by_the_nodes_themselves() -> anyhow::Result<()> {
    let fleet = fleet(2).await?;
    let good = labelled("good")?;
    let first = fleet.operator.deploy(&good, fleet.nodes()).await?;
    let load = Load::on(&fleet.edges).await?;
    load.go_on().await?;
    let pushed = fleet.operator.push(&broken()?).await?;
    let name = good.name();
    fleet
        .operator
        .activate_baking(name, pushed.number, 60_000)
        .await?;
    // The registry wants the first one again, because a node said so.
    wait::until("the registry takes it back", WITHIN, async || {
        let overview = fleet.operator.client.overview().await?;
        let filter = overview.filters.get(name).context("it is there")?;
        Ok((filter.desired.active == Some(first.id)).then_some(()))
    })
    .await?;
    fleet
        .operator
        .active_on(name, first.id, fleet.nodes())
        .await?;
    for edge in &fleet.edges {
        let client = edge.client(Protocol::H3).await?;
        assert_eq!(label(&client).await?.as_deref(), Some("good"));
    }
    // The filter fails open: answers without a label, never an error.
    let (_, labels) = load.end().await?;
    assert!(!labels.contains("broken"), "{labels:?}");
    let audit = fleet.operator.client.audit(0).await?;
    let last = serde_json::to_string(&audit.records.last())?;
    assert!(last.contains("rolled") || last.contains("roll"), "{last}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_named_and_hurts_nobody() -> anyhow::Result<()> {
    let fleet = fleet(1).await?;
    let good = labelled("good")?;
    fleet.operator.deploy(&good, fleet.nodes()).await?;
    let load = Load::on(&fleet.edges).await?;
    let hostile =
        |config: &str| Filter::guest("hostile", "label", &[Hook::Chat], json!({ "mode": config }));
    let with_bytes = |bytes: Vec<u8>| {
        let mut filter = labelled("bytes").unwrap();
        filter.wasm = bytes.into();
        filter
    };
    let half = good.wasm.slice(..good.wasm.len() / 2).to_vec();
    for (filter, stage, reason) in [
        (
            with_bytes(b"\0asm\x01\0\0\0".to_vec()),
            "check",
            "core module",
        ),
        (with_bytes(half), "check", ""),
        (with_bytes(b"\x7fELF and so on".to_vec()), "check", ""),
        (
            hostile("configure-panics")?,
            "probe",
            "cannot be configured on a Saturday",
        ),
        (
            hostile("configure-refuses")?,
            "probe",
            "colour must be one of red, green",
        ),
        (hostile("configure-loops")?, "probe", ""),
        (hostile("describe-floods")?, "probe", ""),
    ] {
        let error = fleet
            .operator
            .push(&filter)
            .await
            .expect_err("it must be refused");
        let error = error
            .downcast_ref::<filter_registry::ClientError>()
            .context("an answer")?;
        let problem = error.problem().context("a problem document")?;
        assert_eq!(problem.stage.as_deref(), Some(stage), "{problem:?}");
        let said = problem.reason.clone().unwrap_or_default();
        assert!(said.contains(reason), "{said:?} does not say {reason:?}");
    }
    load.go_on().await?;
    let (_, labels) = load.end().await?;
    assert_eq!(labels, BTreeSet::from(["good".to_owned()]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_comes_back_with_its_filters_though_the_registry_is_away() -> anyhow::Result<()> {
    let mut fleet = fleet(1).await?;
    fleet
        .operator
        .deploy(&labelled("kept")?, fleet.nodes())
        .await?;
    fleet.origin.kill()?;
    let edge = fleet.edges.first_mut().context("an edge")?;
    let client = edge.client(Protocol::H1).await?;
    assert_eq!(
        label(&client).await?.as_deref(),
        Some("kept"),
        "without a registry"
    );
    edge.kill()?;
    edge.start_again().await?;
    let client = edge.client(Protocol::H1).await?;
    assert_eq!(
        label(&client).await?.as_deref(),
        Some("kept"),
        "after a restart"
    );
    // The registry comes back, and is followed again.
    fleet.origin.start_again().await?;
    let next = labelled("next")?;
    fleet.operator.deploy(&next, 2).await?;
    assert_eq!(label(&client).await?.as_deref(), Some("next"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_in_the_middle_of_a_swap_comes_back_whole() -> anyhow::Result<()> {
    let mut fleet = fleet(1).await?;
    let first = labelled("a")?;
    fleet.operator.deploy(&first, fleet.nodes()).await?;
    let second = fleet.operator.push(&labelled("b")?).await?;
    let name = first.name().clone();
    for round in 0..4 {
        let number = if round % 2 == 0 { second.number } else { 1 };
        let switch = async {
            let operator = fleet.operator.clone();
            operator.activate(&name, number).await
        };
        let edge = fleet.edges.first_mut().context("an edge")?;
        let (activated, killed) = futures::join!(switch, async { edge.kill() });
        activated?;
        killed?;
        edge.start_again().await?;
        let client = edge.client(Protocol::H2).await?;
        let expect = if round % 2 == 0 { "b" } else { "a" };
        wait::until("it runs what is wanted", WITHIN, async || {
            let label = label(&client).await?.context("no filter at all")?;
            anyhow::ensure!(label == "a" || label == "b", "{label}");
            Ok((label == expect).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_at_once_one_wins_and_the_other_is_told() -> anyhow::Result<()> {
    let fleet = fleet(1).await?;
    let first = labelled("a")?;
    fleet.operator.deploy(&first, fleet.nodes()).await?;
    let b = fleet.operator.push(&labelled("b")?).await?;
    let c = fleet.operator.push(&labelled("c")?).await?;
    let generation = fleet.operator.client.overview().await?.generation;
    let activate = |number| Activate {
        version: VersionRef::Number(number),
        percent: None,
        bake_ms: Some(0),
        if_generation: Some(generation),
    };
    let (to_b, to_c) = (activate(b.number), activate(c.number));
    let client = &fleet.operator.client;
    let (b, c) = futures::join!(
        client.activate(first.name(), &to_b),
        client.activate(first.name(), &to_c)
    );
    let refused: Vec<_> = [b, c].into_iter().filter_map(Result::err).collect();
    let [error] = refused.as_slice() else {
        anyhow::bail!("one of two must be refused: {refused:?}");
    };
    assert_eq!(
        error.status(),
        Some(http::StatusCode::PRECONDITION_FAILED),
        "{error}"
    );
    let changed = error.problem().and_then(|problem| problem.changed.as_ref());
    assert!(changed.is_some(), "who was faster is not said: {error}");
    Ok(())
}
