//! A source that is known, and how its configurations are read. Pure.

use std::time::SystemTime;

use bytes::Bytes;
use cmaf::{AudioConfig, Colour, FrameRate, Passthrough, ProbeReport, VideoConfig};
use rtmp::flv::{AudioCodec, ColorInfo, VideoCodec};

use super::{BesideTrack, Media};

/// "Unspecified" in each of ITU-T H.273's tables.
const UNSPECIFIED: u8 = 2;

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

/// What a source was found to be. A publisher who comes back with the same configurations is taken for the same at its
/// first keyframe, and looked at on air.
#[derive(Clone, Debug)]
pub(in crate::packager) struct KnownSource {
    pub(super) video: VideoConfig,
    pub(super) audio: Option<AudioConfig>,
    pub(super) report: ProbeReport,
}

impl KnownSource {
    /// Whether what was measured now is what this was taken for. Only who passes through has to have the same GOPs.
    pub(super) fn is_like(&self, report: &ProbeReport) -> bool {
        let passes = |report: &ProbeReport| match report.passthrough {
            Passthrough::Yes { gop_frames } => Some(gop_frames),
            _ => None,
        };
        let (known, now) = (passes(&self.report), passes(report));
        (known.is_none() || known == now)
            && report.passthrough != Passthrough::FramesIrregular
            && self.report.frame_rate == report.frame_rate
            && self.report.audio == report.audio
    }
}

impl Source {
    /// To know it again. None for what measures otherwise each time, and for a broadcaster's own ladder, whose tracks
    /// have to be compared.
    pub(in crate::packager) fn known(&self) -> Option<KnownSource> {
        let is_steady = self.report.passthrough != Passthrough::FramesIrregular;
        let is_single = self.beside.is_empty() && self.alone.is_none();
        (is_steady && is_single).then(|| KnownSource {
            video: self.video.clone(),
            audio: self.audio.clone(),
            report: self.report,
        })
    }

    /// Frames in a GOP, when the source may pass through.
    pub(in crate::packager) fn gop_frames(&self) -> Option<u32> {
        match self.report.passthrough {
            Passthrough::Yes { gop_frames } => Some(gop_frames),
            _ => None,
        }
    }

    /// Lets go of what was kept before the newest picture that decoding can start at.
    pub(in crate::packager) fn begin_at_the_last_keyframe(&mut self) {
        let last = self.backlog.iter().rev().find_map(|media| match media {
            Media::Video {
                track: 0, frame, ..
            } if frame.keyframe => Some(frame.dts_ms),
            _ => None,
        });
        let Some(last_ms) = last else {
            return;
        };
        self.backlog.retain(|media| match media {
            Media::Audio { dts_ms, .. } => *dts_ms >= last_ms,
            Media::Video { frame, .. } => frame.dts_ms >= last_ms,
        });
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

/// A configuration with what the encoder said about colours beside it. `colorInfo` says nothing of the
/// range of sample values: encoders send the limited one. What it leaves out is unspecified; an encoder
/// may say no more than that it is PQ.
pub(super) fn coloured(video: VideoConfig, color: Option<ColorInfo>) -> VideoConfig {
    let Some(color) = color else {
        return video;
    };
    video.with_colour(Colour {
        primaries: color.primaries.unwrap_or(UNSPECIFIED),
        transfer: color.transfer.unwrap_or(UNSPECIFIED),
        matrix: color.matrix.unwrap_or(UNSPECIFIED),
        full_range: false,
    })
}

#[cfg(test)]
mod tests {
    use cmaf::{MediaTime, Probe, Sample};
    use tokio::time::Instant;

    use super::*;
    use crate::transcode::SourceFrame;
    use crate::transcode::example::AVCC;

    #[test]
    fn who_goes_on_begins_at_the_newest_keyframe() {
        let mut probe = Probe::new();
        let mut backlog = Vec::new();
        for number in 0..=20 {
            let dts_ms = number * 100;
            let keyframe = number % 10 == 0;
            let data = Bytes::from_static(b"frame");
            let time = MediaTime::from_millis(dts_ms);
            probe.push_video(&Sample::video(
                time,
                MediaTime::ZERO,
                keyframe,
                data.clone(),
            ));
            let frame = SourceFrame {
                dts_ms,
                composition_ms: 0,
                keyframe,
                data: data.clone(),
            };
            let arrival = Instant::now();
            backlog.push(Media::Video {
                track: 0,
                frame,
                arrival,
            });
            backlog.push(Media::Audio {
                dts_ms: dts_ms - 10,
                data,
            });
        }
        let mut source = Source {
            video: video_config(VideoCodec::Avc, Bytes::from_static(&AVCC)).unwrap(),
            audio: None,
            report: probe.report().unwrap(),
            beside: Vec::new(),
            alone: None,
            started_at: SystemTime::UNIX_EPOCH,
            backlog,
        };
        source.begin_at_the_last_keyframe();
        let kept = source.backlog.iter().map(|media| match media {
            Media::Audio { dts_ms, .. } => *dts_ms,
            Media::Video { frame, .. } => frame.dts_ms,
        });
        assert_eq!(kept.collect::<Vec<_>>(), [2_000]);
    }
}
