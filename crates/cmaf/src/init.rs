//! Media Initialization Sections: `ftyp` and a `moov` with one track and `mvex`
//! (ISO/IEC 23000-19 7.3.1). No edit list: decode times are the timeline.

use bytes::Bytes;
use mp4_atom::{
    Audio, Avc1, BufMut, Codec, Dinf, Dref, Encode, Esds, Ftyp, Hdlr, Mdhd, Mp4a, Mvex, Mvhd, Pasp,
    Smhd, Stbl, Stco, Stsd, Tkhd, Trex, Url, Visual, Vmhd, esds,
};

use crate::{AudioConfig, TICKS_PER_SECOND, VideoConfig};

/// One track to a file, so every file's track has the same number.
pub(crate) const TRACK_NUMBER: u32 = 1;

const OBJECT_TYPE_MPEG4_AUDIO: u8 = 0x40;
const STREAM_TYPE_AUDIO: u8 = 5;
const PCM_BITS: u16 = 16;
/// Enough for every usual configuration.
const INIT_BYTES: usize = 1_024;

/// The decoder configuration of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackConfig {
    /// AAC.
    Audio(AudioConfig),
    /// H.264.
    Video(VideoConfig),
}

impl TrackConfig {
    /// Units per second of the track's decode times and durations.
    #[must_use]
    pub fn timescale(&self) -> u32 {
        match self {
            Self::Audio(audio) => audio.sample_rate(),
            Self::Video(_) => TICKS_PER_SECOND as u32,
        }
    }

    /// The RFC 6381 codec string, for CODECS.
    #[must_use]
    pub fn codec(&self) -> String {
        match self {
            Self::Audio(audio) => audio.codec().to_owned(),
            Self::Video(video) => video.codec(),
        }
    }

    /// Container boxes are written by hand, as `mp4-atom` would put required children before
    /// optional ones; the order here is that of ISO/IEC 14496-12 table 1, which players are used to.
    pub(crate) fn init_section(&self) -> mp4_atom::Result<Bytes> {
        let mut out = Vec::with_capacity(INIT_BYTES);
        file_type().encode(&mut out)?;
        out.encode_atom(b"moov", |out| {
            movie_header().encode(out)?;
            out.encode_atom(b"trak", |out| self.track(out))?;
            extends().encode(out)
        })?;
        Ok(out.into())
    }

    fn track(&self, out: &mut Vec<u8>) -> mp4_atom::Result<()> {
        self.track_header().encode(out)?;
        out.encode_atom(b"mdia", |out| {
            let header = Mdhd {
                timescale: self.timescale(),
                language: "und".into(),
                ..Default::default()
            };
            header.encode(out)?;
            self.handler().encode(out)?;
            out.encode_atom(b"minf", |out| {
                match self {
                    Self::Audio(_) => Smhd::default().encode(out)?,
                    Self::Video(_) => Vmhd::default().encode(out)?,
                }
                self_contained().encode(out)?;
                self.sample_table().encode(out)
            })
        })
    }

    fn track_header(&self) -> Tkhd {
        let header = Tkhd {
            track_id: TRACK_NUMBER,
            enabled: true,
            in_movie: true,
            ..Default::default()
        };
        match self {
            Self::Audio(_) => Tkhd {
                volume: 1.into(),
                ..header
            },
            Self::Video(video) => Tkhd {
                width: display_width(video).into(),
                height: video.height().into(),
                ..header
            },
        }
    }

    fn handler(&self) -> Hdlr {
        let (handler, name) = match self {
            Self::Audio(_) => (b"soun", "audio"),
            Self::Video(_) => (b"vide", "video"),
        };
        Hdlr {
            handler: handler.into(),
            name: name.into(),
        }
    }

    /// Empty but for the sample entry: the samples are in the chunks.
    fn sample_table(&self) -> Stbl {
        Stbl {
            stsd: Stsd {
                codecs: vec![self.sample_entry()],
            },
            stco: Some(Stco::default()),
            ..Default::default()
        }
    }

    fn sample_entry(&self) -> Codec {
        match self {
            Self::Audio(audio) => mp4a(audio).into(),
            Self::Video(video) => avc1(video).into(),
        }
    }
}

impl From<AudioConfig> for TrackConfig {
    fn from(config: AudioConfig) -> Self {
        Self::Audio(config)
    }
}

impl From<VideoConfig> for TrackConfig {
    fn from(config: VideoConfig) -> Self {
        Self::Video(config)
    }
}

fn file_type() -> Ftyp {
    Ftyp {
        major_brand: b"cmfc".into(),
        minor_version: 0,
        compatible_brands: vec![b"iso6".into(), b"cmfc".into(), b"mp41".into()],
    }
}

fn movie_header() -> Mvhd {
    Mvhd {
        timescale: TICKS_PER_SECOND as u32,
        rate: 1.into(),
        volume: 1.into(),
        next_track_id: TRACK_NUMBER + 1,
        ..Default::default()
    }
}

/// Says that chunks follow.
fn extends() -> Mvex {
    Mvex {
        trex: vec![Trex {
            track_id: TRACK_NUMBER,
            default_sample_description_index: 1,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The media is in the same file.
fn self_contained() -> Dinf {
    Dinf {
        dref: Dref {
            entries: vec![Url::default().into()],
        },
    }
}

/// Width of the picture on a screen with square pixels.
fn display_width(video: &VideoConfig) -> u16 {
    let Some((x, y)) = video.pixel_aspect() else {
        return video.width();
    };
    let width = u64::from(video.width()) * u64::from(x) / u64::from(y.max(1));
    u16::try_from(width).unwrap_or_else(|_| video.width())
}

fn avc1(video: &VideoConfig) -> Avc1 {
    Avc1 {
        visual: Visual {
            data_reference_index: 1,
            width: video.width(),
            height: video.height(),
            ..Default::default()
        },
        avcc: video.avcc().clone(),
        pasp: video.pixel_aspect().map(|(x, y)| Pasp {
            h_spacing: x.into(),
            v_spacing: y.into(),
        }),
        ..Default::default()
    }
}

fn mp4a(audio: &AudioConfig) -> Mp4a {
    Mp4a {
        audio: Audio {
            data_reference_index: 1,
            channel_count: audio.channels().into(),
            sample_size: PCM_BITS,
            // 16.16 fixed point: rates above 65,535 are read from the esds alone.
            sample_rate: u16::try_from(audio.sample_rate()).unwrap_or(0).into(),
        },
        esds: Esds {
            es_desc: esds::EsDescriptor {
                // 0 in files (ISO/IEC 14496-14 3.1.2).
                es_id: 0,
                dec_config: esds::DecoderConfig {
                    object_type_indication: OBJECT_TYPE_MPEG4_AUDIO,
                    stream_type: STREAM_TYPE_AUDIO,
                    dec_specific: Some(esds::DecoderSpecific {
                        raw: audio.record().to_vec(),
                        ..Default::default()
                    }),
                    ..Default::default()
                },
                ..Default::default()
            },
        },
        btrt: None,
        taic: None,
    }
}
