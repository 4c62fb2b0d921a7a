//! [`VideoConfig`] of an `HEVCDecoderConfigurationRecord` (hvcC, ISO/IEC 14496-15 8.3.3.1).

mod sps;

use bytes::Bytes;
use mp4_atom::{HvcCArray, Hvcc};
use thiserror::Error;

use crate::VideoConfig;
use crate::bits::OutOfBits;
use crate::cursor::{Cursor, OutOfBytes};
use crate::video::Entry;

/// Largest hvcC accepted. Real ones take 100 to 300 bytes, with SEI messages up to 2 KiB.
pub const HVCC_BYTES_MAX: usize = 8 * 1024;

const NAL_VPS: u8 = 32;
const NAL_SPS: u8 = 33;
const NAL_PPS: u8 = 34;
const NAL_PREFIX_SEI: u8 = 39;
const NAL_SUFFIX_SEI: u8 = 40;

/// Why an hvcC was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HvccError {
    /// The record ends before its own lengths say.
    #[error("hvcC is truncated")]
    Truncated,
    /// Larger than [`HVCC_BYTES_MAX`].
    #[error("hvcC of {0} bytes is larger than {HVCC_BYTES_MAX}")]
    TooLarge(usize),
    /// `configurationVersion` is not 1.
    #[error("hvcC has version {0}, not 1")]
    Version(u8),
    /// NAL unit lengths of 3 bytes do not exist.
    #[error("hvcC has a NAL length size of {0}")]
    LengthSize(u8),
    /// No video, sequence or picture parameter set.
    #[error("hvcC lacks parameter sets")]
    NoParameterSets,
    /// A NAL unit of another type than its array says, or of one that has no place here.
    #[error("hvcC holds a NAL unit of type {0} where it does not belong")]
    WrongNal(u8),
    /// The sequence parameter set is truncated or against H.265 7.4.3.2.1.
    #[error("the sequence parameter set is malformed: {0}")]
    Sps(&'static str),
}

impl From<OutOfBits> for HvccError {
    fn from(_: OutOfBits) -> Self {
        Self::Sps("truncated")
    }
}

impl From<OutOfBytes> for HvccError {
    fn from(_: OutOfBytes) -> Self {
        Self::Truncated
    }
}

impl VideoConfig {
    /// Parses an hvcC record (the body of an HEVC sequence header).
    ///
    /// # Errors
    /// On any byte that a decoder could stumble over: see [`HvccError`].
    pub fn from_hvcc(record: Bytes) -> Result<Self, HvccError> {
        if record.len() > HVCC_BYTES_MAX {
            return Err(HvccError::TooLarge(record.len()));
        }
        let hvcc = parse(&record)?;
        let nals = |kind| {
            let of_kind = hvcc.arrays.iter().filter(move |a| a.nal_unit_type == kind);
            of_kind.flat_map(|array| &array.nalus)
        };
        let first = nals(NAL_SPS).next().ok_or(HvccError::NoParameterSets)?;
        if nals(NAL_VPS).next().is_none() || nals(NAL_PPS).next().is_none() {
            return Err(HvccError::NoParameterSets);
        }
        let sps = sps::Sps::parse(first)?;
        Ok(Self {
            record,
            codec_name: sps.profile.codec(),
            entry: Entry::Hevc(hvcc),
            picture: sps.picture,
        })
    }
}

fn parse(record: &[u8]) -> Result<Hvcc, HvccError> {
    let mut cursor = Cursor(record);
    let [version, profile] = cursor.array()?;
    if version != 1 {
        return Err(HvccError::Version(version));
    }
    let general_profile_compatibility_flags = cursor.array()?;
    let general_constraint_indicator_flags = cursor.array()?;
    let general_level_idc = cursor.byte()?;
    let min_spatial_segmentation_idc = cursor.u16()? & 0x0FFF;
    let [parallelism, chroma, depth_luma, depth_chroma] = cursor.array()?;
    let avg_frame_rate = cursor.u16()?;
    let [layers, arrays] = cursor.array()?;
    let length_size_minus_one = layers & 0b11;
    if length_size_minus_one == 2 {
        return Err(HvccError::LengthSize(3));
    }
    let arrays = (0..arrays).map(|_| array(&mut cursor));
    Ok(Hvcc {
        configuration_version: 1,
        general_profile_space: profile >> 6,
        general_tier_flag: profile & 0x20 != 0,
        general_profile_idc: profile & 0x1F,
        general_profile_compatibility_flags,
        general_constraint_indicator_flags,
        general_level_idc,
        min_spatial_segmentation_idc,
        parallelism_type: parallelism & 0b11,
        chroma_format_idc: chroma & 0b11,
        bit_depth_luma_minus8: depth_luma & 0b111,
        bit_depth_chroma_minus8: depth_chroma & 0b111,
        avg_frame_rate,
        constant_frame_rate: layers >> 6,
        num_temporal_layers: layers >> 3 & 0b111,
        temporal_id_nested: layers & 0b100 != 0,
        length_size_minus_one,
        arrays: arrays.collect::<Result<_, _>>()?,
    })
}

fn array(cursor: &mut Cursor<'_>) -> Result<HvcCArray, HvccError> {
    let nal_unit_type = cursor.byte()? & 0x3F;
    let is_set = matches!(nal_unit_type, NAL_VPS | NAL_SPS | NAL_PPS);
    if !is_set && !matches!(nal_unit_type, NAL_PREFIX_SEI | NAL_SUFFIX_SEI) {
        return Err(HvccError::WrongNal(nal_unit_type));
    }
    let mut nalus = Vec::new();
    for _ in 0..cursor.u16()? {
        let len = cursor.u16()?;
        let nal = cursor.take(usize::from(len))?;
        let header = *nal.first().ok_or(HvccError::Truncated)?;
        // forbidden_zero_bit, and the type in six bits (H.265 7.3.1.2).
        if header >> 1 != nal_unit_type {
            return Err(HvccError::WrongNal(header >> 1));
        }
        nalus.push(nal.to_vec());
    }
    Ok(HvcCArray {
        // `hvc1` promises that all parameter sets are here, whatever the encoder's record says.
        completeness: is_set,
        nal_unit_type,
        nalus,
    })
}

#[cfg(test)]
mod tests;
