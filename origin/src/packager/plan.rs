//! What becomes of a source: its renditions in track order, their grid, the encoder's task. Pure.

use std::time::Duration;

use cmaf::{
    FrameRate, GridError, GridInput, GridPlan, TrackConfig, TrackKind, TrackSpec, VideoCodec,
    VideoConfig,
};
use hls::RenditionName;
use serde::{Deserialize, Serialize};

use super::align::{Role, TrackIndex};
use super::intake::Source;
use crate::config::{LatencyProfile, TranscodeSettings};
use crate::transcode::{EncodeSpec, Encoder, Hdr, Keyframes, LadderPlan, Rung, format_of};
use crate::window::SourceInfo;

/// The audio rendition's name.
pub(super) const AUDIO_NAME: &str = "audio";
/// A passed through source peaks above its average; this much is advertised, in per cent.
const PASSTHROUGH_PEAK_PERCENT: u64 = 150;
/// x264 is told to peak at 110 %, and the container adds its own.
const ENCODED_PEAK_PERCENT: u64 = 115;

/// Why a source cannot be packaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The frame rate is out of range.
    #[error("the source cannot be packaged: {0}")]
    Grid(#[from] GridError),
}

/// What of a stream's first source binds the next ones: players have read it, and it must not change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(super) part_target: Duration,
    pub(super) part_hold_back: Duration,
    /// How parts and segments were chosen. Records of before there was a choice do not say.
    #[serde(default)]
    pub(super) latency: LatencyProfile,
    /// Video renditions in track order.
    pub(super) rungs: Vec<Rung>,
    /// There is an audio rendition, behind those of video.
    pub(super) audio: bool,
}

impl Layout {
    /// Rendition names in track order, and whether they are audio.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        let video = self.rungs.iter().map(|rung| (rung.name.as_str(), false));
        video.chain(self.audio.then_some((AUDIO_NAME, true)))
    }
}

/// Tracks are, in this order: the passed through source, the tracks that the broadcaster sends beside
/// it, the encoded rungs, audio. The source leads; where all is encoded, the last rung does, as it is
/// never shed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) grid: GridPlan,
    pub(super) ladder: LadderPlan,
    pub(super) encode: Option<EncodeSpec>,
    /// The broadcaster's own ladder beside the passed through source, by its track numbers.
    beside: Vec<(u8, Rung)>,
    has_audio: bool,
    latency: LatencyProfile,
}

/// What the Multivariant Playlist says about bits and frames per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bandwidth {
    pub(super) peak: u64,
    pub(super) average: u64,
    pub(super) frame_rate: FrameRate,
}

impl Plan {
    /// For the first source of a stream.
    pub(super) fn new(
        settings: &TranscodeSettings,
        latency: LatencyProfile,
        source: &Source,
    ) -> Result<Self, PlanError> {
        let may_pass = source.gop_frames().is_some() && settings.passthrough;
        let (ladder, beside) = if may_pass && !source.beside.is_empty() {
            own_ladder(source)
        } else {
            (ladder(settings, source, may_pass), Vec::new())
        };
        let audio = source.audio.is_some();
        let grid = GridPlan::choose(&grid_input(source, &ladder, audio, latency))?;
        let ladder = (ladder, beside);
        Ok(Self::with(settings, source, ladder, grid, (audio, latency)))
    }

    /// What needs no encoder: the source alone, if it can pass through.
    pub(super) fn without_encoder(
        settings: &TranscodeSettings,
        latency: LatencyProfile,
        source: &Source,
    ) -> Result<Option<Self>, PlanError> {
        if source.gop_frames().is_none() || !settings.passthrough {
            return Ok(None);
        }
        let (width, height) = size(source);
        let ladder = LadderPlan::passthrough_only(&settings.ladder, width, height);
        let audio = source.audio.is_some();
        let grid = GridPlan::choose(&grid_input(source, &ladder, audio, latency))?;
        let ladder = (ladder, Vec::new());
        let plan = Self::with(settings, source, ladder, grid, (audio, latency));
        Ok(Some(plan))
    }

    /// For a source that goes on with a stream: its renditions stay, whatever it is.
    pub(super) fn within(
        layout: &Layout,
        settings: &TranscodeSettings,
        source: &Source,
    ) -> Result<Self, PlanError> {
        let may_pass = source.gop_frames().is_some() && settings.passthrough;
        let (ladder, beside) = ladder_within(layout, source, may_pass);
        let input = grid_input(source, &ladder, layout.audio, layout.latency);
        let grid = GridPlan::choose_within(&input, layout.part_target)?;
        Ok(Self::with(
            settings,
            source,
            (ladder, beside),
            grid,
            (layout.audio, layout.latency),
        ))
    }

    fn with(
        settings: &TranscodeSettings,
        source: &Source,
        (ladder, beside): (LadderPlan, Vec<(u8, Rung)>),
        grid: GridPlan,
        (has_audio, latency): (bool, LatencyProfile),
    ) -> Self {
        let keyframes = if ladder.passthrough.is_some() {
            Keyframes::Source
        } else {
            Keyframes::Every(keyframe_period(&grid))
        };
        let encode = (!ladder.encoded.is_empty()).then(|| EncodeSpec {
            source_format: format_of(source.video.video_codec()),
            hdr: Hdr::of(&source.video, settings.tone_mapping),
            threads: settings.threads,
            gop_frames: grid.frames_per_segment,
            hardware: settings.hardware.clone(),
            rungs: ladder.encoded.clone(),
            keyframes,
        });
        Self {
            grid,
            ladder,
            encode,
            beside,
            has_audio,
            latency,
        }
    }

    /// What binds the sources that follow.
    pub(super) fn layout(&self) -> Layout {
        Layout {
            part_target: self.grid.part_target,
            part_hold_back: self.grid.part_hold_back,
            latency: self.latency,
            rungs: self.rungs().cloned().collect(),
            audio: self.has_audio,
        }
    }

    /// The packager's tracks; those of ffmpeg are configured when it has spoken.
    pub(super) fn tracks(&self, source: &Source) -> Vec<TrackSpec> {
        let passthrough = self.ladder.passthrough.iter();
        let passthrough = passthrough.map(|_| TrackConfig::Video(source.video.clone()).into());
        let beside = self.beside.iter();
        let beside = beside.filter_map(|(number, _)| source.track(*number));
        let beside = beside.map(|video| TrackConfig::Video(video.clone()).into());
        let encoded = self.ladder.encoded.iter();
        let encoded = encoded.map(|_| TrackSpec::unconfigured(TrackKind::Video));
        // A source without sound leaves the rendition that others had in gaps.
        let audio = self.has_audio.then(|| match &source.audio {
            Some(audio) => TrackConfig::Audio(audio.clone()).into(),
            None => TrackSpec::unconfigured(TrackKind::Audio),
        });
        passthrough
            .chain(beside)
            .chain(encoded)
            .chain(audio)
            .collect()
    }

    /// Where each track comes from.
    pub(super) fn roles(&self) -> Vec<Role> {
        let source = self.sources().map(|_| Role::Source);
        let encoded = self.ladder.encoded.iter().map(|_| Role::Encoded);
        let audio = self.has_audio.then_some(Role::Audio);
        source.chain(encoded).chain(audio).collect()
    }

    /// Video renditions in track order.
    pub(super) fn rungs(&self) -> impl Iterator<Item = &Rung> {
        let sources = self.sources().map(|(_, rung)| rung);
        sources.chain(&self.ladder.encoded)
    }

    /// What is packaged as it came, in track order, with the broadcaster's track numbers.
    fn sources(&self) -> impl Iterator<Item = (u8, &Rung)> {
        let first = self.ladder.passthrough.iter().map(|rung| (0, rung));
        first.chain(self.beside.iter().map(|(number, rung)| (*number, rung)))
    }

    /// The track that a track of the broadcaster's becomes.
    pub(super) fn source_track(&self, number: u8) -> Option<TrackIndex> {
        self.sources().position(|(own, _)| own == number)
    }

    /// The broadcaster's number of a track that is packaged as it came.
    pub(super) fn source_number(&self, track: TrackIndex) -> Option<u8> {
        self.sources().nth(track).map(|(number, _)| number)
    }

    /// Names of the video renditions in track order, for the log.
    pub(super) fn names(&self) -> Vec<&str> {
        self.rungs().map(|rung| rung.name.as_str()).collect()
    }

    pub(super) fn leader_track(&self) -> TrackIndex {
        match self.passthrough_track() {
            Some(source) => source,
            None => self.encoded_tracks().end.saturating_sub(1),
        }
    }

    pub(super) fn passthrough_track(&self) -> Option<TrackIndex> {
        self.ladder.passthrough.as_ref().map(|_| 0)
    }

    pub(super) fn encoded_track(&self, rung: usize) -> TrackIndex {
        rung + self.sources().count()
    }

    pub(super) fn encoded_tracks(&self) -> std::ops::Range<TrackIndex> {
        self.encoded_track(0)..self.encoded_track(self.ladder.encoded.len())
    }

    pub(super) fn audio_track(&self) -> Option<TrackIndex> {
        self.has_audio.then(|| self.encoded_tracks().end)
    }

    pub(super) fn frames_per_second(&self) -> f64 {
        let FrameRate {
            numerator,
            denominator,
            ..
        } = self.grid.frame_rate;
        f64::from(numerator) / f64::from(denominator.max(1))
    }

    /// What is said about the source.
    pub(super) fn describe(&self, source: &Source) -> SourceInfo {
        SourceInfo {
            width: u32::from(source.video.width()),
            height: u32::from(source.video.height()),
            frames_per_second: self.frames_per_second(),
            passthrough: self.passthrough_track().is_some(),
        }
    }

    /// Per video track, with the audio that plays along.
    pub(super) fn bandwidths(&self, source: &Source) -> Vec<Bandwidth> {
        let (_, audio) = source.bitrates(0);
        let passthrough = self.sources().map(|(number, _)| {
            let (video, _) = source.bitrates(number);
            Bandwidth {
                peak: video * PASSTHROUGH_PEAK_PERCENT / 100 + audio,
                average: video + audio,
                frame_rate: source.frame_rate(number),
            }
        });
        let encoded = self.ladder.encoded.iter().map(|rung| {
            let bitrate = u64::from(rung.bitrate_kbps) * 1_000;
            Bandwidth {
                peak: bitrate * ENCODED_PEAK_PERCENT / 100 + audio,
                average: bitrate + audio,
                frame_rate: self.grid.frame_rate,
            }
        });
        passthrough.chain(encoded).collect()
    }
}

fn grid_input(
    source: &Source,
    ladder: &LadderPlan,
    has_audio: bool,
    latency: LatencyProfile,
) -> GridInput {
    let audio = source.audio.as_ref().filter(|_| has_audio);
    let rate = audio.map(cmaf::AudioConfig::sample_rate);
    let mut input = GridInput::new(source.report.frame_rate, rate);
    input.latency = latency.grid();
    input.gop_frames = source.gop_frames().filter(|_| ladder.passthrough.is_some());
    if let Some(audio) = audio {
        input.audio_frame_samples = audio.frame_samples();
    }
    input
}

/// Which renditions, where there are some already: the broadcaster's own ladder if it is the same one, or
/// what can be made of the first track. What is not H.264 passes only where another rung of its height
/// can be H.264.
fn ladder_within(
    layout: &Layout,
    source: &Source,
    may_pass: bool,
) -> (LadderPlan, Vec<(u8, Rung)>) {
    if may_pass && !source.beside.is_empty() {
        let (ladder, beside) = own_ladder(source);
        let own = ladder.passthrough.iter();
        let own = own.chain(beside.iter().map(|(_, rung)| rung));
        if own
            .map(|rung| &rung.name)
            .eq(layout.rungs.iter().map(|rung| &rung.name))
        {
            return (ladder, beside);
        }
    }
    let (width, height) = (source.video.width(), source.video.height());
    let (width, height) = (u32::from(width), u32::from(height));
    let short = |rung: &Rung| rung.width.min(rung.height);
    let twins = layout
        .rungs
        .iter()
        .filter(|rung| short(rung) == width.min(height));
    let may_pass = may_pass && (source.video.video_codec() == VideoCodec::Avc || twins.count() > 1);
    let ladder = LadderPlan::within(&layout.rungs, width, height, may_pass);
    (ladder, Vec::new())
}

/// Which renditions. What is not H.264 does not play everywhere: where such a source passes through,
/// an H.264 rung of the same height stands beside it.
fn ladder(settings: &TranscodeSettings, source: &Source, may_pass: bool) -> LadderPlan {
    let (width, height) = (source.video.width(), source.video.height());
    let fit = |may_pass| {
        let ladder = &settings.ladder;
        LadderPlan::new(ladder, u32::from(width), u32::from(height), may_pass)
    };
    let fitted = fit(may_pass);
    if source.video.video_codec() == VideoCodec::Avc {
        return fitted;
    }
    let codec = suffix(&source.video);
    let encoded = fit(false).encoded;
    let is_free = |name: &String| {
        RenditionName::new(name.clone()).is_ok() && encoded.iter().all(|rung| rung.name != *name)
    };
    let passthrough = fitted.passthrough.map(|rung| {
        let names = [format!("{}-{codec}", rung.name), format!("source-{codec}")];
        let name = names.into_iter().find(is_free).unwrap_or(rung.name);
        Rung { name, ..rung }
    });
    LadderPlan {
        passthrough,
        encoded,
    }
}

/// The broadcaster's own ladder: every track a rendition named by its height, and nothing to encode.
fn own_ladder(source: &Source) -> (LadderPlan, Vec<(u8, Rung)>) {
    let mut names: Vec<String> = Vec::new();
    let mut rung = |number: u8, video: &VideoConfig| {
        let height = video.width().min(video.height());
        let names_tried = [
            format!("{height}p"),
            format!("{height}p-{}", suffix(video)),
            format!("{height}p-{number}"),
        ];
        let name = names_tried.into_iter().find(|name| !names.contains(name));
        let name = name.unwrap_or_else(|| format!("track-{number}"));
        names.push(name.clone());
        Rung {
            name,
            width: video.width().into(),
            height: video.height().into(),
            // What it has, should it ever have to be made.
            bitrate_kbps: u32::try_from(source.bitrates(number).0 / 1_000).unwrap_or(u32::MAX),
            encoder: Encoder::default(),
            preset: "veryfast".to_owned(),
        }
    };
    let first = rung(0, &source.video);
    let beside = source.beside.iter();
    let beside = beside.map(|track| (track.number, rung(track.number, &track.video)));
    let beside = beside.collect();
    let ladder = LadderPlan {
        passthrough: Some(first),
        encoded: Vec::new(),
    };
    (ladder, beside)
}

fn suffix(video: &VideoConfig) -> &'static str {
    match video.video_codec() {
        VideoCodec::Av1 => "av1",
        VideoCodec::Hevc => "hevc",
        _ => "avc",
    }
}

fn size(source: &Source) -> (u32, u32) {
    let video = &source.video;
    (u32::from(video.width()), u32::from(video.height()))
}

/// Half a frame short of the segment, so that rounding to milliseconds cannot move the keyframe
/// to the next frame.
fn keyframe_period(grid: &GridPlan) -> Duration {
    let frame = grid.frame_duration().to_duration();
    frame * grid.frames_per_segment - frame / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that began before there was a choice goes on as it was.
    #[test]
    fn a_record_keeps_its_profile() {
        let layout = Layout {
            part_target: Duration::from_millis(214),
            part_hold_back: Duration::from_millis(642),
            latency: LatencyProfile::Low,
            rungs: Vec::new(),
            audio: true,
        };
        let mut record = serde_json::to_value(&layout).unwrap();
        assert_eq!(record["latency"], "low");
        assert_eq!(
            serde_json::from_value::<Layout>(record.clone()).unwrap(),
            layout
        );
        record.as_object_mut().unwrap().remove("latency");
        let old: Layout = serde_json::from_value(record).unwrap();
        assert_eq!(old.latency, LatencyProfile::Standard);
    }
}
