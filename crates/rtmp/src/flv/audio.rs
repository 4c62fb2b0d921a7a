//! The body of an audio tag.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{TagError, TagKind, fourcc};

/// What an audio tag carries.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AudioBody {
    /// AAC configuration: an AudioSpecificConfig.
    SequenceHeader(Bytes),
    /// One raw AAC frame, without ADTS.
    Frame(Bytes),
    /// Carries no sound: the end of a sequence, a channel layout.
    Auxiliary,
    /// A codec that Weir does not take.
    Unsupported {
        /// Its name, for the refusal.
        codec: &'static str,
        /// The FourCC, when Enhanced RTMP named it.
        fourcc: Option<[u8; 4]>,
    },
}

const SOUND_FORMAT_EX: u8 = 9;
const SOUND_FORMAT_AAC: u8 = 10;

const AAC_SEQUENCE_HEADER: u8 = 0;
const AAC_RAW: u8 = 1;

/// AAC always says 44 kHz, 16 bit, stereo here; the AudioSpecificConfig knows (FLV E.4.2.1).
const AAC_SOUND_FLAGS: u8 = SOUND_FORMAT_AAC << 4 | 0x0F;

// E-RTMP AudioPacketType.
const EX_SEQUENCE_START: u8 = 0;
const EX_CODED_FRAMES: u8 = 1;
const EX_SEQUENCE_END: u8 = 2;
const EX_MULTICHANNEL_CONFIG: u8 = 4;
const EX_MULTITRACK: u8 = 5;
const EX_MOD_EX: u8 = 7;

impl AudioBody {
    /// Parses a tag body; the coded bytes are shared with it, not copied.
    pub fn parse(mut body: Bytes) -> Result<Self, TagError> {
        let [first] = header::<1>(&mut body)?;
        match first >> 4 {
            SOUND_FORMAT_EX => parse_enhanced(first & 0x0F, body),
            SOUND_FORMAT_AAC => {
                let [packet_type] = header::<1>(&mut body)?;
                match packet_type {
                    AAC_SEQUENCE_HEADER => Ok(Self::SequenceHeader(body)),
                    AAC_RAW => Ok(Self::Frame(body)),
                    packet_type => Err(unknown(packet_type)),
                }
            }
            sound_format => Ok(Self::Unsupported {
                codec: fourcc::legacy_audio(sound_format),
                fourcc: None,
            }),
        }
    }

    /// Appends the body in the form that every FLV reader knows. `Auxiliary` and `Unsupported`
    /// have none and append nothing; the answer says whether anything was appended.
    pub fn encode(&self, out: &mut BytesMut) -> bool {
        let (packet_type, data) = match self {
            Self::SequenceHeader(config) => (AAC_SEQUENCE_HEADER, config),
            Self::Frame(frame) => (AAC_RAW, frame),
            Self::Auxiliary | Self::Unsupported { .. } => return false,
        };
        out.put_slice(&[AAC_SOUND_FLAGS, packet_type]);
        out.put_slice(data);
        true
    }
}

fn parse_enhanced(packet_type: u8, mut body: Bytes) -> Result<AudioBody, TagError> {
    let unsupported = |codec| {
        Ok(AudioBody::Unsupported {
            codec,
            fourcc: None,
        })
    };
    match packet_type {
        EX_MOD_EX => return unsupported("ModEx extension"),
        EX_MULTITRACK => return unsupported("multitrack audio"),
        _ => {}
    }
    let fourcc = header::<4>(&mut body)?;
    if &fourcc != b"mp4a" {
        return Ok(AudioBody::Unsupported {
            codec: fourcc::audio(fourcc),
            fourcc: Some(fourcc),
        });
    }
    match packet_type {
        EX_SEQUENCE_START => Ok(AudioBody::SequenceHeader(body)),
        EX_CODED_FRAMES => Ok(AudioBody::Frame(body)),
        EX_SEQUENCE_END | EX_MULTICHANNEL_CONFIG => Ok(AudioBody::Auxiliary),
        packet_type => Err(unknown(packet_type)),
    }
}

/// Takes the first `N` bytes off the front.
pub(super) fn split_array<const N: usize>(body: &mut Bytes) -> Option<[u8; N]> {
    let array = *body.first_chunk::<N>()?;
    body.advance(N);
    Some(array)
}

fn header<const N: usize>(body: &mut Bytes) -> Result<[u8; N], TagError> {
    split_array(body).ok_or(TagError::Truncated(TagKind::Audio))
}

fn unknown(packet_type: u8) -> TagError {
    TagError::UnknownPacketType {
        kind: TagKind::Audio,
        packet_type,
    }
}
