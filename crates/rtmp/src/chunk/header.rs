//! The chunk header: collected byte by byte, because reads end anywhere.

use crate::wire::Cursor;

/// Basic header 3, message header 11, extended timestamp 4.
const HEADER_BYTES_MAX: usize = 18;

/// A 24-bit timestamp that says: the real one follows in 32 bits (spec 5.3.1.3).
const EXTENDED_TIMESTAMP: u32 = 0x00FF_FFFF;

/// A header in the making.
#[derive(Debug, Default)]
pub(super) struct HeaderBuffer {
    bytes: [u8; HEADER_BYTES_MAX],
    len: usize,
}

/// A whole header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    pub(super) chunk_stream: u32,
    pub(super) fields: Fields,
    /// The four bytes after the header proper, where one is due.
    pub(super) extended: Option<u32>,
}

/// The message header (spec 5.3.1.2). `time` is absolute in `Full`, else a difference, and is
/// still 24 bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fields {
    /// Type 0.
    Full {
        time: u32,
        length: u32,
        type_id: u8,
        stream_id: u32,
    },
    /// Type 1.
    SameStream { time: u32, length: u32, type_id: u8 },
    /// Type 2.
    SameLength { time: u32 },
    /// Type 3.
    Same,
}

impl Fields {
    pub(super) fn time(&self) -> Option<u32> {
        match *self {
            Self::Full { time, .. } | Self::SameStream { time, .. } | Self::SameLength { time } => {
                Some(time)
            }
            Self::Same => None,
        }
    }
}

impl HeaderBuffer {
    /// Adds bytes off the front of `input` until the header is whole.
    ///
    /// `extended_due` says whether a type 3 header of that chunk stream has an extended timestamp.
    pub(super) fn read(
        &mut self,
        input: &mut &[u8],
        extended_due: impl Fn(u32) -> bool,
    ) -> Option<Header> {
        loop {
            if let Some(header) = self.parse(&extended_due) {
                self.len = 0;
                return Some(header);
            }
            let (&byte, rest) = input.split_first()?;
            *input = rest;
            if let Some(slot) = self.bytes.get_mut(self.len) {
                *slot = byte;
            }
            self.len += 1;
        }
    }

    fn parse(&self, extended_due: impl Fn(u32) -> bool) -> Option<Header> {
        let mut cursor = Cursor::new(self.bytes.get(..self.len)?);
        let first = cursor.u8()?;
        let chunk_stream = match first & 0x3F {
            0 => u32::from(cursor.u8()?) + 64,
            1 => {
                let [low, high] = cursor.array()?;
                u32::from(high) * 256 + u32::from(low) + 64
            }
            id => u32::from(id),
        };
        let fields = match first >> 6 {
            0 => Fields::Full {
                time: cursor.u24()?,
                length: cursor.u24()?,
                type_id: cursor.u8()?,
                // The one little-endian field of the protocol.
                stream_id: u32::from_le_bytes(cursor.array()?),
            },
            1 => Fields::SameStream {
                time: cursor.u24()?,
                length: cursor.u24()?,
                type_id: cursor.u8()?,
            },
            2 => Fields::SameLength {
                time: cursor.u24()?,
            },
            _ => Fields::Same,
        };
        let extended_due = match fields.time() {
            Some(time) => time == EXTENDED_TIMESTAMP,
            None => extended_due(chunk_stream),
        };
        let extended = if extended_due {
            Some(cursor.u32()?)
        } else {
            None
        };
        Some(Header {
            chunk_stream,
            fields,
            extended,
        })
    }
}
