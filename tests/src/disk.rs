//! A small disk of a test's own, to be filled.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::node;

/// A tmpfs of a few mebibytes, as long as this lives.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one. None where mounting is not allowed, which it is to root.
    pub fn mount(label: &str, mebibytes: u32) -> anyhow::Result<Option<Self>> {
        if !is_root()? {
            return Ok(None);
        }
        let path = node::directory(label)?;
        let size = format!("size={mebibytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path);
        ensure!(mount.status().context("mount")?.success(), "{mount:?}");
        Ok(Some(Self { path }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut file = File::create(self.filling())?;
        for block in [vec![0; 1 << 20], vec![0; 1 << 10], vec![0; 1]] {
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => bail!("filling: {error}"),
                }
            }
        }
        Ok(())
    }

    /// Takes away what [`Self::fill`] wrote.
    pub fn empty(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.filling())?)
    }

    fn filling(&self) -> PathBuf {
        self.path.join("filling")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is about to end may have files open there.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn is_root() -> anyhow::Result<bool> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let effective = uids.and_then(|uids| uids.split_whitespace().nth(1));
    Ok(effective == Some("0"))
}
