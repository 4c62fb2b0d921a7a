//! Why the registry refuses.

use wasm_filters::manifest::{Digest, FilterName};

use crate::catalogue::{CatalogueError, Rejection};
use crate::signature::SignatureError;
use crate::store::StoreError;

/// Why the registry refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A rule of the catalogue.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The disk, mostly.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not signed as the policy wants it.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It did not pass.
    #[error("refused at {}: {}", .0.stage, .0.reason)]
    Rejected(Rejection),
    /// The manifest is another filter's.
    #[error("the manifest names filter {manifest}, the path {path}")]
    NameMismatch {
        /// In the path.
        path: FilterName,
        /// In the manifest.
        manifest: FilterName,
    },
    /// The upload was cut or changed on its way.
    #[error("{size} bytes arrived whose SHA-256 is {found}, not {expected}: cut off or changed?")]
    DigestMismatch {
        /// In the path.
        expected: Digest,
        /// Of what arrived.
        found: Digest,
        /// Of what arrived.
        size: usize,
    },
    /// Versions refer to components that were put before.
    #[error("component {0} is not here: put it first")]
    NoComponent(Digest),
    /// The bound on all components.
    #[error(
        "components take {used} bytes already and may take {max}; this one has {size} bytes more"
    )]
    NoRoom {
        /// Now.
        used: u64,
        /// The bound.
        max: u64,
        /// Of this one.
        size: u64,
    },
    /// As many uploads as may be are being tried.
    #[error("{0} uploads are being tried already; try again in a moment")]
    Busy(usize),
    /// Nothing is changed that could not be written down.
    #[error("{0} audit records could not be written; nothing is changed until they can")]
    AuditBehind(usize),
    /// A bug: the state has a form that JSON has not.
    #[error("the catalogue cannot be written: {0}")]
    Encode(serde_json::Error),
    /// Registered twice, or under a bad name.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}
