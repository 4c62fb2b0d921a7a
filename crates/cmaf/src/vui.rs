//! What the VUI of H.264 (E.1.1) and that of HEVC (E.2.1) have in common: they begin alike.

use crate::Colour;
use crate::bits::{BitReader, OutOfBits};

const ASPECT_EXTENDED: u32 = 255;
/// H.264 table E-1, from `aspect_ratio_idc` 1; HEVC's is the same.
const ASPECTS: [(u16, u16); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VuiStart {
    /// Pixel aspect ratio, if it is not square.
    pub(crate) pixel_aspect: Option<(u16, u16)>,
    pub(crate) colour: Option<Colour>,
}

/// Reads as far as `chroma_sample_loc_type_bottom_field`.
pub(crate) fn start(r: &mut BitReader<'_>) -> Result<VuiStart, OutOfBits> {
    let mut vui = VuiStart::default();
    if r.bit()? {
        vui.pixel_aspect = match r.bits(8)? {
            ASPECT_EXTENDED => Some((r.bits(16)? as u16, r.bits(16)? as u16)),
            index => (index as usize)
                .checked_sub(1)
                .and_then(|index| ASPECTS.get(index).copied()),
        };
        let useful = |&(x, y): &(u16, u16)| x != y && x != 0 && y != 0;
        vui.pixel_aspect = vui.pixel_aspect.filter(useful);
    }
    if r.bit()? {
        r.skip(1)?; // overscan_appropriate_flag
    }
    if r.bit()? {
        r.skip(3)?; // video_format
        let full_range = r.bit()?;
        if r.bit()? {
            vui.colour = Some(Colour {
                primaries: r.bits(8)? as u8,
                transfer: r.bits(8)? as u8,
                matrix: r.bits(8)? as u8,
                full_range,
            });
        }
    }
    if r.bit()? {
        r.unsigned()?; // chroma_sample_loc_type_top_field
        r.unsigned()?;
    }
    Ok(vui)
}
