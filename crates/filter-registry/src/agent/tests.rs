mod away;
mod fakes;
mod follow;
mod trust;

use tempfile::TempDir;
use wasm_filters::manifest::{FilterName, VersionDocument, VersionId};

use super::*;
use crate::catalogue::Actor;
use crate::registry::{Registry, RegistryOptions};
use crate::testing::{LenientVetting, new_version};
use crate::wire::{Activate, Overview, VersionRef};

use fakes::{FakeNode, Wire};

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

/// Pushes a version, whose number is `number`, and activates it.
async fn release(registry: &Registry, filter: &str, label: &str, number: u32) {
    assert_eq!(
        push(registry, filter, label, u64::from(number)).await,
        number
    );
    activate(registry, filter, number).await;
}

/// A registry, and room for the state of its nodes.
struct World {
    dir: TempDir,
    registry: Registry,
}

impl World {
    /// Without filters.
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Arc::new(FileStore::open(dir.path().join("registry")).await.unwrap());
        let metrics = prometheus::Registry::new();
        let options = RegistryOptions::default();
        let registry = Registry::open(store, options, Arc::new(LenientVetting), &metrics);
        let registry = registry.await.unwrap();
        Self { dir, registry }
    }

    /// In which the first version of `auth`, "one", is active.
    async fn with_one() -> Self {
        let world = Self::new().await;
        release(&world.registry, "auth", "one", 1).await;
        world
    }

    fn options(&self, edge: &str) -> AgentOptions {
        AgentOptions {
            node: edge.parse().unwrap(),
            role: "edge".to_owned(),
            state_dir: self.dir.path().join(edge),
            signatures: SignaturePolicy::default(),
        }
    }

    /// Starts an edge's agent over what it left at its last stop, if anything.
    async fn edge(&self, name: &str, node: &Arc<FakeNode>, source: Arc<dyn Source>) -> AgentHandle {
        start(self.options(name), node, source).await
    }

    /// `edge-1`, which asks the registry itself.
    async fn edge_1(&self, node: &Arc<FakeNode>) -> AgentHandle {
        self.edge("edge-1", node, Arc::new(self.registry.clone()))
            .await
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

// The tests' time is paused: tokio's clock stands still while anything can run, and jumps to the next
// timer when nothing can. An hour of it passes at once, and a sleep waits for nothing but its turn.
// Blocking work, such as the store's, takes real time, and tokio's clock stands still for it too.

/// Waits until the agent says so of a filter; an hour of paused time ends what would hang.
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
async fn until_known(registry: &Registry, fits: impl Fn(&Overview) -> bool) {
    let waited = async {
        while !fits(&registry.overview()) {
            // Paused time: lets all others run until they wait too.
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
