//! A push: cheap checks, the signature, the vetting, and then the catalogue.

use bytes::Bytes;
use wasm_filters::manifest::{FilterName, VersionDocument};

use super::{Registry, RegistryError, now};
use crate::catalogue::{Actor, Push};
use crate::wire::{NewVersion, Pushed};

impl Registry {
    /// Takes a version in, after it was vetted. Its component has been put before.
    ///
    /// # Errors
    /// A replayed serial, a wrong signature, a version that does not pass, or the store's.
    pub async fn push(
        &self,
        name: &FilterName,
        request: NewVersion,
        actor: &Actor,
    ) -> Result<Pushed, RegistryError> {
        let inner = &self.inner;
        if request.manifest.name != *name {
            return Err(RegistryError::NameMismatch {
                path: name.clone(),
                manifest: request.manifest.name,
            });
        }
        let NewVersion {
            manifest,
            component,
            serial,
            signature,
        } = request;
        let document = VersionDocument {
            component,
            manifest,
        };
        let id = document.id();
        let limits = &inner.options.limits;
        self.snapshot().may_push(name, serial, limits)?;
        let signatures = &inner.options.signatures;
        signatures.check(name, serial, id, signature.as_ref())?;
        let permit = inner.vetting_permits.try_acquire();
        let _permit = permit.map_err(|_| RegistryError::Busy(inner.options.vetting_max))?;
        let bytes = inner.store.blob(component).await?;
        let bytes = bytes.ok_or(RegistryError::NoComponent(component))?;
        let size = bytes.len() as u64;
        let vetting = inner.vetting.vet(&document, bytes).await;
        let vetting = vetting.map_err(|rejection| {
            inner.metrics.refused(&rejection.stage);
            RegistryError::Rejected(rejection)
        })?;

        let mut writer = inner.writer.lock().await;
        // Vetting takes seconds, in which other pushes may have come.
        if !inner.blobs.lock().contains(component) {
            return Err(RegistryError::NoComponent(component));
        }
        let push = Push {
            document: &document,
            size,
            serial,
            signature,
        };
        let change = self.snapshot().push(push, actor, now(), limits)?;
        // Before the catalogue: nothing in it is ever missing on disk.
        let json = Bytes::from(document.canonical_json());
        inner.store.put_document(id, json).await?;
        let change = inner.commit(&mut writer, change).await?;
        let (number, created) = change.value;
        tracing::info!(filter = %name, number, %id, by = %actor.name, "a version was pushed");
        Ok(Pushed {
            number,
            id,
            created,
            generation: change.next.generation(),
            vetting,
        })
    }
}
