//! The file of [`super::Numbers`]: replaced whole, so that a reader never sees half of it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Record;

const NAME: &str = "numbers.json";
/// Of the file's form.
const VERSION: u32 = 1;
/// A file that is larger is not ours: 10,000 streams are about 5 MB.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    version: u32,
    streams: BTreeMap<String, Record>,
}

impl File {
    /// Makes the directory, if it is missing.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        Ok(Self {
            path: directory.join(NAME),
        })
    }

    /// What is kept. A file that cannot be understood is set aside: it must not keep the origin from
    /// starting, as the clock's numbers are good too.
    pub(super) fn read(&self) -> io::Result<BTreeMap<String, Record>> {
        let length = match std::fs::metadata(&self.path) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(error),
        };
        let contents = if length > BYTES_MAX {
            None
        } else {
            let bytes = std::fs::read(&self.path)?;
            serde_json::from_slice::<Contents>(&bytes).ok()
        };
        if let Some(contents) = contents.filter(|contents| contents.version == VERSION) {
            return Ok(contents.streams);
        }
        let aside = self.path.with_extension("json.damaged");
        tracing::error!(
            file = %self.path.display(),
            aside = %aside.display(),
            "the numbers of streams cannot be read; they are set aside, and the clock's are used"
        );
        std::fs::rename(&self.path, aside)?;
        Ok(BTreeMap::new())
    }

    /// Blocks, and must not be called by two at once.
    pub(super) fn write(&self, streams: BTreeMap<String, Record>) -> io::Result<()> {
        let version = VERSION;
        let bytes = serde_json::to_vec(&Contents { version, streams })?;
        let beside = self.path.with_extension("json.new");
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        match self.path.parent() {
            Some(directory) => std::fs::File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Takes it away. Where even that cannot be done nothing can: whoever could not write has said so.
    pub(super) fn remove(&self) {
        drop(std::fs::remove_file(&self.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::open(&directory.path().join("deep")).unwrap();
        assert!(file.read().unwrap().is_empty());
        for damage in [
            &b"{\"version\":1,\"str"[..],
            b"{\"version\":9,\"streams\":{}}",
        ] {
            std::fs::write(&file.path, damage).unwrap();
            assert!(file.read().unwrap().is_empty());
            assert!(!file.path.exists());
            let aside = directory.path().join("deep/numbers.json.damaged");
            assert_eq!(std::fs::read(aside).unwrap(), damage);
        }
    }
}
