//! Incremental reader of a NUT pipe with one video stream.
//!
//! The format: "NUT Open Container Format", version 3, as ffmpeg writes it. Checksums are not
//! verified: a pipe loses nothing.

mod header;
mod varint;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use crate::{CODEC_DATA_BYTES_MAX, FRAME_BYTES_MAX};
use header::{FrameCode, MainHeader, flag};
use varint::Cursor;

/// What a file begins with.
const FILE_ID: &[u8; 25] = b"nut/multimedia container\0";
const MAIN: u64 = 0x4E4D_7A56_1F5F_04AD;
const STREAM: u64 = 0x4E53_1140_5BF2_F9DB;
const SYNCPOINT: u64 = 0x4E4B_E4AD_EECA_4569;
const INFO: u64 = 0x4E49_AB68_B596_BA78;
const INDEX: u64 = 0x4E58_DD67_2F23_E64E;
/// A packet that is no frame is not longer.
const PACKET_BYTES_MAX: usize = 256 * 1024;
/// A frame header: its code and some numbers of 10 bytes at most, and reserved ones.
const FRAME_HEADER_BYTES_MAX: usize = 256;
/// A packet longer than this has a checksum of its header.
const HEADER_CHECKSUM_ABOVE: u64 = 4_096;
const CHECKSUM_BYTES: usize = 4;
/// A frame longer than this has no elided header.
const ELIDED_FRAME_BYTES_MAX: usize = 4_096;

/// The video stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stream {
    /// Four bytes as in AVI: `HEVC`, `AV01`.
    pub fourcc: [u8; 4],
    /// The encoder's headers, in its own form.
    pub codec_data: Bytes,
}

/// One frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packet {
    /// Presentation time in milliseconds; that of decoding too, as there are no B-frames.
    pub pts_ms: i64,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// As the encoder gave it.
    pub data: Bytes,
}

/// Why bytes are not an acceptable NUT pipe.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum NutError {
    /// The file does not begin as one.
    #[error("not a NUT file")]
    BadId,
    /// A header that ends early, or contradicts itself.
    #[error("malformed NUT {0}")]
    Malformed(&'static str),
    /// Another version, more streams, or frames with side data.
    #[error("NUT with {0} is not read")]
    Unsupported(&'static str),
    /// Longer than the bound.
    #[error("NUT {what} of {bytes} bytes")]
    TooLong {
        /// Of what.
        what: &'static str,
        /// How long it says it is.
        bytes: u64,
    },
}

/// Takes NUT bytes in pieces of any size and gives the frames in them.
///
/// Call [`Reader::push`] with what was read, then [`Reader::poll`] until it gives none. So it
/// holds at most one frame ([`FRAME_BYTES_MAX`]) and the last piece. After an error it takes no more
/// and gives the same error again.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: BytesMut,
    id_seen: bool,
    main: Option<MainHeader>,
    stream: Option<(Stream, Timing)>,
    failed: Option<NutError>,
}

/// How the stream counts time.
#[derive(Clone, Copy, Debug)]
struct Timing {
    numerator: u64,
    denominator: u64,
    /// Bits of a timestamp that are sent.
    lsb_bits: u32,
    last_pts: i64,
}

/// A frame's header, read.
#[derive(Debug)]
struct FrameHeader {
    bytes: usize,
    keyframe: bool,
    pts: i64,
    /// Bytes in the pipe.
    body_bytes: usize,
    /// Index of what is put before them.
    elided: usize,
}

impl Reader {
    /// Expects the file's beginning first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The video stream; known before the first packet.
    pub fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref().map(|(stream, _)| stream)
    }

    /// The next whole frame, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`NutError`]; nothing more can be read.
    pub fn poll(&mut self) -> Result<Option<Packet>, NutError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let next = self.next();
        self.failed = next.as_ref().err().copied();
        next
    }

    fn next(&mut self) -> Result<Option<Packet>, NutError> {
        if !self.id_seen {
            let Some(id) = self.buffer.first_chunk::<{ FILE_ID.len() }>() else {
                return Ok(None);
            };
            if id != FILE_ID {
                return Err(NutError::BadId);
            }
            self.buffer.advance(FILE_ID.len());
            self.id_seen = true;
        }
        while let Some(&first) = self.buffer.first() {
            if first != b'N' {
                return self.frame(first);
            }
            if !self.packet()? {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Reads a packet that is no frame. False when more bytes are needed.
    fn packet(&mut self) -> Result<bool, NutError> {
        let mut cursor = Cursor::new(&self.buffer);
        let Some(startcode) = cursor.u64() else {
            return Ok(false);
        };
        let Some(length) = cursor.v() else {
            return cursor.wait("packet").map(|()| false);
        };
        if length > PACKET_BYTES_MAX as u64 {
            let what = "packet";
            return Err(NutError::TooLong {
                what,
                bytes: length,
            });
        }
        let checksum = if length > HEADER_CHECKSUM_ABOVE {
            CHECKSUM_BYTES
        } else {
            0
        };
        let start = cursor.position() + checksum;
        let end = start + length as usize;
        if self.buffer.len() < end {
            return Ok(false);
        }
        let packet = self.buffer.split_to(end).freeze();
        let body = packet.slice(start..end.saturating_sub(CHECKSUM_BYTES).max(start));
        match startcode {
            // Repeated now and then; it does not change.
            MAIN if self.main.is_none() => self.main = Some(MainHeader::parse(&body)?),
            STREAM if self.stream.is_none() => self.stream = Some(self.parse_stream(&body)?),
            SYNCPOINT => self.syncpoint(&body)?,
            MAIN | STREAM | INFO | INDEX => {}
            _ => return Err(NutError::Malformed("startcode")),
        }
        Ok(true)
    }

    fn parse_stream(&self, body: &Bytes) -> Result<(Stream, Timing), NutError> {
        let main = self.main.as_ref();
        let main = main.ok_or(NutError::Malformed("stream header before the main one"))?;
        parse_stream(main, body).ok_or(NutError::Malformed("stream header"))?
    }

    /// A syncpoint says where the next timestamps count from.
    fn syncpoint(&mut self, body: &[u8]) -> Result<(), NutError> {
        let (Some(main), Some((_, timing))) = (&self.main, &mut self.stream) else {
            return Err(NutError::Malformed("syncpoint before its stream"));
        };
        let malformed = NutError::Malformed("syncpoint");
        let value = Cursor::new(body).v().ok_or(malformed)?;
        let bases = main.time_bases.len() as u64;
        let index = usize::try_from(value % bases.max(1)).unwrap_or(usize::MAX);
        let &(numerator, denominator) = main.time_bases.get(index).ok_or(malformed)?;
        let ticks = u128::from(value / bases.max(1)) * u128::from(numerator);
        let scaled = ticks
            .checked_mul(u128::from(timing.denominator))
            .ok_or(malformed)?
            / (u128::from(denominator) * u128::from(timing.numerator)).max(1);
        timing.last_pts = i64::try_from(scaled).map_err(|_| malformed)?;
        Ok(())
    }

    fn frame(&mut self, first: u8) -> Result<Option<Packet>, NutError> {
        let (Some(main), Some((_, timing))) = (&self.main, &mut self.stream) else {
            return Err(NutError::Malformed("frame before its stream"));
        };
        let code = main.frame_codes.get(usize::from(first)).copied();
        let code = code.ok_or(NutError::Malformed("frame code"))?;
        let Some(header) = frame_header(&self.buffer, code, main, timing)? else {
            return Ok(None);
        };
        if self.buffer.len() < header.bytes + header.body_bytes {
            return Ok(None);
        }
        timing.last_pts = header.pts;
        let pts_ms = timing.millis(header.pts);
        self.buffer.advance(header.bytes);
        let body = self.buffer.split_to(header.body_bytes).freeze();
        let elided = main.elided.get(header.elided).cloned().unwrap_or_default();
        let data = if elided.is_empty() {
            body
        } else {
            Bytes::from([&elided[..], &body[..]].concat())
        };
        Ok(Some(Packet {
            pts_ms,
            keyframe: header.keyframe,
            data,
        }))
    }
}

impl Timing {
    fn millis(&self, pts: i64) -> i64 {
        let denominator = i128::from(self.denominator.max(1));
        let scaled = i128::from(pts) * i128::from(self.numerator) * 1_000;
        let rounded = (scaled + denominator / 2).div_euclid(denominator);
        i64::try_from(rounded).unwrap_or(i64::MAX)
    }

    /// A timestamp of which only the low bits were sent: the nearest to the one before.
    fn complete(&self, low: i64) -> i64 {
        let mask = (1_i64 << self.lsb_bits) - 1;
        let from = self.last_pts.saturating_sub(mask / 2);
        (low.wrapping_sub(from) & mask).saturating_add(from)
    }
}

/// `None` for one that ends early.
fn parse_stream(main: &MainHeader, body: &Bytes) -> Option<Result<(Stream, Timing), NutError>> {
    let mut cursor = Cursor::new(body);
    let id = cursor.v()?;
    let class = cursor.v()?;
    if (id, class) != (0, 0) {
        return Some(Err(NutError::Unsupported("anything but one video stream")));
    }
    let fourcc = cursor.counted(CODEC_DATA_BYTES_MAX)?;
    let fourcc = <[u8; 4]>::try_from(fourcc).ok()?;
    let time_base = usize::try_from(cursor.v()?).ok()?;
    let lsb_bits = u32::try_from(cursor.v()?).ok().filter(|bits| *bits < 32)?;
    let _max_pts_distance = cursor.v()?;
    if cursor.v()? != 0 {
        return Some(Err(NutError::Unsupported("reordered frames")));
    }
    let _flags = cursor.v()?;
    let codec_data = cursor.counted(CODEC_DATA_BYTES_MAX)?;
    let &(numerator, denominator) = main.time_bases.get(time_base)?;
    let stream = Stream {
        fourcc,
        codec_data: body.slice_ref(codec_data),
    };
    let timing = Timing {
        numerator,
        denominator,
        lsb_bits,
        last_pts: 0,
    };
    Some(Ok((stream, timing)))
}

/// `None` when more bytes are needed.
fn frame_header(
    buffer: &[u8],
    code: FrameCode,
    main: &MainHeader,
    timing: &Timing,
) -> Result<Option<FrameHeader>, NutError> {
    let mut cursor = Cursor::new(buffer);
    cursor.skip(1);
    match read_frame_header(&mut cursor, code, main, timing) {
        Some(header) => header.map(Some),
        None if buffer.len() >= FRAME_HEADER_BYTES_MAX => Err(NutError::Malformed("frame header")),
        None => cursor.wait("frame header").map(|()| None),
    }
}

fn read_frame_header(
    cursor: &mut Cursor<'_>,
    code: FrameCode,
    main: &MainHeader,
    timing: &Timing,
) -> Option<Result<FrameHeader, NutError>> {
    let mut flags = code.flags;
    if flags & flag::INVALID != 0 {
        return Some(Err(NutError::Malformed("frame code")));
    }
    if flags & flag::CODED != 0 {
        flags ^= cursor.v()?;
    }
    let mut stream = code.stream;
    if flags & flag::STREAM_ID != 0 {
        stream = cursor.v()?;
    }
    if stream != 0 || flags & flag::SIDE_DATA != 0 {
        return Some(Err(NutError::Unsupported("side data, or a second stream")));
    }
    let pts = timestamp(cursor, flags, code, timing)?;
    let mut size = code.size_low;
    if flags & flag::SIZE_HIGH != 0 {
        size = size.saturating_add(code.size_factor.saturating_mul(cursor.v()?));
    }
    if flags & flag::MATCH_TIME != 0 {
        cursor.v()?;
    }
    let mut elided = code.elided;
    if flags & flag::ELIDED != 0 {
        elided = cursor.v()?;
    }
    let mut reserved = code.reserved;
    if flags & flag::RESERVED != 0 {
        reserved = cursor.v()?;
    }
    if reserved > 16 {
        return Some(Err(NutError::Unsupported("many reserved fields")));
    }
    for _ in 0..reserved {
        cursor.v()?;
    }
    if flags & flag::CHECKSUM != 0 {
        cursor.take(CHECKSUM_BYTES)?;
    }
    let keyframe = flags & flag::KEY != 0;
    Some(
        body(size, elided, main).map(|(body_bytes, elided)| FrameHeader {
            bytes: cursor.position(),
            keyframe,
            pts,
            body_bytes,
            elided,
        }),
    )
}

fn timestamp(cursor: &mut Cursor<'_>, flags: u64, code: FrameCode, timing: &Timing) -> Option<i64> {
    if flags & flag::CODED_PTS == 0 {
        return Some(timing.last_pts.saturating_add(code.pts_delta));
    }
    let coded = i64::try_from(cursor.v()?).unwrap_or(i64::MAX);
    let full = 1_i64 << timing.lsb_bits;
    Some(if coded < full {
        timing.complete(coded)
    } else {
        coded - full
    })
}

/// Bytes of a frame in the pipe, and the index of what is put before them.
fn body(size: u64, elided: u64, main: &MainHeader) -> Result<(usize, usize), NutError> {
    let what = "frame";
    let bounded = usize::try_from(size).ok();
    let bounded = bounded.filter(|size| *size <= FRAME_BYTES_MAX);
    let size = bounded.ok_or(NutError::TooLong { what, bytes: size })?;
    let elided = if size > ELIDED_FRAME_BYTES_MAX {
        0
    } else {
        usize::try_from(elided).unwrap_or(usize::MAX)
    };
    let before = main.elided.get(elided);
    let before = before.ok_or(NutError::Malformed("elided header"))?.len();
    let body_bytes = size.checked_sub(before);
    Ok((body_bytes.ok_or(NutError::Malformed("frame size"))?, elided))
}

#[cfg(test)]
mod tests;
