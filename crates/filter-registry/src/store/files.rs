//! A store in a directory.
//!
//! ```text
//! blobs/{sha256}          components
//! versions/{id}.json      documents
//! catalogue.json          replaced as a whole
//! audit.jsonl             one record a line; full ones beside it
//! ```
//!
//! A file is written under a name that ends in `.new`, synced, renamed, and its directory synced,
//! so that a name never stands for half a file. What a crash leaves under such a name, and half a
//! line at the end of the audit log, go when the store is opened.

mod audit;

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use wasm_filters::manifest::{Digest, VersionId};

use super::disk::{Disk, OsDisk};
use super::{Store, StoreError};
use crate::catalogue::AuditRecord;

use audit::{Audit, AuditLimits};

/// What a file is called until it is whole.
const UNFINISHED: &str = "new";

/// A store in a directory, which it expects to have for itself.
#[derive(Clone, Debug)]
pub struct FileStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    /// Makes names of unfinished files differ: two may upload the same component at once.
    unfinished: AtomicU64,
    audit: Mutex<Audit>,
    audit_limits: AuditLimits,
}

impl FileStore {
    /// Opens a directory, which is made when it is not there.
    ///
    /// # Errors
    /// The directory cannot be made, read or written, or the audit log is damaged other than by
    /// a crash.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(OsDisk), root).await
    }

    /// [`Self::open`] on a disk of one's own.
    ///
    /// # Errors
    /// As [`Self::open`] has.
    pub async fn open_on(
        disk: Arc<dyn Disk>,
        root: impl Into<PathBuf>,
    ) -> Result<Self, StoreError> {
        Self::open_within(disk, root.into(), AuditLimits::DEFAULT).await
    }

    async fn open_within(
        disk: Arc<dyn Disk>,
        root: PathBuf,
        audit_limits: AuditLimits,
    ) -> Result<Self, StoreError> {
        let mut inner = Inner {
            disk,
            root,
            unfinished: AtomicU64::new(0),
            audit: Mutex::default(),
            audit_limits,
        };
        tokio::task::spawn_blocking(move || {
            inner.clean()?;
            let audit = inner.mend_audit()?;
            *inner.audit.get_mut() = audit;
            let inner = Arc::new(inner);
            Ok(Self { inner })
        })
        .await
        .unwrap_or_else(|error| Err(stopped(&error)))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .unwrap_or_else(|error| Err(stopped(&error)))
    }
}

/// The work ended without an answer: it panicked, or the runtime shuts down.
fn stopped(error: &tokio::task::JoinError) -> StoreError {
    StoreError::Io {
        what: "the store's work was given up".to_owned(),
        error: io::Error::other(error.to_string()),
    }
}

fn failed(what: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let what = what.display().to_string();
    move |error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full { what }
        }
        _ => StoreError::Io { what, error },
    }
}

fn none_if_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Inner {
    fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.blobs().join(digest.to_string())
    }

    fn documents(&self) -> PathBuf {
        self.root.join("versions")
    }

    fn document(&self, id: VersionId) -> PathBuf {
        self.documents().join(format!("{id}.json"))
    }

    fn catalogue(&self) -> PathBuf {
        self.root.join("catalogue.json")
    }

    /// Makes the directories and removes what a crash left unfinished.
    fn clean(&self) -> Result<(), StoreError> {
        for directory in [self.root.clone(), self.blobs(), self.documents()] {
            self.disk
                .create_dirs(&directory)
                .map_err(failed(&directory))?;
            for (path, _) in self.disk.list(&directory).map_err(failed(&directory))? {
                if path.extension().is_some_and(|ending| ending == UNFINISHED) {
                    self.remove(&path)?;
                }
            }
        }
        self.disk.sync_dir(&self.root).map_err(failed(&self.root))
    }

    /// Writes a file so that its name never stands for half of it.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let turn = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(format!(".{turn}.{UNFINISHED}"));
        let unfinished = PathBuf::from(unfinished);
        let written = self
            .disk
            .write(&unfinished, bytes)
            .and_then(|()| self.disk.sync(&unfinished))
            .and_then(|()| self.disk.rename(&unfinished, path));
        if let Err(error) = written {
            // A full disk needs the room; if this fails too, the next start does it.
            let _ = self.disk.remove(&unfinished);
            return Err(failed(path)(error));
        }
        let directory = path.parent().unwrap_or(&self.root);
        self.disk.sync_dir(directory).map_err(failed(path))
    }

    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        none_if_missing(self.disk.remove(path)).map_err(failed(path))?;
        Ok(())
    }

    /// A file whose name says its digest.
    fn read_checked(&self, path: &Path, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        let bytes = none_if_missing(self.disk.read(path)).map_err(failed(path))?;
        match bytes {
            Some(bytes) if Digest::of(&bytes) != digest => Err(StoreError::Damaged {
                what: path.display().to_string(),
                reason: "its digest is another".to_owned(),
            }),
            bytes => Ok(bytes.map(Bytes::from)),
        }
    }

    /// What stands between `beginning` and `ending` in names, and sizes of the whole files in a directory.
    fn names<T: FromStr>(
        &self,
        directory: &Path,
        beginning: &str,
        ending: &str,
    ) -> Result<Vec<(T, u64)>, StoreError> {
        let files = self.disk.list(directory).map_err(failed(directory))?;
        // What is called otherwise is not ours.
        let names = files.iter().filter_map(|(path, size)| {
            let name = path.file_name()?.to_str()?;
            let name = name.strip_prefix(beginning)?.strip_suffix(ending)?;
            Some((name.parse().ok()?, *size))
        });
        Ok(names.collect())
    }

    fn put_blob(&self, digest: Digest, component: &[u8]) -> Result<bool, StoreError> {
        let path = self.blob(digest);
        match self.read_checked(&path, digest) {
            Ok(Some(_)) => return Ok(false),
            // Whoever brings a damaged component once more heals it.
            Ok(None) | Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        self.replace(&path, component)?;
        Ok(true)
    }
}

#[async_trait]
impl Store for FileStore {
    async fn catalogue(&self) -> Result<Option<Bytes>, StoreError> {
        self.blocking(|inner| {
            let path = inner.catalogue();
            let bytes = none_if_missing(inner.disk.read(&path)).map_err(failed(&path))?;
            Ok(bytes.map(Bytes::from))
        })
        .await
    }

    async fn save_catalogue(&self, catalogue: Bytes) -> Result<(), StoreError> {
        self.blocking(move |inner| inner.replace(&inner.catalogue(), &catalogue))
            .await
    }

    async fn put_blob(&self, digest: Digest, component: Bytes) -> Result<bool, StoreError> {
        self.blocking(move |inner| inner.put_blob(digest, &component))
            .await
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.blocking(move |inner| inner.read_checked(&inner.blob(digest), digest))
            .await
    }

    async fn blobs(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        self.blocking(|inner| inner.names(&inner.blobs(), "", ""))
            .await
    }

    async fn remove_blob(&self, digest: Digest) -> Result<(), StoreError> {
        self.blocking(move |inner| inner.remove(&inner.blob(digest)))
            .await
    }

    async fn put_document(&self, id: VersionId, document: Bytes) -> Result<(), StoreError> {
        self.blocking(move |inner| inner.replace(&inner.document(id), &document))
            .await
    }

    async fn document(&self, id: VersionId) -> Result<Option<Bytes>, StoreError> {
        self.blocking(move |inner| {
            inner.read_checked(&inner.document(id), Digest::from(*id.as_bytes()))
        })
        .await
    }

    async fn documents(&self) -> Result<Vec<VersionId>, StoreError> {
        self.blocking(|inner| {
            let names = inner.names(&inner.documents(), "", ".json")?;
            Ok(names.into_iter().map(|(id, _)| id).collect())
        })
        .await
    }

    async fn remove_document(&self, id: VersionId) -> Result<(), StoreError> {
        self.blocking(move |inner| inner.remove(&inner.document(id)))
            .await
    }

    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError> {
        self.blocking(move |inner| inner.append(&records)).await
    }

    async fn audit(&self, after: u64, max: usize) -> Result<Vec<AuditRecord>, StoreError> {
        self.blocking(move |inner| inner.read_audit(after, max))
            .await
    }

    async fn last_audit(&self) -> Result<u64, StoreError> {
        Ok(self.inner.audit.lock().last_seq)
    }
}

#[cfg(test)]
mod tests;
