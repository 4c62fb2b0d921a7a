//! The few fields of an HEVC sequence parameter set (H.265 7.3.2.2) that packaging needs.

use super::HvccError;
use crate::FrameRate;
use crate::bits::{BitReader, OutOfBits, unescape};
use crate::video::Picture;
use crate::vui::{self, VuiStart};

/// Both bytes of a NAL unit header.
const NAL_HEADER_BYTES: usize = 2;
/// Level 6.2 allows 35,651,584 luma samples; a side is at most sqrt(8 x that) (H.265 A.4.1).
const SIDE_PIXELS_MAX: u32 = 16_888;
const SPS_ID_MAX: u32 = 15;
/// H.265 7.4.3.2.1 and A.4.2.
const SHORT_TERM_SETS_MAX: u32 = 64;
const LONG_TERM_PICTURES_MAX: u32 = 32;
const SET_PICTURES_MAX: u32 = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sps {
    pub(super) profile: ProfileTierLevel,
    pub(super) picture: Picture,
}

/// H.265 7.3.3, its general part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProfileTierLevel {
    space: u8,
    high_tier: bool,
    profile: u8,
    compatibility: u32,
    constraints: [u8; 6],
    level: u8,
}

impl ProfileTierLevel {
    fn parse(r: &mut BitReader<'_>, sub_layers: u32) -> Result<Self, OutOfBits> {
        let space = r.bits(2)? as u8;
        let high_tier = r.bit()?;
        let profile = r.bits(5)? as u8;
        let compatibility = r.bits(32)?;
        let mut constraints = [0; 6];
        for byte in &mut constraints {
            *byte = r.bits(8)? as u8;
        }
        let level = r.bits(8)? as u8;
        let mut present = Vec::new();
        // With sub-layers the flags are padded to eight pairs.
        for layer in 0..if sub_layers > 0 { 8 } else { 0 } {
            let flags = (r.bit()?, r.bit()?);
            if layer < sub_layers {
                present.push(flags);
            }
        }
        for (has_profile, has_level) in present {
            r.skip(if has_profile { 88 } else { 0 })?;
            r.skip(if has_level { 8 } else { 0 })?;
        }
        Ok(Self {
            space,
            high_tier,
            profile,
            compatibility,
            constraints,
            level,
        })
    }

    /// ISO/IEC 14496-15 Annex E.3.
    pub(super) fn codec(&self) -> String {
        let space = ["", "A", "B", "C"];
        let space = space.get(usize::from(self.space)).unwrap_or(&"");
        let tier = if self.high_tier { 'H' } else { 'L' };
        let mut text = format!(
            "hvc1.{space}{}.{:X}.{tier}{}",
            self.profile,
            // The first flag is the lowest bit.
            self.compatibility.reverse_bits(),
            self.level
        );
        let used = self.constraints.iter().rposition(|&byte| byte != 0);
        let used = used.map_or(0, |last| last + 1);
        for byte in self.constraints.iter().take(used) {
            text.push_str(&format!(".{byte:X}"));
        }
        text
    }
}

impl Sps {
    /// Parses a NAL unit, header included.
    pub(super) fn parse(nal: &[u8]) -> Result<Self, HvccError> {
        let payload = unescape(nal.get(NAL_HEADER_BYTES..).unwrap_or_default());
        let mut reader = BitReader::new(&payload);
        let r = &mut reader;
        r.skip(4)?; // sps_video_parameter_set_id
        let sub_layers = r.bits(3)?;
        if sub_layers > 6 {
            return Err(HvccError::Sps("sps_max_sub_layers"));
        }
        r.skip(1)?; // sps_temporal_id_nesting_flag
        let profile = ProfileTierLevel::parse(r, sub_layers)?;
        if r.unsigned()? > SPS_ID_MAX {
            return Err(HvccError::Sps("id"));
        }
        let (width, height) = parse_size(r)?;
        // Between size and VUI lies what only a decoder needs. If it cannot be read, or the VUI
        // cannot, that costs a few hints, not the stream.
        let vui = skip_to_vui(r, sub_layers)
            .and_then(|present| {
                if present {
                    parse_vui(r)
                } else {
                    Err(OutOfBits)
                }
            })
            .unwrap_or_default();
        let (start, frame_rate) = vui;
        Ok(Self {
            profile,
            picture: Picture {
                width,
                height,
                pixel_aspect: start.pixel_aspect,
                frame_rate,
                colour: start.colour,
            },
        })
    }
}

fn parse_size(r: &mut BitReader<'_>) -> Result<(u16, u16), HvccError> {
    let chroma = r.unsigned()?;
    if chroma > 3 {
        return Err(HvccError::Sps("chroma_format_idc"));
    }
    let separate_planes = chroma == 3 && r.bit()?;
    let (full_width, full_height) = (r.unsigned()?, r.unsigned()?);
    if full_width > SIDE_PIXELS_MAX || full_height > SIDE_PIXELS_MAX {
        return Err(HvccError::Sps("picture size"));
    }
    let crop = if r.bit()? {
        [r.unsigned()?, r.unsigned()?, r.unsigned()?, r.unsigned()?]
    } else {
        [0; 4]
    };
    let [left, right, top, bottom] = crop.map(u64::from);
    // SubWidthC and SubHeightC (H.265 table 6-1).
    let (unit_x, unit_y) = match (chroma, separate_planes) {
        (1, _) => (2, 2),
        (2, _) => (2, 1),
        _ => (1, 1),
    };
    let width = u64::from(full_width).checked_sub((left + right) * unit_x);
    let height = u64::from(full_height).checked_sub((top + bottom) * unit_y);
    match (width.map(u16::try_from), height.map(u16::try_from)) {
        (Some(Ok(width @ 1..)), Some(Ok(height @ 1..))) => Ok((width, height)),
        _ => Err(HvccError::Sps("picture size")),
    }
}

/// From the bit depths to `vui_parameters_present_flag`, which it gives.
fn skip_to_vui(r: &mut BitReader<'_>, sub_layers: u32) -> Result<bool, OutOfBits> {
    r.unsigned()?; // bit_depth_luma_minus8
    r.unsigned()?; // bit_depth_chroma_minus8
    let order_count_bits = at_most(r.unsigned()?, 12)? + 4;
    let ordered_layers = if r.bit()? { sub_layers + 1 } else { 1 };
    for _ in 0..ordered_layers {
        // sps_max_dec_pic_buffering, _num_reorder_pics, _latency_increase
        skip_unsigned(r, 3)?;
    }
    // Block sizes and transform depths.
    skip_unsigned(r, 6)?;
    if r.bit()? && r.bit()? {
        skip_scaling_lists(r)?;
    }
    r.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if r.bit()? {
        r.skip(8)?; // PCM bit depths
        skip_unsigned(r, 2)?;
        r.skip(1)?; // pcm_loop_filter_disabled_flag
    }
    skip_reference_sets(r)?;
    if r.bit()? {
        let pictures = at_most(r.unsigned()?, LONG_TERM_PICTURES_MAX)?;
        r.skip(pictures * (order_count_bits + 1))?;
    }
    r.skip(2)?; // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    r.bit()
}

/// H.265 7.3.4.
fn skip_scaling_lists(r: &mut BitReader<'_>) -> Result<(), OutOfBits> {
    for size in 0..4u32 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !r.bit()? {
                r.unsigned()?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size > 1 {
                r.signed()?; // scaling_list_dc_coef_minus8
            }
            for _ in 0..64.min(1 << (4 + (size << 1))) {
                r.signed()?;
            }
        }
    }
    Ok(())
}

/// `st_ref_pic_set` of H.265 7.3.7, all of them.
fn skip_reference_sets(r: &mut BitReader<'_>) -> Result<(), OutOfBits> {
    let sets = at_most(r.unsigned()?, SHORT_TERM_SETS_MAX)?;
    // Pictures of the set before.
    let mut pictures = 0;
    for set in 0..sets {
        if set > 0 && r.bit()? {
            r.skip(1)?; // delta_rps_sign
            r.unsigned()?; // abs_delta_rps_minus1
            let mut kept = 0;
            for _ in 0..=pictures {
                // used_by_curr_pic_flag, or else use_delta_flag
                if r.bit()? || r.bit()? {
                    kept += 1;
                }
            }
            pictures = at_most(kept, SET_PICTURES_MAX)?;
        } else {
            let negative = at_most(r.unsigned()?, SET_PICTURES_MAX)?;
            let positive = at_most(r.unsigned()?, SET_PICTURES_MAX)?;
            pictures = at_most(negative + positive, SET_PICTURES_MAX)?;
            for _ in 0..pictures {
                r.unsigned()?; // delta_poc_minus1
                r.skip(1)?; // used_by_curr_pic_flag
            }
        }
    }
    Ok(())
}

/// H.265 E.2.1, as far as the timing.
fn parse_vui(r: &mut BitReader<'_>) -> Result<(VuiStart, Option<FrameRate>), OutOfBits> {
    let start = vui::start(r)?;
    r.skip(3)?; // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    if r.bit()? {
        skip_unsigned(r, 4)?; // default display window
    }
    let mut frame_rate = None;
    if r.bit()? {
        let (units_in_tick, time_scale) = (r.bits(32)?, r.bits(32)?);
        if units_in_tick > 0 && time_scale > 0 {
            frame_rate = Some(FrameRate {
                numerator: time_scale,
                denominator: units_in_tick,
            });
        }
    }
    Ok((start, frame_rate))
}

fn skip_unsigned(r: &mut BitReader<'_>, count: u32) -> Result<(), OutOfBits> {
    for _ in 0..count {
        r.unsigned()?;
    }
    Ok(())
}

/// A field beyond its range means that the bits are not what they are taken for.
fn at_most(value: u32, max: u32) -> Result<u32, OutOfBits> {
    if value > max {
        Err(OutOfBits)
    } else {
        Ok(value)
    }
}
