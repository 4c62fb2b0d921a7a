mod away;
mod fakes;
mod follow;
mod trust;

use std::path::Path;

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
async fn until_known(registry: &Registry, fits: impl Fn(&Overview) -> bool) {
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
