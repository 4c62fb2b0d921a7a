//! A small disk of a test's own, to be filled.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A tmpfs, as long as this lives.
#[derive(Debug)]
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where mounting is not allowed, which it is to root.
    pub(crate) fn mount(mebibytes: u32) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let directory = TempDir::new().expect("a directory");
        let mut mount = Command::new("mount");
        let size = format!("size={mebibytes}m");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]);
        assert!(
            mount
                .arg(directory.path())
                .status()
                .expect("mount")
                .success()
        );
        Some(Self(directory))
    }

    /// The same files again, for readers only.
    pub(crate) fn read_only(&self) -> Self {
        let directory = TempDir::new().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-o", "bind,ro"]).arg(self.path());
        assert!(
            mount
                .arg(directory.path())
                .status()
                .expect("mount")
                .success()
        );
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes until nothing more fits.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.path().join("filling")).expect("a file");
        for block in [vec![0; 1 << 20], vec![0; 1 << 10], vec![0; 1]] {
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("filling: {error}"),
                }
            }
        }
    }

    /// Takes away what [`Self::fill`] wrote.
    pub(crate) fn empty(&self) {
        std::fs::remove_file(self.path().join("filling")).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: files may still be open there.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
