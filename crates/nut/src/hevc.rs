//! HEVC: an Annex B byte stream into length-prefixed NAL units and an
//! HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1).

use bytes::{BufMut, Bytes, BytesMut};

use crate::CodecError;
use crate::bits::Bits;

const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;
const ACCESS_UNIT_DELIMITER: u8 = 35;
/// Layers of profile_tier_level that are described apart: the bound of H.265 7.4.3.2.1.
const SUB_LAYERS_MAX: u32 = 6;

/// A stream's decoder configuration, and the form of its samples.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hevc {
    record: Bytes,
}

impl Hevc {
    /// Takes the parameter sets in Annex B form, as encoders give them.
    ///
    /// # Errors
    /// [`CodecError`] when one is missing, or cannot be read.
    pub fn new(codec_data: &[u8]) -> Result<Self, CodecError> {
        let of = |kind, name| {
            let found: Vec<&[u8]> = nal_units(codec_data)
                .filter(|nal| kind_of(nal) == Some(kind))
                .collect();
            if found.is_empty() {
                return Err(CodecError::Missing(name));
            }
            Ok(found)
        };
        let (vps, sps, pps) = (of(VPS, "VPS")?, of(SPS, "SPS")?, of(PPS, "PPS")?);
        let first = sps.first().copied().unwrap_or_default();
        let summary = Summary::of(first).ok_or(CodecError::Malformed("SPS"))?;
        let mut record = BytesMut::new();
        record.put_u8(1);
        record.put_slice(&summary.profile_tier_level);
        // min_spatial_segmentation_idc and parallelismType are not known: 0.
        record.put_slice(&[0xF0, 0, 0xFC]);
        record.put_u8(0xFC | summary.chroma_format);
        record.put_u8(0xF8 | summary.luma_depth);
        record.put_u8(0xF8 | summary.chroma_depth);
        // avgFrameRate is not known.
        record.put_u16(0);
        // One temporal layer more than `sub_layers`, nested or not, lengths of four bytes.
        record.put_u8((summary.sub_layers + 1) << 3 | u8::from(summary.nested) << 2 | 3);
        record.put_u8(3);
        for (kind, sets) in [(VPS, vps), (SPS, sps), (PPS, pps)] {
            record.put_u8(0x80 | kind);
            record.put_u16(u16::try_from(sets.len()).unwrap_or(u16::MAX));
            for set in sets {
                let length = u16::try_from(set.len());
                record.put_u16(length.map_err(|_| CodecError::Malformed("parameter set"))?);
                record.put_slice(set);
            }
        }
        Ok(Self {
            record: record.freeze(),
        })
    }

    /// HEVCDecoderConfigurationRecord, for `hvcC`.
    #[must_use]
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// An access unit in Annex B form as NAL units with lengths of four bytes. Parameter sets are
    /// left out: with `hvc1` they stand in the record only.
    #[must_use]
    pub fn sample(access_unit: &[u8]) -> Bytes {
        let mut sample = BytesMut::with_capacity(access_unit.len() + 16);
        for nal in nal_units(access_unit) {
            match kind_of(nal) {
                None | Some(VPS | SPS | PPS | ACCESS_UNIT_DELIMITER) => {}
                Some(_) => {
                    // Bounded by the frame's length.
                    sample.put_u32(u32::try_from(nal.len()).unwrap_or(u32::MAX));
                    sample.put_slice(nal);
                }
            }
        }
        sample.freeze()
    }
}

/// What the record repeats of an SPS.
#[derive(Debug)]
struct Summary {
    profile_tier_level: [u8; 12],
    sub_layers: u8,
    nested: bool,
    chroma_format: u8,
    luma_depth: u8,
    chroma_depth: u8,
}

impl Summary {
    fn of(sps: &[u8]) -> Option<Self> {
        let payload = unescaped(sps.get(2..)?);
        let first = *payload.first()?;
        let sub_layers = first >> 1 & 7;
        let profile_tier_level = *payload.get(1..)?.first_chunk::<12>()?;
        let mut bits = Bits::new(payload.get(13..)?);
        skip_sub_layers(&mut bits, u32::from(sub_layers))?;
        bits.ue()?;
        let chroma_format = bits.ue().filter(|format| *format <= 3)?;
        if chroma_format == 3 {
            bits.bit()?;
        }
        // Width and height.
        bits.ue()?;
        bits.ue()?;
        if bits.bit()? {
            for _ in 0..4 {
                bits.ue()?;
            }
        }
        let luma_depth = bits.ue().filter(|depth| *depth <= 7)?;
        let chroma_depth = bits.ue().filter(|depth| *depth <= 7)?;
        Some(Self {
            profile_tier_level,
            sub_layers,
            nested: first & 1 == 1,
            chroma_format: u8::try_from(chroma_format).ok()?,
            luma_depth: u8::try_from(luma_depth).ok()?,
            chroma_depth: u8::try_from(chroma_depth).ok()?,
        })
    }
}

/// The rest of profile_tier_level(): H.265 7.3.3.
fn skip_sub_layers(bits: &mut Bits<'_>, count: u32) -> Option<()> {
    if count == 0 {
        return Some(());
    }
    if count > SUB_LAYERS_MAX {
        return None;
    }
    let present = bits.take(16)?;
    for layer in 0..count {
        let flags = present >> (14 - 2 * layer);
        if flags & 2 != 0 {
            bits.skip(88);
        }
        if flags & 1 != 0 {
            bits.skip(8);
        }
    }
    Some(())
}

fn kind_of(nal: &[u8]) -> Option<u8> {
    nal.first().map(|first| first >> 1 & 0x3F)
}

/// Without emulation prevention.
fn unescaped(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// The NAL units of a byte stream: H.265 Annex B.
fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_startcode(stream);
    std::iter::from_fn(move || {
        let current = rest?;
        let (nal, next) = match find_startcode(current) {
            Some(at) => {
                let (nal, from) = current.split_at(at);
                (nal, after_startcode(from))
            }
            None => (current, None),
        };
        rest = next;
        // A startcode of four bytes, and trailing_zero_8bits.
        let end = nal
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        Some(nal.get(..end).unwrap_or_default())
    })
}

fn after_startcode(stream: &[u8]) -> Option<&[u8]> {
    stream.get(find_startcode(stream)? + 3..)
}

fn find_startcode(stream: &[u8]) -> Option<usize> {
    stream.windows(3).position(|three| three == [0, 0, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libx265 gave for 640x360, 8 bit.
    const X265: &[u8] = &[
        0, 0, 0, 1, 0x40, 1, 0x0C, 1, 0xFF, 0xFF, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0,
        0x3F, 0xBA, 2, 0x40, 0, 0, 0, 1, 0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3,
        0, 0x3F, 0xA0, 5, 2, 1, 0x71, 0xF2, 0xE5, 0xBA, 0x4A, 0x4C, 0x2F, 1, 0x69, 0xC2, 0, 0, 3,
        0, 2, 0, 0, 3, 0, 0x3C, 0x10, 0, 0, 0, 1, 0x44, 1, 0xC0, 0x73, 0xC1, 0x89, 0, 0, 1, 0x4E,
        1, 5, 0xFF,
    ];

    #[test]
    fn parameter_sets_become_a_record() {
        let hevc = Hevc::new(X265).unwrap();
        let record = hevc.record();
        // Main profile, level 2.1 (63), 4:2:0, 8 bit, one nested temporal layer.
        let head = [
            1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 63, 0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0,
            0x0F, 3, 0xA0, 0, 1, 0, 24, 0x40, 1,
        ];
        assert_eq!(record[..head.len()], head);
        assert_eq!(
            record[record.len() - 6..],
            [0x44, 1, 0xC0, 0x73, 0xC1, 0x89]
        );
    }

    #[test]
    fn what_is_missing_or_cut_is_named() {
        assert_eq!(Hevc::new(&[]), Err(CodecError::Missing("VPS")));
        assert_eq!(Hevc::new(&X265[..30]), Err(CodecError::Missing("SPS")));
        let mut cut = X265[..50].to_vec();
        cut.extend([0, 0, 1, 0x44, 1, 0xC0]);
        assert_eq!(Hevc::new(&cut), Err(CodecError::Malformed("SPS")));
    }

    #[test]
    fn startcodes_become_lengths_and_parameter_sets_go() {
        let unit = [
            0, 0, 0, 1, 0x46, 1, 0x50, 0, 0, 1, 0x44, 1, 9, 0, 0, 0, 1, 0x26, 1, 7, 8, 0, 0, 1, 2,
            1, 5,
        ];
        let sample = Hevc::sample(&unit);
        assert_eq!(sample[..], [0, 0, 0, 4, 0x26, 1, 7, 8, 0, 0, 0, 3, 2, 1, 5]);
        assert!(Hevc::sample(b"no startcode").is_empty());
    }
}
