//! Media Initialization Sections: `ftyp` and a `moov` with one track and `mvex`
//! (ISO/IEC 23000-19 7.3.1). No edit list: decode times are the timeline.

use bytes::Bytes;
use mp4_atom::{
    Audio, Av01, Avc1, BufMut, Codec, Colr, Dinf, Dref, Encode, Esds, Ftyp, Hdlr, Hvc1, Mdhd, Mp4a,
    Mvex, Mvhd, Opus, Pasp, Smhd, Stbl, Stco, Stsd, Tkhd, Trex, Url, Visual, Vmhd, esds,
};

use crate::aac::AudioEntry;
use crate::video::Entry;
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
    /// AAC or Opus.
    Audio(AudioConfig),
    /// H.264, HEVC or AV1.
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
            Self::Audio(audio) => audio_entry(audio),
            Self::Video(video) => video_entry(video),
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

fn video_entry(video: &VideoConfig) -> Codec {
    let visual = Visual {
        data_reference_index: 1,
        width: video.width(),
        height: video.height(),
        ..Default::default()
    };
    let pasp = video.pixel_aspect().map(|(x, y)| Pasp {
        h_spacing: x.into(),
        v_spacing: y.into(),
    });
    let colr = video.specified_colour().map(|colour| Colr::Nclx {
        colour_primaries: colour.primaries.into(),
        transfer_characteristics: colour.transfer.into(),
        matrix_coefficients: colour.matrix.into(),
        full_range_flag: colour.full_range,
    });
    match &video.entry {
        Entry::Av1(av1c) => Av01 {
            visual,
            av1c: av1c.clone(),
            colr,
            pasp,
            ..Default::default()
        }
        .into(),
        Entry::Avc(avcc) => Avc1 {
            visual,
            avcc: avcc.clone(),
            colr,
            pasp,
            ..Default::default()
        }
        .into(),
        Entry::Hevc(hvcc) => Hvc1 {
            visual,
            hvcc: hvcc.clone(),
            colr,
            pasp,
            ..Default::default()
        }
        .into(),
    }
}

fn audio_entry(audio: &AudioConfig) -> Codec {
    let sound = Audio {
        data_reference_index: 1,
        channel_count: audio.channels().into(),
        sample_size: PCM_BITS,
        // 16.16 fixed point: rates above 65,535 are read from the esds alone.
        sample_rate: u16::try_from(audio.sample_rate()).unwrap_or(0).into(),
    };
    match &audio.entry {
        AudioEntry::Aac(_) => Mp4a {
            audio: sound,
            esds: esds(audio),
            btrt: None,
            taic: None,
        }
        .into(),
        AudioEntry::Opus(dops) => Opus {
            audio: sound,
            dops: dops.clone(),
            btrt: None,
        }
        .into(),
    }
}

fn esds(audio: &AudioConfig) -> Esds {
    Esds {
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
    }
}
