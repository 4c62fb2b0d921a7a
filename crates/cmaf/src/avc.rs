//! [`VideoConfig`]: what an `AVCDecoderConfigurationRecord` (avcC, ISO/IEC 14496-15 5.3.3) says
//! of an H.264 track. It does not look at pictures.

mod sps;

use bytes::Bytes;
use mp4_atom::{Avcc, AvccExt};
use thiserror::Error;

use crate::bits::OutOfBits;

pub use sps::FrameRate;

/// Largest avcC accepted. Real ones take 30 to 200 bytes.
pub const AVCC_BYTES_MAX: usize = 8 * 1024;

const NAL_TYPE_SPS: u8 = 7;
const NAL_TYPE_PPS: u8 = 8;
const NAL_TYPE_MASK: u8 = 0x1F;
const NAL_FORBIDDEN_BIT: u8 = 0x80;

/// The decoder configuration of an H.264 track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoConfig {
    record: Bytes,
    avcc: Avcc,
    sps: sps::Sps,
}

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
        let [profile, compatibility, level] = [cursor.byte()?, cursor.byte()?, cursor.byte()?];
        let length_size = (cursor.byte()? & 0b11) + 1;
        if length_size == 3 {
            return Err(AvccError::LengthSize(length_size));
        }
        let sps_count = cursor.byte()? & 0x1F;
        let sequence_parameter_sets = cursor.nals(sps_count, NAL_TYPE_SPS)?;
        let pps_count = cursor.byte()?;
        let picture_parameter_sets = cursor.nals(pps_count, NAL_TYPE_PPS)?;
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
        Ok(Self { record, avcc, sps })
    }

    /// The record as it came.
    #[must_use]
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// Width of the picture after cropping, in pixels.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.sps.width
    }

    /// Height of the picture after cropping, in pixels.
    #[must_use]
    pub fn height(&self) -> u16 {
        self.sps.height
    }

    /// `profile_idc`: 66 Baseline, 77 Main, 100 High.
    #[must_use]
    pub fn profile(&self) -> u8 {
        self.sps.profile
    }

    /// `level_idc`: ten times the level, 31 is level 3.1.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.sps.level
    }

    /// The rate the VUI promises, if it promises one. Encoders lie: measure with a [`crate::Probe`].
    #[must_use]
    pub fn frame_rate(&self) -> Option<FrameRate> {
        self.sps.frame_rate
    }

    /// Bytes of each NAL unit's length prefix in a sample: 1, 2 or 4.
    #[must_use]
    pub fn length_size(&self) -> u8 {
        self.avcc.length_size
    }

    /// The RFC 6381 codec string, `avc1.PPCCLL`.
    #[must_use]
    pub fn codec(&self) -> String {
        let sps = &self.sps;
        format!(
            "avc1.{:02X}{:02X}{:02X}",
            sps.profile, sps.constraints, sps.level
        )
    }

    pub(crate) fn avcc(&self) -> &Avcc {
        &self.avcc
    }

    /// Pixel aspect ratio (`pasp`), if the VUI carries one that is not square.
    pub(crate) fn pixel_aspect(&self) -> Option<(u16, u16)> {
        self.sps.pixel_aspect
    }
}

/// Checked reads from the front of a slice.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Result<u8, AvccError> {
        let (&first, rest) = self.0.split_first().ok_or(AvccError::Truncated)?;
        self.0 = rest;
        Ok(first)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], AvccError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(AvccError::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    /// `count` NAL units behind 16-bit lengths, all of type `kind`.
    fn nals(&mut self, count: u8, kind: u8) -> Result<Vec<Vec<u8>>, AvccError> {
        let mut nals = Vec::new();
        for _ in 0..count {
            let len = u16::from_be_bytes([self.byte()?, self.byte()?]);
            let nal = self.take(usize::from(len))?;
            let header = *nal.first().ok_or(AvccError::Truncated)?;
            if header & NAL_TYPE_MASK != kind || header & NAL_FORBIDDEN_BIT != 0 {
                return Err(AvccError::WrongNal(header & NAL_TYPE_MASK));
            }
            nals.push(nal.to_vec());
        }
        Ok(nals)
    }
}

#[cfg(test)]
mod tests;
