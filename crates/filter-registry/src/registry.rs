//! The registry: the catalogue made durable, and everything that may change it.
//!
//! It speaks no HTTP; [`crate::api`] does. One change at a time: it is worked out on a copy,
//! saved, and only then seen by anybody. The audit records of a change are saved with it and
//! appended to the log afterwards, so that neither is ever without the other.

mod blobs;
mod error;
mod logs;
mod push;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};
use wasm_filters::manifest::{Digest, FilterName, VersionDocument, VersionId};

use crate::catalogue::{
    Actor, AuditRecord, Catalogue, CatalogueError, Change, Event, Limits, Rejection, UnixMillis,
};
use crate::metrics::RegistryMetrics;
use crate::signature::SignaturePolicy;
use crate::store::{Store, StoreError};
use crate::wire::{
    Activate, AuditPage, Generation, LogPage, NodeCatalogue, NodeName, NodeReport, Overview,
    ReportTaken, Revoke, Rollback, SetEnabled, Shadow, VetReport,
};

use blobs::Blobs;
use logs::Logs;

pub use error::RegistryError;

/// Longest a request for the next catalogue is held.
pub const FOLLOW_WAIT_MAX: Duration = Duration::from_secs(30);
/// Audit records that one answer has at most.
pub const AUDIT_PAGE_MAX: usize = 500;
/// Audit records that may wait for a disk that takes none before changes are refused.
const AUDIT_PENDING_MAX: usize = 1000;
/// Layout of `catalogue.json`.
const FORMAT: u32 = 1;

/// What a registry may hold and whom it trusts.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Bounds of the catalogue.
    pub limits: Limits,
    /// Bytes of all components together.
    pub blob_bytes_max: u64,
    /// Uploads that are tried at once or wait for it; more are told to come back.
    pub vetting_max: usize,
    /// Who has to sign.
    pub signatures: SignaturePolicy,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            blob_bytes_max: 4 << 30,
            vetting_max: 4,
            signatures: SignaturePolicy::default(),
        }
    }
}

/// Tries a version before it is accepted: an origin does what a node would do, up to the probe.
#[async_trait]
pub trait Vetting: std::fmt::Debug + Send + Sync + 'static {
    /// Checks, compiles and probes.
    ///
    /// # Errors
    /// Where it failed and why.
    async fn vet(
        &self,
        document: &VersionDocument,
        component: Bytes,
    ) -> Result<VetReport, Rejection>;
}

/// The registry; clones are the same one.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    options: RegistryOptions,
    vetting: Arc<dyn Vetting>,
    vetting_permits: Semaphore,
    /// What everybody sees: always what is saved.
    published: watch::Sender<Arc<Catalogue>>,
    /// Held by whoever changes the catalogue, over the saving.
    writer: tokio::sync::Mutex<Writer>,
    blobs: Mutex<Blobs>,
    logs: Mutex<Logs>,
    metrics: RegistryMetrics,
}

/// The audit log's end.
#[derive(Debug)]
struct Writer {
    last_seq: u64,
    /// Saved with the catalogue, and not yet in the log.
    pending: Vec<AuditRecord>,
}

/// `catalogue.json`
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    format: u32,
    catalogue: Catalogue,
    /// Records that the log may not have yet.
    audit: Vec<AuditRecord>,
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

impl Registry {
    /// Opens the registry in a store, which it expects to have for itself. Metrics are registered
    /// under `filter_registry_`.
    ///
    /// # Errors
    /// The store cannot be read or written, its catalogue is damaged or of a later format, or the
    /// metrics are registered already.
    pub async fn open(
        store: Arc<dyn Store>,
        options: RegistryOptions,
        vetting: Arc<dyn Vetting>,
        metrics: &prometheus::Registry,
    ) -> Result<Self, RegistryError> {
        let damaged = |reason: String| StoreError::Damaged {
            what: "catalogue.json".to_owned(),
            reason,
        };
        let saved = match store.catalogue().await? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?,
            None => Saved {
                format: FORMAT,
                catalogue: Catalogue::default(),
                audit: Vec::new(),
            },
        };
        if saved.format != FORMAT {
            let reason = format!("its format is {}, and {FORMAT} is known", saved.format);
            return Err(damaged(reason).into());
        }
        saved.catalogue.check().map_err(damaged)?;
        let last_seq = store.last_audit().await?;
        let missing = saved.audit.into_iter().filter(|r| r.seq > last_seq);
        let missing: Vec<AuditRecord> = missing.collect();
        let blobs = Blobs::known(store.blobs().await?);
        let permits = options.vetting_max;
        let registry = Self {
            inner: Arc::new(Inner {
                store,
                options,
                vetting,
                vetting_permits: Semaphore::new(permits),
                published: watch::Sender::new(Arc::new(saved.catalogue)),
                writer: tokio::sync::Mutex::new(Writer {
                    last_seq: missing.last().map_or(last_seq, |record| record.seq),
                    pending: missing,
                }),
                blobs: Mutex::new(blobs),
                logs: Mutex::default(),
                metrics: RegistryMetrics::register(metrics)?,
            }),
        };
        let mut writer = registry.inner.writer.lock().await;
        registry.inner.append_audit(&mut writer).await;
        registry.inner.remove_unused_documents().await;
        registry.inner.sweep_blobs(now()).await;
        drop(writer);
        registry.inner.gauge();
        Ok(registry)
    }

    /// The state as it is now.
    pub fn snapshot(&self) -> Arc<Catalogue> {
        Arc::clone(&self.inner.published.borrow())
    }

    /// Everything, for people.
    pub fn overview(&self) -> Overview {
        self.snapshot().overview(now())
    }

    /// What nodes follow, once its generation differs from `after`, and after `wait` at the
    /// latest (at most [`FOLLOW_WAIT_MAX`]). None: nothing changed.
    pub async fn follow(&self, after: Option<u64>, wait: Duration) -> Option<NodeCatalogue> {
        let mut published = self.inner.published.subscribe();
        let news = |catalogue: &Arc<Catalogue>| Some(catalogue.generation()) != after;
        let waited =
            tokio::time::timeout(wait.min(FOLLOW_WAIT_MAX), published.wait_for(news)).await;
        match waited {
            Ok(Ok(catalogue)) => Some(catalogue.for_nodes(now())),
            // The sender lives in self: only time can have passed.
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// A component.
    ///
    /// # Errors
    /// The store's.
    pub async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, RegistryError> {
        Ok(self.inner.store.blob(digest).await?)
    }

    /// A version's document, as the JSON whose digest is its id.
    ///
    /// # Errors
    /// The store's.
    pub async fn document(
        &self,
        name: &FilterName,
        id: VersionId,
    ) -> Result<Option<Bytes>, RegistryError> {
        let snapshot = self.snapshot();
        let entry = snapshot.filter(name);
        if entry.and_then(|entry| entry.by_id(id)).is_none() {
            return Ok(None);
        }
        Ok(self.inner.store.document(id).await?)
    }

    /// Makes a version active, for all or for a share.
    ///
    /// # Errors
    /// The catalogue's or the store's.
    pub async fn activate(
        &self,
        name: &FilterName,
        request: &Activate,
        actor: &Actor,
    ) -> Result<Generation, RegistryError> {
        self.operate(|state, now| state.activate(name, request, actor, now))
            .await
    }

    /// Begins or ends a shadow.
    ///
    /// # Errors
    /// The catalogue's or the store's.
    pub async fn shadow(
        &self,
        name: &FilterName,
        request: &Shadow,
        actor: &Actor,
    ) -> Result<Generation, RegistryError> {
        self.operate(|state, now| state.shadow(name, request, actor, now))
            .await
    }

    /// Goes back to the version before.
    ///
    /// # Errors
    /// The catalogue's or the store's.
    pub async fn rollback(
        &self,
        name: &FilterName,
        request: &Rollback,
        actor: &Actor,
    ) -> Result<Generation, RegistryError> {
        self.operate(|state, now| state.rollback(name, request, actor, now))
            .await
    }

    /// Takes a filter out of every chain, or back in.
    ///
    /// # Errors
    /// The catalogue's or the store's.
    pub async fn set_enabled(
        &self,
        name: &FilterName,
        request: &SetEnabled,
        actor: &Actor,
    ) -> Result<Generation, RegistryError> {
        self.operate(|state, now| state.set_enabled(name, request, actor, now))
            .await
    }

    /// Makes grants void.
    ///
    /// # Errors
    /// The catalogue's or the store's.
    pub async fn revoke(
        &self,
        request: &Revoke,
        actor: &Actor,
    ) -> Result<Generation, RegistryError> {
        let limits = &self.inner.options.limits;
        self.operate(|state, now| state.revoke(request, actor, now, limits))
            .await
    }

    /// Takes a node's report; with the answer everything in it is acknowledged.
    ///
    /// # Errors
    /// The catalogue's or the store's.
    pub async fn report(
        &self,
        node: &NodeName,
        mut report: NodeReport,
        peer: Option<String>,
    ) -> Result<ReportTaken, RegistryError> {
        let inner = &self.inner;
        let mut writer = inner.writer.lock().await;
        let state = self.snapshot();
        let mut logs = Vec::new();
        for (name, filter) in &mut report.filters {
            if state.filter(name).is_some() {
                logs.push((name.clone(), std::mem::take(&mut filter.logs)));
            }
        }
        let change = state.report(node, report, peer, now(), &inner.options.limits)?;
        let change = inner.commit(&mut writer, change).await?;
        drop(writer);
        if change.value {
            tracing::warn!(%node, generation = change.next.generation(), "a node went back by itself; so do all");
        }
        let mut kept = inner.logs.lock();
        for (name, lines) in logs {
            kept.add(&name, node, lines);
        }
        Ok(ReportTaken {
            generation: change.next.generation(),
        })
    }

    /// Audit records after that number, at most [`AUDIT_PAGE_MAX`].
    ///
    /// # Errors
    /// The store's.
    pub async fn audit(&self, after: u64) -> Result<AuditPage, RegistryError> {
        let records = self.inner.store.audit(after, AUDIT_PAGE_MAX).await?;
        Ok(AuditPage { records })
    }

    /// Log lines of a filter after that position, as far as they are still kept.
    ///
    /// # Errors
    /// There is no such filter.
    pub fn logs(&self, name: &FilterName, after: u64) -> Result<LogPage, RegistryError> {
        if self.snapshot().filter(name).is_none() {
            return Err(CatalogueError::UnknownFilter(name.clone()).into());
        }
        Ok(self.inner.logs.lock().page(name, after))
    }

    async fn operate(
        &self,
        transition: impl FnOnce(&Catalogue, UnixMillis) -> Result<Change<bool>, CatalogueError>,
    ) -> Result<Generation, RegistryError> {
        let mut writer = self.inner.writer.lock().await;
        let change = transition(&self.snapshot(), now())?;
        let change = self.inner.commit(&mut writer, change).await?;
        Ok(Generation {
            generation: change.next.generation(),
            changed: change.value,
        })
    }
}

impl Inner {
    /// Makes a change durable, then visible. Only this publishes.
    async fn commit<T>(
        &self,
        writer: &mut Writer,
        change: Change<T>,
    ) -> Result<Change<T>, RegistryError> {
        if !change.events.is_empty() {
            self.save(writer, &change.next, &change.events).await?;
        }
        self.published.send_replace(Arc::new(change.next.clone()));
        self.append_audit(writer).await;
        for version in &change.dropped {
            let kept = change
                .next
                .versions()
                .any(|(_, kept)| kept.id == version.id);
            if !kept && let Err(error) = self.store.remove_document(version.id).await {
                // The next start removes it.
                tracing::warn!(id = %version.id, %error, "a document could not be removed");
            }
        }
        if !change.dropped.is_empty() {
            self.sweep_blobs(now()).await;
        }
        self.gauge();
        Ok(change)
    }

    async fn save(
        &self,
        writer: &mut Writer,
        next: &Catalogue,
        events: &[Event],
    ) -> Result<(), RegistryError> {
        if writer.pending.len() >= AUDIT_PENDING_MAX {
            self.append_audit(writer).await;
            if !writer.pending.is_empty() {
                return Err(RegistryError::AuditBehind(writer.pending.len()));
            }
        }
        let mut audit = writer.pending.clone();
        let mut seq = writer.last_seq;
        for event in events {
            seq += 1;
            audit.push(AuditRecord {
                seq,
                at_unix_ms: event.at_unix_ms,
                actor: event.actor.name.clone(),
                peer: event.actor.peer.clone(),
                generation: event.generation,
                action: event.action.clone(),
            });
        }
        let saved = Saved {
            format: FORMAT,
            catalogue: next.clone(),
            audit,
        };
        let bytes = serde_json::to_vec(&saved).map_err(RegistryError::Encode)?;
        self.store.save_catalogue(Bytes::from(bytes)).await?;
        writer.pending = saved.audit;
        writer.last_seq = seq;
        Ok(())
    }

    /// Brings the log up to the catalogue. What cannot be appended now is kept and tried again.
    async fn append_audit(&self, writer: &mut Writer) {
        if !writer.pending.is_empty() {
            match self.store.append_audit(writer.pending.clone()).await {
                Ok(()) => writer.pending.clear(),
                Err(error) => tracing::error!(
                    %error, waiting = writer.pending.len(),
                    "the audit log cannot be written; its records wait in the catalogue"
                ),
            }
        }
        self.metrics.audit_waiting(writer.pending.len());
    }

    /// Documents that a crash left behind, or that belong to a push that was not completed.
    async fn remove_unused_documents(&self) {
        let state = Arc::clone(&self.published.borrow());
        let used: std::collections::BTreeSet<VersionId> =
            state.versions().map(|(_, version)| version.id).collect();
        let removed = async {
            for id in self.store.documents().await? {
                if !used.contains(&id) {
                    self.store.remove_document(id).await?;
                }
            }
            Ok::<(), StoreError>(())
        };
        if let Err(error) = removed.await {
            tracing::warn!(%error, "unused documents could not be removed");
        }
    }

    fn gauge(&self) {
        let state = self.published.borrow();
        self.metrics.state(&state, self.blobs.lock().bytes());
    }
}

#[cfg(test)]
mod tests;
