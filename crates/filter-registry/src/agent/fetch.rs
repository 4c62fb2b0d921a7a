//! One version on its way to being ready: fetch, check what was fetched, let the node prepare it.

use std::sync::Arc;

use bytes::Bytes;
use wasm_filters::manifest::{Digest, VersionDocument};

use super::PREPARE_TIMEOUT;
use super::local::Local;
use super::node::Node;
use super::slots::{Failure, Key};
use crate::catalogue::Rejection;
use crate::signature::SignaturePolicy;
use crate::source::{Source, SourceError};
use crate::wire::NodeVersion;

/// What it takes to make versions ready.
pub(super) struct Workshop<N> {
    pub(super) node: Arc<N>,
    pub(super) source: Arc<dyn Source>,
    pub(super) local: Local,
    pub(super) signatures: SignaturePolicy,
}

impl<N: Node> Workshop<N> {
    /// Makes a version ready. `version` is the catalogue's word on it, if it has one still.
    pub(super) async fn prepare(
        &self,
        key: &Key,
        version: Option<&NodeVersion>,
    ) -> Result<N::Version, Failure> {
        let work = tokio::time::timeout(PREPARE_TIMEOUT, self.work(key, version));
        work.await.unwrap_or_else(|_| {
            let reason = format!("it took more than {} s", PREPARE_TIMEOUT.as_secs());
            Err(rejected("time", reason))
        })
    }

    async fn work(&self, key: &Key, version: Option<&NodeVersion>) -> Result<N::Version, Failure> {
        let (name, id) = key;
        // What was once taken in is run from the local copy even if its key was retired since:
        // only the catalogue has the signature.
        if let Some(version) = version {
            self.signatures
                .check(name, version.serial, *id, version.signature.as_ref())
                .map_err(|error| rejected("signature", error.to_string()))?;
        }
        let kept = self.local.version(*id).await;
        let is_new = kept.is_none();
        let (document, component) = match kept {
            Some(kept) => kept,
            None => self.fetch(key).await.map_err(unavailable)?,
        };
        if document.manifest.name != *name {
            let reason = format!("the manifest names filter {}", document.manifest.name);
            return Err(rejected("check", reason));
        }
        let prepared = self.node.prepare(document.clone(), component.clone()).await;
        let prepared = prepared.map_err(Failure::Rejected)?;
        if is_new {
            self.local.keep(&document, component).await;
        }
        Ok(prepared)
    }

    async fn fetch(&self, (name, id): &Key) -> Result<(VersionDocument, Bytes), SourceError> {
        let document = self.source.document(name, *id).await?;
        if document.id() != *id {
            let what = format!("version {id}: its document has another digest");
            return Err(SourceError::Damaged(what));
        }
        let component = self.source.blob(document.component).await?;
        if Digest::of(&component) != document.component {
            let what = format!("version {id}: its component has another digest");
            return Err(SourceError::Damaged(what));
        }
        Ok((document, component))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: SourceError) -> Failure {
    Failure::Unavailable(error.to_string())
}

fn rejected(stage: &str, reason: String) -> Failure {
    Failure::Rejected(Rejection {
        stage: stage.to_owned(),
        reason,
    })
}
