//! A source that is known, and how its configurations are read. Pure.

use std::time::SystemTime;

use bytes::Bytes;
use cmaf::{AudioConfig, Colour, FrameRate, Passthrough, ProbeReport, VideoConfig};
use rtmp::flv::{AudioCodec, ColorInfo, VideoCodec};

use super::{BesideTrack, Media};

/// A source that is known.
#[derive(Debug)]
pub(in crate::packager) struct Source {
    pub(in crate::packager) video: VideoConfig,
    pub(in crate::packager) audio: Option<AudioConfig>,
    pub(in crate::packager) report: ProbeReport,
    /// The broadcaster's own ladder; empty without one.
    pub(in crate::packager) beside: Vec<BesideTrack>,
    /// Why there is none though more tracks were sent.
    pub(in crate::packager) alone: Option<String>,
    /// When the picture at time zero arrived.
    pub(in crate::packager) started_at: SystemTime,
    /// What came meanwhile.
    pub(in crate::packager) backlog: Vec<Media>,
}

impl Source {
    /// Frames in a GOP, when the source may pass through.
    pub(in crate::packager) fn gop_frames(&self) -> Option<u32> {
        match self.report.passthrough {
            Passthrough::Yes { gop_frames } => Some(gop_frames),
            _ => None,
        }
    }

    /// The configuration of a track, by the broadcaster's number.
    pub(in crate::packager) fn track(&self, number: u8) -> Option<&VideoConfig> {
        let mut beside = self.beside.iter();
        match number {
            0 => Some(&self.video),
            number => Some(&beside.find(|track| track.number == number)?.video),
        }
    }

    /// The frame rate of a track.
    pub(in crate::packager) fn frame_rate(&self, number: u8) -> FrameRate {
        let mut beside = self.beside.iter();
        let track = beside.find(|track| track.number == number);
        track.map_or(self.report, |track| track.report).frame_rate
    }

    /// Average bits per second of the source so far: a video track, and audio.
    pub(in crate::packager) fn bitrates(&self, number: u8) -> (u64, u64) {
        let (mut video, mut audio, mut until_ms) = (0_usize, 0_usize, 1_i64);
        for media in &self.backlog {
            match media {
                Media::Audio { data, .. } => audio += data.len(),
                Media::Video { track, frame, .. } => {
                    video += if *track == number {
                        frame.data.len()
                    } else {
                        0
                    };
                    until_ms = until_ms.max(frame.dts_ms);
                }
            }
        }
        let bits = |bytes: usize| {
            let bits = u64::try_from(bytes)
                .unwrap_or(u64::MAX)
                .saturating_mul(8_000);
            bits / u64::try_from(until_ms).unwrap_or(1).max(1)
        };
        (bits(video), bits(audio))
    }
}

pub(crate) fn video_config(codec: VideoCodec, record: Bytes) -> Result<VideoConfig, String> {
    match codec {
        VideoCodec::Avc => VideoConfig::from_avcc(record).map_err(|error| error.to_string()),
        VideoCodec::Hevc => VideoConfig::from_hvcc(record).map_err(|error| error.to_string()),
        VideoCodec::Av1 => VideoConfig::from_av1c(record).map_err(|error| error.to_string()),
        codec => Err(format!("{} cannot be packaged", codec.as_str())),
    }
}

pub(super) fn audio_config(codec: AudioCodec, record: Bytes) -> Result<AudioConfig, String> {
    match codec {
        AudioCodec::Aac => AudioConfig::from_asc(record).map_err(|error| error.to_string()),
        AudioCodec::Opus => AudioConfig::from_opus(record).map_err(|error| error.to_string()),
        codec => Err(format!("{} cannot be packaged", codec.as_str())),
    }
}

/// `colorInfo` says nothing of the range of sample values: encoders send the limited one.
pub(super) fn colour(color: ColorInfo) -> Option<Colour> {
    Some(Colour {
        primaries: color.primaries?,
        transfer: color.transfer?,
        matrix: color.matrix?,
        full_range: false,
    })
}
