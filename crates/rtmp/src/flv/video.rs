//! The body of a video tag.

use bytes::{BufMut, Bytes, BytesMut};

use super::{TagError, TagKind, fourcc};

/// What a video tag carries.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum VideoBody {
    /// H.264 configuration: an AVCDecoderConfigurationRecord (`avcC`).
    SequenceHeader(Bytes),
    /// One H.264 access unit: NAL units, each with its length before it as the configuration says.
    Frame {
        /// The FLV frame type said keyframe.
        keyframe: bool,
        /// Presentation minus decode time.
        composition_ms: i32,
        /// The NAL units.
        data: Bytes,
    },
    /// The encoder ended the sequence.
    EndOfSequence,
    /// Carries no picture: a seek command, HDR metadata, an extension.
    Auxiliary,
    /// A codec that Weir does not take.
    Unsupported {
        /// Its name, for the refusal.
        codec: &'static str,
        /// The FourCC, when Enhanced RTMP named it.
        fourcc: Option<[u8; 4]>,
    },
}

const CODEC_AVC: u8 = 7;
const FRAME_TYPE_KEY: u8 = 1;
const FRAME_TYPE_INTER: u8 = 2;
const FRAME_TYPE_COMMAND: u8 = 5;

const AVC_SEQUENCE_HEADER: u8 = 0;
const AVC_NAL_UNITS: u8 = 1;
const AVC_END_OF_SEQUENCE: u8 = 2;

// E-RTMP VideoPacketType.
const EX_SEQUENCE_START: u8 = 0;
const EX_CODED_FRAMES: u8 = 1;
const EX_SEQUENCE_END: u8 = 2;
const EX_CODED_FRAMES_X: u8 = 3;
const EX_METADATA: u8 = 4;
const EX_MULTITRACK: u8 = 6;
const EX_MOD_EX: u8 = 7;

impl VideoBody {
    /// Parses a tag body; the coded bytes are shared with it, not copied.
    pub fn parse(mut body: Bytes) -> Result<Self, TagError> {
        let [first] = header::<1>(&mut body)?;
        if first & 0x80 != 0 {
            return parse_enhanced(first, body);
        }
        let (frame_type, codec_id) = (first >> 4, first & 0x0F);
        if frame_type == FRAME_TYPE_COMMAND {
            return Ok(Self::Auxiliary);
        }
        if codec_id != CODEC_AVC {
            return Ok(Self::Unsupported {
                codec: fourcc::legacy_video(codec_id),
                fourcc: None,
            });
        }
        let [packet_type] = header::<1>(&mut body)?;
        let composition_ms = composition(&mut body)?;
        match packet_type {
            AVC_SEQUENCE_HEADER => Ok(Self::SequenceHeader(body)),
            AVC_NAL_UNITS => Ok(Self::Frame {
                keyframe: frame_type == FRAME_TYPE_KEY,
                composition_ms,
                data: body,
            }),
            AVC_END_OF_SEQUENCE => Ok(Self::EndOfSequence),
            packet_type => Err(unknown(packet_type)),
        }
    }

    /// Appends the body in the form that every FLV reader knows. `Auxiliary` and `Unsupported`
    /// have none and append nothing; the answer says whether anything was appended.
    pub fn encode(&self, out: &mut BytesMut) -> bool {
        let (frame_type, packet_type, composition_ms, data) = match self {
            Self::SequenceHeader(config) => (FRAME_TYPE_KEY, AVC_SEQUENCE_HEADER, 0, Some(config)),
            Self::Frame {
                keyframe,
                composition_ms,
                data,
            } => {
                let frame_type = if *keyframe {
                    FRAME_TYPE_KEY
                } else {
                    FRAME_TYPE_INTER
                };
                (frame_type, AVC_NAL_UNITS, *composition_ms, Some(data))
            }
            Self::EndOfSequence => (FRAME_TYPE_KEY, AVC_END_OF_SEQUENCE, 0, None),
            Self::Auxiliary | Self::Unsupported { .. } => return false,
        };
        out.put_u8(frame_type << 4 | CODEC_AVC);
        out.put_u8(packet_type);
        out.put_int(i64::from(composition_ms), 3);
        out.put_slice(data.map_or(&[][..], |data| &data[..]));
        true
    }
}

fn parse_enhanced(first: u8, mut body: Bytes) -> Result<VideoBody, TagError> {
    let (frame_type, packet_type) = (first >> 4 & 0x07, first & 0x0F);
    if packet_type == EX_MOD_EX {
        return Ok(VideoBody::Unsupported {
            codec: "ModEx extension",
            fourcc: None,
        });
    }
    if packet_type == EX_MULTITRACK {
        return Ok(VideoBody::Unsupported {
            codec: "multitrack video",
            fourcc: None,
        });
    }
    if frame_type == FRAME_TYPE_COMMAND && packet_type != EX_METADATA {
        return Ok(VideoBody::Auxiliary);
    }
    let fourcc = header::<4>(&mut body)?;
    if &fourcc != b"avc1" {
        return Ok(VideoBody::Unsupported {
            codec: fourcc::video(fourcc),
            fourcc: Some(fourcc),
        });
    }
    let keyframe = frame_type == FRAME_TYPE_KEY;
    match packet_type {
        EX_SEQUENCE_START => Ok(VideoBody::SequenceHeader(body)),
        EX_CODED_FRAMES => Ok(VideoBody::Frame {
            keyframe,
            composition_ms: composition(&mut body)?,
            data: body,
        }),
        EX_CODED_FRAMES_X => Ok(VideoBody::Frame {
            keyframe,
            composition_ms: 0,
            data: body,
        }),
        EX_SEQUENCE_END => Ok(VideoBody::EndOfSequence),
        EX_METADATA => Ok(VideoBody::Auxiliary),
        packet_type => Err(unknown(packet_type)),
    }
}

/// A signed 24-bit composition time.
fn composition(body: &mut Bytes) -> Result<i32, TagError> {
    let [a, b, c] = header::<3>(body)?;
    Ok(i32::from_be_bytes([a, b, c, 0]) >> 8)
}

fn header<const N: usize>(body: &mut Bytes) -> Result<[u8; N], TagError> {
    super::audio::split_array(body).ok_or(TagError::Truncated(TagKind::Video))
}

fn unknown(packet_type: u8) -> TagError {
    TagError::UnknownPacketType {
        kind: TagKind::Video,
        packet_type,
    }
}
