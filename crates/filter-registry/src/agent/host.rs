//! The host of an edge or an origin, as the agent and the registry's vetting need it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::{broadcast, mpsc};
use wasm_filters::grants;
use wasm_filters::host::{EVENTS_MAX, FilterRouting, Host, HostEvent, Rejected};
use wasm_filters::manifest::{FilterName, VersionDocument};
use wasm_filters::rollout::{Canary, Percent};
use wasm_filters::version::LoadedVersion;

use super::{Node, NodeEvent, Routing};
use crate::catalogue::{Rejection, Revocation, RevocationKind};
use crate::registry::Vetting;
use crate::wire::{LogLine, VetReport};

/// A version that the node could not try, because its compiler is busy or could not be started, is
/// tried so often.
const TRIES_MAX: u32 = 10;
/// And so long after.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A [`Host`] that an agent drives, and in which a registry tries uploads.
#[derive(Clone, Debug)]
pub struct HostNode {
    host: Host,
}

impl HostNode {
    /// Drives this host.
    pub fn new(host: Host) -> Self {
        Self { host }
    }
}

#[async_trait]
impl Node for HostNode {
    type Version = Arc<LoadedVersion>;

    async fn prepare(
        &self,
        document: VersionDocument,
        component: Bytes,
    ) -> Result<Self::Version, Rejection> {
        prepare(self.host.clone(), document, component).await
    }

    fn apply(&self, routing: BTreeMap<FilterName, Routing<Self::Version>>) {
        let desired = routing
            .into_iter()
            .map(|(name, routing)| (name, desired(routing)));
        self.host.apply(desired.collect(), Instant::now());
    }

    fn revoke(&self, revocation: &Revocation) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now_unix_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        if let Err(error) = self.host.revoke(&of_host(revocation), now_unix_ms) {
            tracing::error!(%error, kind = revocation.kind.as_str(), "a revocation is not held");
        }
    }

    fn stats(&self) -> BTreeMap<FilterName, serde_json::Value> {
        let status = self.host.status();
        let filters = status.filters.into_iter();
        filters
            .map(|(name, filter)| (name, serde_json::to_value(filter).unwrap_or_default()))
            .collect()
    }

    fn logs(&self, filter: &FilterName, after: u64) -> Vec<LogLine> {
        let lines = self.host.logs(filter, after).into_iter();
        lines
            .map(|line| LogLine {
                seq: line.number,
                at_unix_ms: line.at_unix_ms,
                level: line.level.to_owned(),
                version: Some(line.version),
                message: line.message,
            })
            .collect()
    }

    fn events(&self) -> mpsc::Receiver<NodeEvent> {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        let mut events = self.host.events();
        tokio::spawn(async move {
            loop {
                let event = match events.recv().await {
                    Ok(event) => node_event(event),
                    // What was missed stands in the next report all the same, but for rollbacks,
                    // and of those there are never so many.
                    Err(broadcast::error::RecvError::Lagged(_)) => NodeEvent::Noteworthy,
                    Err(broadcast::error::RecvError::Closed) => return,
                };
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        receiver
    }
}

#[async_trait]
impl Vetting for HostNode {
    async fn vet(
        &self,
        document: &VersionDocument,
        component: Bytes,
    ) -> Result<VetReport, Rejection> {
        let began = Instant::now();
        let samples = document.manifest.samples.len();
        prepare(self.host.clone(), document.clone(), component).await?;
        Ok(VetReport {
            warnings: Vec::new(),
            samples_passed: u32::try_from(samples).unwrap_or(u32::MAX),
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// Boxed: the compiler cannot see that the future is `Send` through two layers of lifetimes.
fn prepare(
    host: Host,
    document: VersionDocument,
    component: Bytes,
) -> BoxFuture<'static, Result<Arc<LoadedVersion>, Rejection>> {
    Box::pin(async move {
        let mut tries = TRIES_MAX;
        loop {
            tries -= 1;
            match host.prepare(document.clone(), component.clone()).await {
                Ok(version) => return Ok(version),
                // The node's fault, not the version's.
                Err(rejected) if rejected.retry && tries > 0 => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Err(rejected) => return Err(rejection(rejected)),
            }
        }
    })
}

fn rejection(rejected: Rejected) -> Rejection {
    Rejection {
        stage: rejected.stage.as_str().to_owned(),
        reason: rejected.reason,
    }
}

fn desired(routing: Routing<Arc<LoadedVersion>>) -> FilterRouting {
    FilterRouting {
        enabled: routing.enabled,
        active: routing.active,
        previous: routing.previous,
        canary: routing.canary.and_then(|(version, percent)| {
            let percent = Percent::new(percent)?;
            Some(Canary { version, percent })
        }),
        shadow: routing.shadow,
        bake: Duration::from_millis(routing.bake_ms),
        activation: routing.since_generation,
    }
}

fn of_host(revocation: &Revocation) -> grants::Revocation {
    let kind = match revocation.kind {
        RevocationKind::All => grants::RevocationKind::All,
        RevocationKind::Stream => grants::RevocationKind::Stream,
        RevocationKind::Token => grants::RevocationKind::Token,
        RevocationKind::User => grants::RevocationKind::User,
    };
    grants::Revocation {
        kind,
        // Of a token, its digest: the registry takes nothing else.
        value: revocation.value.clone(),
        until_unix_ms: revocation.until_unix_ms,
    }
}

fn node_event(event: HostEvent) -> NodeEvent {
    match event {
        HostEvent::RolledBack {
            filter,
            from,
            to,
            reason,
            ..
        } => NodeEvent::RolledBack {
            filter,
            from,
            to: Some(to),
            reason,
        },
        _ => NodeEvent::Noteworthy,
    }
}
