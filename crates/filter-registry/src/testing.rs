//! What the tests of several modules share.

use async_trait::async_trait;
use bytes::Bytes;
use wasm_filters::manifest::{Digest, Hook, Manifest, VersionDocument};

use crate::catalogue::Rejection;
use crate::registry::Vetting;
use crate::wire::{NewVersion, VetReport};

/// Passes everything.
#[derive(Debug)]
pub(crate) struct LenientVetting;

#[async_trait]
impl Vetting for LenientVetting {
    async fn vet(&self, _: &VersionDocument, _: Bytes) -> Result<VetReport, Rejection> {
        Ok(VetReport {
            warnings: vec!["a warning".to_owned()],
            ..VetReport::default()
        })
    }
}

/// Passes nothing.
#[derive(Debug)]
pub(crate) struct StrictVetting;

#[async_trait]
impl Vetting for StrictVetting {
    async fn vet(&self, _: &VersionDocument, _: Bytes) -> Result<VetReport, Rejection> {
        Err(Rejection {
            stage: "probe".to_owned(),
            reason: "sample \"a good token\": expected allow".to_owned(),
        })
    }
}

/// A push of a filter, and its component, which is the label: nothing here runs it.
pub(crate) fn new_version(filter: &str, label: &str, serial: u64) -> (NewVersion, Bytes) {
    let component = Bytes::from(label.to_owned());
    let version = NewVersion {
        manifest: Manifest::new(filter.parse().unwrap(), label, vec![Hook::Auth]),
        component: Digest::of(&component),
        serial,
        signature: None,
    };
    (version, component)
}
