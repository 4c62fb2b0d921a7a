//! Reads a segment, and tells one that a crash cut off from one that somebody changed.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::{PREFIX_BYTES, SEAL_BYTES, SEAL_MARK, length_check, open_seal};
use crate::error::{Error, SegmentId};
use crate::header::{HEADER_BYTES, Header};
use crate::keys::{KeyFile, Purpose, TAG_BYTES};
use crate::limits::RECORD_BYTES_MAX;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// A segment that is read from its beginning.
#[derive(Debug)]
pub(crate) struct Scan {
    id: SegmentId,
    label: String,
    path: PathBuf,
    file: BufReader<File>,
    header: Header,
    /// Of the next record.
    offset: u64,
    index: u64,
    /// Where the file ends.
    end: u64,
    record: Vec<u8>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record: [`Scan::record`].
    Record,
    /// Nothing.
    End(End),
}

/// How a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With its seal: nothing is missing.
    Sealed,
    /// Without: the process is in it or has crashed, or somebody has cut it off between records.
    Open,
    /// Within a record: a crash, or somebody has cut it off.
    Torn {
        /// Bytes of which nothing can be made.
        bytes: u64,
    },
}

impl Scan {
    /// Opens a segment, up to `bytes` of it. None if not even its header is whole.
    pub(crate) fn open(
        path: &Path,
        id: &SegmentId,
        keys: &KeyFile,
        bytes: Option<u64>,
    ) -> Result<Option<Self>, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = file.metadata().map_err(Error::io("open", path))?;
        let end = bytes.map_or(metadata.len(), |bytes| bytes.min(metadata.len()));
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        if end < u64::try_from(HEADER_BYTES).unwrap_or(u64::MAX) {
            return Ok(None);
        }
        let mut header = [0; HEADER_BYTES];
        file.read_exact(&mut header)
            .map_err(Error::io("read", path))?;
        let label = id.to_string();
        let header = Header::open(header, keys, &label)?;
        Ok(Some(Self {
            id: id.clone(),
            label,
            path: path.to_owned(),
            file,
            header,
            offset: u64::try_from(HEADER_BYTES).unwrap_or(u64::MAX),
            index: 0,
            end,
            record: Vec::new(),
        }))
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Where the next record begins, and its index.
    pub(crate) fn position(&self) -> (u64, u64) {
        (self.offset, self.index)
    }

    /// Goes to where [`Self::position`] was.
    pub(crate) fn seek(&mut self, (offset, index): (u64, u64)) -> Result<(), Error> {
        let sought = self.file.seek(SeekFrom::Start(offset));
        sought.map_err(Error::io("read", &self.path))?;
        (self.offset, self.index) = (offset, index);
        Ok(())
    }

    /// The record that was read last.
    pub(crate) fn record(&self) -> &[u8] {
        let text = self.record.len().saturating_sub(TAG_BYTES);
        self.record.get(..text).unwrap_or_default()
    }

    /// Whether it ends with its seal, without reading what is before it.
    pub(crate) fn is_sealed(&mut self) -> Result<bool, Error> {
        let seal_bytes = u64::try_from(SEAL_BYTES).unwrap_or(u64::MAX);
        let Some(at) = self.end.checked_sub(seal_bytes) else {
            return Ok(false);
        };
        if at < self.offset {
            return Ok(false);
        }
        let here = self.position();
        self.seek((at, 0))?;
        let mut seal = [0; SEAL_BYTES];
        self.fill(&mut seal)?;
        self.seek(here)?;
        Ok(open_seal(&self.header.key, &self.label, at, &seal).is_some())
    }

    /// Reads on.
    pub(crate) fn step(&mut self) -> Result<Step, Error> {
        let left = self.end.saturating_sub(self.offset);
        let torn = Ok(Step::End(End::Torn { bytes: left }));
        let at_least = |bytes: usize| u64::try_from(bytes).is_ok_and(|bytes| left >= bytes);
        if left == 0 {
            return Ok(Step::End(End::Open));
        }
        if !at_least(PREFIX_BYTES) {
            return torn;
        }
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length == SEAL_MARK {
            return if at_least(SEAL_BYTES) {
                self.end_of_seal().map(Step::End)
            } else {
                torn
            };
        }
        let mut check = [0; 4];
        self.fill(&mut check)?;
        if length == 0 && check == [0; 4] && self.is_rest_zero()? {
            return torn;
        }
        let text_bytes = usize::try_from(length).unwrap_or(usize::MAX);
        let is_length = length_check(&self.header.key, self.index, length)? == check;
        if !is_length || !(1..=RECORD_BYTES_MAX).contains(&text_bytes) {
            return Err(self.id.tampered(self.index));
        }
        if !at_least(PREFIX_BYTES + text_bytes + TAG_BYTES) {
            return torn;
        }
        self.read_record(text_bytes + TAG_BYTES)?;
        Ok(Step::Record)
    }

    fn read_record(&mut self, bytes: usize) -> Result<(), Error> {
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        record.resize(bytes, 0);
        self.fill(&mut record)?;
        let key = &self.header.key;
        let aad = self.label.as_bytes();
        let opened = key.open(Purpose::Record, self.index, aad, &mut record);
        if opened.is_none() {
            return Err(self.id.tampered(self.index));
        }
        self.record = record;
        self.offset += u64::try_from(PREFIX_BYTES + bytes).unwrap_or(u64::MAX);
        self.index += 1;
        Ok(())
    }

    /// After the mark.
    fn end_of_seal(&mut self) -> Result<End, Error> {
        let mut seal = [0; SEAL_BYTES];
        let (mark, rest) = seal.split_at_mut(4);
        mark.copy_from_slice(&SEAL_MARK.to_le_bytes());
        self.fill(rest)?;
        let count = open_seal(&self.header.key, &self.label, self.offset, &seal);
        let is_last = self
            .offset
            .checked_add(u64::try_from(SEAL_BYTES).unwrap_or(u64::MAX));
        if count == Some(self.index) && is_last == Some(self.end) {
            Ok(End::Sealed)
        } else {
            Err(self.id.tampered(self.index))
        }
    }

    /// Some file systems leave zeros where a crash came before the data.
    fn is_rest_zero(&mut self) -> Result<bool, Error> {
        let mut buffer = [0; 4096];
        let mut left = self.end.saturating_sub(self.offset + 8);
        while left > 0 {
            let bytes = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let part = buffer.get_mut(..bytes).unwrap_or_default();
            let read = self.file.read_exact(part);
            read.map_err(Error::io("read", &self.path))?;
            if part.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            left -= u64::try_from(bytes).unwrap_or(left);
        }
        Ok(true)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        let read = self.file.read_exact(bytes);
        read.map_err(Error::io("read", &self.path))
    }
}
