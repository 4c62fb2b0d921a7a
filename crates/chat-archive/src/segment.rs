//! One file of records: how it is called, written, and read.
//!
//! It knows nothing of what a record means.

mod scan;
mod writer;

pub(crate) use scan::{End, Scan, Step};
pub(crate) use writer::Writer;

use crate::error::{Error, SegmentId};
use crate::keys::{FileKey, Purpose, TAG_BYTES, is_word};
use crate::limits::ROOM_NAME_BYTES_MAX;

/// End of a segment's file name.
const SUFFIX: &str = ".seg";
/// Length of a record's text, and its check.
const PREFIX_BYTES: usize = 8;
/// Bytes of the tag over a length that are kept: who forges one has cut the file off there, which
/// is possible without.
const CHECK_BYTES: usize = 4;
/// In the place of a length: the seal.
const SEAL_MARK: u32 = u32::MAX;
/// Mark, number of records, tag.
const SEAL_BYTES: usize = 4 + 8 + TAG_BYTES;

impl SegmentId {
    pub(crate) fn file_name(&self) -> String {
        format!("{:05}-{:08}{SUFFIX}", self.day, self.number)
    }

    /// None if no segment is called so.
    pub(crate) fn parse(room: &str, file_name: &str) -> Option<Self> {
        let (day, number) = file_name.strip_suffix(SUFFIX)?.split_once('-')?;
        let id = Self {
            room: room.to_owned(),
            day: day.parse().ok()?,
            number: number.parse().ok()?,
        };
        (id.file_name() == file_name).then_some(id)
    }

    /// What is wrong with it.
    pub(crate) fn tampered(&self, record: u64) -> Error {
        Error::Tampered {
            file: self.to_string(),
            record,
        }
    }
}

/// Names become directories: no dots, no slashes.
pub(crate) fn check_room(room: &str) -> Result<(), Error> {
    is_word(room, ROOM_NAME_BYTES_MAX)
        .then_some(())
        .ok_or(Error::RoomName)
}

/// Tells a length that was written from one that was changed, before what it spans is there.
fn length_check(key: &FileKey, index: u64, length: u32) -> Result<[u8; CHECK_BYTES], Error> {
    let tag = key.seal(Purpose::Length, index, &length.to_le_bytes(), &mut [])?;
    let check = tag.first_chunk::<CHECK_BYTES>();
    check.copied().ok_or(Error::Seal)
}

/// The end of a segment to which nothing is added. The same for the same records.
fn seal(key: &FileKey, id: &str, count: u64, bytes: u64) -> Result<Vec<u8>, Error> {
    let tag = key.seal(Purpose::Seal, count, &seal_aad(id, bytes), &mut [])?;
    let mut seal = Vec::with_capacity(SEAL_BYTES);
    seal.extend_from_slice(&SEAL_MARK.to_le_bytes());
    seal.extend_from_slice(&count.to_le_bytes());
    seal.extend_from_slice(&tag);
    Ok(seal)
}

fn seal_aad(id: &str, bytes: u64) -> Vec<u8> {
    [id.as_bytes(), &bytes.to_le_bytes()].concat()
}

/// Number of records, if this is the seal after so many bytes.
fn open_seal(key: &FileKey, id: &str, bytes: u64, seal: &[u8; SEAL_BYTES]) -> Option<u64> {
    let (mark, rest) = seal.split_first_chunk::<4>()?;
    let (count, tag) = rest.split_first_chunk::<8>()?;
    let count = u64::from_le_bytes(*count);
    let mut tag = tag.to_vec();
    let opened = key.open(Purpose::Seal, count, &seal_aad(id, bytes), &mut tag);
    (u32::from_le_bytes(*mark) == SEAL_MARK && opened.is_some()).then_some(count)
}
