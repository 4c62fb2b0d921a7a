//! Incremental reader of an FLV file or pipe.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use crate::TimestampUnwrapper;
use crate::limits::FLV_TAG_BYTES_MAX;
use crate::wire::Cursor;

/// The kind of an FLV tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TagKind {
    /// Type 8.
    Audio,
    /// Type 18: AMF0 data such as `onMetaData`.
    Script,
    /// Type 9.
    Video,
}

impl TagKind {
    pub(crate) fn from_type_id(type_id: u8) -> Option<Self> {
        match type_id {
            8 => Some(Self::Audio),
            9 => Some(Self::Video),
            18 => Some(Self::Script),
            _ => None,
        }
    }

    pub(crate) fn type_id(self) -> u8 {
        match self {
            Self::Audio => 8,
            Self::Video => 9,
            Self::Script => 18,
        }
    }
}

impl fmt::Display for TagKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Script => "script",
            Self::Video => "video",
        })
    }
}

/// One FLV tag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tag {
    /// What the body is.
    pub kind: TagKind,
    /// Decode time, unwrapped.
    pub timestamp_ms: i64,
    /// The body, for [`super::VideoBody::parse`] or [`super::AudioBody::parse`].
    pub body: Bytes,
}

/// Why bytes are not an acceptable FLV file.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum FlvError {
    /// The header is not that of an FLV file of version 1.
    #[error("not an FLV header")]
    BadHeader,
    /// The size after a tag is not that of the tag: bytes were lost or invented.
    #[error("previous tag size {got} where {expected} is due")]
    BadPreviousTagSize {
        /// As read.
        got: u32,
        /// Length of the tag before it.
        expected: u32,
    },
    /// The tag is encrypted.
    #[error("encrypted FLV tag")]
    Encrypted,
    /// The tag is longer than [`FLV_TAG_BYTES_MAX`].
    #[error("FLV tag of {0} bytes is longer than {FLV_TAG_BYTES_MAX}")]
    TooLong(u32),
    /// A tag type other than audio, video or script.
    #[error("unknown FLV tag type {0}")]
    UnknownTagType(u8),
}

/// Takes FLV bytes in pieces of any size and gives the tags in them.
///
/// Call [`Reader::push`] with what was read, then [`Reader::poll_tag`] until it gives none. So it
/// holds at most one tag ([`FLV_TAG_BYTES_MAX`]) and the last piece. After an error it stays at the
/// offending byte and gives the same error again.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: BytesMut,
    header_seen: bool,
    /// What the next "previous tag size" has to be; 0 before the first tag.
    previous_tag_bytes: u32,
    timestamps: TimestampUnwrapper,
}

const FILE_HEADER_BYTES: usize = 9;
const TAG_HEADER_BYTES: usize = 11;
const PREVIOUS_SIZE_BYTES: usize = 4;

impl Reader {
    /// Expects the file header first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole tag, or `None` when more bytes are needed.
    pub fn poll_tag(&mut self) -> Result<Option<Tag>, FlvError> {
        if !self.header_seen {
            let Some(header) = self.buffer.first_chunk::<FILE_HEADER_BYTES>() else {
                return Ok(None);
            };
            check_header(header)?;
            self.buffer.advance(FILE_HEADER_BYTES);
            self.header_seen = true;
        }
        let Some(header) = self
            .buffer
            .first_chunk::<{ PREVIOUS_SIZE_BYTES + TAG_HEADER_BYTES }>()
        else {
            return Ok(None);
        };
        let Some(header) = TagHeader::parse(header) else {
            return Ok(None);
        };
        let (kind, body_bytes) = header.check(self.previous_tag_bytes)?;
        let body_start = PREVIOUS_SIZE_BYTES + TAG_HEADER_BYTES;
        if self.buffer.len() < body_start + body_bytes {
            return Ok(None);
        }
        self.buffer.advance(body_start);
        let body = self.buffer.split_to(body_bytes).freeze();
        self.previous_tag_bytes = header.body_bytes + TAG_HEADER_BYTES as u32;
        Ok(Some(Tag {
            kind,
            timestamp_ms: self.timestamps.unwrap_ms(header.timestamp),
            body,
        }))
    }

    /// Bytes held that are not yet a whole tag.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }
}

struct TagHeader {
    previous_tag_bytes: u32,
    tag_type: u8,
    body_bytes: u32,
    timestamp: u32,
}

impl TagHeader {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let previous_tag_bytes = cursor.u32()?;
        let tag_type = cursor.u8()?;
        let body_bytes = cursor.u24()?;
        let timestamp_low = cursor.u24()?;
        // TimestampExtended is the *upper* byte (FLV E.4.1).
        let timestamp_high = cursor.u8()?;
        Some(Self {
            previous_tag_bytes,
            tag_type,
            body_bytes,
            timestamp: u32::from(timestamp_high) << 24 | timestamp_low,
        })
    }

    fn check(&self, previous_tag_bytes: u32) -> Result<(TagKind, usize), FlvError> {
        if self.previous_tag_bytes != previous_tag_bytes {
            return Err(FlvError::BadPreviousTagSize {
                got: self.previous_tag_bytes,
                expected: previous_tag_bytes,
            });
        }
        if self.tag_type & 0x20 != 0 {
            return Err(FlvError::Encrypted);
        }
        let kind =
            TagKind::from_type_id(self.tag_type).ok_or(FlvError::UnknownTagType(self.tag_type))?;
        let body_bytes = usize::try_from(self.body_bytes).unwrap_or(usize::MAX);
        if body_bytes > FLV_TAG_BYTES_MAX {
            return Err(FlvError::TooLong(self.body_bytes));
        }
        Ok((kind, body_bytes))
    }
}

fn check_header(header: &[u8; FILE_HEADER_BYTES]) -> Result<(), FlvError> {
    // Signature and version, flags of any value, and a data offset that leaves no room.
    match header {
        [b'F', b'L', b'V', 1, _, 0, 0, 0, 9] => Ok(()),
        _ => Err(FlvError::BadHeader),
    }
}
