//! What becomes of a source: its renditions in track order, their grid, the encoder's task. Pure.

use std::time::Duration;

use cmaf::{FrameRate, GridError, GridInput, GridPlan, TrackConfig, TrackKind, TrackSpec};

use super::align::{Role, TrackIndex};
use super::intake::Source;
use crate::config::TranscodeSettings;
use crate::transcode::{EncodeSpec, Keyframes, LadderPlan, Rung};

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

/// Tracks are, in this order: the passed through source, the encoded rungs, audio. The source
/// leads; where all is encoded, the last rung does, as it is never shed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) grid: GridPlan,
    pub(super) ladder: LadderPlan,
    pub(super) encode: Option<EncodeSpec>,
    has_audio: bool,
}

/// What the Multivariant Playlist says about bits per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bandwidth {
    pub(super) peak: u64,
    pub(super) average: u64,
}

impl Plan {
    pub(super) fn new(settings: &TranscodeSettings, source: &Source) -> Result<Self, PlanError> {
        let (width, height) = size(source);
        let may_pass = source.gop_frames().is_some() && settings.passthrough;
        let ladder = LadderPlan::new(&settings.ladder, width, height, may_pass);
        Self::with_ladder(ladder, settings, source)
    }

    /// What needs no encoder: the source alone, if it can pass through.
    pub(super) fn without_encoder(
        settings: &TranscodeSettings,
        source: &Source,
    ) -> Result<Option<Self>, PlanError> {
        if source.gop_frames().is_none() || !settings.passthrough {
            return Ok(None);
        }
        let (width, height) = size(source);
        let ladder = LadderPlan::passthrough_only(&settings.ladder, width, height);
        Self::with_ladder(ladder, settings, source).map(Some)
    }

    fn with_ladder(
        ladder: LadderPlan,
        settings: &TranscodeSettings,
        source: &Source,
    ) -> Result<Self, PlanError> {
        let gop_frames = source.gop_frames();
        let audio = source.audio.as_ref();
        let mut input = GridInput::new(
            source.report.frame_rate,
            audio.map(cmaf::AudioConfig::sample_rate),
        );
        input.gop_frames = gop_frames.filter(|_| ladder.passthrough.is_some());
        if let Some(audio) = audio {
            input.audio_frame_samples = audio.frame_samples();
        }
        let grid = GridPlan::choose(&input)?;
        let keyframes = if ladder.passthrough.is_some() {
            Keyframes::Source
        } else {
            Keyframes::Every(keyframe_period(&grid))
        };
        let encode = (!ladder.encoded.is_empty()).then(|| EncodeSpec {
            threads: settings.threads,
            gop_frames: grid.frames_per_segment,
            hardware: settings.hardware.clone(),
            rungs: ladder.encoded.clone(),
            keyframes,
        });
        Ok(Self {
            grid,
            ladder,
            encode,
            has_audio: audio.is_some(),
        })
    }

    /// The packager's tracks; those of ffmpeg are configured when it has spoken.
    pub(super) fn tracks(&self, source: &Source) -> Vec<TrackSpec> {
        let passthrough = self.ladder.passthrough.iter();
        let passthrough = passthrough.map(|_| TrackConfig::Video(source.video.clone()).into());
        let encoded = self.ladder.encoded.iter();
        let encoded = encoded.map(|_| TrackSpec::unconfigured(TrackKind::Video));
        let audio = source.audio.iter();
        let audio = audio.map(|audio| TrackConfig::Audio(audio.clone()).into());
        passthrough.chain(encoded).chain(audio).collect()
    }

    /// Where each track comes from.
    pub(super) fn roles(&self) -> Vec<Role> {
        let source = self.ladder.passthrough.iter().map(|_| Role::Source);
        let encoded = self.ladder.encoded.iter().map(|_| Role::Encoded);
        let audio = self.has_audio.then_some(Role::Audio);
        source.chain(encoded).chain(audio).collect()
    }

    /// Video renditions in track order.
    pub(super) fn rungs(&self) -> impl Iterator<Item = &Rung> {
        self.ladder.passthrough.iter().chain(&self.ladder.encoded)
    }

    /// Rendition names in track order.
    pub(super) fn names(&self) -> Vec<&str> {
        let video = self.rungs().map(|rung| rung.name.as_str());
        video.chain(self.has_audio.then_some(AUDIO_NAME)).collect()
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
        rung + usize::from(self.ladder.passthrough.is_some())
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

    /// Per video track, with the audio that plays along.
    pub(super) fn bandwidths(&self, source: &Source) -> Vec<Bandwidth> {
        let (video, audio) = source.bitrates();
        let passthrough = self.ladder.passthrough.iter().map(|_| Bandwidth {
            peak: video * PASSTHROUGH_PEAK_PERCENT / 100 + audio,
            average: video + audio,
        });
        let encoded = self.ladder.encoded.iter().map(|rung| {
            let bitrate = u64::from(rung.bitrate_kbps) * 1_000;
            Bandwidth {
                peak: bitrate * ENCODED_PEAK_PERCENT / 100 + audio,
                average: bitrate + audio,
            }
        });
        passthrough.chain(encoded).collect()
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
