//! The body of an audio tag.

use bytes::{BufMut, Bytes, BytesMut};

use super::codec::AudioCodec;
use super::extended::{PacketTypes, TrackPart};
use super::{TagError, TagKind, fourcc};

/// What an audio tag carries.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AudioBody {
    /// A decoder configuration: see [`AudioCodec`] for which.
    SequenceHeader {
        /// Of what.
        codec: AudioCodec,
        /// The configuration as sent. An Opus header may be left out (empty).
        record: Bytes,
    },
    /// One coded frame.
    Frame {
        /// Of what.
        codec: AudioCodec,
        /// The frame.
        data: Bytes,
    },
    /// Carries no sound: the end of a sequence, a channel layout.
    Auxiliary,
    /// Belongs to another track than track 0.
    Track {
        /// Its number; never 0.
        number: u8,
        /// What it carries; never a `Track`.
        body: Box<Self>,
    },
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

const PACKET_TYPES: PacketTypes = PacketTypes {
    kind: TagKind::Audio,
    multitrack: EX_MULTITRACK,
    mod_ex: EX_MOD_EX,
    max: EX_MULTICHANNEL_CONFIG,
};

impl AudioBody {
    /// Parses a tag body; the coded bytes are shared with it, not copied. Of a multitrack tag it
    /// gives the first track: see [`Self::parse_tracks`].
    ///
    /// # Errors
    /// See [`TagError`].
    pub fn parse(body: Bytes) -> Result<Self, TagError> {
        let first = Self::parse_tracks(body)?.into_iter().next();
        Ok(first.unwrap_or(Self::Auxiliary))
    }

    /// Parses a tag body with all its tracks, in its order; track 0 comes plain, others as
    /// [`Self::Track`].
    ///
    /// # Errors
    /// See [`TagError`].
    pub fn parse_tracks(mut body: Bytes) -> Result<Vec<Self>, TagError> {
        let [first] = PACKET_TYPES.take::<1>(&mut body)?;
        match first >> 4 {
            SOUND_FORMAT_EX => {
                let packet_type = PACKET_TYPES.skip_mod_ex(first & 0x0F, &mut body)?;
                let parts = PACKET_TYPES.tracks(packet_type, body)?;
                parts.into_iter().map(parse_part).collect()
            }
            SOUND_FORMAT_AAC => {
                let codec = AudioCodec::Aac;
                let [packet_type] = PACKET_TYPES.take::<1>(&mut body)?;
                match packet_type {
                    AAC_SEQUENCE_HEADER => Ok(vec![Self::SequenceHeader {
                        codec,
                        record: body,
                    }]),
                    AAC_RAW => Ok(vec![Self::Frame { codec, data: body }]),
                    packet_type => Err(PACKET_TYPES.unknown(packet_type)),
                }
            }
            sound_format => Ok(vec![Self::Unsupported {
                codec: fourcc::legacy_audio(sound_format),
                fourcc: None,
            }]),
        }
    }

    /// Appends the body: AAC in the form that every FLV reader knows, Opus and other tracks in that
    /// of E-RTMP. `Auxiliary` and `Unsupported` have none and append nothing; the answer says
    /// whether anything was appended.
    pub fn encode(&self, out: &mut BytesMut) -> bool {
        let (track, body) = match self {
            Self::Track { number, body } => (Some(*number), &**body),
            body => (None, body),
        };
        let (codec, is_header, data) = match body {
            Self::SequenceHeader { codec, record } => (*codec, true, record),
            Self::Frame { codec, data } => (*codec, false, data),
            Self::Auxiliary | Self::Track { .. } | Self::Unsupported { .. } => return false,
        };
        let packet_type = if is_header {
            EX_SEQUENCE_START
        } else {
            EX_CODED_FRAMES
        };
        match (track, codec) {
            (None, AudioCodec::Aac) => {
                let packet_type = if is_header {
                    AAC_SEQUENCE_HEADER
                } else {
                    AAC_RAW
                };
                out.put_slice(&[AAC_SOUND_FLAGS, packet_type]);
            }
            (None, codec) => {
                out.put_u8(SOUND_FORMAT_EX << 4 | packet_type);
                out.put_slice(&codec.fourcc());
            }
            (Some(number), codec) => {
                out.put_slice(&[SOUND_FORMAT_EX << 4 | EX_MULTITRACK, packet_type]);
                out.put_slice(&codec.fourcc());
                out.put_u8(number);
            }
        }
        out.put_slice(data);
        true
    }

    /// Bytes of the configuration or the frame in it.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::SequenceHeader { record: data, .. } | Self::Frame { data, .. } => data.len(),
            Self::Track { body, .. } => body.payload_bytes(),
            Self::Auxiliary | Self::Unsupported { .. } => 0,
        }
    }
}

fn parse_part(part: TrackPart) -> Result<AudioBody, TagError> {
    let body = match AudioCodec::of_fourcc(part.fourcc) {
        None => AudioBody::Unsupported {
            codec: fourcc::audio(part.fourcc),
            fourcc: Some(part.fourcc),
        },
        Some(codec) => match part.packet_type {
            EX_SEQUENCE_START => AudioBody::SequenceHeader {
                codec,
                record: part.body,
            },
            EX_CODED_FRAMES => AudioBody::Frame {
                codec,
                data: part.body,
            },
            EX_SEQUENCE_END | EX_MULTICHANNEL_CONFIG => AudioBody::Auxiliary,
            packet_type => return Err(PACKET_TYPES.unknown(packet_type)),
        },
    };
    Ok(match part.track {
        0 => body,
        number => AudioBody::Track {
            number,
            body: Box::new(body),
        },
    })
}
