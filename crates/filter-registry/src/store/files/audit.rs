//! The audit log of a store.

use std::path::{Path, PathBuf};

use super::{Inner, StoreError, failed, none_if_missing};
use crate::catalogue::AuditRecord;

/// What is known of the audit log without reading it.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) last_seq: u64,
    /// Length of the whole lines, to which a failed append is cut back.
    len: u64,
    /// A failed append could not be cut back: the next one does that first.
    torn: bool,
}

impl Inner {
    fn audit_log(&self) -> PathBuf {
        self.root.join("audit.jsonl")
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
        let last = lines
            .split(|byte| *byte == b'\n')
            .rfind(|line| !line.is_empty());
        let last_seq = last
            .map(|line| read_record(&path, line))
            .transpose()?
            .map_or(0, |record| record.seq);
        Ok(Audit {
            last_seq,
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

    pub(super) fn read_audit(
        &self,
        after: u64,
        max: usize,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let path = self.audit_log();
        let len = self.audit.lock().len;
        let bytes = none_if_missing(self.disk.read(&path)).map_err(failed(&path))?;
        let bytes = bytes.unwrap_or_default();
        // What is behind `len` is being written.
        let whole = usize::try_from(len).unwrap_or(usize::MAX).min(bytes.len());
        let (lines, _) = bytes.split_at_checked(whole).unwrap_or_default();
        lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| read_record(&path, line))
            .filter(|record| !matches!(record, Ok(record) if record.seq <= after))
            .take(max)
            .collect()
    }
}

fn read_record(path: &Path, line: &[u8]) -> Result<AuditRecord, StoreError> {
    serde_json::from_slice(line).map_err(|error| StoreError::Damaged {
        what: path.display().to_string(),
        reason: error.to_string(),
    })
}
