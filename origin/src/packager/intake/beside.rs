//! The video tracks beside track 0: a broadcaster's own ladder (E-RTMP, "Multitrack Streaming").
//!
//! They are packaged as they came, or not at all: see [`Beside::verdict`]. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use cmaf::{Passthrough, Probe, ProbeReport, VideoCodec, VideoConfig};
use rtmp::flv::{self, ColorInfo};

use super::{SourceFrame, coloured, video_config, video_sample};

/// Tracks beside track 0. Encoders' ladders have up to six in all.
const TRACKS_MAX: usize = 7;
/// Keyframes remembered of each track until the source is known: 2.6 s of nothing else at 25 fps.
const KEYFRAMES_MAX: usize = 64;

/// A track that is packaged beside track 0.
#[derive(Clone, Debug)]
pub(in crate::packager) struct BesideTrack {
    /// As the broadcaster numbers it.
    pub(in crate::packager) number: u8,
    pub(in crate::packager) video: VideoConfig,
    pub(in crate::packager) report: ProbeReport,
}

/// What is seen of all tracks while the source is looked at.
#[derive(Debug, Default)]
pub(super) struct Beside {
    tracks: BTreeMap<u8, Track>,
    /// Presentation times of track 0's keyframes.
    keyframes_ms: Vec<i64>,
    /// What the encoder said about the colours of tracks, whether they are there or not.
    colors: BTreeMap<u8, ColorInfo>,
    too_many: bool,
}

#[derive(Debug, Default)]
struct Track {
    video: Option<VideoConfig>,
    probe: Probe,
    keyframes_ms: Vec<i64>,
    fault: Option<String>,
}

impl Beside {
    pub(super) fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Notes a picture of track 0.
    pub(super) fn first(&mut self, frame: &SourceFrame) {
        note_keyframe(&mut self.keyframes_ms, frame);
    }

    /// Notes a track's configuration. One that cannot be used costs the ladder, not the broadcast.
    pub(super) fn configure(&mut self, number: u8, codec: flv::VideoCodec, record: Bytes) {
        if let Some(track) = self.track(number) {
            match video_config(codec, record) {
                Ok(video) => track.video = Some(video),
                Err(error) => track.fault = Some(error),
            }
        }
    }

    /// Notes what the encoder says about a track's colours. That alone makes no track.
    pub(super) fn color(&mut self, number: u8, color: ColorInfo) {
        self.colors.insert(number, color);
    }

    /// Notes a track's picture.
    pub(super) fn picture(&mut self, number: u8, frame: &SourceFrame) {
        if let Some(track) = self.track(number) {
            track.probe.push_video(&video_sample(frame));
            note_keyframe(&mut track.keyframes_ms, frame);
        }
    }

    /// Notes that a track cannot be used.
    pub(super) fn fault(&mut self, number: u8, reason: String) {
        if let Some(track) = self.track(number) {
            track.fault.get_or_insert(reason);
        }
    }

    /// Whether there is nothing to wait for any more.
    pub(super) fn is_known(&self) -> bool {
        let mut tracks = self.tracks.values();
        tracks.all(|track| track.fault.is_some() || track.probe.report().is_some())
    }

    /// The tracks, if every one of them can stand beside track 0: keyframes regular, and on the same
    /// pictures, so that a player can change from one to another at any segment; and H.264 among
    /// them, as not every player has more.
    ///
    /// # Errors
    /// Why track 0 has to do alone.
    pub(super) fn verdict(
        &self,
        first: &VideoConfig,
        report: &ProbeReport,
    ) -> Result<Vec<BesideTrack>, String> {
        if self.too_many {
            return Err(format!("there are more than {TRACKS_MAX} beside it"));
        }
        if !matches!(report.passthrough, Passthrough::Yes { .. }) {
            return Err("its keyframes are not regular, or too far apart".to_owned());
        }
        let mut beside = Vec::new();
        for (&number, track) in &self.tracks {
            if let Some(fault) = &track.fault {
                return Err(format!("track {number} cannot be used: {fault}"));
            }
            let (Some(video), Some(report)) = (&track.video, track.probe.report()) else {
                return Err(format!("track {number} is not there in time"));
            };
            if !matches!(report.passthrough, Passthrough::Yes { .. }) {
                return Err(format!("the keyframes of track {number} are not regular"));
            }
            if !agree(&self.keyframes_ms, &track.keyframes_ms) {
                return Err(format!(
                    "the keyframes of track {number} are on other pictures"
                ));
            }
            beside.push(BesideTrack {
                number,
                video: coloured(video.clone(), self.colors.get(&number).copied()),
                report,
            });
        }
        let is_avc = |video: &VideoConfig| video.video_codec() == VideoCodec::Avc;
        if !is_avc(first) && !beside.iter().any(|track| is_avc(&track.video)) {
            return Err("no track is H.264, which every player has".to_owned());
        }
        Ok(beside)
    }

    fn track(&mut self, number: u8) -> Option<&mut Track> {
        if self.tracks.len() >= TRACKS_MAX && !self.tracks.contains_key(&number) {
            self.too_many = true;
            return None;
        }
        Some(self.tracks.entry(number).or_default())
    }
}

fn note_keyframe(keyframes_ms: &mut Vec<i64>, frame: &SourceFrame) {
    if frame.keyframe && keyframes_ms.len() < KEYFRAMES_MAX {
        keyframes_ms.push(frame.dts_ms + i64::from(frame.composition_ms));
    }
}

/// Whether two tracks have the same keyframes where both have been seen, and one at least.
fn agree(one: &[i64], other: &[i64]) -> bool {
    let start = one.first().max(other.first()).copied();
    let end = one.last().min(other.last()).copied();
    let (Some(start), Some(end)) = (start, end) else {
        return false;
    };
    let within = |times: &[i64]| -> Vec<i64> {
        let times = times.iter().copied();
        times.filter(|at| (start..=end).contains(at)).collect()
    };
    let shared = within(one);
    !shared.is_empty() && shared == within(other)
}

#[cfg(test)]
mod tests {
    use cmaf::VideoRange;

    use super::*;

    /// hvcC of x265, 1280x720.
    const HVCC: &str = "0101600000009000000000005df000fcfdf8f800000f03a00001001840010c01ffff01600000\
        030090000003000003005d959409a10001002b42010101600000030090000003000003005da00280802d16595952\
        930bc05a020000030002000003003c10a2000100064401c073c189";
    /// avcC of x264, 1280x720.
    const AVCC: &str =
        "0142c01fffe100176742c01fda014016ec0440000003004000000c23c60ca801000468ce0fc8";

    fn config(text: &str) -> VideoConfig {
        let digit = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
        let record: Vec<u8> = (0..text.len()).step_by(2).map(digit).collect();
        let codec = if text == AVCC {
            flv::VideoCodec::Avc
        } else {
            flv::VideoCodec::Hevc
        };
        video_config(codec, record.into()).unwrap()
    }

    /// What is said of track 1 of that configuration and with such keyframes, beside a track 0 of HEVC
    /// with a GOP of 25 frames.
    fn verdict(other: &str, gop_frames: i64) -> Result<usize, String> {
        let first = config(HVCC);
        let mut beside = Beside::default();
        let mut probe = Probe::new();
        let codec = if other == AVCC {
            flv::VideoCodec::Avc
        } else {
            flv::VideoCodec::Hevc
        };
        beside.configure(1, codec, config(other).record().clone());
        for index in 0..60 {
            let frame = |gop_frames: i64| SourceFrame {
                dts_ms: index * 40,
                composition_ms: 0,
                keyframe: index % gop_frames == 0,
                data: Bytes::from_static(b"x"),
            };
            probe.push_video(&video_sample(&frame(25)));
            beside.first(&frame(25));
            beside.picture(1, &frame(gop_frames));
        }
        let report = probe.report().unwrap();
        let tracks = beside.verdict(&first, &report)?;
        Ok(tracks.len())
    }

    #[test]
    fn a_ladder_needs_shared_keyframes_and_h264() {
        assert_eq!(verdict(AVCC, 25), Ok(1));
        assert!(verdict(HVCC, 25).unwrap_err().contains("H.264"));
        assert!(verdict(AVCC, 20).unwrap_err().contains("other pictures"));
    }

    #[test]
    fn a_track_has_the_colours_that_were_said_of_it() {
        let first = config(AVCC);
        let (mut beside, mut probe) = (Beside::default(), Probe::new());
        let mut pq = ColorInfo::default();
        pq.transfer = Some(16);
        // Before its configuration, and for a track that never comes.
        beside.color(1, pq);
        beside.color(7, pq);
        for number in [1, 2] {
            let record = config(HVCC).record().clone();
            beside.configure(number, flv::VideoCodec::Hevc, record);
        }
        for index in 0..60 {
            let frame = SourceFrame {
                dts_ms: index * 40,
                composition_ms: 0,
                keyframe: index % 25 == 0,
                data: Bytes::from_static(b"x"),
            };
            probe.push_video(&video_sample(&frame));
            beside.first(&frame);
            beside.picture(1, &frame);
            beside.picture(2, &frame);
        }
        let tracks = beside.verdict(&first, &probe.report().unwrap()).unwrap();
        let ranges = tracks
            .iter()
            .map(|track| (track.number, track.video.range()));
        let expected = [(1, VideoRange::Pq), (2, VideoRange::Sdr)];
        assert_eq!(ranges.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn keyframes_agree_where_both_tracks_were_seen() {
        assert!(agree(&[0, 1_000, 2_000], &[0, 1_000]));
        assert!(agree(&[1_000, 2_000], &[0, 1_000, 2_000]));
        assert!(!agree(&[0, 1_000, 2_000], &[0, 500, 1_000]));
        assert!(!agree(&[0, 1_000], &[1, 1_001]));
        assert!(!agree(&[0, 1_000], &[]));
        assert!(!agree(&[0], &[1_000]));
    }
}
