//! AV1: temporal units without their delimiters, and an AV1CodecConfigurationRecord ("AV1 Codec
//! ISO Media File Format Binding", 2.3).

use bytes::{BufMut, Bytes, BytesMut};

use crate::CodecError;
use crate::bits::Bits;

const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;
/// `leb128()` has eight bytes at most.
const LEB128_BYTES_MAX: u32 = 8;

/// A stream's decoder configuration, and the form of its samples.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Av1 {
    record: Bytes,
}

impl Av1 {
    /// Takes OBUs among which there is a sequence header: a keyframe's temporal unit, or the
    /// encoder's codec data (libsvtav1's differ from what it then codes, so prefer the former).
    ///
    /// # Errors
    /// [`CodecError`] when there is none, or it cannot be read.
    pub fn new(obus: &[u8]) -> Result<Self, CodecError> {
        let header = Obus(obus).find(|obu| obu.kind == SEQUENCE_HEADER);
        let header = header.ok_or(CodecError::Missing("sequence header"))?;
        let summary = Summary::of(header.payload);
        let summary = summary.ok_or(CodecError::Malformed("sequence header"))?;
        let mut record = BytesMut::new();
        // marker and version
        record.put_u8(0x81);
        record.put_u8(summary.profile << 5 | summary.level);
        record.put_u8(summary.flags);
        // No initial presentation delay is given.
        record.put_u8(0);
        put_obu(&mut record, &header);
        Ok(Self {
            record: record.freeze(),
        })
    }

    /// AV1CodecConfigurationRecord, for `av1C`.
    #[must_use]
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// A temporal unit as a sample: without temporal delimiter, padding and tile lists, and with
    /// the length of every OBU.
    #[must_use]
    pub fn sample(temporal_unit: &[u8]) -> Bytes {
        let mut sample = BytesMut::with_capacity(temporal_unit.len() + 8);
        for obu in Obus(temporal_unit) {
            if !matches!(obu.kind, TEMPORAL_DELIMITER | TILE_LIST | PADDING) {
                put_obu(&mut sample, &obu);
            }
        }
        sample.freeze()
    }
}

fn put_obu(out: &mut BytesMut, obu: &Obu<'_>) {
    out.put_u8(obu.header | 2);
    out.extend(obu.extension);
    let mut left = obu.payload.len();
    loop {
        let low = (left & 0x7F) as u8;
        left >>= 7;
        if left == 0 {
            out.put_u8(low);
            break;
        }
        out.put_u8(low | 0x80);
    }
    out.put_slice(obu.payload);
}

#[derive(Debug)]
struct Obu<'a> {
    kind: u8,
    header: u8,
    extension: Option<u8>,
    payload: &'a [u8],
}

/// The OBUs of a low-overhead bitstream; ends where it is malformed.
#[derive(Debug)]
struct Obus<'a>(&'a [u8]);

impl<'a> Iterator for Obus<'a> {
    type Item = Obu<'a>;

    fn next(&mut self) -> Option<Obu<'a>> {
        let (&header, mut rest) = self.0.split_first()?;
        let mut extension = None;
        if header & 4 != 0 {
            let (&byte, after) = rest.split_first()?;
            extension = Some(byte);
            rest = after;
        }
        let length = if header & 2 != 0 {
            let (length, after) = leb128(rest)?;
            rest = after;
            length
        } else {
            rest.len()
        };
        let (payload, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some(Obu {
            kind: header >> 3 & 0xF,
            header,
            extension,
            payload,
        })
    }
}

fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    let mut rest = bytes;
    for index in 0..LEB128_BYTES_MAX {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, rest));
        }
    }
    None
}

/// What the record repeats of a sequence header.
#[derive(Debug)]
struct Summary {
    profile: u8,
    level: u8,
    /// seq_tier_0 to chroma_sample_position, as in the record.
    flags: u8,
}

impl Summary {
    /// sequence_header_obu(): AV1 5.5.1.
    fn of(payload: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(payload);
        let profile = bits.take(3).filter(|profile| *profile <= 2)?;
        bits.bit()?;
        let reduced = bits.bit()?;
        let (level, tier) = if reduced {
            (bits.take(5)?, false)
        } else {
            operating_point(&mut bits)?
        };
        skip_frame_size(&mut bits, reduced)?;
        skip_tools(&mut bits, reduced)?;
        let color = color_config(&mut bits, profile)?;
        Some(Self {
            profile: u8::try_from(profile).ok()?,
            level: u8::try_from(level).ok()?,
            flags: u8::from(tier) << 7 | color,
        })
    }
}

/// Level and tier of the first operating point; skips all of them.
fn operating_point(bits: &mut Bits<'_>) -> Option<(u32, bool)> {
    let mut delay_bits = None;
    if bits.bit()? {
        bits.skip(64);
        if bits.bit()? {
            bits.ue()?;
        }
        if bits.bit()? {
            delay_bits = Some(bits.take(5)? + 1);
            bits.skip(32 + 5 + 5);
        }
    }
    let display_delay = bits.bit()?;
    let count = bits.take(5)? + 1;
    let mut first = None;
    for _ in 0..count {
        bits.skip(12);
        let level = bits.take(5)?;
        let tier = level > 7 && bits.bit()?;
        first.get_or_insert((level, tier));
        if let Some(delay_bits) = delay_bits
            && bits.bit()?
        {
            bits.skip(2 * delay_bits as usize + 1);
        }
        if display_delay && bits.bit()? {
            bits.skip(4);
        }
    }
    first
}

fn skip_frame_size(bits: &mut Bits<'_>, reduced: bool) -> Option<()> {
    let width_bits = bits.take(4)? + 1;
    let height_bits = bits.take(4)? + 1;
    bits.skip((width_bits + height_bits) as usize);
    if !reduced && bits.bit()? {
        bits.skip(4 + 3);
    }
    Some(())
}

/// From use_128x128_superblock to enable_restoration.
fn skip_tools(bits: &mut Bits<'_>, reduced: bool) -> Option<()> {
    bits.skip(3);
    if !reduced {
        bits.skip(4);
        let order_hint = bits.bit()?;
        if order_hint {
            bits.skip(2);
        }
        let screen_content = if bits.bit()? { 2 } else { bits.take(1)? };
        if screen_content > 0 && !bits.bit()? {
            bits.skip(1);
        }
        if order_hint {
            bits.skip(3);
        }
    }
    bits.skip(3);
    Some(())
}

/// color_config(), AV1 5.5.2, as the record has it: high_bitdepth, twelve_bit, monochrome,
/// subsampling (two bits), chroma_sample_position (two bits).
fn color_config(bits: &mut Bits<'_>, profile: u32) -> Option<u8> {
    let high = bits.bit()?;
    let twelve = profile == 2 && high && bits.bit()?;
    let mono = profile != 1 && bits.bit()?;
    let described = bits.bit()?;
    // Primaries, transfer, matrix; 2 is "unspecified".
    let description = if described {
        bits.take(24)?
    } else {
        0x02_02_02
    };
    let depth = u8::from(high) << 6 | u8::from(twelve) << 5 | u8::from(mono) << 4;
    if mono {
        return Some(depth | 0b1100);
    }
    if description == 0x01_0D_00 {
        return Some(depth);
    }
    bits.bit()?;
    let (x, y) = match profile {
        0 => (true, true),
        1 => (false, false),
        _ if twelve => {
            let x = bits.bit()?;
            (x, x && bits.bit()?)
        }
        _ => (true, false),
    };
    let position = if x && y { bits.take(2)? } else { 0 };
    Some(depth | u8::from(x) << 3 | u8::from(y) << 2 | u8::try_from(position).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporal_unit_loses_its_delimiter_and_gets_lengths() {
        // Delimiter, padding, a frame without a length.
        let unit = [0x12, 0, 0x7A, 1, 0x80, 0x30, 1, 2, 3];
        assert_eq!(Av1::sample(&unit)[..], [0x32, 3, 1, 2, 3]);
        assert_eq!(Av1::new(&unit), Err(CodecError::Missing("sequence header")));
    }

    #[test]
    fn long_lengths_and_cut_ones() {
        let mut unit = vec![0x32, 0x80, 2];
        unit.extend([7; 256]);
        assert_eq!(Av1::sample(&unit)[..], unit[..]);
        assert!(Av1::sample(&unit[..100]).is_empty());
        assert!(Av1::sample(&[0x32, 0xFF, 0xFF]).is_empty());
    }

    #[test]
    fn a_sequence_header_that_ends_early_is_malformed() {
        let cut = [0x0A, 2, 0, 0];
        assert_eq!(
            Av1::new(&cut),
            Err(CodecError::Malformed("sequence header"))
        );
    }
}
