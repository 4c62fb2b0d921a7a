//! [`VideoConfig`] of an `AV1CodecConfigurationRecord` (av1C, AV1 in ISOBMFF 2.3) and the sequence
//! header in it (AV1 5.5).

use bytes::Bytes;
use mp4_atom::Av1c;
use thiserror::Error;

use crate::bits::{BitReader, OutOfBits};
use crate::cursor::{Cursor, OutOfBytes};
use crate::video::{Entry, Picture};
use crate::{Colour, FrameRate, VideoConfig};

/// Largest av1C accepted. Real ones take 15 to 30 bytes, with metadata OBUs some hundreds.
pub const AV1C_BYTES_MAX: usize = 4 * 1024;

/// `marker` and `version`.
const MARKER_AND_VERSION: u8 = 0x81;
const OBU_SEQUENCE_HEADER: u8 = 1;
/// A temporal delimiter with a size field, which says that it is empty.
const TEMPORAL_DELIMITER: [u8; 2] = [0x12, 0x00];
/// `leb128` takes at most so many bytes (AV1 4.10.5).
const LEB128_BYTES_MAX: u32 = 8;
const PROFILE_MAX: u8 = 2;
const UNSPECIFIED: u8 = 2;
const BT_709: u8 = 1;
const TRANSFER_SRGB: u8 = 13;
const MATRIX_IDENTITY: u8 = 0;

/// Why an av1C was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Av1cError {
    /// The record ends before its own lengths say.
    #[error("av1C is truncated")]
    Truncated,
    /// Larger than [`AV1C_BYTES_MAX`].
    #[error("av1C of {0} bytes is larger than {AV1C_BYTES_MAX}")]
    TooLarge(usize),
    /// Marker and version are not 1.
    #[error("av1C begins with {0:#04x}, not {MARKER_AND_VERSION:#04x}")]
    Version(u8),
    /// `configOBUs` hold no sequence header: the size of the picture is not known.
    #[error("av1C holds no sequence header")]
    NoSequenceHeader,
    /// The sequence header is truncated or against AV1 5.5.
    #[error("the sequence header is malformed: {0}")]
    SequenceHeader(&'static str),
}

impl From<OutOfBits> for Av1cError {
    fn from(_: OutOfBits) -> Self {
        Self::SequenceHeader("truncated")
    }
}

impl From<OutOfBytes> for Av1cError {
    fn from(_: OutOfBytes) -> Self {
        Self::Truncated
    }
}

impl VideoConfig {
    /// Parses an av1C record (the body of an AV1 sequence header).
    ///
    /// # Errors
    /// See [`Av1cError`].
    pub fn from_av1c(record: Bytes) -> Result<Self, Av1cError> {
        if record.len() > AV1C_BYTES_MAX {
            return Err(Av1cError::TooLarge(record.len()));
        }
        let mut cursor = Cursor(&record);
        let [version, profile, depth, delay] = cursor.array()?;
        if version != MARKER_AND_VERSION {
            return Err(Av1cError::Version(version));
        }
        let header = SequenceHeader::parse(sequence_header(cursor.0)?)?;
        let av1c = Av1c {
            seq_profile: profile >> 5,
            seq_level_idx_0: profile & 0x1F,
            seq_tier_0: depth & 0x80 != 0,
            high_bitdepth: depth & 0x40 != 0,
            twelve_bit: depth & 0x20 != 0,
            monochrome: depth & 0x10 != 0,
            chroma_subsampling_x: depth & 0x08 != 0,
            chroma_subsampling_y: depth & 0x04 != 0,
            chroma_sample_position: depth & 0b11,
            initial_presentation_delay: (delay & 0x10 != 0).then_some((delay & 0x0F) + 1),
            config_obus: cursor.0.to_vec(),
        };
        Ok(Self {
            codec_name: header.codec(&av1c),
            picture: header.picture,
            entry: Entry::Av1(av1c),
            record,
        })
    }
}

/// A temporal unit without the temporal delimiter at its start: files carry none (AV1 in ISOBMFF
/// 2.4), some encoders send one.
#[must_use]
pub fn without_temporal_delimiter(mut unit: Bytes) -> Bytes {
    if unit.starts_with(&TEMPORAL_DELIMITER) {
        drop(unit.split_to(TEMPORAL_DELIMITER.len()));
    }
    unit
}

/// The payload of the first sequence header among OBUs (AV1 5.3).
fn sequence_header(obus: &[u8]) -> Result<&[u8], Av1cError> {
    let mut cursor = Cursor(obus);
    while !cursor.0.is_empty() {
        let header = cursor.byte()?;
        if header & 0x04 != 0 {
            cursor.byte()?; // extension
        }
        let payload = if header & 0x02 != 0 {
            let size = leb128(&mut cursor)?;
            cursor.take(size)?
        } else {
            std::mem::take(&mut cursor.0)
        };
        if header >> 3 & 0x0F == OBU_SEQUENCE_HEADER {
            return Ok(payload);
        }
    }
    Err(Av1cError::NoSequenceHeader)
}

fn leb128(cursor: &mut Cursor<'_>) -> Result<usize, Av1cError> {
    let mut value = 0u64;
    for index in 0..LEB128_BYTES_MAX {
        let byte = cursor.byte()?;
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return usize::try_from(value).map_err(|_| Av1cError::Truncated);
        }
    }
    Err(Av1cError::SequenceHeader("OBU size"))
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SequenceHeader {
    profile: u8,
    level: u8,
    high_tier: bool,
    bit_depth: u8,
    monochrome: bool,
    picture: Picture,
}

impl SequenceHeader {
    fn parse(payload: &[u8]) -> Result<Self, Av1cError> {
        let mut reader = BitReader::new(payload);
        let r = &mut reader;
        let profile = r.bits(3)? as u8;
        if profile > PROFILE_MAX {
            return Err(Av1cError::SequenceHeader("seq_profile"));
        }
        r.skip(1)?; // still_picture
        let reduced = r.bit()?;
        let (operating_point, frame_rate) = if reduced {
            ((r.bits(5)? as u8, false), None)
        } else {
            parse_operating_points(r)?
        };
        let width_bits = r.bits(4)? + 1;
        let height_bits = r.bits(4)? + 1;
        // Of at most 16 bits each, so that only 65,536 does not fit.
        let width = u16::try_from(r.bits(width_bits)? + 1);
        let height = u16::try_from(r.bits(height_bits)? + 1);
        let (Ok(width), Ok(height)) = (width, height) else {
            return Err(Av1cError::SequenceHeader("picture size"));
        };
        skip_tools(r, reduced)?;
        let (bit_depth, monochrome, colour) = parse_colours(r, profile)?;
        Ok(Self {
            profile,
            level: operating_point.0,
            high_tier: operating_point.1,
            bit_depth,
            monochrome,
            picture: Picture {
                width,
                height,
                pixel_aspect: None,
                frame_rate,
                colour,
            },
        })
    }

    /// AV1 in ISOBMFF 5: the short form where every default holds, otherwise all of it.
    fn codec(&self, av1c: &Av1c) -> String {
        let tier = if self.high_tier { 'H' } else { 'M' };
        let mut text = format!(
            "av01.{}.{:02}{tier}.{:02}",
            self.profile, self.level, self.bit_depth
        );
        let (x, y) = (av1c.chroma_subsampling_x, av1c.chroma_subsampling_y);
        let bt_709 = Colour {
            primaries: BT_709,
            transfer: BT_709,
            matrix: BT_709,
            full_range: false,
        };
        let colour = self.picture.colour.unwrap_or(bt_709);
        let plain = colour == bt_709 && !self.monochrome && x && y;
        if !plain {
            text.push_str(&format!(
                ".{}.{}{}{}.{:02}.{:02}.{:02}.{}",
                u8::from(self.monochrome),
                u8::from(x),
                u8::from(y),
                av1c.chroma_sample_position,
                colour.primaries,
                colour.transfer,
                colour.matrix,
                u8::from(colour.full_range)
            ));
        }
        text
    }
}

/// From `timing_info_present_flag` to the end of the operating points: level and tier of the first
/// one, and the frame rate.
fn parse_operating_points(
    r: &mut BitReader<'_>,
) -> Result<((u8, bool), Option<FrameRate>), OutOfBits> {
    let mut frame_rate = None;
    let mut delay_bits = None;
    if r.bit()? {
        let (denominator, numerator) = (r.bits(32)?, r.bits(32)?);
        if r.bit()? {
            // equal_picture_interval; num_ticks_per_picture_minus_1 is coded like ue(v)
            let ticks = r.unsigned()?.saturating_add(1);
            if let Some(denominator @ 1..) = denominator.checked_mul(ticks)
                && numerator > 0
            {
                frame_rate = Some(FrameRate {
                    numerator,
                    denominator,
                });
            }
        }
        if r.bit()? {
            delay_bits = Some(r.bits(5)? + 1);
            r.skip(32 + 5 + 5)?; // num_units_in_decoding_tick, two lengths
        }
    }
    let initial_delay = r.bit()?;
    let mut first = None;
    for _ in 0..=r.bits(5)? {
        r.skip(12)?; // operating_point_idc
        let level = r.bits(5)? as u8;
        let high_tier = level > 7 && r.bit()?;
        first.get_or_insert((level, high_tier));
        if let Some(bits) = delay_bits
            && r.bit()?
        {
            r.skip(2 * bits + 1)?; // two buffer delays, low_delay_mode_flag
        }
        if initial_delay && r.bit()? {
            r.skip(4)?; // initial_display_delay_minus_1
        }
    }
    Ok((first.unwrap_or_default(), frame_rate))
}

/// From `frame_id_numbers_present_flag` to `enable_restoration`.
fn skip_tools(r: &mut BitReader<'_>, reduced: bool) -> Result<(), OutOfBits> {
    if !reduced && r.bit()? {
        r.skip(4 + 3)?; // two lengths of frame ids
    }
    r.skip(3)?; // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if !reduced {
        r.skip(4)?; // interintra, masked, warped, dual filter
        let order_hint = r.bit()?;
        if order_hint {
            r.skip(2)?; // enable_jnt_comp, enable_ref_frame_mvs
        }
        // seq_choose_screen_content_tools, or else seq_force_screen_content_tools
        let screen_content = r.bit()? || r.bit()?;
        if screen_content && !r.bit()? {
            r.skip(1)?; // seq_force_integer_mv
        }
        if order_hint {
            r.skip(3)?; // order_hint_bits_minus_1
        }
    }
    r.skip(3) // enable_superres, enable_cdef, enable_restoration
}

/// The start of `color_config` (AV1 5.5.2): bit depth, monochrome, colours.
fn parse_colours(
    r: &mut BitReader<'_>,
    profile: u8,
) -> Result<(u8, bool, Option<Colour>), OutOfBits> {
    let high = r.bit()?;
    let bit_depth = match (high, profile == PROFILE_MAX) {
        (true, true) => {
            if r.bit()? {
                12
            } else {
                10
            }
        }
        (true, false) => 10,
        (false, _) => 8,
    };
    let monochrome = profile != 1 && r.bit()?;
    if !r.bit()? {
        return Ok((bit_depth, monochrome, None));
    }
    let [primaries, transfer, matrix] = [r.bits(8)?, r.bits(8)?, r.bits(8)?].map(|code| code as u8);
    let is_rgb =
        !monochrome && [primaries, transfer, matrix] == [BT_709, TRANSFER_SRGB, MATRIX_IDENTITY];
    let full_range = is_rgb || r.bit()?;
    let colour = Colour {
        primaries,
        transfer,
        matrix,
        full_range,
    };
    let unspecified = [primaries, transfer, matrix] == [UNSPECIFIED; 3];
    Ok((bit_depth, monochrome, (!unspecified).then_some(colour)))
}

#[cfg(test)]
mod tests;
