//! Frames as bytes.
//!
//! ```text
//! frame    = kind:u8 length:u32 payload[length]           integers are big-endian
//! part     = name msn:u64 part:u32 fields body            kind 1
//! playlist = name position blocking:u32 plain:u32 fields text text   kind 2
//! ping     =                                              kind 3
//! end      = reason:u8                                    kind 4
//! name     = length:u8 bytes
//! fields   = count:u8 (length:u8 name length:u16 value)*
//! position = open:u64 open_parts:u32 previous_parts:u32 flags:u8 target_ms:u32 part_us:u32
//! text     = coding:u8 length:u32 bytes                   coding 0: absent, 1: as it is, 2: zstd
//! ```
//!
//! Frames of a kind that is not known are skipped: a newer parent may say more.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use hls::{LivePosition, Msn, PartIndex, RenditionName};
use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

use crate::frame::{CodedText, End, FIELDS_MAX, FRAME_BYTES_MAX, Frame, PartFrame, PlaylistFrame};

/// Kind and length.
const HEAD_BYTES: usize = 5;

const PART: u8 = 1;
const PLAYLIST: u8 = 2;
const PING: u8 = 3;
const END: u8 = 4;

const STARTED: u8 = 1;
const ENDED: u8 = 2;

const ABSENT: u8 = 0;
const PLAIN: u8 = 1;
const ZSTD: u8 = 2;

/// Why bytes are no frame. Nothing behind it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A field's name or value is none.
    #[error("a field is malformed")]
    Field,
    /// The frame is longer than [`FRAME_BYTES_MAX`].
    #[error("a frame has {0} bytes")]
    TooLong(u32),
    /// There are more than [`FIELDS_MAX`] fields.
    #[error("a frame has {0} fields")]
    TooManyFields(u8),
    /// The frame ends in the middle of something.
    #[error("a frame is cut short")]
    Short,
    /// A rendition's name is none.
    #[error("a rendition has no such name")]
    Name,
    /// A value that has no meaning.
    #[error("{0} has no such value")]
    Value(&'static str),
}

impl Frame {
    /// The frame as bytes, in pieces: a body is not copied.
    #[must_use]
    pub fn encode(&self) -> Vec<Bytes> {
        let mut payload = BytesMut::new();
        let mut pieces = Vec::new();
        let kind = match self {
            Self::Part(part) => {
                put_name(&mut payload, &part.rendition);
                payload.put_u64(part.msn.value());
                payload.put_u32(part.part.value());
                put_fields(&mut payload, &part.fields);
                pieces.push(payload.split().freeze());
                pieces.push(part.body.clone());
                PART
            }
            Self::Playlist(playlist) => {
                put_name(&mut payload, &playlist.rendition);
                put_position(&mut payload, &playlist.position);
                payload.put_u32(playlist.blocking_seconds);
                payload.put_u32(playlist.plain_seconds);
                put_fields(&mut payload, &playlist.fields);
                for text in [Some(&playlist.full), playlist.delta.as_ref()] {
                    put_text_head(&mut payload, text);
                    pieces.push(payload.split().freeze());
                    pieces.extend(text.map(|text| text.bytes.clone()));
                }
                PLAYLIST
            }
            Self::Ping => PING,
            Self::End(reason) => {
                payload.put_u8(match reason {
                    End::Ended => 0,
                    End::Gone => 1,
                    End::Leaving => 2,
                });
                pieces.push(payload.split().freeze());
                END
            }
        };
        let length: usize = pieces.iter().map(Bytes::len).sum();
        let mut head = BytesMut::with_capacity(HEAD_BYTES);
        head.put_u8(kind);
        head.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        pieces.insert(0, head.freeze());
        pieces
    }

    fn decode(kind: u8, payload: Bytes) -> Result<Option<Self>, FrameError> {
        let mut payload = payload;
        let from = &mut payload;
        Ok(Some(match kind {
            PART => Self::Part(PartFrame {
                rendition: name(from)?,
                msn: Msn::new(u64(from)?),
                part: PartIndex::new(u32(from)?),
                fields: fields(from)?,
                body: payload,
            }),
            PLAYLIST => Self::Playlist(PlaylistFrame {
                rendition: name(from)?,
                position: position(from)?,
                blocking_seconds: u32(from)?,
                plain_seconds: u32(from)?,
                fields: fields(from)?,
                full: text(from)?.ok_or(FrameError::Value("a playlist's coding"))?,
                delta: text(from)?,
            }),
            PING => Self::Ping,
            END => Self::End(match u8(from)? {
                0 => End::Ended,
                1 => End::Gone,
                2 => End::Leaving,
                _ => return Err(FrameError::Value("the reason of an end")),
            }),
            _ => return Ok(None),
        }))
    }
}

/// Makes frames of bytes as they arrive. Each frame has memory of its own: whoever keeps a body keeps
/// no other bytes with it.
#[derive(Debug, Default)]
pub struct Decoder {
    head: BytesMut,
    /// Kind, length, and what is there of the payload.
    open: Option<(u8, usize, BytesMut)>,
}

impl Decoder {
    /// Takes what arrived, and gives the frames that are whole with it, in order.
    ///
    /// # Errors
    /// The bytes are no frames. The frames before the fault are lost with it: whoever sends one
    /// cannot be believed, and what is lost can be asked for.
    pub fn decode(&mut self, mut arrived: Bytes) -> Result<Vec<Frame>, FrameError> {
        let mut frames = Vec::new();
        loop {
            let (kind, length, mut payload) = match self.open.take() {
                Some(open) => open,
                None => match self.head(&mut arrived)? {
                    Some((kind, length)) => (kind, length, BytesMut::with_capacity(length)),
                    None => return Ok(frames),
                },
            };
            let missing = length - payload.len();
            payload.extend_from_slice(&arrived.split_to(missing.min(arrived.len())));
            if payload.len() < length {
                self.open = Some((kind, length, payload));
                return Ok(frames);
            }
            frames.extend(Frame::decode(kind, payload.freeze())?);
        }
    }

    fn head(&mut self, arrived: &mut Bytes) -> Result<Option<(u8, usize)>, FrameError> {
        let missing = HEAD_BYTES - self.head.len();
        self.head
            .extend_from_slice(&arrived.split_to(missing.min(arrived.len())));
        if self.head.len() < HEAD_BYTES {
            return Ok(None);
        }
        let mut head = self.head.split();
        let (kind, length) = (head.get_u8(), head.get_u32());
        match usize::try_from(length) {
            Ok(bytes) if bytes <= FRAME_BYTES_MAX => Ok(Some((kind, bytes))),
            _ => Err(FrameError::TooLong(length)),
        }
    }
}

fn put_name(to: &mut BytesMut, name: &RenditionName) {
    let name = name.as_str().as_bytes();
    // hls::RENDITION_NAME_BYTES_MAX is below this.
    to.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    to.put_slice(name);
}

/// Fields beyond [`FIELDS_MAX`], and those that are too long, are left out.
fn put_fields(to: &mut BytesMut, fields: &HeaderMap) {
    let lengths = |(name, value): &(&HeaderName, &HeaderValue)| {
        let name = u8::try_from(name.as_str().len()).ok()?;
        Some((name, u16::try_from(value.len()).ok()?))
    };
    let fits: Vec<_> = fields
        .iter()
        .filter_map(|field| Some((field, lengths(&field)?)))
        .take(FIELDS_MAX)
        .collect();
    to.put_u8(u8::try_from(fits.len()).unwrap_or(u8::MAX));
    for ((name, value), (name_length, value_length)) in fits {
        to.put_u8(name_length);
        to.put_slice(name.as_str().as_bytes());
        to.put_u16(value_length);
        to.put_slice(value.as_bytes());
    }
}

fn put_position(to: &mut BytesMut, position: &LivePosition) {
    to.put_u64(position.open.value());
    to.put_u32(position.open_parts);
    to.put_u32(position.previous_parts);
    let started = if position.started { STARTED } else { 0 };
    let ended = if position.ended { ENDED } else { 0 };
    to.put_u8(started | ended);
    let target_ms = position.target_duration.as_millis();
    to.put_u32(u32::try_from(target_ms).unwrap_or(u32::MAX));
    let part_us = position.part_target.as_micros();
    to.put_u32(u32::try_from(part_us).unwrap_or(u32::MAX));
}

fn put_text_head(to: &mut BytesMut, text: Option<&CodedText>) {
    to.put_u8(match text {
        None => ABSENT,
        Some(text) if text.zstd => ZSTD,
        Some(_) => PLAIN,
    });
    let length = text.map_or(0, |text| text.bytes.len());
    to.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

fn bytes(from: &mut Bytes, count: usize) -> Result<Bytes, FrameError> {
    if from.len() < count {
        return Err(FrameError::Short);
    }
    Ok(from.split_to(count))
}

fn u8(from: &mut Bytes) -> Result<u8, FrameError> {
    from.try_get_u8().map_err(|_| FrameError::Short)
}

fn u16(from: &mut Bytes) -> Result<u16, FrameError> {
    from.try_get_u16().map_err(|_| FrameError::Short)
}

fn u32(from: &mut Bytes) -> Result<u32, FrameError> {
    from.try_get_u32().map_err(|_| FrameError::Short)
}

fn u64(from: &mut Bytes) -> Result<u64, FrameError> {
    from.try_get_u64().map_err(|_| FrameError::Short)
}

fn name(from: &mut Bytes) -> Result<RenditionName, FrameError> {
    let length = u8(from)?;
    let name = bytes(from, length.into())?;
    let name = std::str::from_utf8(&name).map_err(|_| FrameError::Name)?;
    RenditionName::new(name).map_err(|_| FrameError::Name)
}

fn fields(from: &mut Bytes) -> Result<HeaderMap, FrameError> {
    let count = u8(from)?;
    if usize::from(count) > FIELDS_MAX {
        return Err(FrameError::TooManyFields(count));
    }
    let mut fields = HeaderMap::with_capacity(count.into());
    for _ in 0..count {
        let length = u8(from)?;
        let name = bytes(from, length.into())?;
        let name = HeaderName::from_bytes(&name).map_err(|_| FrameError::Field)?;
        let length = u16(from)?;
        let value = bytes(from, length.into())?;
        // Copied, so that a field keeps no body in memory.
        let value = HeaderValue::from_bytes(&value).map_err(|_| FrameError::Field)?;
        fields.append(name, value);
    }
    Ok(fields)
}

fn position(from: &mut Bytes) -> Result<LivePosition, FrameError> {
    let open = Msn::new(u64(from)?);
    let (open_parts, previous_parts) = (u32(from)?, u32(from)?);
    let flags = u8(from)?;
    if flags & !(STARTED | ENDED) != 0 {
        return Err(FrameError::Value("a position's flags"));
    }
    Ok(LivePosition {
        open,
        open_parts,
        previous_parts,
        started: flags & STARTED != 0,
        ended: flags & ENDED != 0,
        target_duration: Duration::from_millis(u32(from)?.into()),
        part_target: Duration::from_micros(u32(from)?.into()),
    })
}

fn text(from: &mut Bytes) -> Result<Option<CodedText>, FrameError> {
    let coding = u8(from)?;
    let length = usize::try_from(u32(from)?).map_err(|_| FrameError::Short)?;
    let bytes = bytes(from, length)?;
    match coding {
        ABSENT if bytes.is_empty() => Ok(None),
        PLAIN | ZSTD => Ok(Some(CodedText {
            zstd: coding == ZSTD,
            bytes,
        })),
        _ => Err(FrameError::Value("a text's coding")),
    }
}

#[cfg(test)]
mod tests;
