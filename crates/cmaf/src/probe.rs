//! [`Probe`]: learns frame rate and GOP of a source from its first frames. It keeps no samples;
//! whoever feeds it keeps them for the packager.

use crate::{FrameRate, MediaTime, Sample, TARGET_DURATION, TICKS_PER_SECOND};

/// A verdict needs at least this much video, so that milliseconds do not matter.
const SPAN_MIN: MediaTime = MediaTime::from_millis(900);
/// And is given after this much at the latest.
const SPAN_MAX: MediaTime = MediaTime::from_millis(2_600);
/// Two milliseconds: each of two timestamps may be rounded either way.
const JITTER_MAX: MediaTime = MediaTime::from_millis(2);
const SEGMENT_SLACK: MediaTime = MediaTime::from_millis(10);
/// Frames after which a verdict is given whatever their timestamps say.
const FRAMES_MAX: u32 = 1_024;
/// A measured rate this close to a usual one is the usual one.
const SNAP_PER_MILLE: u64 = 10;
const FRAME_RATE_MIN: u64 = 1;
const FRAME_RATE_MAX: u64 = 240;
const USUAL: [(u32, u32); 14] = [
    (10, 1),
    (12, 1),
    (15, 1),
    (20, 1),
    (24_000, 1_001),
    (24, 1),
    (25, 1),
    (30_000, 1_001),
    (30, 1),
    (48, 1),
    (50, 1),
    (60_000, 1_001),
    (60, 1),
    (120, 1),
];

/// Watches the first GOP of a source.
///
/// Push every video sample, and note audio. After each, [`report`](Self::report) gives the verdict
/// once there is one: at the first keyframe after 0.9 s of video, or after 2.6 s. How long to wait
/// for a source that sends nothing is the caller's business: a probe knows media time alone.
#[derive(Debug, Default)]
pub struct Probe {
    seen: Option<Seen>,
    audio: bool,
    done: bool,
}

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeReport {
    /// The measured rate, or the usual one it stands for.
    pub frame_rate: FrameRate,
    /// True if the source has sent audio.
    pub audio: bool,
    /// Whether the source can be a rung of the ladder as it is.
    pub passthrough: Passthrough,
}

/// Whether the source's frames can be packaged untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Passthrough {
    /// Yes: keyframes come regularly and within TARGETDURATION.
    Yes {
        /// Frames from keyframe to keyframe: [`crate::GridInput::gop_frames`].
        gop_frames: u32,
    },
    /// No: frames do not come at a constant rate.
    FramesIrregular,
    /// No: keyframes come at varying distances.
    GopIrregular,
    /// No: keyframes are farther apart than TARGETDURATION.
    GopTooLong,
}

#[derive(Debug)]
struct Seen {
    first: MediaTime,
    last: MediaTime,
    /// Frames after the first one.
    frames: u32,
    delta_min: MediaTime,
    delta_max: MediaTime,
    /// Frames since the last keyframe.
    since_keyframe: u32,
    gop_frames: Option<u32>,
    gop_varies: bool,
}

impl Probe {
    /// A probe that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that the source has audio.
    pub fn push_audio(&mut self) {
        self.audio = true;
    }

    /// Looks at the next picture. Those before the first keyframe are passed over.
    pub fn push_video(&mut self, sample: &Sample) {
        let Some(seen) = &mut self.seen else {
            if sample.keyframe {
                self.seen = Some(Seen::new(sample.dts));
            }
            return;
        };
        if self.done {
            return;
        }
        if sample.dts <= seen.last || sample.dts - seen.last > SPAN_MAX {
            // The timeline starts anew, and so does the measurement.
            self.seen = sample.keyframe.then(|| Seen::new(sample.dts));
            return;
        }
        seen.advance(sample);
        let span = seen.last - seen.first;
        self.done =
            (sample.keyframe && span >= SPAN_MIN) || span >= SPAN_MAX || seen.frames >= FRAMES_MAX;
    }

    /// The verdict, once there is one.
    #[must_use]
    pub fn report(&self) -> Option<ProbeReport> {
        let seen = self.seen.as_ref().filter(|_| self.done)?;
        let frame_rate = seen.frame_rate();
        Some(ProbeReport {
            frame_rate,
            audio: self.audio,
            passthrough: seen.passthrough(frame_rate),
        })
    }
}

impl Seen {
    fn new(first: MediaTime) -> Self {
        Self {
            first,
            last: first,
            frames: 0,
            delta_min: MediaTime(i64::MAX),
            delta_max: MediaTime::ZERO,
            since_keyframe: 0,
            gop_frames: None,
            gop_varies: false,
        }
    }

    fn advance(&mut self, sample: &Sample) {
        let delta = sample.dts - self.last;
        self.delta_min = self.delta_min.min(delta);
        self.delta_max = self.delta_max.max(delta);
        self.last = sample.dts;
        self.frames += 1;
        self.since_keyframe += 1;
        if sample.keyframe {
            self.gop_varies |= self
                .gop_frames
                .is_some_and(|gop| gop != self.since_keyframe);
            self.gop_frames = Some(self.since_keyframe);
            self.since_keyframe = 0;
        }
    }

    fn span_ticks(&self) -> u64 {
        u64::try_from((self.last - self.first).ticks())
            .unwrap_or(1)
            .max(1)
    }

    fn frame_rate(&self) -> FrameRate {
        let frames = u64::from(self.frames.max(1));
        let ticks = self.span_ticks();
        let counted = frames * TICKS_PER_SECOND as u64;
        // |counted / ticks - n / d| in parts of n / d, without fractions.
        let distance = |&(n, d): &(u32, u32)| {
            let usual = u64::from(n) * ticks;
            (counted * u64::from(d)).abs_diff(usual) * 1_000_000 / usual
        };
        let nearest = USUAL.iter().min_by_key(|usual| distance(usual));
        if let Some(&(numerator, denominator)) = nearest
            && nearest.is_some_and(|usual| distance(usual) <= SNAP_PER_MILLE * 1_000)
        {
            return FrameRate {
                numerator,
                denominator,
            };
        }
        let millihertz = counted * 1_000 / ticks;
        let millihertz = millihertz.clamp(FRAME_RATE_MIN * 1_000, FRAME_RATE_MAX * 1_000);
        FrameRate {
            numerator: millihertz as u32,
            denominator: 1_000,
        }
    }

    fn passthrough(&self, rate: FrameRate) -> Passthrough {
        let ticks = TICKS_PER_SECOND * i64::from(rate.denominator);
        let nominal = MediaTime(ticks / i64::from(rate.numerator.max(1)));
        let steady =
            self.delta_max <= nominal + JITTER_MAX && self.delta_min + JITTER_MAX >= nominal;
        let target = MediaTime::from_millis(TARGET_DURATION.as_millis() as i64);
        match self.gop_frames {
            _ if !steady => Passthrough::FramesIrregular,
            _ if self.gop_varies => Passthrough::GopIrregular,
            Some(gop_frames) => {
                let gop = MediaTime(nominal.ticks().saturating_mul(i64::from(gop_frames)));
                if gop <= target + SEGMENT_SLACK {
                    Passthrough::Yes { gop_frames }
                } else {
                    Passthrough::GopTooLong
                }
            }
            None => Passthrough::GopTooLong,
        }
    }
}

#[cfg(test)]
mod tests;
