//! What a frame of a link holds: version, kind, room, payload.
//!
//! ```text
//! +---------+------+--------+----------------+-------------------+
//! | version | kind | length | room           | payload           |
//! | 1 byte  | 1    | 1      | `length` bytes | the rest          |
//! +---------+------+--------+----------------+-------------------+
//! ```
//!
//! One envelope per binary frame. Nothing here knows of sockets.

use bytes::{BufMut, Bytes, BytesMut};

use crate::name::{ROOM_NAME_BYTES_MAX, RoomName};

/// First byte of every envelope.
pub(super) const VERSION: u8 = 1;
/// Largest part of an envelope that is no payload, in bytes.
pub(super) const HEADER_BYTES_MAX: usize = 3 + ROOM_NAME_BYTES_MAX;

const KIND_FOLLOW: u8 = 1;
const KIND_UNFOLLOW: u8 = 2;
const KIND_MESSAGE: u8 = 3;
const KIND_REFUSED: u8 = 4;

/// What is in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// From an edge: it wants to hear the room.
    Follow(RoomName),
    /// From an edge: it does not any more.
    Unfollow(RoomName),
    /// In either direction.
    Message(RoomName, Bytes),
    /// From the hub: the edge follows too many rooms for this one.
    Refused(RoomName),
}

/// Why bytes are no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvelopeError {
    /// Shorter than its header.
    #[error("the envelope is cut off")]
    Cut,
    /// Of no version that this side knows.
    #[error("the envelope has version {0}")]
    Version(u8),
    /// Of no kind that this side knows.
    #[error("the envelope has kind {0}")]
    Kind(u8),
    /// Not a room's name.
    #[error("the envelope names no room")]
    Room,
    /// Bytes after an envelope that has no payload.
    #[error("the envelope has {0} bytes too many")]
    Trailing(usize),
}

impl Envelope {
    /// Reads a frame.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn decode(mut frame: Bytes) -> Result<Self, EnvelopeError> {
        let Some(&[version, kind, length]) = frame.first_chunk::<3>() else {
            return Err(EnvelopeError::Cut);
        };
        if version != VERSION {
            return Err(EnvelopeError::Version(version));
        }
        if !(KIND_FOLLOW..=KIND_REFUSED).contains(&kind) {
            return Err(EnvelopeError::Kind(kind));
        }
        let end = 3 + usize::from(length);
        let name = frame.get(3..end).ok_or(EnvelopeError::Cut)?;
        let name = std::str::from_utf8(name).map_err(|_| EnvelopeError::Room)?;
        let room = RoomName::new(name).map_err(|_| EnvelopeError::Room)?;
        let payload = frame.split_off(end);
        if kind != KIND_MESSAGE && !payload.is_empty() {
            return Err(EnvelopeError::Trailing(payload.len()));
        }
        Ok(match kind {
            KIND_FOLLOW => Self::Follow(room),
            KIND_UNFOLLOW => Self::Unfollow(room),
            KIND_REFUSED => Self::Refused(room),
            _ => Self::Message(room, payload),
        })
    }

    /// Writes a frame.
    pub(super) fn encode(&self) -> Bytes {
        match self {
            Self::Follow(room) => write(KIND_FOLLOW, room, &[]),
            Self::Unfollow(room) => write(KIND_UNFOLLOW, room, &[]),
            Self::Message(room, payload) => message(room, payload),
            Self::Refused(room) => write(KIND_REFUSED, room, &[]),
        }
    }
}

/// A frame with a message, for many links.
pub(super) fn message(room: &RoomName, payload: &[u8]) -> Bytes {
    write(KIND_MESSAGE, room, payload)
}

fn write(kind: u8, room: &RoomName, payload: &[u8]) -> Bytes {
    let name = room.as_str();
    let mut frame = BytesMut::with_capacity(3 + name.len() + payload.len());
    frame.put_u8(VERSION);
    frame.put_u8(kind);
    // A name has at most 64 bytes.
    frame.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    frame.put_slice(name.as_bytes());
    frame.put_slice(payload);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &'static [u8]) -> Result<Envelope, EnvelopeError> {
        Envelope::decode(Bytes::from_static(bytes))
    }

    #[test]
    fn what_was_written_is_read() {
        let room = || RoomName::new("demo").unwrap();
        for envelope in [
            Envelope::Follow(room()),
            Envelope::Unfollow(room()),
            Envelope::Message(room(), Bytes::from_static(b"\0hello")),
            Envelope::Message(room(), Bytes::new()),
            Envelope::Refused(room()),
        ] {
            assert_eq!(Envelope::decode(envelope.encode()), Ok(envelope));
        }
        assert_eq!(&message(&room(), b"x")[..], b"\x01\x03\x04demox");
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(decode(b""), Err(EnvelopeError::Cut));
        assert_eq!(decode(b"\x01\x03"), Err(EnvelopeError::Cut));
        assert_eq!(decode(b"\x01\x03\x05demo"), Err(EnvelopeError::Cut));
        assert_eq!(decode(b"\x02\x03\x04demo"), Err(EnvelopeError::Version(2)));
        assert_eq!(decode(b"\x01\x00\x04demo"), Err(EnvelopeError::Kind(0)));
        assert_eq!(decode(b"\x01\x05\x04demo"), Err(EnvelopeError::Kind(5)));
        assert_eq!(decode(b"\x01\x03\x00x"), Err(EnvelopeError::Room));
        assert_eq!(decode(b"\x01\x03\x02..x"), Err(EnvelopeError::Room));
        assert_eq!(decode(b"\x01\x03\x01\xffx"), Err(EnvelopeError::Room));
        assert_eq!(decode(b"\x01\x01\x01ax"), Err(EnvelopeError::Trailing(1)));
    }
}
