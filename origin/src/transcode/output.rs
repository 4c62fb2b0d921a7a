//! What comes out of one of ffmpeg's pipes, whatever the container and the codec. Pure.

use bytes::Bytes;
use nut::{Av1, CodecError, Hevc, NutError};
use rtmp::flv::{FlvError, TagError, TagKind, VideoBody};

use super::child::EncodedFrame;
use super::encoder::RungCodec;

/// Why an output cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Flv(#[from] FlvError),
    #[error("the NUT pipe holds {found} where {expected} is due")]
    OtherCodec {
        found: String,
        expected: &'static str,
    },
    #[error(transparent)]
    Nut(#[from] NutError),
    #[error(transparent)]
    Tag(#[from] TagError),
}

/// What a pipe gave.
#[derive(Debug)]
pub(super) enum Output {
    /// The decoder configuration record; comes first.
    Configuration(Bytes),
    /// A picture.
    Frame(EncodedFrame),
}

/// Bytes in, pictures out: [`Self::push`], then [`Self::poll`] until it gives none. It holds a
/// picture and the last piece at most.
#[derive(Debug)]
pub(super) enum OutputReader {
    Flv(rtmp::flv::Reader),
    Nut(Box<NutOutput>),
}

/// HEVC or AV1.
#[derive(Debug)]
pub(super) struct NutOutput {
    reader: nut::Reader,
    codec: RungCodec,
    configured: bool,
    /// The first picture, which comes right after the configuration.
    waiting: Option<EncodedFrame>,
}

impl OutputReader {
    pub(super) fn new(codec: RungCodec) -> Self {
        match codec {
            RungCodec::H264 => Self::Flv(rtmp::flv::Reader::new()),
            RungCodec::Av1 | RungCodec::Hevc => Self::Nut(Box::new(NutOutput {
                reader: nut::Reader::new(),
                codec,
                configured: false,
                waiting: None,
            })),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Flv(reader) => reader.push(bytes),
            Self::Nut(output) => output.reader.push(bytes),
        }
    }

    pub(super) fn poll(&mut self) -> Result<Option<Output>, OutputError> {
        match self {
            Self::Flv(reader) => poll_flv(reader),
            Self::Nut(output) => output.poll(),
        }
    }
}

fn poll_flv(reader: &mut rtmp::flv::Reader) -> Result<Option<Output>, OutputError> {
    while let Some(tag) = reader.poll_tag()? {
        if tag.kind != TagKind::Video {
            continue;
        }
        match VideoBody::parse(tag.body)? {
            VideoBody::SequenceHeader { record, .. } => {
                return Ok(Some(Output::Configuration(record)));
            }
            VideoBody::Frame {
                keyframe,
                composition_ms,
                data,
                ..
            } => {
                return Ok(Some(Output::Frame(EncodedFrame {
                    dts_ms: tag.timestamp_ms,
                    composition_ms,
                    keyframe,
                    data,
                })));
            }
            _ => {}
        }
    }
    Ok(None)
}

impl NutOutput {
    fn poll(&mut self) -> Result<Option<Output>, OutputError> {
        if let Some(frame) = self.waiting.take() {
            return Ok(Some(Output::Frame(frame)));
        }
        let Some(packet) = self.reader.poll()? else {
            return Ok(None);
        };
        let data = match self.codec {
            RungCodec::Av1 => Av1::sample(&packet.data),
            RungCodec::H264 | RungCodec::Hevc => Hevc::sample(&packet.data),
        };
        let frame = EncodedFrame {
            dts_ms: packet.pts_ms,
            composition_ms: 0,
            keyframe: packet.keyframe,
            data,
        };
        if self.configured {
            return Ok(Some(Output::Frame(frame)));
        }
        let record = self.record(&packet.data)?;
        self.configured = true;
        self.waiting = Some(frame);
        Ok(Some(Output::Configuration(record)))
    }

    /// HEVC's headers are in the codec data, or else in the first picture. AV1's are in both, and
    /// those in the picture are the ones that it is coded by.
    fn record(&self, first: &[u8]) -> Result<Bytes, OutputError> {
        let stream = self.reader.stream();
        let (fourcc, codec_data) = stream.map_or((*b"????", Bytes::new()), |stream| {
            (stream.fourcc, stream.codec_data.clone())
        });
        match (self.codec, &fourcc) {
            (RungCodec::Av1, b"AV01") => {
                let coded = Av1::new(first).or_else(|_| Av1::new(&codec_data));
                Ok(coded?.record().clone())
            }
            (RungCodec::Hevc, b"HEVC") => {
                let hevc = Hevc::new(&codec_data).or_else(|_| Hevc::new(first));
                Ok(hevc?.record().clone())
            }
            _ => Err(OutputError::OtherCodec {
                found: String::from_utf8_lossy(&fourcc).into_owned(),
                expected: match self.codec {
                    RungCodec::Av1 => "AV01",
                    RungCodec::H264 => "H264",
                    RungCodec::Hevc => "HEVC",
                },
            }),
        }
    }
}
