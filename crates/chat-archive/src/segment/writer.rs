//! Writes a segment.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{PREFIX_BYTES, length_check, seal};
use crate::disk;
use crate::error::{Error, SegmentId};
use crate::header::Header;
use crate::keys::{KeyFile, Purpose};
use crate::limits::RECORD_BYTES_MAX;

/// A segment that grows. Records are put into a group with [`Self::push`], and the group into the
/// file with [`Self::flush`]: all of it or nothing.
///
/// **After an error of `flush` or `seal` nothing is written any more**: what was tried may have
/// left its trace on the disk, and a second text under its nonces would give both away.
#[derive(Debug)]
pub(crate) struct Writer {
    id: SegmentId,
    label: String,
    path: PathBuf,
    file: Arc<File>,
    header: Header,
    /// What is in the file, and valid.
    bytes: u64,
    count: u64,
    group: Vec<u8>,
    group_count: u64,
    is_broken: bool,
}

impl Writer {
    /// A new file under the segment's own name.
    pub(crate) fn create(directory: &Path, id: SegmentId, keys: &KeyFile) -> Result<Self, Error> {
        let path = directory.join(id.file_name());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(Error::io("create", &path))?;
        let writer = Self::begin(file, path.clone(), id, keys);
        if writer.is_err() {
            // Nothing is in it.
            drop(disk::remove(&path));
        }
        writer
    }

    /// Into a file that has another name yet.
    pub(crate) fn begin(
        file: File,
        path: PathBuf,
        id: SegmentId,
        keys: &KeyFile,
    ) -> Result<Self, Error> {
        let label = id.to_string();
        let header = Header::new(keys, &label)?;
        disk::write(&file, &header.bytes).map_err(Error::io("write", &path))?;
        Ok(Self {
            bytes: bytes_of(&header.bytes),
            id,
            label,
            path,
            file: Arc::new(file),
            header,
            count: 0,
            group: Vec::new(),
            group_count: 0,
            is_broken: false,
        })
    }

    pub(crate) fn id(&self) -> &SegmentId {
        &self.id
    }

    pub(crate) fn key_id(&self) -> &str {
        &self.header.key_id
    }

    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Bytes that are valid in the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes with the group.
    pub(crate) fn bytes_ahead(&self) -> u64 {
        self.bytes + bytes_of(&self.group)
    }

    /// Records that are valid in the file.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Gives the group up. It never left the memory: its nonces are free again.
    pub(crate) fn discard(&mut self) {
        self.group.clear();
        self.group_count = 0;
    }

    /// Adds a record to the group: what `text` writes. After an error the group is as it was.
    pub(crate) fn push(
        &mut self,
        text: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let start = self.group.len();
        let pushed = self.push_at(start, text);
        match pushed {
            Ok(()) => self.group_count += 1,
            Err(_) => self.group.truncate(start),
        }
        pushed
    }

    fn push_at(
        &mut self,
        start: usize,
        text: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let index = self.count + self.group_count;
        self.group.extend_from_slice(&[0; PREFIX_BYTES]);
        text(&mut self.group)?;
        let record = self.group.get_mut(start..).unwrap_or_default();
        let (prefix, text) = record.split_at_mut(PREFIX_BYTES);
        let bytes = text.len();
        let length = u32::try_from(bytes).ok();
        let length = length.filter(|_| (1..=RECORD_BYTES_MAX).contains(&bytes));
        let length = length.ok_or(Error::RecordTooLarge { bytes })?;
        let check = length_check(&self.header.key, index, length)?;
        let (length_at, check_at) = prefix.split_at_mut(size_of::<u32>());
        length_at.copy_from_slice(&length.to_le_bytes());
        check_at.copy_from_slice(&check);
        let key = &self.header.key;
        let tag = key.seal(Purpose::Record, index, self.label.as_bytes(), text)?;
        self.group.extend_from_slice(&tag);
        Ok(())
    }

    /// Writes the group.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let group = std::mem::take(&mut self.group);
        let count = std::mem::take(&mut self.group_count);
        let written = self.write(&group);
        if written.is_ok() {
            self.count += count;
        }
        // Its room is used again.
        self.group = group;
        self.group.clear();
        written
    }

    /// Writes the end. Not durable yet.
    pub(crate) fn seal(&mut self) -> Result<(), Error> {
        self.flush()?;
        let seal = seal(&self.header.key, &self.label, self.count, self.bytes)?;
        self.write(&seal)
    }

    /// Adds the end to a segment of another life, of which so much is valid.
    pub(crate) fn seal_after_crash(
        path: &Path,
        header: &Header,
        label: &str,
        count: u64,
        bytes: u64,
    ) -> Result<u64, Error> {
        let mut options = OpenOptions::new();
        let opened = options.append(true).open(path);
        let file = opened.map_err(Error::io("open", path))?;
        file.set_len(bytes).map_err(Error::io("shorten", path))?;
        let seal = seal(&header.key, label, count, bytes)?;
        (&file)
            .write_all(&seal)
            .and_then(|()| file.sync_all())
            .map_err(Error::io("write", path))?;
        Ok(bytes + bytes_of(&seal))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.is_broken {
            return Err(Error::Seal);
        }
        if let Err(error) = disk::write(&self.file, bytes) {
            self.is_broken = true;
            // Else a part of it stays behind, which a reader takes for the end.
            drop(self.file.set_len(self.bytes));
            return Err(Error::io("write", &self.path)(error));
        }
        self.bytes += bytes_of(bytes);
        Ok(())
    }
}

fn bytes_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
