//! The table of the archive, as typed and as checked.

use std::path::PathBuf;

use serde::Deserialize;
use settings::{Invalid, KeyPath};

use crate::archive::Options;
use crate::limits::{RETENTION_DAYS_MAX, SEGMENT_BYTES_MAX};

/// Bytes of a MiB.
const MIB: u64 = 1 << 20;

/// Where and how long chat is kept. Off unless it is switched on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArchiveConfig {
    /// Whether anything is stored.
    pub enabled: bool,
    /// Directory of the archive.
    pub directory: PathBuf,
    /// File with the master keys: lines `id base64`, the first encrypts.
    pub keys_file: PathBuf,
    /// Days that are kept besides the one that runs.
    pub retention_days: u32,
    /// Size at which a file is closed, MiB.
    pub segment_mib_max: u64,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        let options = Options::default();
        Self {
            enabled: false,
            directory: PathBuf::new(),
            keys_file: PathBuf::new(),
            retention_days: options.retention_days,
            segment_mib_max: options.segment_bytes_max / MIB,
        }
    }
}

/// An archive that is wanted, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveSettings {
    /// For [`crate::Archive::open`].
    pub directory: PathBuf,
    /// For [`crate::KeyFile::load`].
    pub keys_file: PathBuf,
    /// For [`crate::Archive::open`].
    pub options: Options,
}

impl ArchiveConfig {
    /// None if nothing is to be stored.
    ///
    /// # Errors
    /// A value is out of its range.
    pub fn resolve(self, key: &KeyPath) -> Result<Option<ArchiveSettings>, Invalid> {
        let invalid = |name, reason: String| Err(Invalid::new(key.clone().key(name), reason));
        if !(1..=RETENTION_DAYS_MAX).contains(&self.retention_days) {
            return invalid(
                "retention_days",
                format!("has to be 1 to {RETENTION_DAYS_MAX}"),
            );
        }
        let mib_max = SEGMENT_BYTES_MAX / MIB;
        if !(1..=mib_max).contains(&self.segment_mib_max) {
            return invalid("segment_mib_max", format!("has to be 1 to {mib_max}"));
        }
        if !self.enabled {
            return Ok(None);
        }
        for (name, path) in [
            ("directory", &self.directory),
            ("keys_file", &self.keys_file),
        ] {
            if path.as_os_str().is_empty() {
                return invalid(name, "has to be given for an archive".to_owned());
            }
        }
        Ok(Some(ArchiveSettings {
            directory: self.directory,
            keys_file: self.keys_file,
            options: Options {
                retention_days: self.retention_days,
                segment_bytes_max: self.segment_mib_max * MIB,
            },
        }))
    }
}
