//! Which components there are, and which may go.

use std::collections::BTreeMap;

use bytes::Bytes;
use wasm_filters::manifest::Digest;

use super::{Inner, Registry, RegistryError, now};
use crate::catalogue::{Actor, AuditAction, Change, Event, UnixMillis};
use crate::wire::BlobStored;

/// How long a component waits for the version that it was put for.
const UNUSED_FOR_MS_MAX: UnixMillis = 3_600_000;

/// The components in the store.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    known: BTreeMap<Digest, Blob>,
}

#[derive(Clone, Copy, Debug)]
struct Blob {
    size: u64,
    /// 0: before the registry was opened.
    put_at: UnixMillis,
}

impl Blobs {
    pub(super) fn known(blobs: Vec<(Digest, u64)>) -> Self {
        let blobs = blobs
            .into_iter()
            .map(|(digest, size)| (digest, Blob { size, put_at: 0 }));
        Self {
            known: blobs.collect(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.known.values().map(|blob| blob.size).sum()
    }

    pub(super) fn contains(&self, digest: Digest) -> bool {
        self.known.contains_key(&digest)
    }

    /// Takes note of a component before it is written, so that no sweep takes it away.
    fn reserve(
        &mut self,
        digest: Digest,
        size: u64,
        max: u64,
        now: UnixMillis,
    ) -> Result<(), RegistryError> {
        if let Some(blob) = self.known.get_mut(&digest) {
            blob.put_at = now;
            return Ok(());
        }
        let used = self.bytes();
        if used.saturating_add(size) > max {
            return Err(RegistryError::NoRoom { used, max, size });
        }
        let blob = Blob { size, put_at: now };
        self.known.insert(digest, blob);
        Ok(())
    }
}

impl Registry {
    /// Keeps a component, for a version that is pushed within the hour.
    ///
    /// # Errors
    /// Another digest, no room, or the store's.
    pub async fn put_blob(
        &self,
        expected: Digest,
        component: Bytes,
        actor: &Actor,
    ) -> Result<BlobStored, RegistryError> {
        let (bytes, found) = {
            // 32 MiB take a tenth of a second.
            let bytes = component.clone();
            let found = tokio::task::spawn_blocking(move || Digest::of(&bytes)).await;
            (component, found.ok())
        };
        let (size, found) = (bytes.len(), found.unwrap_or_else(|| Digest::of(&bytes)));
        if found != expected {
            return Err(RegistryError::DigestMismatch {
                expected,
                found,
                size,
            });
        }
        let inner = &self.inner;
        let size = size as u64;
        let max = inner.options.blob_bytes_max;
        let reserved = inner.blobs.lock().reserve(expected, size, max, now());
        if reserved.is_err() {
            let writer = inner.writer.lock().await;
            inner.sweep_blobs(now()).await;
            drop(writer);
            inner.blobs.lock().reserve(expected, size, max, now())?;
        }
        let created = match inner.store.put_blob(expected, bytes).await {
            Ok(created) => created,
            Err(error) => {
                inner.forget_unwritten(expected).await;
                return Err(error.into());
            }
        };
        if created {
            let mut writer = inner.writer.lock().await;
            let state = self.snapshot();
            let event = Event {
                actor: actor.clone(),
                at_unix_ms: now(),
                generation: state.generation(),
                action: AuditAction::Uploaded {
                    component: expected,
                    size,
                },
            };
            let change = Change {
                next: state.as_ref().clone(),
                events: vec![event],
                dropped: Vec::new(),
                value: (),
            };
            inner.commit(&mut writer, change).await?;
        }
        Ok(BlobStored {
            digest: expected,
            size,
            created,
        })
    }
}

impl Inner {
    /// After a failed write: the component counts only if it is there all the same.
    async fn forget_unwritten(&self, digest: Digest) {
        if !matches!(self.store.blob(digest).await, Ok(Some(_))) {
            self.blobs.lock().known.remove(&digest);
        }
    }

    /// Removes components that no version uses, but for fresh ones. The caller holds the writer,
    /// so that no push takes one into use meanwhile.
    pub(super) async fn sweep_blobs(&self, now: UnixMillis) {
        let state = std::sync::Arc::clone(&self.published.borrow());
        let unused: Vec<Digest> = self
            .blobs
            .lock()
            .known
            .iter()
            .filter(|(_, blob)| now.saturating_sub(blob.put_at) >= UNUSED_FOR_MS_MAX)
            .map(|(digest, _)| *digest)
            .filter(|digest| !state.uses(*digest))
            .collect();
        for digest in unused {
            match self.store.remove_blob(digest).await {
                Ok(()) => {
                    self.blobs.lock().known.remove(&digest);
                }
                Err(error) => tracing::warn!(%digest, %error, "a component could not be removed"),
            }
        }
    }
}
