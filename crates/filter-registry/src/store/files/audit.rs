//! The audit log of a store: one record a line, in files of a bounded size.
//!
//! ```text
//! audit.jsonl          the newest; only ever longer until it is full
//! audit.{seq}.jsonl    full ones, by the number of their last record
//! ```
//!
//! A full file gets its name by one rename and is never written again, so that a crash leaves it
//! under the one name or the other. The oldest goes when there are too many.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::{Inner, StoreError, failed, none_if_missing};
use crate::catalogue::AuditRecord;

/// How long the log may become.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuditLimits {
    /// A file of so many bytes is full.
    pub(super) file_bytes_max: u64,
    /// Full files that are kept.
    pub(super) full_files_max: usize,
}

impl AuditLimits {
    /// 64 MiB together, some 250 000 records. A page is read from whole files: small ones make it cheap.
    pub(super) const DEFAULT: Self = Self {
        file_bytes_max: 1 << 20,
        full_files_max: 63,
    };
}

/// What is known of the audit log without reading it.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) last_seq: u64,
    /// Full files, oldest first.
    full: VecDeque<u64>,
    /// Length of the newest file's whole lines, to which a failed append is cut back.
    len: u64,
    /// A failed append could not be cut back: the next one does that first.
    torn: bool,
}

impl Inner {
    fn audit_log(&self) -> PathBuf {
        self.root.join("audit.jsonl")
    }

    fn full_audit_log(&self, last_seq: u64) -> PathBuf {
        self.root.join(format!("audit.{last_seq}.jsonl"))
    }

    /// Cuts half a line off the end of the audit log and finds its last number.
    pub(super) fn mend_audit(&self) -> Result<Audit, StoreError> {
        let path = self.audit_log();
        let bytes = none_if_missing(self.disk.read(&path)).map_err(failed(&path))?;
        let bytes = bytes.unwrap_or_default();
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let (lines, torn) = bytes.split_at_checked(whole).unwrap_or_default();
        let len = lines.len() as u64;
        if !torn.is_empty() {
            tracing::warn!(bytes = torn.len(), "the audit log ended in half a line");
            self.disk.truncate(&path, len).map_err(failed(&path))?;
            self.disk.sync(&path).map_err(failed(&path))?;
        }
        let mut full: Vec<u64> = self
            .names(&self.root, "audit.", ".jsonl")?
            .into_iter()
            .map(|(last_seq, _)| last_seq)
            .collect();
        full.sort_unstable();
        let last = lines
            .split(|byte| *byte == b'\n')
            .rfind(|line| !line.is_empty());
        let last_seq = match last {
            Some(line) => read_record(&path, line)?.seq,
            // A crash came between the name of a full file and the first line of the next.
            None => full.last().copied().unwrap_or_default(),
        };
        Ok(Audit {
            last_seq,
            full: full.into(),
            len,
            torn: false,
        })
    }

    pub(super) fn append(&self, records: &[AuditRecord]) -> Result<(), StoreError> {
        let path = self.audit_log();
        let mut audit = self.audit.lock();
        if audit.torn {
            self.disk
                .truncate(&path, audit.len)
                .map_err(failed(&path))?;
            audit.torn = false;
        }
        if audit.len >= self.audit_limits.file_bytes_max {
            self.begin_audit_file(&mut audit)?;
        }
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, record)
                .map_err(|error| failed(&path)(error.into()))?;
            lines.push(b'\n');
        }
        let appended = self
            .disk
            .append(&path, &lines)
            .and_then(|()| self.disk.sync(&path))
            .and_then(|()| match audit.len {
                // The file may be new.
                0 => self.disk.sync_dir(&self.root),
                _ => Ok(()),
            });
        if let Err(error) = appended {
            audit.torn = none_if_missing(self.disk.truncate(&path, audit.len)).is_err();
            return Err(failed(&path)(error));
        }
        audit.len += lines.len() as u64;
        audit.last_seq = records.last().map_or(audit.last_seq, |record| record.seq);
        Ok(())
    }

    /// Puts the newest file to the full ones.
    fn begin_audit_file(&self, audit: &mut Audit) -> Result<(), StoreError> {
        let path = self.audit_log();
        self.disk
            .rename(&path, &self.full_audit_log(audit.last_seq))
            .map_err(failed(&path))?;
        audit.full.push_back(audit.last_seq);
        audit.len = 0;
        // Before there is another file of the old name: a power cut would leave only one of the two.
        self.disk.sync_dir(&self.root).map_err(failed(&path))?;
        while audit.full.len() > self.audit_limits.full_files_max
            && let Some(oldest) = audit.full.front()
        {
            self.remove(&self.full_audit_log(*oldest))?;
            audit.full.pop_front();
        }
        Ok(())
    }

    /// Reads the files that the page is in, and no other.
    pub(super) fn read_audit(
        &self,
        after: u64,
        max: usize,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        // Held, so that no file gets another name or goes away while it is read.
        let audit = self.audit.lock();
        let mut records = Vec::new();
        let full = audit.full.iter().filter(|last_seq| **last_seq > after);
        let full = full.map(|last_seq| (self.full_audit_log(*last_seq), u64::MAX));
        // What is behind `len` is what a failed append has left.
        let newest = (audit.last_seq > after).then(|| (self.audit_log(), audit.len));
        for (path, len) in full.chain(newest) {
            let wanted = max.saturating_sub(records.len());
            if wanted == 0 {
                break;
            }
            let bytes = none_if_missing(self.disk.read(&path)).map_err(failed(&path))?;
            let bytes = bytes.unwrap_or_default();
            let whole = usize::try_from(len).unwrap_or(usize::MAX).min(bytes.len());
            let (lines, _) = bytes.split_at_checked(whole).unwrap_or_default();
            let page = lines
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| read_record(&path, line))
                .filter(|record| !matches!(record, Ok(record) if record.seq <= after))
                .take(wanted);
            for record in page {
                records.push(record?);
            }
        }
        Ok(records)
    }
}

fn read_record(path: &Path, line: &[u8]) -> Result<AuditRecord, StoreError> {
    serde_json::from_slice(line).map_err(|error| StoreError::Damaged {
        what: path.display().to_string(),
        reason: error.to_string(),
    })
}
