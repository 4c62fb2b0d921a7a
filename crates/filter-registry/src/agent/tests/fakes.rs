//! A node without WebAssembly, and a way to the registry that can break.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use wasm_filters::manifest::{Digest, FilterName, VersionDocument, VersionId};

use super::super::*;
use super::name;
use crate::catalogue::{Rejection, Revocation};
use crate::registry::{Registry, RegistryError};
use crate::source::SourceError;
use crate::wire::{LogLine, NodeCatalogue, NodeReport, ReportTaken};

/// A node whose versions are their components' text. "bad" is rejected, "stuck" waits for the
/// gate, "panic" panics.
pub(super) struct FakeNode {
    pub(super) applied: Mutex<BTreeMap<FilterName, Routing<String>>>,
    pub(super) prepared: Mutex<Vec<String>>,
    pub(super) revoked: Mutex<Vec<Revocation>>,
    pub(super) gate: Semaphore,
    pub(super) events: Mutex<Option<mpsc::Receiver<NodeEvent>>>,
    pub(super) sender: mpsc::Sender<NodeEvent>,
}

impl FakeNode {
    pub(super) fn new() -> Arc<Self> {
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

    pub(super) fn runs(&self, filter: &str) -> Option<String> {
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
pub(super) struct Wire {
    pub(super) registry: Registry,
    pub(super) away: AtomicBool,
    pub(super) corrupt: AtomicBool,
    pub(super) reports: AtomicUsize,
}

impl Wire {
    pub(super) fn to(registry: &Registry) -> Arc<Self> {
        Arc::new(Self {
            registry: registry.clone(),
            away: AtomicBool::new(false),
            corrupt: AtomicBool::new(false),
            reports: AtomicUsize::new(0),
        })
    }

    pub(super) fn reach(&self) -> Result<&Registry, SourceError> {
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
