//! [`AudioConfig`] of an Opus identification header (RFC 7845 5.1), and the length of a packet
//! (RFC 6716 3.1). It does not look at sound.

use bytes::Bytes;
use mp4_atom::{Dops, OpusChannelMapping};
use thiserror::Error;

use crate::aac::{AudioConfig, AudioEntry};
use crate::cursor::OutOfBytes;

/// Largest identification header accepted: one with a table for 255 channels.
pub const OPUS_HEADER_BYTES_MAX: usize = 21 + 255;

/// Opus decodes at this rate whatever went in (RFC 7845 4).
pub(crate) const SAMPLE_RATE: u32 = 48_000;
/// 20 ms, which every encoder makes unless told otherwise.
const FRAME_SAMPLES_USUAL: u32 = 960;
/// 120 ms (RFC 6716 3.2.5).
const PACKET_SAMPLES_MAX: u32 = 5_760;
const MAGIC: &[u8; 8] = b"OpusHead";
/// 6.5 ms of libopus' look-ahead at 48 kHz.
const PRE_SKIP_USUAL: u16 = 312;
/// A player's limit, and Vorbis' channel orders end there as well.
const CHANNELS_MAX: u8 = 8;

/// Why an Opus header was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpusError {
    /// The header ends inside a field.
    #[error("the Opus header is truncated")]
    Truncated,
    /// Larger than [`OPUS_HEADER_BYTES_MAX`].
    #[error("an Opus header of {0} bytes is larger than {OPUS_HEADER_BYTES_MAX}")]
    TooLarge(usize),
    /// It does not begin with `OpusHead`.
    #[error("the Opus header does not begin with OpusHead")]
    Magic,
    /// A version of the format that is not compatible with version 1.
    #[error("the Opus header has version {0}")]
    Version(u8),
    /// No channel, or more than eight.
    #[error("{0} Opus channels are not supported")]
    Channels(u8),
    /// Channels that the mapping does not explain.
    #[error("the Opus channel mapping (family {0}) is not valid")]
    Mapping(u8),
}

impl From<OutOfBytes> for OpusError {
    fn from(_: OutOfBytes) -> Self {
        Self::Truncated
    }
}

impl AudioConfig {
    /// Parses an Opus identification header (the body of an Opus sequence header). An empty one
    /// means stereo with usual values (E-RTMP, "Enhanced Audio").
    ///
    /// # Errors
    /// See [`OpusError`].
    pub fn from_opus(record: Bytes) -> Result<Self, OpusError> {
        if record.len() > OPUS_HEADER_BYTES_MAX {
            return Err(OpusError::TooLarge(record.len()));
        }
        let dops = if record.is_empty() {
            Dops {
                output_channel_count: 2,
                pre_skip: PRE_SKIP_USUAL,
                input_sample_rate: SAMPLE_RATE,
                output_gain: 0,
                channel_mapping: None,
            }
        } else {
            parse(&record)?
        };
        Ok(Self {
            record,
            channels: dops.output_channel_count,
            entry: AudioEntry::Opus(dops),
            sample_rate: SAMPLE_RATE,
            output_rate: SAMPLE_RATE,
            frame_samples: FRAME_SAMPLES_USUAL,
        })
    }
}

fn parse(record: &[u8]) -> Result<Dops, OpusError> {
    let mut cursor = crate::cursor::Cursor(record);
    if &cursor.array::<8>()? != MAGIC {
        return Err(OpusError::Magic);
    }
    let version = cursor.byte()?;
    // The upper half is the major version (RFC 7845 5.1).
    if version >> 4 != 0 {
        return Err(OpusError::Version(version));
    }
    let channels = cursor.byte()?;
    if channels == 0 || channels > CHANNELS_MAX {
        return Err(OpusError::Channels(channels));
    }
    let pre_skip = u16::from_le_bytes(cursor.array()?);
    let input_sample_rate = u32::from_le_bytes(cursor.array()?);
    let output_gain = i16::from_le_bytes(cursor.array()?);
    let family = cursor.byte()?;
    let channel_mapping = if family == 0 {
        if channels > 2 {
            return Err(OpusError::Mapping(family));
        }
        None
    } else {
        let [stream_count, coupled_count] = cursor.array()?;
        let table = cursor.take(usize::from(channels))?;
        let decoded = u16::from(stream_count) + u16::from(coupled_count);
        let known = |&index: &u8| index == 255 || u16::from(index) < decoded;
        let valid = stream_count > 0
            && coupled_count <= stream_count
            && decoded <= 255
            && table.iter().all(known);
        if !valid {
            return Err(OpusError::Mapping(family));
        }
        Some(OpusChannelMapping {
            family,
            stream_count,
            coupled_count,
            channel_mapping: table.to_vec(),
        })
    };
    Ok(Dops {
        output_channel_count: channels,
        pre_skip,
        input_sample_rate,
        output_gain,
        channel_mapping,
    })
}

/// Samples at 48 kHz in an Opus packet, 120 (2.5 ms) to 5760 (120 ms), by its TOC byte; `None` for
/// what is no Opus packet.
#[must_use]
pub fn opus_packet_samples(packet: &[u8]) -> Option<u32> {
    let (&toc, rest) = packet.split_first()?;
    let config = toc >> 3;
    // RFC 6716 table 2.
    let frame = match config {
        0..=11 => *[480, 960, 1_920, 2_880].get(usize::from(config & 3))?,
        12..=15 => *[480, 960].get(usize::from(config & 1))?,
        _ => *[120, 240, 480, 960].get(usize::from(config & 3))?,
    };
    let frames = match toc & 0b11 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3F),
    };
    let samples = frame * frames;
    (1..=PACKET_SAMPLES_MAX)
        .contains(&samples)
        .then_some(samples)
}

#[cfg(test)]
mod tests;
