//! The body of a video tag.

use bytes::{BufMut, Bytes, BytesMut};

use super::codec::VideoCodec;
use super::color::ColorInfo;
use super::extended::{PacketTypes, TrackPart};
use super::{TagError, TagKind, fourcc};

/// What a video tag carries.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum VideoBody {
    /// A decoder configuration: see [`VideoCodec`] for which.
    SequenceHeader {
        /// Of what.
        codec: VideoCodec,
        /// The configuration as sent.
        record: Bytes,
    },
    /// One coded picture: see [`VideoCodec`] for its form.
    Frame {
        /// Of what.
        codec: VideoCodec,
        /// The FLV frame type said keyframe.
        keyframe: bool,
        /// Presentation minus decode time; 0 for AV1.
        composition_ms: i32,
        /// The picture.
        data: Bytes,
    },
    /// What the encoder says about colours.
    Color(ColorInfo),
    /// The encoder ended the sequence.
    EndOfSequence,
    /// Carries no picture: a seek command, other metadata.
    Auxiliary,
    /// Belongs to another track than track 0.
    Track {
        /// Its number; never 0.
        number: u8,
        /// What it carries; never a `Track`.
        body: Box<Self>,
    },
    /// A codec, or a form of it, that Weir does not take.
    Unsupported {
        /// Its name, for the refusal.
        codec: &'static str,
        /// The FourCC, when Enhanced RTMP named it.
        fourcc: Option<[u8; 4]>,
    },
}

const CODEC_AVC: u8 = 7;
/// Not in any specification: what encoders wrote for HEVC before there was E-RTMP, in AVC's form.
const CODEC_LEGACY_HEVC: u8 = 12;
const FRAME_TYPE_KEY: u8 = 1;
const FRAME_TYPE_INTER: u8 = 2;
const FRAME_TYPE_COMMAND: u8 = 5;

const AVC_SEQUENCE_HEADER: u8 = 0;
const AVC_NAL_UNITS: u8 = 1;
const AVC_END_OF_SEQUENCE: u8 = 2;

/// `isExVideoHeader`.
const EX_HEADER: u8 = 0x80;

// E-RTMP VideoPacketType.
const EX_SEQUENCE_START: u8 = 0;
const EX_CODED_FRAMES: u8 = 1;
const EX_SEQUENCE_END: u8 = 2;
const EX_CODED_FRAMES_X: u8 = 3;
const EX_METADATA: u8 = 4;
const EX_MPEG2_TS_SEQUENCE_START: u8 = 5;
const EX_MULTITRACK: u8 = 6;
const EX_MOD_EX: u8 = 7;

const PACKET_TYPES: PacketTypes = PacketTypes {
    kind: TagKind::Video,
    multitrack: EX_MULTITRACK,
    mod_ex: EX_MOD_EX,
    max: EX_MPEG2_TS_SEQUENCE_START,
};

impl VideoBody {
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
        if first & EX_HEADER == 0 {
            return Ok(vec![parse_legacy(first, body)?]);
        }
        let frame_type = first >> 4 & 0x07;
        let packet_type = PACKET_TYPES.skip_mod_ex(first & 0x0F, &mut body)?;
        if frame_type == FRAME_TYPE_COMMAND && packet_type != EX_METADATA {
            return Ok(vec![Self::Auxiliary]);
        }
        let parts = PACKET_TYPES.tracks(packet_type, body)?;
        let keyframe = frame_type == FRAME_TYPE_KEY;
        let parse = |part| parse_part(part, keyframe);
        parts.into_iter().map(parse).collect()
    }

    /// Appends the body: H.264 in the form that every FLV reader knows, other codecs and other
    /// tracks in that of E-RTMP. `Auxiliary`, `Color` and `Unsupported` have none and append
    /// nothing; the answer says whether anything was appended.
    pub fn encode(&self, out: &mut BytesMut) -> bool {
        match self {
            Self::Track { number, body } => body.encode_extended(Some(*number), out),
            Self::SequenceHeader {
                codec: VideoCodec::Avc,
                record,
            } => encode_legacy(true, AVC_SEQUENCE_HEADER, 0, record, out),
            Self::Frame {
                codec: VideoCodec::Avc,
                keyframe,
                composition_ms,
                data,
            } => encode_legacy(*keyframe, AVC_NAL_UNITS, *composition_ms, data, out),
            Self::EndOfSequence => encode_legacy(true, AVC_END_OF_SEQUENCE, 0, &[], out),
            body => body.encode_extended(None, out),
        }
    }

    /// Bytes of the configuration or the picture in it.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::SequenceHeader { record: data, .. } | Self::Frame { data, .. } => data.len(),
            Self::Track { body, .. } => body.payload_bytes(),
            _ => 0,
        }
    }

    fn encode_extended(&self, track: Option<u8>, out: &mut BytesMut) -> bool {
        let (codec, keyframe, packet_type, composition_ms, data) = match self {
            Self::SequenceHeader { codec, record } => {
                (*codec, true, EX_SEQUENCE_START, None, record)
            }
            Self::Frame {
                codec,
                keyframe,
                composition_ms,
                data,
            } => {
                let composition_ms = codec.has_composition().then_some(*composition_ms);
                (*codec, *keyframe, EX_CODED_FRAMES, composition_ms, data)
            }
            _ => return false,
        };
        let frame_type = EX_HEADER | frame_type(keyframe) << 4;
        match track {
            None => {
                out.put_u8(frame_type | packet_type);
                out.put_slice(&codec.fourcc());
            }
            Some(number) => {
                out.put_slice(&[frame_type | EX_MULTITRACK, packet_type]);
                out.put_slice(&codec.fourcc());
                out.put_u8(number);
            }
        }
        if let Some(composition_ms) = composition_ms {
            out.put_int(i64::from(composition_ms), 3);
        }
        out.put_slice(data);
        true
    }
}

fn frame_type(keyframe: bool) -> u8 {
    if keyframe {
        FRAME_TYPE_KEY
    } else {
        FRAME_TYPE_INTER
    }
}

fn encode_legacy(
    keyframe: bool,
    packet_type: u8,
    composition_ms: i32,
    data: &[u8],
    out: &mut BytesMut,
) -> bool {
    out.put_u8(frame_type(keyframe) << 4 | CODEC_AVC);
    out.put_u8(packet_type);
    out.put_int(i64::from(composition_ms), 3);
    out.put_slice(data);
    true
}

fn parse_legacy(first: u8, mut body: Bytes) -> Result<VideoBody, TagError> {
    let (frame_type, codec_id) = (first >> 4, first & 0x0F);
    if frame_type == FRAME_TYPE_COMMAND {
        return Ok(VideoBody::Auxiliary);
    }
    let codec = match codec_id {
        CODEC_AVC => VideoCodec::Avc,
        CODEC_LEGACY_HEVC => VideoCodec::Hevc,
        codec_id => {
            return Ok(VideoBody::Unsupported {
                codec: fourcc::legacy_video(codec_id),
                fourcc: None,
            });
        }
    };
    let [packet_type] = PACKET_TYPES.take::<1>(&mut body)?;
    let composition_ms = composition(&mut body)?;
    match packet_type {
        AVC_SEQUENCE_HEADER => Ok(VideoBody::SequenceHeader {
            codec,
            record: body,
        }),
        AVC_NAL_UNITS => Ok(VideoBody::Frame {
            codec,
            keyframe: frame_type == FRAME_TYPE_KEY,
            composition_ms,
            data: body,
        }),
        AVC_END_OF_SEQUENCE => Ok(VideoBody::EndOfSequence),
        packet_type => Err(PACKET_TYPES.unknown(packet_type)),
    }
}

fn parse_part(part: TrackPart, keyframe: bool) -> Result<VideoBody, TagError> {
    let (number, fourcc) = (part.track, part.fourcc);
    let body = match VideoCodec::of_fourcc(fourcc) {
        None => VideoBody::Unsupported {
            codec: fourcc::video(fourcc),
            fourcc: Some(fourcc),
        },
        Some(codec) => parse_codec(codec, part, keyframe)?,
    };
    Ok(match number {
        0 => body,
        number => VideoBody::Track {
            number,
            body: Box::new(body),
        },
    })
}

fn parse_codec(codec: VideoCodec, part: TrackPart, keyframe: bool) -> Result<VideoBody, TagError> {
    let mut body = part.body;
    match part.packet_type {
        EX_SEQUENCE_START => Ok(VideoBody::SequenceHeader {
            codec,
            record: body,
        }),
        EX_CODED_FRAMES | EX_CODED_FRAMES_X => {
            let has_composition = part.packet_type == EX_CODED_FRAMES && codec.has_composition();
            let composition_ms = if has_composition {
                composition(&mut body)?
            } else {
                0
            };
            Ok(VideoBody::Frame {
                codec,
                keyframe,
                composition_ms,
                data: body,
            })
        }
        EX_SEQUENCE_END => Ok(VideoBody::EndOfSequence),
        EX_METADATA => {
            let color = ColorInfo::parse(&body).map(VideoBody::Color);
            Ok(color.unwrap_or(VideoBody::Auxiliary))
        }
        EX_MPEG2_TS_SEQUENCE_START => Ok(VideoBody::Unsupported {
            codec: "MPEG-2 TS sequence start",
            fourcc: Some(part.fourcc),
        }),
        packet_type => Err(PACKET_TYPES.unknown(packet_type)),
    }
}

/// A signed 24-bit composition time.
fn composition(body: &mut Bytes) -> Result<i32, TagError> {
    let [a, b, c] = PACKET_TYPES.take::<3>(body)?;
    Ok(i32::from_be_bytes([a, b, c, 0]) >> 8)
}
