//! The few fields of a sequence parameter set (H.264 7.3.2.1.1) that packaging needs.

use super::AvccError;
use crate::bits::{BitReader, OutOfBits, unescape};
use crate::video::Picture;
use crate::vui::{self, VuiStart};

/// Frames per second as a fraction, `numerator / denominator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Frames per `denominator` seconds. Never 0.
    pub numerator: u32,
    /// Seconds. Never 0.
    pub denominator: u32,
}

impl FrameRate {
    /// Frames per second, for people and for FRAME-RATE.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sps {
    pub(super) profile: u8,
    pub(super) constraints: u8,
    pub(super) level: u8,
    pub(super) chroma_format: u8,
    pub(super) bit_depth_luma: u8,
    pub(super) bit_depth_chroma: u8,
    pub(super) picture: Picture,
}

/// Profiles whose SPS carries chroma format and bit depths (H.264 7.3.2.1.1).
const HIGH_PROFILES: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// Of those, the ones whose avcC carries the same fields (ISO/IEC 14496-15 5.3.3.1.2).
const AVCC_EXTENSION_PROFILES: [u8; 4] = [100, 110, 122, 144];

const MACROBLOCK_PIXELS: u32 = 16;
/// Level 6.2 allows 139,264 macroblocks; a side is at most sqrt(8 x that) (H.264 A.3.1).
const SIDE_MACROBLOCKS_MAX: u32 = 1_055;
/// `num_ref_frames_in_pic_order_cnt_cycle` (H.264 7.4.2.1.1).
const ORDER_COUNT_CYCLE_MAX: u32 = 255;
const SPS_ID_MAX: u32 = 31;

impl Sps {
    /// Parses a NAL unit, header byte included.
    pub(super) fn parse(nal: &[u8]) -> Result<Self, AvccError> {
        let payload = unescape(nal.get(1..).unwrap_or_default());
        let mut reader = BitReader::new(&payload);
        let r = &mut reader;
        let profile = r.bits(8)? as u8;
        let constraints = r.bits(8)? as u8;
        let level = r.bits(8)? as u8;
        at_most(r.unsigned()?, SPS_ID_MAX, "id")?;
        let chroma = Chroma::parse(r, profile)?;
        at_most(r.unsigned()?, 12, "log2_max_frame_num")?;
        skip_order_count(r)?;
        r.unsigned()?; // max_num_ref_frames
        r.skip(1)?; // gaps_in_frame_num_value_allowed_flag
        let (width, height) = parse_size(r, &chroma)?;
        // A damaged VUI costs two hints, not the stream: many encoders write odd ones.
        let vui = if r.bit()? { parse_vui(r).ok() } else { None };
        let (vui, frame_rate) = vui.unwrap_or_default();
        Ok(Self {
            profile,
            constraints,
            level,
            chroma_format: chroma.format,
            bit_depth_luma: chroma.depth_luma,
            bit_depth_chroma: chroma.depth_chroma,
            picture: Picture {
                width,
                height,
                pixel_aspect: vui.pixel_aspect,
                frame_rate,
                colour: vui.colour,
            },
        })
    }

    pub(super) fn has_chroma_info(&self) -> bool {
        AVCC_EXTENSION_PROFILES.contains(&self.profile)
    }
}

struct Chroma {
    /// `chroma_format_idc`.
    format: u8,
    separate_planes: bool,
    depth_luma: u8,
    depth_chroma: u8,
}

impl Chroma {
    fn parse(r: &mut BitReader<'_>, profile: u8) -> Result<Self, AvccError> {
        if !HIGH_PROFILES.contains(&profile) {
            return Ok(Self {
                format: 1,
                separate_planes: false,
                depth_luma: 8,
                depth_chroma: 8,
            });
        }
        let format = at_most(r.unsigned()?, 3, "chroma_format_idc")? as u8;
        let separate_planes = format == 3 && r.bit()?;
        let depth_luma = at_most(r.unsigned()?, 6, "bit_depth_luma")? as u8 + 8;
        let depth_chroma = at_most(r.unsigned()?, 6, "bit_depth_chroma")? as u8 + 8;
        r.skip(1)?; // qpprime_y_zero_transform_bypass_flag
        if r.bit()? {
            skip_scaling_matrix(r, if format == 3 { 12 } else { 8 })?;
        }
        Ok(Self {
            format,
            separate_planes,
            depth_luma,
            depth_chroma,
        })
    }

    /// Pixels per cropping unit (H.264 7.4.2.1.1, `CropUnitX` and `CropUnitY`).
    fn crop_unit(&self, frame_only: bool) -> (u32, u32) {
        let (x, y) = match (self.format, self.separate_planes) {
            (1, _) => (2, 2),
            (2, _) => (2, 1),
            _ => (1, 1),
        };
        (x, y * (2 - u32::from(frame_only)))
    }
}

fn at_most(value: u32, max: u32, field: &'static str) -> Result<u32, AvccError> {
    if value > max {
        return Err(AvccError::Sps(field));
    }
    Ok(value)
}

/// H.264 7.3.2.1.1.1.
fn skip_scaling_matrix(r: &mut BitReader<'_>, lists: u32) -> Result<(), OutOfBits> {
    for list in 0..lists {
        if !r.bit()? {
            continue;
        }
        let (mut last, mut next) = (8i32, 8i32);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = last.wrapping_add(r.signed()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Ok(())
}

fn skip_order_count(r: &mut BitReader<'_>) -> Result<(), AvccError> {
    match r.unsigned()? {
        0 => {
            at_most(r.unsigned()?, 12, "log2_max_pic_order_cnt_lsb")?;
        }
        1 => {
            r.skip(1)?; // delta_pic_order_always_zero_flag
            r.signed()?;
            r.signed()?;
            let cycle = at_most(r.unsigned()?, ORDER_COUNT_CYCLE_MAX, "order count cycle")?;
            for _ in 0..cycle {
                r.signed()?;
            }
        }
        2 => {}
        _ => return Err(AvccError::Sps("pic_order_cnt_type")),
    }
    Ok(())
}

fn parse_size(r: &mut BitReader<'_>, chroma: &Chroma) -> Result<(u16, u16), AvccError> {
    let columns = at_most(r.unsigned()?, SIDE_MACROBLOCKS_MAX - 1, "width")? + 1;
    let rows = at_most(r.unsigned()?, SIDE_MACROBLOCKS_MAX - 1, "height")? + 1;
    let frame_only = r.bit()?;
    if !frame_only {
        r.skip(1)?; // mb_adaptive_frame_field_flag
    }
    r.skip(1)?; // direct_8x8_inference_flag
    let crop = if r.bit()? {
        [r.unsigned()?, r.unsigned()?, r.unsigned()?, r.unsigned()?]
    } else {
        [0; 4]
    };
    let [left, right, top, bottom] = crop.map(u64::from);
    let (unit_x, unit_y) = chroma.crop_unit(frame_only);
    let full_width = u64::from(columns * MACROBLOCK_PIXELS);
    let full_height = u64::from(rows * MACROBLOCK_PIXELS * (2 - u32::from(frame_only)));
    let width = full_width.checked_sub((left + right) * u64::from(unit_x));
    let height = full_height.checked_sub((top + bottom) * u64::from(unit_y));
    match (width.map(u16::try_from), height.map(u16::try_from)) {
        (Some(Ok(width @ 1..)), Some(Ok(height @ 1..))) => Ok((width, height)),
        _ => Err(AvccError::Sps("picture size")),
    }
}

/// H.264 E.1.1, as far as the timing.
fn parse_vui(r: &mut BitReader<'_>) -> Result<(VuiStart, Option<FrameRate>), OutOfBits> {
    let start = vui::start(r)?;
    let mut frame_rate = None;
    if r.bit()? {
        let (units_in_tick, time_scale) = (r.bits(32)?, r.bits(32)?);
        // A tick is a field: two to a frame (H.264 E.2.1).
        if let Some(denominator @ 1..) = units_in_tick.checked_mul(2)
            && time_scale > 0
        {
            frame_rate = Some(FrameRate {
                numerator: time_scale,
                denominator,
            });
        }
    }
    Ok((start, frame_rate))
}
