//! [`GridPlan`]: the three durations of a stream's playlists and the number of frames in a part,
//! chosen once from what the source is. It does not see samples.

use std::time::Duration;

use thiserror::Error;

use crate::{FrameRate, MediaTime, TICKS_PER_SECOND};

/// EXT-X-TARGETDURATION of every stream.
pub const TARGET_DURATION: Duration = Duration::from_secs(2);

/// What a segment may exceed TARGETDURATION by: 60 frames of 29.97 fps take 2.002 s, and RTMP
/// rounds to milliseconds. EXTINF is compared rounded to whole seconds (RFC 8216bis 4.4.3.1).
const SEGMENT_SLACK_MS: u64 = 10;
/// How far two boundaries move against each other when timestamps are whole milliseconds.
const JITTER_MS: u64 = 1;
/// A part lasts at least this much of PART-TARGET (RFC 8216bis 4.4.4.9).
const PART_PERCENT_MIN: u64 = 85;
/// PART-HOLD-BACK in parts (Apple HLS Authoring Specification 14.3).
const HOLD_BACK_PARTS: u32 = 3;
const FRAME_RATE_MAX: u32 = 240;
const AAC_FRAME_SAMPLES: u32 = 1_024;

/// What a stream trades requests, and bits for keyframes, against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Latency {
    /// Parts of about a third of a second, segments of at most 2 s: PART-HOLD-BACK is about 1.03 s.
    #[default]
    Standard,
    /// Parts of about 200 ms, segments of about a second: PART-HOLD-BACK is about 0.64 s, and the next
    /// keyframe is nearer. Half as many requests more, and twice the keyframes.
    Low,
}

impl Latency {
    /// The nominal parts of a second.
    const fn second_parts(self) -> u32 {
        match self {
            Self::Standard => 3,
            Self::Low => 5,
        }
    }

    /// What a segment of several GOPs is to last at most, and one of an encoder of ours about.
    const fn segment_ms(self) -> u64 {
        match self {
            Self::Standard => TARGET_DURATION.as_millis() as u64,
            Self::Low => 1_000,
        }
    }
}

/// What [`GridPlan::choose`] goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridInput {
    /// Frame rate of the leader, the video track that decides the boundaries.
    pub frame_rate: FrameRate,
    /// Frames from keyframe to keyframe, if the leader's GOP is regular (a passed-through source).
    /// None if the encoder is ours and takes [`GridPlan::frames_per_segment`] as its GOP.
    pub gop_frames: Option<u32>,
    /// Sampling rate of the coded audio frames; None without audio.
    pub audio_rate: Option<u32>,
    /// Samples in an audio frame: [`crate::AudioConfig::frame_samples`].
    pub audio_frame_samples: u32,
    /// How long parts and segments are to be.
    pub latency: Latency,
}

impl GridInput {
    /// For a stream of [`Latency::Standard`] whose leader is encoded by us.
    #[must_use]
    pub fn new(frame_rate: FrameRate, audio_rate: Option<u32>) -> Self {
        Self {
            frame_rate,
            gop_frames: None,
            audio_rate,
            audio_frame_samples: AAC_FRAME_SAMPLES,
            latency: Latency::Standard,
        }
    }
}

/// Why no grid fits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum GridError {
    /// No frame, or no sample, in a second or in a frame.
    #[error("the audio format is not valid")]
    Audio,
    /// Below 1 or above 240 frames a second.
    #[error("a frame rate of {0}/{1} is outside 1 to {FRAME_RATE_MAX}")]
    FrameRate(u32, u32),
    /// The stream has shorter parts than a frame of this source.
    #[error("a frame does not fit the stream's parts of {0:?}")]
    PartTarget(Duration),
}

/// The durations of all playlists of a stream, constant for its life.
///
/// A video part of [`Self::frames_per_part`] frames, and an audio part of the whole AAC frames
/// that start within it, both last 85 to 100 % of [`Self::part_target`], whatever their phase and
/// with timestamps rounded to milliseconds. (AAC below 22 kHz, and below 32 kHz in parts of 200 ms, has
/// frames too long for 85 %; its parts are INDEPENDENT, which exempts them.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GridPlan {
    /// EXT-X-TARGETDURATION.
    pub target_duration: Duration,
    /// PART-TARGET, whole milliseconds.
    pub part_target: Duration,
    /// PART-HOLD-BACK: three times PART-TARGET.
    pub part_hold_back: Duration,
    /// Video frames in a part.
    pub frames_per_part: u32,
    /// Video frames in a segment: the GOP that an encoder of ours is to use.
    pub frames_per_segment: u32,
    /// Frame rate the plan was made for.
    pub frame_rate: FrameRate,
    /// Longest leader part whose audio still fits PART-TARGET; at most PART-TARGET.
    pub part_max: MediaTime,
    /// GOPs are gathered into segments that last no longer than this.
    pub gather_max: MediaTime,
}

impl GridPlan {
    /// Chooses parts and segments as [`GridInput::latency`] says. No segment is planned to last longer
    /// than TARGETDURATION.
    ///
    /// # Errors
    /// If the input is outside of what is packaged: see [`GridError`].
    pub fn choose(input: &GridInput) -> Result<Self, GridError> {
        let rate = input.frame_rate;
        let (numerator, denominator) = (rate.numerator, rate.denominator);
        let most = u64::from(denominator) * u64::from(FRAME_RATE_MAX);
        if denominator == 0 || numerator < denominator || u64::from(numerator) > most {
            return Err(GridError::FrameRate(numerator, denominator));
        }
        if input.audio_rate == Some(0) || input.audio_frame_samples == 0 {
            return Err(GridError::Audio);
        }
        let mut best: Option<(u8, Self)> = None;
        for (frames, per_segment) in candidates(input) {
            let (score, plan) = Self::with_frames(input, frames, per_segment);
            if best.is_none_or(|(best, _)| score > best) {
                best = Some((score, plan));
            }
        }
        best.map(|(_, plan)| plan)
            .ok_or(GridError::FrameRate(numerator, denominator))
    }

    /// Chooses for a source that goes on with a stream of this PART-TARGET, which never changes: the most
    /// frames whose video and audio fit it, 85 % of it at best.
    ///
    /// # Errors
    /// As [`Self::choose`]; and [`GridError::PartTarget`] if not even one frame fits.
    pub fn choose_within(input: &GridInput, part_target: Duration) -> Result<Self, GridError> {
        Self::choose(input)?;
        let target_ticks = u64::try_from(part_target.as_millis()).unwrap_or(u64::MAX) * 90;
        let mut best: Option<((u8, u32), Self)> = None;
        for (frames, per_segment) in all_candidates(input) {
            let span = PartSpan::new(input, frames);
            if span.longest_ticks > target_ticks {
                continue;
            }
            let (score, plan) = Self::with_target(input, (frames, per_segment), span, part_target);
            if best
                .as_ref()
                .is_none_or(|(best, _)| (score, frames) > *best)
            {
                best = Some(((score, frames), plan));
            }
        }
        best.map(|(_, plan)| plan)
            .ok_or(GridError::PartTarget(part_target))
    }

    /// Nominal duration of one frame.
    #[must_use]
    pub fn frame_duration(&self) -> MediaTime {
        let ticks = TICKS_PER_SECOND * i64::from(self.frame_rate.denominator);
        MediaTime(ticks / i64::from(self.frame_rate.numerator.max(1)))
    }

    /// TARGETDURATION with the slack of 10 ms that NTSC rates and millisecond rounding need.
    #[must_use]
    pub fn segment_max(&self) -> MediaTime {
        MediaTime::from_millis(segment_ms_max() as i64)
    }

    /// PART-TARGET on the media timeline.
    #[must_use]
    pub fn part_target_time(&self) -> MediaTime {
        MediaTime::from_millis(i64::try_from(self.part_target.as_millis()).unwrap_or(i64::MAX))
    }

    /// Shortest part that is not the last of its segment.
    pub(crate) fn part_min(&self) -> MediaTime {
        let millis = self.part_target.as_millis() as i64 * PART_PERCENT_MIN as i64;
        MediaTime((millis * 90).div_euclid(100) + 1)
    }

    /// The plan with `frames` to a part, and how well it keeps the 85 % rule: 2 for video and
    /// audio, 1 for video alone, 0 for neither.
    fn with_frames(input: &GridInput, frames: u32, frames_per_segment: u32) -> (u8, Self) {
        let span = PartSpan::new(input, frames);
        let part_target = Duration::from_millis(span.longest_ticks.div_ceil(90));
        Self::with_target(input, (frames, frames_per_segment), span, part_target)
    }

    fn with_target(
        input: &GridInput,
        (frames, frames_per_segment): (u32, u32),
        span: PartSpan,
        part_target: Duration,
    ) -> (u8, Self) {
        let part_target_ms = u64::try_from(part_target.as_millis()).unwrap_or(u64::MAX);
        let enough = |ticks: u64| ticks * 100 >= part_target_ms * 90 * PART_PERCENT_MIN;
        let score = match (enough(span.video_ticks_min), enough(span.audio_ticks_min)) {
            (true, true) => 2,
            (true, false) => 1,
            (false, _) => 0,
        };
        let plan = Self {
            target_duration: TARGET_DURATION,
            part_target,
            part_hold_back: part_target * HOLD_BACK_PARTS,
            frames_per_part: frames,
            frames_per_segment,
            frame_rate: input.frame_rate,
            part_max: MediaTime(span.longest_ticks as i64),
            gather_max: MediaTime::from_millis(
                (input.latency.segment_ms() + SEGMENT_SLACK_MS) as i64,
            ),
        };
        (score, plan)
    }
}

/// The extremes of a part's duration in 90 kHz ticks.
struct PartSpan {
    longest_ticks: u64,
    video_ticks_min: u64,
    audio_ticks_min: u64,
}

impl PartSpan {
    fn new(input: &GridInput, frames: u32) -> Self {
        const TICKS: u64 = TICKS_PER_SECOND as u64;
        let jitter = JITTER_MS * 90;
        let nominal = u64::from(frames) * TICKS * u64::from(input.frame_rate.denominator);
        let numerator = u64::from(input.frame_rate.numerator);
        let longest = nominal.div_ceil(numerator) + jitter;
        let shortest = (nominal / numerator).saturating_sub(jitter);
        let Some(rate) = input.audio_rate.map(u64::from) else {
            return Self {
                longest_ticks: longest,
                video_ticks_min: shortest,
                audio_ticks_min: u64::MAX / 100,
            };
        };
        // A span holds the starts of floor(span / frame) or ceil(span / frame) frames.
        let frame = TICKS * u64::from(input.audio_frame_samples);
        let audio_frames_max = (longest * rate).div_ceil(frame);
        let audio_frames_min = shortest * rate / frame;
        Self {
            longest_ticks: audio_frames_max * frame / rate,
            video_ticks_min: shortest,
            audio_ticks_min: audio_frames_min * frame / rate,
        }
    }
}

fn segment_ms_max() -> u64 {
    TARGET_DURATION.as_millis() as u64 + SEGMENT_SLACK_MS
}

/// Frames per part and per segment worth trying, best liked first.
fn candidates(input: &GridInput) -> Vec<(u32, u32)> {
    let liked = frames_liked(input);
    candidates_of(input, (liked * 3).div_ceil(4)..=liked * 5 / 4)
}

/// All that a given PART-TARGET of any other source may leave room for.
fn all_candidates(input: &GridInput) -> Vec<(u32, u32)> {
    candidates_of(input, 1..=frames_liked(input) * 2)
}

/// About the length that is asked for.
fn frames_liked(input: &GridInput) -> u32 {
    let rate = input.frame_rate;
    let parts_rate = u64::from(rate.denominator) * u64::from(input.latency.second_parts());
    ((u64::from(rate.numerator) * 2 + parts_rate) / (parts_rate * 2)).max(1) as u32
}

fn candidates_of(input: &GridInput, frames: std::ops::RangeInclusive<u32>) -> Vec<(u32, u32)> {
    let liked = frames_liked(input);
    let within = |millis: u64| {
        let (numerator, denominator) = (input.frame_rate.numerator, input.frame_rate.denominator);
        let frames = millis * u64::from(numerator) / (u64::from(denominator) * 1_000);
        frames.max(1) as u32
    };
    let segment_frames_max = within(segment_ms_max());
    let gop = input
        .gop_frames
        .filter(|&gop| gop > 0 && gop <= segment_frames_max);
    // As the leader gathers them: one GOP at least.
    let gathered = within(input.latency.segment_ms() + SEGMENT_SLACK_MS);
    let gops_frames = gop.map(|gop| (gathered / gop).max(1) * gop);

    let mut near: Vec<u32> = frames.collect();
    near.sort_by_key(|&frames| (frames.abs_diff(liked), frames));
    let parts = parts_liked(input);
    let whole = |frames: u32| match gops_frames {
        Some(total) => total.is_multiple_of(frames),
        None => frames * parts(frames) <= segment_frames_max,
    };
    // Whole parts in a segment first; a short last part is legal, only less even.
    near.sort_by_key(|&frames| !whole(frames));
    let per_segment = |frames: u32| match gops_frames {
        Some(total) => total,
        None => frames * parts(frames).min(segment_frames_max / frames).max(1),
    };
    near.into_iter()
        .map(|frames| (frames, per_segment(frames)))
        .collect()
}

/// The parts of a segment that an encoder of ours makes, by the frames of a part.
fn parts_liked(input: &GridInput) -> impl Fn(u32) -> u32 {
    let rate = input.frame_rate;
    let latency = input.latency;
    move |frames| match latency {
        Latency::Standard => 6,
        // Not shorter than a second, as MSNs are handed out one a second.
        Latency::Low => {
            let frames = u64::from(frames) * u64::from(rate.denominator) * 1_000;
            let segment = latency.segment_ms() * u64::from(rate.numerator);
            u32::try_from(segment.div_ceil(frames.max(1))).unwrap_or(u32::MAX)
        }
    }
}

#[cfg(test)]
mod tests;
