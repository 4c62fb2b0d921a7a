//! NUT's main header: time bases, and what the first byte of a frame says about it.

use bytes::Bytes;

use super::NutError;
use super::varint::Cursor;

/// Bits of a frame code's flags.
pub(super) mod flag {
    pub(in crate::reader) const KEY: u64 = 1;
    pub(in crate::reader) const CODED_PTS: u64 = 8;
    pub(in crate::reader) const STREAM_ID: u64 = 16;
    pub(in crate::reader) const SIZE_HIGH: u64 = 32;
    pub(in crate::reader) const CHECKSUM: u64 = 64;
    pub(in crate::reader) const RESERVED: u64 = 128;
    pub(in crate::reader) const SIDE_DATA: u64 = 256;
    pub(in crate::reader) const ELIDED: u64 = 1_024;
    pub(in crate::reader) const MATCH_TIME: u64 = 2_048;
    pub(in crate::reader) const CODED: u64 = 4_096;
    pub(in crate::reader) const INVALID: u64 = 8_192;
}

/// One stream has one time base; ffmpeg may declare some more.
const TIME_BASES_MAX: u64 = 16;
/// The version that ffmpeg writes unless it is told to experiment.
const VERSION: u64 = 3;
/// Elided headers, all together: the bound of the format.
const ELIDED_BYTES_MAX: usize = 1_024;
/// How many there may be: the bound of the format.
const ELIDED_MAX: u64 = 127;

/// What the first byte of a frame says about it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FrameCode {
    pub(super) flags: u64,
    pub(super) stream: u64,
    pub(super) pts_delta: i64,
    pub(super) size_factor: u64,
    pub(super) size_low: u64,
    pub(super) reserved: u64,
    pub(super) elided: u64,
}

#[derive(Debug)]
pub(super) struct MainHeader {
    /// Seconds in a tick, as numerator and denominator; neither is 0.
    pub(super) time_bases: Vec<(u64, u64)>,
    /// 256 of them.
    pub(super) frame_codes: Vec<FrameCode>,
    /// What frames begin with and do not say; the first is empty.
    pub(super) elided: Vec<Bytes>,
}

impl MainHeader {
    pub(super) fn parse(body: &Bytes) -> Result<Self, NutError> {
        let mut cursor = Cursor::new(body);
        parse(&mut cursor, body).ok_or(NutError::Malformed("main header"))?
    }
}

/// `None` for one that ends early.
fn parse(cursor: &mut Cursor<'_>, body: &Bytes) -> Option<Result<MainHeader, NutError>> {
    if cursor.v()? != VERSION {
        return Some(Err(NutError::Unsupported("another version")));
    }
    let _streams = cursor.v()?;
    let _max_distance = cursor.v()?;
    let count = cursor.v()?;
    if !(1..=TIME_BASES_MAX).contains(&count) {
        return Some(Err(NutError::Malformed("time bases")));
    }
    let mut time_bases = Vec::new();
    for _ in 0..count {
        let (numerator, denominator) = (cursor.v()?, cursor.v()?);
        let sane = 1..=u64::from(u32::MAX);
        if !sane.contains(&numerator) || !sane.contains(&denominator) {
            return Some(Err(NutError::Malformed("time base")));
        }
        time_bases.push((numerator, denominator));
    }
    let frame_codes = frame_codes(cursor)?;
    let mut elided = vec![Bytes::new()];
    let mut elided_bytes = 0;
    if !cursor.is_at_end() {
        let count = cursor.v()?;
        if count > ELIDED_MAX {
            return None;
        }
        for _ in 0..count {
            let header = cursor.counted(ELIDED_BYTES_MAX)?;
            elided_bytes += header.len();
            elided.push(body.slice_ref(header));
        }
    }
    if elided_bytes > ELIDED_BYTES_MAX {
        return Some(Err(NutError::Malformed("elided headers")));
    }
    Some(Ok(MainHeader {
        time_bases,
        frame_codes,
        elided,
    }))
}

/// The table is sent as runs of codes that differ in their size only. `N` is none: it begins a
/// startcode.
fn frame_codes(cursor: &mut Cursor<'_>) -> Option<Vec<FrameCode>> {
    let invalid = FrameCode {
        flags: flag::INVALID,
        ..FrameCode::default()
    };
    let mut codes: Vec<FrameCode> = Vec::with_capacity(256);
    let mut current = FrameCode {
        size_factor: 1,
        ..FrameCode::default()
    };
    while codes.len() < 256 {
        current.flags = cursor.v()?;
        let fields = cursor.v()?;
        if fields > 0 {
            current.pts_delta = cursor.s()?;
        }
        if fields > 1 {
            current.size_factor = cursor.v()?;
        }
        if fields > 2 {
            current.stream = cursor.v()?;
        }
        current.size_low = if fields > 3 { cursor.v()? } else { 0 };
        current.reserved = if fields > 4 { cursor.v()? } else { 0 };
        let count = if fields > 5 {
            cursor.v()?
        } else {
            current.size_factor.checked_sub(current.size_low)?
        };
        if fields > 6 {
            cursor.s()?;
        }
        if fields > 7 {
            current.elided = cursor.v()?;
        }
        for _ in 8..fields.min(64) {
            cursor.v()?;
        }
        if !(1..=256).contains(&count) {
            // A run of nothing would not end.
            return None;
        }
        for offset in 0..count {
            if codes.len() == usize::from(b'N') {
                codes.push(invalid);
            }
            codes.push(FrameCode {
                size_low: current.size_low.checked_add(offset)?,
                ..current
            });
        }
    }
    codes.truncate(256);
    Some(codes)
}
