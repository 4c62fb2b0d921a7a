use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};
use wasm_filters::manifest::{Digest, FilterName, VersionDocument, VersionId};

use super::*;
use crate::catalogue::{Actor, Rejection, Revocation, RevocationKind};
use crate::registry::{Registry, RegistryError, RegistryOptions};
use crate::signature::SigningKey;
use crate::source::SourceError;
use crate::testing::{LenientVetting, new_version};
use crate::wire::{
    Activate, LogLine, NodeCatalogue, NodeReport, ReportTaken, Revoke, Rollback, VersionRef,
    VersionState,
};

/// A node whose versions are their components' text. "bad" is rejected, "stuck" waits for the
/// gate, "panic" panics.
struct FakeNode {
    applied: Mutex<BTreeMap<FilterName, Routing<String>>>,
    prepared: Mutex<Vec<String>>,
    revoked: Mutex<Vec<Revocation>>,
    gate: Semaphore,
    events: Mutex<Option<mpsc::Receiver<NodeEvent>>>,
    sender: mpsc::Sender<NodeEvent>,
}

impl FakeNode {
    fn new() -> Arc<Self> {
        let (sender, events) = mpsc::channel(8);
        Arc::new(Self {
            applied: Mutex::default(),
            prepared: Mutex::default(),
            revoked: Mutex::default(),
            gate: Semaphore::new(0),
            events: Mutex::new(Some(events)),
            sender,
        })
    }

    fn runs(&self, filter: &str) -> Option<String> {
        let applied = self.applied.lock();
        applied
            .get(filter)
            .and_then(|routing| routing.active.clone())
    }
}

#[async_trait]
impl Node for FakeNode {
    type Version = String;

    async fn prepare(&self, _: VersionDocument, component: Bytes) -> Result<String, Rejection> {
        let text = String::from_utf8(component.to_vec()).unwrap();
        self.prepared.lock().push(text.clone());
        if text.contains("stuck") {
            self.gate.acquire().await.unwrap().forget();
        }
        assert!(!text.contains("panic"), "as told");
        if text.contains("bad") {
            return Err(Rejection {
                stage: "check".to_owned(),
                reason: "it is bad".to_owned(),
            });
        }
        Ok(text)
    }

    fn apply(&self, routing: BTreeMap<FilterName, Routing<String>>) {
        *self.applied.lock() = routing;
    }

    fn revoke(&self, revocation: &Revocation) {
        self.revoked.lock().push(revocation.clone());
    }

    fn stats(&self) -> BTreeMap<FilterName, serde_json::Value> {
        BTreeMap::from([(name("auth"), serde_json::json!({ "calls": 7 }))])
    }

    fn logs(&self, filter: &FilterName, after: u64) -> Vec<LogLine> {
        let line = LogLine {
            seq: 1,
            at_unix_ms: 1,
            level: "info".to_owned(),
            version: None,
            message: format!("hello from {filter}"),
        };
        if after == 0 { vec![line] } else { Vec::new() }
    }

    fn events(&self) -> mpsc::Receiver<NodeEvent> {
        self.events.lock().take().unwrap()
    }
}

/// A registry that can be away, and that can lie.
#[derive(Debug)]
struct Wire {
    registry: Registry,
    away: AtomicBool,
    corrupt: AtomicBool,
    reports: AtomicUsize,
}

impl Wire {
    fn to(registry: &Registry) -> Arc<Self> {
        Arc::new(Self {
            registry: registry.clone(),
            away: AtomicBool::new(false),
            corrupt: AtomicBool::new(false),
            reports: AtomicUsize::new(0),
        })
    }

    fn reach(&self) -> Result<&Registry, SourceError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(RegistryError::Busy(0).into());
        }
        Ok(&self.registry)
    }
}

#[async_trait]
impl Source for Wire {
    async fn catalogue(
        &self,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<Option<NodeCatalogue>, SourceError> {
        let answer = Source::catalogue(self.reach()?, after, wait).await;
        // The connection is gone while it waits.
        self.reach()?;
        answer
    }

    async fn document(
        &self,
        name: &FilterName,
        id: VersionId,
    ) -> Result<VersionDocument, SourceError> {
        Source::document(self.reach()?, name, id).await
    }

    async fn blob(&self, digest: Digest) -> Result<Bytes, SourceError> {
        let blob = Source::blob(self.reach()?, digest).await?;
        if self.corrupt.load(Ordering::SeqCst) {
            return Ok(Bytes::from_static(b"something else"));
        }
        Ok(blob)
    }

    async fn report(
        &self,
        node: &NodeName,
        report: &NodeReport,
    ) -> Result<ReportTaken, SourceError> {
        let taken = Source::report(self.reach()?, node, report).await?;
        self.reports.fetch_add(1, Ordering::SeqCst);
        Ok(taken)
    }
}

fn name(name: &str) -> FilterName {
    name.parse().unwrap()
}

fn id(filter: &str, label: &str) -> VersionId {
    let (version, _) = new_version(filter, label, 1);
    VersionDocument {
        component: version.component,
        manifest: version.manifest,
    }
    .id()
}

fn alice() -> Actor {
    Actor::local("alice")
}

async fn registry(dir: &Path) -> Registry {
    let store = Arc::new(FileStore::open(dir).await.unwrap());
    let metrics = prometheus::Registry::new();
    let options = RegistryOptions::default();
    Registry::open(store, options, Arc::new(LenientVetting), &metrics)
        .await
        .unwrap()
}

async fn push(registry: &Registry, filter: &str, label: &str, serial: u64) -> u32 {
    let (version, component) = new_version(filter, label, serial);
    let digest = version.component;
    registry
        .put_blob(digest, component, &alice())
        .await
        .unwrap();
    let pushed = registry.push(&name(filter), version, &alice()).await;
    pushed.unwrap().number
}

async fn activate(registry: &Registry, filter: &str, number: u32) -> u64 {
    let request = Activate {
        version: VersionRef::Number(number),
        percent: None,
        bake_ms: None,
        if_generation: None,
    };
    let done = registry.activate(&name(filter), &request, &alice()).await;
    done.unwrap().generation
}

fn options(node: &str, dir: &Path) -> AgentOptions {
    AgentOptions {
        node: node.parse().unwrap(),
        role: "edge".to_owned(),
        state_dir: dir.join(node),
        signatures: SignaturePolicy::default(),
    }
}

async fn start(
    options: AgentOptions,
    node: &Arc<FakeNode>,
    source: Arc<dyn Source>,
) -> AgentHandle {
    let metrics = prometheus::Registry::new();
    Agent::start(options, Arc::clone(node), source, &metrics)
        .await
        .unwrap()
}

/// Waits until the agent says so of a filter. Real time bounds it, in case it never does.
async fn until(agent: &AgentHandle, filter: &str, fits: impl Fn(&FilterStatus) -> bool) {
    let mut status = agent.watch();
    let waited = status.wait_for(|status| status.filters.get(filter).is_some_and(&fits));
    let waited = tokio::time::timeout(Duration::from_secs(3600), waited).await;
    if waited.is_err() {
        panic!("{:?}", agent.status());
    }
}

async fn until_running(agent: &AgentHandle, filter: &str, version: VersionId) {
    until(agent, filter, |status| status.active == Some(version)).await;
}

/// Waits until the registry's overview is so: it is published with every report.
async fn until_known(registry: &Registry, fits: impl Fn(&crate::wire::Overview) -> bool) {
    let waited = async {
        while !fits(&registry.overview()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(3600), waited)
        .await
        .is_err()
    {
        panic!("{:#?}", registry.overview());
    }
}

#[tokio::test(start_paused = true)]
async fn three_nodes_converge_and_say_so() {
    let dir = TempDir::new().unwrap();
    let registry = registry(&dir.path().join("registry")).await;
    let mut nodes = Vec::new();
    for number in 1..=3 {
        let node = FakeNode::new();
        let options = options(&format!("edge-{number}"), dir.path());
        let agent = start(options, &node, Arc::new(registry.clone())).await;
        nodes.push((node, agent));
    }
    push(&registry, "auth", "one", 1).await;
    // The newest is made ready before anybody activates it.
    until_known(&registry, |overview| {
        let filter = overview.filters.get("auth");
        filter.is_some_and(|filter| filter.versions[0].ready_on.len() == 3)
    })
    .await;
    let generation = activate(&registry, "auth", 1).await;
    for (node, agent) in &nodes {
        until_running(agent, "auth", id("auth", "one")).await;
        assert_eq!(node.runs("auth").as_deref(), Some("one"));
        assert!(agent.settled().await);
        assert_eq!(node.prepared.lock().len(), 1);
    }
    until_known(&registry, |overview| {
        let nodes = overview.nodes.values();
        nodes
            .filter(|node| node.report.generation == generation)
            .count()
            == 3
    })
    .await;
    let overview = registry.overview();
    let report = &overview.nodes.values().next().unwrap().report.filters["auth"];
    assert_eq!(report.active, Some(id("auth", "one")));
    assert_eq!(report.stats["calls"], 7);
    assert_eq!(registry.logs(&name("auth"), 0).unwrap().lines.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_node_comes_back_with_what_it_ran_while_its_registry_is_away() {
    let dir = TempDir::new().unwrap();
    let registry = registry(&dir.path().join("registry")).await;
    push(&registry, "auth", "one", 1).await;
    activate(&registry, "auth", 1).await;
    let wire = Wire::to(&registry);
    let node = FakeNode::new();
    let agent = start(options("edge-1", dir.path()), &node, wire.clone()).await;
    until_running(&agent, "auth", id("auth", "one")).await;
    agent.stop().await;
    // The origin's vetting let it through, and no node was there to say otherwise.
    push(&registry, "auth", "bad", 2).await;
    activate(&registry, "auth", 2).await;
    let agent = start(
        options("edge-1", dir.path()),
        &FakeNode::new(),
        wire.clone(),
    )
    .await;
    until(&agent, "auth", |filter| filter.state == FilterState::Behind).await;
    agent.stop().await;

    wire.away.store(true, Ordering::SeqCst);
    let node = FakeNode::new();
    let agent = start(options("edge-1", dir.path()), &node, wire.clone()).await;
    until_running(&agent, "auth", id("auth", "one")).await;
    assert_eq!(node.runs("auth").as_deref(), Some("one"));
    let mut status = agent.watch();
    let lost = status
        .wait_for(|status| status.problem.is_some())
        .await
        .unwrap()
        .clone();
    assert!(!lost.connected);
    // And follows again when it is back.
    push(&registry, "auth", "three", 3).await;
    activate(&registry, "auth", 3).await;
    wire.away.store(false, Ordering::SeqCst);
    until_running(&agent, "auth", id("auth", "three")).await;
    assert!(agent.status().connected);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_goes_away_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let registry = registry(&dir.path().join("registry")).await;
    push(&registry, "auth", "one", 1).await;
    activate(&registry, "auth", 1).await;
    let wire = Wire::to(&registry);
    let node = FakeNode::new();
    let agent = start(options("edge-1", dir.path()), &node, wire.clone()).await;
    until_running(&agent, "auth", id("auth", "one")).await;
    wire.away.store(true, Ordering::SeqCst);
    let mut status = agent.watch();
    status.wait_for(|status| !status.connected).await.unwrap();
    assert_eq!(node.runs("auth").as_deref(), Some("one"));
    let reports = wire.reports.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(wire.reports.load(Ordering::SeqCst), reports);
    assert_eq!(node.runs("auth").as_deref(), Some("one"));
    wire.away.store(false, Ordering::SeqCst);
    let began = tokio::time::Instant::now();
    status.wait_for(|status| status.connected).await.unwrap();
    assert!(began.elapsed() <= RETRY_MAX, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_filters_trouble_is_not_anothers() {
    let dir = TempDir::new().unwrap();
    let registry = registry(&dir.path().join("registry")).await;
    for (filter, label) in [
        ("a-bad", "bad"),
        ("b-stuck", "stuck"),
        ("c-panic", "panic"),
        ("d-good", "good"),
    ] {
        push(&registry, filter, label, 1).await;
        activate(&registry, filter, 1).await;
    }
    let node = FakeNode::new();
    let agent = start(
        options("edge-1", dir.path()),
        &node,
        Arc::new(registry.clone()),
    )
    .await;
    until_running(&agent, "d-good", id("d-good", "good")).await;
    let known = |overview: &crate::wire::Overview, filter: &str| {
        let node = overview.nodes.values().next();
        let report = node.and_then(|node| node.report.filters.get(filter));
        report.and_then(|report| report.versions.values().next().cloned())
    };
    until_known(&registry, |overview| {
        matches!(known(overview, "a-bad"), Some(VersionState::Rejected(r)) if r.stage == "check")
            && matches!(known(overview, "c-panic"), Some(VersionState::Rejected(r)) if r.stage == "node")
            && matches!(known(overview, "b-stuck"), Some(VersionState::Preparing))
    })
    .await;
    assert_eq!(agent.status().filters["a-bad"].state, FilterState::Missing);
    assert!(!agent.status().settled);
    node.gate.add_permits(1);
    until_running(&agent, "b-stuck", id("b-stuck", "stuck")).await;
    assert!(!agent.settled().await, "some are missing");
}

#[tokio::test(start_paused = true)]
async fn the_version_before_runs_until_the_next_is_ready() {
    let dir = TempDir::new().unwrap();
    let registry = registry(&dir.path().join("registry")).await;
    push(&registry, "auth", "one", 1).await;
    activate(&registry, "auth", 1).await;
    let node = FakeNode::new();
    let agent = start(
        options("edge-1", dir.path()),
        &node,
        Arc::new(registry.clone()),
    )
    .await;
    until_running(&agent, "auth", id("auth", "one")).await;
    push(&registry, "auth", "stuck", 2).await;
    activate(&registry, "auth", 2).await;
    until(&agent, "auth", |filter| filter.state == FilterState::Behind).await;
    assert_eq!(node.runs("auth").as_deref(), Some("one"));
    node.gate.add_permits(1);
    until_running(&agent, "auth", id("auth", "stuck")).await;
    let routing = node.applied.lock()["auth"].clone();
    assert_eq!(routing.previous.as_deref(), Some("one"));
    assert!(routing.bake_ms > 0);
    let request = Rollback::default();
    registry
        .rollback(&name("auth"), &request, &alice())
        .await
        .unwrap();
    until_running(&agent, "auth", id("auth", "one")).await;
    assert_eq!(
        node.prepared.lock().as_slice(),
        ["one", "stuck"],
        "it was ready"
    );
}

#[tokio::test(start_paused = true)]
async fn a_nodes_own_rollback_is_kept_told_and_followed_by_all() {
    let dir = TempDir::new().unwrap();
    let registry = registry(&dir.path().join("registry")).await;
    push(&registry, "auth", "one", 1).await;
    activate(&registry, "auth", 1).await;
    push(&registry, "auth", "two", 2).await;
    activate(&registry, "auth", 2).await;
    let wire = Wire::to(&registry);
    let node = FakeNode::new();
    let agent = start(options("edge-1", dir.path()), &node, wire.clone()).await;
    let other = FakeNode::new();
    let other_agent = start(options("edge-2", dir.path()), &other, Wire::to(&registry)).await;
    until_running(&agent, "auth", id("auth", "two")).await;
    until_running(&other_agent, "auth", id("auth", "two")).await;
    // The registry does not hear of it for now.
    wire.away.store(true, Ordering::SeqCst);
    let event = NodeEvent::RolledBack {
        filter: name("auth"),
        from: id("auth", "two"),
        to: Some(id("auth", "one")),
        reason: "p99 is 3 times as long".to_owned(),
    };
    node.sender.send(event).await.unwrap();
    until_running(&agent, "auth", id("auth", "one")).await;
    assert_eq!(node.runs("auth").as_deref(), Some("one"));
    // Not even a restart brings the bad one back.
    agent.stop().await;
    let node = FakeNode::new();
    let agent = start(options("edge-1", dir.path()), &node, wire.clone()).await;
    until_running(&agent, "auth", id("auth", "one")).await;
    until(&agent, "auth", |filter| {
        filter.state == FilterState::RolledBack
    })
    .await;
    assert_eq!(other.runs("auth").as_deref(), Some("two"));
    // Now it hears, and all go back.
    wire.away.store(false, Ordering::SeqCst);
    until_running(&other_agent, "auth", id("auth", "one")).await;
    until(&agent, "auth", |filter| {
        filter.state == FilterState::Running
    })
    .await;
    let records = registry.audit(0).await.unwrap().records;
    let told = records
        .iter()
        .filter(|record| record.actor == "edge-1")
        .count();
    assert_eq!(told, 1, "{records:#?}");
    // Somebody insists.
    activate(&registry, "auth", 2).await;
    until_running(&agent, "auth", id("auth", "two")).await;
}

#[tokio::test(start_paused = true)]
async fn a_component_that_was_changed_on_its_way_is_never_run() {
    let dir = TempDir::new().unwrap();
    let registry = registry(&dir.path().join("registry")).await;
    push(&registry, "auth", "one", 1).await;
    activate(&registry, "auth", 1).await;
    let wire = Wire::to(&registry);
    wire.corrupt.store(true, Ordering::SeqCst);
    let node = FakeNode::new();
    let agent = start(options("edge-1", dir.path()), &node, wire.clone()).await;
    until(&agent, "auth", |filter| {
        filter.state == FilterState::Missing
    })
    .await;
    until_known(&registry, |overview| {
        let rows = overview.nodes.values().next();
        let report = rows.and_then(|node| node.report.filters.get("auth"));
        let state = report.and_then(|report| report.versions.values().next());
        matches!(state, Some(VersionState::Unavailable { reason }) if reason.contains("digest"))
    })
    .await;
    assert!(node.prepared.lock().is_empty());
    wire.corrupt.store(false, Ordering::SeqCst);
    until_running(&agent, "auth", id("auth", "one")).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_wants_signatures_does_not_take_the_registrys_word() {
    let dir = TempDir::new().unwrap();
    let registry = registry(&dir.path().join("registry")).await;
    push(&registry, "auth", "one", 1).await;
    activate(&registry, "auth", 1).await;
    let key = SigningKey::from_pem("ops", &SigningKey::generate_pem().unwrap()).unwrap();
    let public = key.public_key();
    let options = AgentOptions {
        signatures: SignaturePolicy::new(true, [("ops", public.as_str())]).unwrap(),
        ..options("edge-1", dir.path())
    };
    let node = FakeNode::new();
    let _agent = start(options, &node, Arc::new(registry.clone())).await;
    until_known(&registry, |overview| {
        let filter = overview.filters.get("auth");
        let rejected = filter.and_then(|filter| filter.versions[0].rejected_on.values().next());
        rejected.is_some_and(|rejected| rejected.stage == "signature")
    })
    .await;
    assert!(node.prepared.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn revocations_reach_the_node() {
    let dir = TempDir::new().unwrap();
    let registry = registry(&dir.path().join("registry")).await;
    push(&registry, "auth", "one", 1).await;
    let node = FakeNode::new();
    let agent = start(
        options("edge-1", dir.path()),
        &node,
        Arc::new(registry.clone()),
    )
    .await;
    until(&agent, "auth", |filter| filter.state == FilterState::Idle).await;
    let revoke = Revoke {
        kind: RevocationKind::User,
        value: "eve".to_owned(),
        seconds: 60,
    };
    let done = registry.revoke(&revoke, &alice()).await.unwrap();
    let mut status = agent.watch();
    let told = status.wait_for(|status| status.generation == done.generation);
    told.await.unwrap();
    assert_eq!(node.revoked.lock()[0].value, "eve");
}

#[tokio::test(start_paused = true)]
async fn the_local_copy_holds_no_more_than_it_needs() {
    let dir = TempDir::new().unwrap();
    let registry = registry(&dir.path().join("registry")).await;
    let node = FakeNode::new();
    let agent = start(
        options("edge-1", dir.path()),
        &node,
        Arc::new(registry.clone()),
    )
    .await;
    for serial in 1..=6_u32 {
        let label = format!("label-{serial}");
        push(&registry, "auth", &label, u64::from(serial)).await;
        activate(&registry, "auth", serial).await;
        until_running(&agent, "auth", id("auth", &label)).await;
    }
    agent.stop().await;
    let copy = FileStore::open(dir.path().join("edge-1")).await.unwrap();
    use crate::store::Store as _;
    let kept = copy.documents().await.unwrap();
    assert!(kept.contains(&id("auth", "label-6")) && kept.contains(&id("auth", "label-5")));
    assert!(kept.len() <= 3, "{kept:?}");
    assert_eq!(copy.blobs().await.unwrap().len(), kept.len());
}
