//! [`VideoConfig`] of an `AVCDecoderConfigurationRecord` (avcC, ISO/IEC 14496-15 5.3.3).

mod sps;

use bytes::Bytes;
use mp4_atom::{Avcc, AvccExt};
use thiserror::Error;

use crate::VideoConfig;
use crate::bits::OutOfBits;
use crate::cursor::{Cursor, OutOfBytes};
use crate::video::Entry;

pub use sps::FrameRate;

/// Largest avcC accepted. Real ones take 30 to 200 bytes.
pub const AVCC_BYTES_MAX: usize = 8 * 1024;

const NAL_TYPE_SPS: u8 = 7;
const NAL_TYPE_PPS: u8 = 8;
const NAL_TYPE_MASK: u8 = 0x1F;
const NAL_FORBIDDEN_BIT: u8 = 0x80;

/// Why an avcC was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AvccError {
    /// The record ends before its own lengths say.
    #[error("avcC is truncated")]
    Truncated,
    /// Larger than [`AVCC_BYTES_MAX`].
    #[error("avcC of {0} bytes is larger than {AVCC_BYTES_MAX}")]
    TooLarge(usize),
    /// `configurationVersion` is not 1.
    #[error("avcC has version {0}, not 1")]
    Version(u8),
    /// NAL unit lengths of 3 bytes do not exist.
    #[error("avcC has a NAL length size of {0}")]
    LengthSize(u8),
    /// No sequence or no picture parameter set.
    #[error("avcC holds no parameter sets")]
    NoParameterSets,
    /// A NAL unit of another type where a parameter set belongs.
    #[error("avcC holds a NAL unit of type {0} in place of a parameter set")]
    WrongNal(u8),
    /// The sequence parameter set is truncated or against H.264 7.4.2.1.
    #[error("the sequence parameter set is malformed: {0}")]
    Sps(&'static str),
}

impl From<OutOfBits> for AvccError {
    fn from(_: OutOfBits) -> Self {
        Self::Sps("truncated")
    }
}

impl From<OutOfBytes> for AvccError {
    fn from(_: OutOfBytes) -> Self {
        Self::Truncated
    }
}

impl VideoConfig {
    /// Parses an avcC record (the body of an FLV AVC sequence header).
    ///
    /// # Errors
    /// On any byte that a decoder could stumble over: see [`AvccError`].
    pub fn from_avcc(record: Bytes) -> Result<Self, AvccError> {
        if record.len() > AVCC_BYTES_MAX {
            return Err(AvccError::TooLarge(record.len()));
        }
        let mut cursor = Cursor(&record);
        let version = cursor.byte()?;
        if version != 1 {
            return Err(AvccError::Version(version));
        }
        let [profile, compatibility, level] = cursor.array()?;
        let length_size = (cursor.byte()? & 0b11) + 1;
        if length_size == 3 {
            return Err(AvccError::LengthSize(length_size));
        }
        let sps_count = cursor.byte()? & 0x1F;
        let sequence_parameter_sets = nals(&mut cursor, sps_count, NAL_TYPE_SPS)?;
        let pps_count = cursor.byte()?;
        let picture_parameter_sets = nals(&mut cursor, pps_count, NAL_TYPE_PPS)?;
        let first = sequence_parameter_sets.first();
        let first = first.ok_or(AvccError::NoParameterSets)?;
        if picture_parameter_sets.is_empty() {
            return Err(AvccError::NoParameterSets);
        }
        let sps = sps::Sps::parse(first)?;
        let avcc = Avcc {
            configuration_version: 1,
            avc_profile_indication: profile,
            profile_compatibility: compatibility,
            avc_level_indication: level,
            length_size,
            ext: sps.has_chroma_info().then(|| AvccExt {
                chroma_format: sps.chroma_format,
                bit_depth_luma: sps.bit_depth_luma,
                bit_depth_chroma: sps.bit_depth_chroma,
                sequence_parameter_sets_ext: Vec::new(),
            }),
            sequence_parameter_sets,
            picture_parameter_sets,
        };
        Ok(Self {
            record,
            codec_name: format!(
                "avc1.{:02X}{:02X}{:02X}",
                sps.profile, sps.constraints, sps.level
            ),
            entry: Entry::Avc(avcc),
            picture: sps.picture,
        })
    }
}

/// `count` NAL units behind 16-bit lengths, all of type `kind`.
fn nals(cursor: &mut Cursor<'_>, count: u8, kind: u8) -> Result<Vec<Vec<u8>>, AvccError> {
    let mut nals = Vec::new();
    for _ in 0..count {
        let len = cursor.u16()?;
        let nal = cursor.take(usize::from(len))?;
        let header = *nal.first().ok_or(AvccError::Truncated)?;
        if header & NAL_TYPE_MASK != kind || header & NAL_FORBIDDEN_BIT != 0 {
            return Err(AvccError::WrongNal(header & NAL_TYPE_MASK));
        }
        nals.push(nal.to_vec());
    }
    Ok(nals)
}

#[cfg(test)]
mod tests;
