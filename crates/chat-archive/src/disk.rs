//! Files, made durable as the bus does it: written under another name, synced, renamed, and the
//! directory synced.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::Error;

/// Begins the name of a file that is being written.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// Makes a directory that is for its owner alone; no error if it is there.
pub(crate) fn make_directory(path: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(Error::io("create", path))
}

/// A file of mode 0600, removed unless it is persisted.
pub(crate) fn unfinished(directory: &Path) -> Result<NamedTempFile, Error> {
    let mut builder = tempfile::Builder::new();
    let file = builder.prefix(UNFINISHED).tempfile_in(directory);
    file.map_err(Error::io("create a file in", directory))
}

/// Takes away what a crash left: it may hold what was erased since.
pub(crate) fn remove_unfinished(directory: &Path) -> Result<(), Error> {
    let failed = || Error::io("clean", directory);
    for entry in directory.read_dir().map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file; no error if it is gone.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(Error::io("remove", path)),
    }
}

pub(crate) fn sync_directory(path: &Path) -> Result<(), Error> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(Error::io("sync", path))
}

pub(crate) fn write(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    if let Some(fits) = faults::take(bytes.len()) {
        file.write_all(bytes.get(..fits).unwrap_or(bytes))?;
        return Err(io::ErrorKind::StorageFull.into());
    }
    file.write_all(bytes)
}

/// A disk that is full, for tests.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::Cell;

    thread_local! {
        /// What still fits, of this thread's writes.
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    pub(crate) fn set(left: Option<usize>) {
        LEFT.set(left);
    }

    /// What fits of a write that does not fit.
    pub(super) fn take(bytes: usize) -> Option<usize> {
        let left = LEFT.get()?;
        LEFT.set(Some(left.saturating_sub(bytes)));
        (bytes > left).then_some(left)
    }
}
