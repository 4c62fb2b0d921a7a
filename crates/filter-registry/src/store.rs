//! Where the catalogue, components, documents and the audit log are kept.
//!
//! A store knows nothing of what the bytes mean. [`files::FileStore`] keeps them in a directory;
//! an object store can implement the same trait.

pub mod disk;
pub mod files;

use std::fmt;
use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use wasm_filters::manifest::{Digest, VersionId};

use crate::catalogue::AuditRecord;

/// Why something could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No room is left; nothing was half-written.
    #[error("the disk is full: {what} was not written")]
    Full {
        /// What was to be written.
        what: String,
    },
    /// Anything else that the operating system reports.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// The operating system's answer.
        error: io::Error,
    },
    /// What is there is not what was written.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// Which file.
        what: String,
        /// In what way.
        reason: String,
    },
}

/// Durable storage. When a method that writes returns `Ok`, what it wrote survives a power cut.
/// When it returns an error, or never returns, there is either what was there before or what was to
/// be written, whole.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The catalogue as it was saved last.
    async fn catalogue(&self) -> Result<Option<Bytes>, StoreError>;

    /// Replaces the catalogue.
    async fn save_catalogue(&self, catalogue: Bytes) -> Result<(), StoreError>;

    /// Keeps a component. False: it was there.
    async fn put_blob(&self, digest: Digest, component: Bytes) -> Result<bool, StoreError>;

    /// A component, its digest checked.
    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, StoreError>;

    /// Every component's digest and size.
    async fn blobs(&self) -> Result<Vec<(Digest, u64)>, StoreError>;

    /// Forgets a component; one that is not there is fine.
    async fn remove_blob(&self, digest: Digest) -> Result<(), StoreError>;

    /// Keeps a version's document: the bytes whose digest is its id.
    async fn put_document(&self, id: VersionId, document: Bytes) -> Result<(), StoreError>;

    /// A version's document, its digest checked.
    async fn document(&self, id: VersionId) -> Result<Option<Bytes>, StoreError>;

    /// The id of every document.
    async fn documents(&self) -> Result<Vec<VersionId>, StoreError>;

    /// Forgets a document; one that is not there is fine.
    async fn remove_document(&self, id: VersionId) -> Result<(), StoreError>;

    /// Adds to the audit log: all of the records or, after an error, any number of the first ones.
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError>;

    /// At most `max` records after that number, oldest first. The log has a bound: its oldest records
    /// may be gone.
    async fn audit(&self, after: u64, max: usize) -> Result<Vec<AuditRecord>, StoreError>;

    /// The number of the last record; 0 when there is none.
    async fn last_audit(&self) -> Result<u64, StoreError>;
}
