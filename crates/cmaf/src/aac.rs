//! [`AudioConfig`]: the decoder configuration of an audio track, and how it is read from an
//! `AudioSpecificConfig` (ISO/IEC 14496-3 1.6.2.1): AAC-LC, and HE-AAC (v1, v2) where it is
//! signalled. [`crate::opus`] reads the other one.

use bytes::Bytes;
use mp4_atom::Dops;
use thiserror::Error;

use crate::bits::{BitReader, OutOfBits};
use crate::opus::opus_packet_samples;

/// Largest `AudioSpecificConfig` accepted. Real ones take 2 to 7 bytes.
pub const ASC_BYTES_MAX: usize = 64;

const OBJECT_AAC_LC: u32 = 2;
const OBJECT_SBR: u32 = 5;
const OBJECT_PS: u32 = 29;
const OBJECT_ESCAPE: u32 = 31;
const RATE_ESCAPE: usize = 15;
const SYNC_SBR: u32 = 0x2B7;
const SYNC_PS: u32 = 0x548;
/// ISO/IEC 14496-3 table 1.18.
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
const RATE_MIN: u32 = 7_350;
const RATE_MAX: u32 = 96_000;

/// The decoder configuration of an audio track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioConfig {
    pub(crate) record: Bytes,
    pub(crate) entry: AudioEntry,
    pub(crate) sample_rate: u32,
    pub(crate) output_rate: u32,
    pub(crate) channels: u8,
    pub(crate) frame_samples: u32,
}

/// What goes into the sample entry, beside the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AudioEntry {
    Aac(AacProfile),
    Opus(Dops),
}

/// Which AAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AacProfile {
    /// AAC-LC.
    Lc,
    /// HE-AAC: AAC-LC with spectral band replication.
    HeV1,
    /// HE-AAC v2: HE-AAC with parametric stereo.
    HeV2,
}

/// Why an `AudioSpecificConfig` was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AscError {
    /// A channel configuration that needs a program config element, or a reserved one.
    #[error("AAC channel configuration {0} is not supported")]
    Channels(u32),
    /// An audio object type other than AAC-LC, HE-AAC and HE-AAC v2.
    #[error("MPEG-4 audio object type {0} is not supported")]
    ObjectType(u32),
    /// A reserved or absurd sampling rate.
    #[error("AAC sampling rate {0} is not valid")]
    Rate(u32),
    /// Larger than [`ASC_BYTES_MAX`].
    #[error("AudioSpecificConfig of {0} bytes is larger than {ASC_BYTES_MAX}")]
    TooLarge(usize),
    /// The record ends inside a field.
    #[error("AudioSpecificConfig is truncated")]
    Truncated,
}

impl From<OutOfBits> for AscError {
    fn from(_: OutOfBits) -> Self {
        Self::Truncated
    }
}

impl AudioConfig {
    /// Parses an `AudioSpecificConfig` (the body of an FLV AAC sequence header).
    ///
    /// # Errors
    /// See [`AscError`].
    pub fn from_asc(record: Bytes) -> Result<Self, AscError> {
        if record.len() > ASC_BYTES_MAX {
            return Err(AscError::TooLarge(record.len()));
        }
        let mut reader = BitReader::new(&record);
        let r = &mut reader;
        let mut object = object_type(r)?;
        let sample_rate = rate(r)?;
        let channel_configuration = r.bits(4)?;
        let channels = match channel_configuration {
            1..=6 => channel_configuration as u8,
            7 => 8,
            other => return Err(AscError::Channels(other)),
        };
        let mut profile = AacProfile::Lc;
        let mut output_rate = sample_rate;
        if object == OBJECT_SBR || object == OBJECT_PS {
            profile = if object == OBJECT_PS {
                AacProfile::HeV2
            } else {
                AacProfile::HeV1
            };
            output_rate = rate(r)?;
            object = object_type(r)?;
        }
        if object != OBJECT_AAC_LC {
            return Err(AscError::ObjectType(object));
        }
        // GASpecificConfig (ISO/IEC 14496-3 4.4.1).
        let frame_samples = if r.bit()? { 960 } else { 1_024 };
        if r.bit()? {
            r.skip(14)?; // coreCoderDelay
        }
        r.skip(1)?; // extensionFlag: carries nothing for AAC-LC
        if profile == AacProfile::Lc
            && let Some((found, rate)) = backward_compatible(r)?
        {
            (profile, output_rate) = (found, rate);
        }
        Ok(Self {
            record,
            entry: AudioEntry::Aac(profile),
            sample_rate,
            output_rate,
            channels,
            frame_samples,
        })
    }

    /// The record as it came.
    #[must_use]
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// Which AAC; None for Opus.
    #[must_use]
    pub fn profile(&self) -> Option<AacProfile> {
        match self.entry {
            AudioEntry::Aac(profile) => Some(profile),
            AudioEntry::Opus(_) => None,
        }
    }

    /// Sampling rate of the coded frames in Hz; the track's timescale. HE-AAC plays at
    /// [`Self::output_rate`], mostly twice this.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Sampling rate of the decoder's output in Hz.
    #[must_use]
    pub fn output_rate(&self) -> u32 {
        self.output_rate
    }

    /// Coded channels (HE-AAC v2 makes two out of one); never 0.
    #[must_use]
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// Samples at [`Self::sample_rate`] in one frame: of AAC 1024, rarely 960; of Opus 120 to 5760,
    /// 960 until [`with_frame_samples_of`](Self::with_frame_samples_of) has seen a packet.
    #[must_use]
    pub fn frame_samples(&self) -> u32 {
        self.frame_samples
    }

    /// Samples at [`Self::sample_rate`] in this frame. Opus packets may vary.
    #[must_use]
    pub fn samples_of(&self, frame: &[u8]) -> u32 {
        match self.entry {
            AudioEntry::Aac(_) => self.frame_samples,
            AudioEntry::Opus(_) => opus_packet_samples(frame).unwrap_or(self.frame_samples),
        }
    }

    /// The same configuration with [`Self::frame_samples`] as in this frame.
    #[must_use]
    pub fn with_frame_samples_of(mut self, frame: &[u8]) -> Self {
        self.frame_samples = self.samples_of(frame);
        self
    }

    /// The RFC 6381 codec string: `mp4a.40.2`, `mp4a.40.5`, `mp4a.40.29` or `opus`.
    #[must_use]
    pub fn codec(&self) -> &'static str {
        match self.entry {
            AudioEntry::Aac(AacProfile::Lc) => "mp4a.40.2",
            AudioEntry::Aac(AacProfile::HeV1) => "mp4a.40.5",
            AudioEntry::Aac(AacProfile::HeV2) => "mp4a.40.29",
            // Lower case is what browsers answer to; the sample entry is `Opus`.
            AudioEntry::Opus(_) => "opus",
        }
    }
}

fn object_type(r: &mut BitReader<'_>) -> Result<u32, OutOfBits> {
    match r.bits(5)? {
        OBJECT_ESCAPE => Ok(32 + r.bits(6)?),
        object => Ok(object),
    }
}

fn rate(r: &mut BitReader<'_>) -> Result<u32, AscError> {
    let index = r.bits(4)? as usize;
    let rate = if index == RATE_ESCAPE {
        r.bits(24)?
    } else {
        *RATES.get(index).ok_or(AscError::Rate(0))?
    };
    if !(RATE_MIN..=RATE_MAX).contains(&rate) {
        return Err(AscError::Rate(rate));
    }
    Ok(rate)
}

/// SBR and PS announced behind an AAC-LC config, for decoders that know no better
/// (ISO/IEC 14496-3 1.6.6.1). What is not an announcement is padding.
fn backward_compatible(r: &mut BitReader<'_>) -> Result<Option<(AacProfile, u32)>, AscError> {
    if r.remaining() < 16 || r.bits(11)? != SYNC_SBR || object_type(r)? != OBJECT_SBR {
        return Ok(None);
    }
    if !(r.remaining() > 0 && r.bit()?) {
        return Ok(None);
    }
    let output_rate = rate(r)?;
    let stereo = r.remaining() >= 12 && r.bits(11)? == SYNC_PS && r.bit()?;
    let profile = if stereo {
        AacProfile::HeV2
    } else {
        AacProfile::HeV1
    };
    Ok(Some((profile, output_rate)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<AudioConfig, AscError> {
        AudioConfig::from_asc(Bytes::copy_from_slice(bytes))
    }

    #[track_caller]
    fn check(bytes: &[u8], codec: &str, rates: (u32, u32), channels: u8) {
        let config = parse(bytes).unwrap();
        assert_eq!(config.codec(), codec);
        assert_eq!((config.sample_rate(), config.output_rate()), rates);
        assert_eq!(config.channels(), channels);
        assert_eq!(config.frame_samples(), 1_024);
    }

    #[test]
    fn reads_lc_and_every_signalling_of_he() {
        check(&[0x11, 0x90], "mp4a.40.2", (48_000, 48_000), 2);
        check(&[0x12, 0x10], "mp4a.40.2", (44_100, 44_100), 2);
        // ffmpeg's AAC-LC: sync extension present, SBR flag 0.
        check(
            &[0x12, 0x10, 0x56, 0xE5, 0x00],
            "mp4a.40.2",
            (44_100, 44_100),
            2,
        );
        // Backward compatible: LC 24 kHz, then SBR to 48 kHz.
        check(
            &[0x13, 0x10, 0x56, 0xE5, 0x98],
            "mp4a.40.5",
            (24_000, 48_000),
            2,
        );
        // Hierarchical: AOT 5, 24 kHz, stereo, 48 kHz, AOT 2.
        check(&[0x2B, 0x11, 0x88, 0x00], "mp4a.40.5", (24_000, 48_000), 2);
        // Hierarchical: AOT 29, 24 kHz, mono, 48 kHz, AOT 2.
        check(&[0xEB, 0x09, 0x88, 0x00], "mp4a.40.29", (24_000, 48_000), 1);
    }

    #[test]
    fn refuses_what_it_cannot_package() {
        assert_eq!(parse(&[]), Err(AscError::Truncated));
        assert_eq!(parse(&[0x11]), Err(AscError::Truncated));
        assert_eq!(parse(&[0x0A, 0x10]), Err(AscError::ObjectType(1)));
        assert_eq!(parse(&[0x11, 0x80]), Err(AscError::Channels(0)));
        assert_eq!(parse(&[0x16, 0x90]), Err(AscError::Rate(0)));
        assert_eq!(parse(&[0x17, 0x80, 0, 0, 0x10]), Err(AscError::Rate(0)));
        assert_eq!(
            parse(&[0; ASC_BYTES_MAX + 1]),
            Err(AscError::TooLarge(ASC_BYTES_MAX + 1))
        );
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(config) = parse(&bytes) {
                prop_assert!((RATE_MIN..=RATE_MAX).contains(&config.sample_rate()));
                prop_assert!((1..=8).contains(&config.channels()));
            }
        }
    }
}
