//! What can go wrong. Nothing here names a person or quotes a text.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::limits::{KEY_ID_BYTES_MAX, KEYS_MAX, RECORD_BYTES_MAX, ROOM_NAME_BYTES_MAX};

/// Which file of which room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    /// The room.
    pub room: String,
    /// Days since 1970-01-01 (UTC) of what is in it.
    pub day: u32,
    /// Grows by one with each segment of the room.
    pub number: u64,
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.room, self.file_name())
    }
}

/// Why the archive did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk, or the quota, is full.
    #[error("no space left for {}", path.display())]
    Full {
        /// What was written.
        path: PathBuf,
    },
    /// Another process has the directory.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The system.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A segment is under a key that is not there.
    #[error("{file} is under the key {key:?}, which the key file does not have")]
    KeyUnknown {
        /// The segment, or "state".
        file: String,
        /// Id of the key.
        key: String,
    },
    /// The options are out of range.
    #[error("{0}")]
    Options(&'static str),
    /// Larger than any event of a hub.
    #[error("a record has {bytes} bytes, and {RECORD_BYTES_MAX} is the limit")]
    RecordTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No room has such a name.
    #[error("a room's name is 1 to {ROOM_NAME_BYTES_MAX} of A-Z, a-z, 0-9, - and _")]
    RoomName,
    /// A record is sound, and no event of this version.
    #[error("{file}, record {record}, is no event of this version")]
    Schema {
        /// The segment.
        file: String,
        /// Index of the record.
        record: u64,
    },
    /// Encryption, or the system's source of randomness, failed.
    #[error("encryption failed")]
    Seal,
    /// A file is not what was written.
    #[error("{file} was changed, at record {record}")]
    Tampered {
        /// The segment, or "state".
        file: String,
        /// Index of the first record that cannot be trusted.
        record: u64,
    },
    /// An erasure is not complete: some segments could not be read or replaced. The others are done.
    #[error("{} segments could not be cleaned, the first is {}: {}", failed.len(), First(failed), Why(failed))]
    Unfinished {
        /// Which, and why.
        failed: Vec<(SegmentId, Self)>,
    },
    /// No user has such an id.
    #[error("a user's id is 1 to {} bytes", rooms::ID_BYTES_MAX)]
    UserId,
}

struct First<'a>(&'a [(SegmentId, Error)]);

impl fmt::Display for First<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.first().map_or(Ok(()), |(id, _)| id.fmt(f))
    }
}

struct Why<'a>(&'a [(SegmentId, Error)]);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.first().map_or(Ok(()), |(_, why)| why.fmt(f))
    }
}

impl Error {
    /// For `map_err`.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full {
                path: path.to_owned(),
            },
            _ => Self::Io {
                what,
                path: path.to_owned(),
                source,
            },
        }
    }
}

/// Why a key file cannot be used. Holds nothing of what is in it but its ids.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// An id comes twice.
    #[error("line {line}: the id was used before")]
    Duplicate {
        /// 1-based.
        line: usize,
    },
    /// There is no key in it.
    #[error("there is no key in it")]
    Empty,
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not `id base64`.
    #[error(
        "line {line}: is to be an id (1 to {KEY_ID_BYTES_MAX} of A-Z, a-z, 0-9, - and _), a space, \
         and 32 bytes in base64"
    )]
    Line {
        /// 1-based.
        line: usize,
    },
    /// Others may read or write it.
    #[error("its mode is {mode:o}: nobody but its owner may have access (chmod 600)")]
    Mode {
        /// Permission bits.
        mode: u32,
    },
    /// Too large, or too many keys.
    #[error("it has more than {KEYS_MAX} keys, or is larger than those would be")]
    TooLarge,
}
