//! The node's own copy: what it needs to come back without its registry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wasm_filters::manifest::{Digest, FilterName, VersionDocument, VersionId};

use super::plan::Ran;
use crate::store::{Store, StoreError};
use crate::wire::{NodeCatalogue, RolledBack};

/// Layout of the saved state.
const FORMAT: u32 = 1;

/// What a node remembers besides components and documents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    format: u32,
    pub(super) catalogue: NodeCatalogue,
    /// What ran, which need not be what is wanted.
    pub(super) ran: BTreeMap<FilterName, Ran>,
    /// The node's own rollbacks.
    pub(super) rolled_back: BTreeMap<FilterName, OwnRollback>,
}

/// A rollback that the node made by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnRollback {
    pub(super) what: RolledBack,
    /// Whether the registry knows.
    pub(super) acknowledged: bool,
}

/// The copy on disk. When it cannot be written the node goes on without: it only would not come
/// back by itself.
#[derive(Clone, Debug)]
pub(super) struct Local {
    store: Arc<dyn Store>,
    pub(super) memory: Option<Memory>,
}

impl Local {
    /// Reads what was remembered. What cannot be read is as if it were not there: the registry
    /// has it.
    pub(super) async fn open(store: Arc<dyn Store>) -> Self {
        let memory = match store.catalogue().await {
            Ok(Some(bytes)) => read(&bytes),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "the filters' local copy cannot be read");
                None
            }
        };
        Self { store, memory }
    }

    pub(super) async fn save(&self, mut memory: Memory) {
        memory.format = FORMAT;
        let saved = async {
            let bytes = serde_json::to_vec(&memory).map_err(|error| StoreError::Io {
                what: "the filters' local copy".to_owned(),
                error: error.into(),
            })?;
            self.store.save_catalogue(Bytes::from(bytes)).await
        };
        if let Err(error) = saved.await {
            tracing::warn!(%error, "the filters' local copy is not written; a restart needs the registry");
        }
    }

    /// A version that was kept, whole.
    pub(super) async fn version(&self, id: VersionId) -> Option<(VersionDocument, Bytes)> {
        let found = async {
            let Some(json) = self.store.document(id).await? else {
                return Ok(None);
            };
            let Ok(document) = serde_json::from_slice::<VersionDocument>(&json) else {
                return Ok(None);
            };
            let blob = self.store.blob(document.component).await?;
            Ok::<_, StoreError>(blob.map(|blob| (document, blob)))
        };
        found.await.unwrap_or_else(|error| {
            tracing::warn!(%id, %error, "the local copy of a version cannot be used");
            None
        })
    }

    pub(super) async fn keep(&self, document: &VersionDocument, component: Bytes) {
        let kept = async {
            self.store.put_blob(document.component, component).await?;
            let json = Bytes::from(document.canonical_json());
            self.store.put_document(document.id(), json).await
        };
        if let Err(error) = kept.await {
            tracing::warn!(id = %document.id(), %error, "no local copy of a version; a restart needs the registry");
        }
    }

    /// Removes all versions but these, with components that only they had.
    pub(super) async fn keep_only(&self, wanted: &BTreeSet<VersionId>) {
        let removed = async {
            let mut components = BTreeSet::<Digest>::new();
            for id in self.store.documents().await? {
                if !wanted.contains(&id) {
                    self.store.remove_document(id).await?;
                } else if let Some(json) = self.store.document(id).await?
                    && let Ok(document) = serde_json::from_slice::<VersionDocument>(&json)
                {
                    components.insert(document.component);
                }
            }
            for (digest, _) in self.store.blobs().await? {
                if !components.contains(&digest) {
                    self.store.remove_blob(digest).await?;
                }
            }
            Ok::<(), StoreError>(())
        };
        if let Err(error) = removed.await {
            tracing::warn!(%error, "old versions could not be removed from the local copy");
        }
    }
}

fn read(bytes: &[u8]) -> Option<Memory> {
    match serde_json::from_slice::<Memory>(bytes) {
        Ok(memory) if memory.format == FORMAT => Some(memory),
        Ok(memory) => {
            tracing::warn!(memory.format, "the filters' local copy has another format");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "the filters' local copy is damaged");
            None
        }
    }
}
