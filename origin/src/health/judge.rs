//! From figures to a word: good, degraded or bad, and why. With hysteresis, so that it does not flap.
//!
//! Pure. A reason comes, or becomes worse, when its condition has held for three seconds; it goes, or becomes
//! milder, when that has not for ten.

use std::time::Duration;

use serde::Serialize;

use super::reading::Reading;
use super::rules::{Breach, Rule};

/// A condition is a reason after so long.
const RISE_AFTER: Duration = Duration::from_secs(3);
/// A reason goes, or becomes milder, after so long without its condition.
const FALL_AFTER: Duration = Duration::from_secs(10);

/// How a stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    #[default]
    Good,
    /// Viewers may notice, or soon will.
    Degraded,
    /// Viewers do notice.
    Bad,
}

impl State {
    /// The word in JSON, logs and on the page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Degraded => "degraded",
            Self::Bad => "bad",
        }
    }

    /// For the gauge: 0, 1, 2.
    pub fn level(self) -> i64 {
        match self {
            Self::Good => 0,
            Self::Degraded => 1,
            Self::Bad => 2,
        }
    }
}

/// Why a stream is not good. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Sound stopped.
    AudioStopped,
    /// Sound and picture arrive apart.
    AvOffset,
    /// A rung of the ladder is behind, or left out because it was.
    EncoderSlow,
    /// Frames are missing.
    FramesMissing,
    /// Keyframes are far apart.
    KeyframeInterval,
    /// Frames come late.
    LateFrames,
    /// No picture.
    NoPicture,
    /// Nobody publishes.
    NoPublisher,
    /// Parts take long.
    PartLatency,
    /// The way from the publisher is long.
    RoundTrip,
    /// A rule of the key is broken.
    Rule(Rule),
    /// Media comes slower than it plays.
    SlowMedia,
    /// The publisher's time jumps.
    TimestampJump,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::AudioStopped,
        Self::AvOffset,
        Self::EncoderSlow,
        Self::FramesMissing,
        Self::KeyframeInterval,
        Self::LateFrames,
        Self::NoPicture,
        Self::NoPublisher,
        Self::PartLatency,
        Self::RoundTrip,
        Self::Rule(Rule::Bitrate),
        Self::Rule(Rule::FrameRate),
        Self::Rule(Rule::KeyframeIntervalMax),
        Self::Rule(Rule::KeyframeIntervalMin),
        Self::Rule(Rule::Pace),
        Self::Rule(Rule::Resolution),
        Self::SlowMedia,
        Self::TimestampJump,
    ];

    /// The code: in JSON, in the label `reason`, in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AudioStopped => "audio_stopped",
            Self::AvOffset => "av_offset",
            Self::EncoderSlow => "encoder_slow",
            Self::FramesMissing => "frames_missing",
            Self::KeyframeInterval => "keyframe_interval",
            Self::LateFrames => "late_frames",
            Self::NoPicture => "no_picture",
            Self::NoPublisher => "no_publisher",
            Self::PartLatency => "part_latency",
            Self::RoundTrip => "round_trip",
            Self::Rule(rule) => rule.as_str(),
            Self::SlowMedia => "slow_media",
            Self::TimestampJump => "timestamp_jump",
        }
    }
}

/// A cause, and what there is to say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reason {
    /// Which.
    pub(super) cause: Cause,
    /// How bad.
    pub(super) state: State,
    /// For people, with figures.
    pub(super) words: String,
    /// When it began, since the process did.
    pub(super) since: Duration,
}

/// What is true at a moment, before hysteresis.
#[derive(Clone, Debug, PartialEq)]
struct Condition {
    cause: Cause,
    state: State,
    words: String,
}

/// A cause on its way in or out.
#[derive(Clone, Debug)]
struct Entry {
    condition: Condition,
    /// What it counts for; good: not yet.
    counts: State,
    since: Duration,
    /// Since when the condition has been degraded or worse.
    degraded_since: Option<Duration>,
    /// Since when it has been bad.
    bad_since: Option<Duration>,
    /// When the condition was last as bad as what it counts for, or that became milder.
    held: Duration,
    /// When the condition was last there.
    seen: Duration,
}

/// The judgement over one stream, from moment to moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Judge {
    entries: Vec<Entry>,
}

impl Judge {
    /// Takes the figures of a moment, and says how the stream is.
    pub(super) fn judge(&mut self, now: Duration, reading: &Reading, broken: &[Breach]) -> State {
        let conditions = conditions(reading, broken);
        for condition in &conditions {
            let is_known = |entry: &Entry| entry.condition.cause == condition.cause;
            if !self.entries.iter().any(is_known) {
                self.entries.push(Entry::new(now, condition.clone()));
            }
        }
        for entry in &mut self.entries {
            let found = conditions
                .iter()
                .find(|condition| condition.cause == entry.condition.cause);
            entry.step(now, found);
        }
        self.entries.retain(|entry| {
            let is_new = entry.degraded_since.is_some();
            is_new || entry.counts != State::Good
        });
        self.state()
    }

    /// The worst of the reasons.
    pub(super) fn state(&self) -> State {
        let counts = self.entries.iter().map(|entry| entry.counts);
        counts.max().unwrap_or_default()
    }

    /// What counts, the worst first.
    pub(super) fn reasons(&self) -> Vec<Reason> {
        let counting = self
            .entries
            .iter()
            .filter(|entry| entry.counts != State::Good);
        let mut reasons: Vec<Reason> = counting
            .map(|entry| Reason {
                cause: entry.condition.cause,
                state: entry.counts,
                words: entry.condition.words.clone(),
                since: entry.since,
            })
            .collect();
        reasons.sort_by_key(|reason| (std::cmp::Reverse(reason.state), reason.cause));
        reasons
    }
}

impl Entry {
    /// To be stepped before it counts.
    fn new(now: Duration, condition: Condition) -> Self {
        Self {
            condition,
            counts: State::Good,
            since: now,
            degraded_since: None,
            bad_since: None,
            held: now,
            seen: now,
        }
    }

    fn step(&mut self, now: Duration, found: Option<&Condition>) {
        let state = found.map_or(State::Good, |condition| condition.state);
        if let Some(condition) = found {
            self.condition.words.clone_from(&condition.words);
            self.seen = now;
        }
        // Rules have a hysteresis of their own, and a publisher that has gone is gone.
        let at_once = matches!(self.condition.cause, Cause::Rule(_) | Cause::NoPublisher);
        let (rise_after, fall_after) = if at_once {
            (Duration::ZERO, Duration::ZERO)
        } else {
            (RISE_AFTER, FALL_AFTER)
        };
        self.counts = self.counts.max(self.lasting(now, state, rise_after));
        if state >= self.counts {
            self.held = now;
        } else if now.saturating_sub(self.held) >= fall_after {
            // What was milder, but there, has not been away for as long.
            let was_there = now.saturating_sub(self.seen) < fall_after;
            self.counts = if was_there {
                State::Degraded
            } else {
                State::Good
            };
            self.held = now;
        }
    }

    /// The worst state that the condition has been in, or beyond, for so long.
    fn lasting(&mut self, now: Duration, state: State, rise_after: Duration) -> State {
        let mut lasts = State::Good;
        for (level, since) in [
            (State::Degraded, &mut self.degraded_since),
            (State::Bad, &mut self.bad_since),
        ] {
            if state < level {
                *since = None;
            } else if now.saturating_sub(*since.get_or_insert(now)) >= rise_after {
                lasts = level;
            }
        }
        lasts
    }
}

/// Thresholds: from where on it is degraded, and from where on bad.
fn beyond(value: f64, degraded: f64, bad: f64) -> Option<State> {
    if value >= bad {
        Some(State::Bad)
    } else {
        (value >= degraded).then_some(State::Degraded)
    }
}

fn conditions(reading: &Reading, broken: &[Breach]) -> Vec<Condition> {
    let mut found: Vec<Condition> = broken
        .iter()
        .map(|breach| Condition {
            cause: Cause::Rule(breach.rule),
            state: State::Degraded,
            words: breach.words.clone(),
        })
        .collect();
    let mut is = |cause, state: Option<State>, words: String| {
        found.extend(state.map(|state| Condition {
            cause,
            state,
            words,
        }));
    };
    if !reading.publisher {
        is(
            Cause::NoPublisher,
            Some(State::Bad),
            "nobody publishes".to_owned(),
        );
    } else {
        of_picture(reading, &mut is);
        of_sound(reading, &mut is);
    }
    of_making(reading, &mut is);
    found
}

fn of_picture(reading: &Reading, is: &mut impl FnMut(Cause, Option<State>, String)) {
    let silent = reading.without_picture_seconds;
    let state = beyond(silent, 2.0, 3.0);
    is(
        Cause::NoPicture,
        state,
        format!("no picture for {silent:.0} s"),
    );
    if let Some(pace) = reading.pace.filter(|_| state.is_none()) {
        let words = format!("the stream comes at {:.0} % of its speed", pace * 100.0);
        is(Cause::SlowMedia, beyond(1.0 - pace, 0.05, 0.2), words);
    }
    let missing = reading.missing_percent;
    let words = format!("{missing:.1} % of the frames are missing");
    is(Cause::FramesMissing, beyond(missing, 1.0, 10.0), words);
    let late = reading.late_percent;
    let words = format!("{late:.0} % of the frames come more than half a second late");
    is(Cause::LateFrames, beyond(late, 5.0, 50.0), words);
    if let Some(interval) = reading.keyframe_interval_seconds {
        let words = format!("keyframes are {interval:.1} s apart; 1 to 2 s are best");
        is(Cause::KeyframeInterval, beyond(interval, 4.05, 10.0), words);
    }
    let words = "the publisher's timestamps jump".to_owned();
    is(
        Cause::TimestampJump,
        beyond(reading.recent_jumps, 1.0, 5.0),
        words,
    );
    if let Some(ms) = reading.round_trip_ms {
        let words = format!("{ms:.0} ms to the publisher and back");
        is(Cause::RoundTrip, beyond(ms, 300.0, 1_500.0), words);
    }
}

fn of_sound(reading: &Reading, is: &mut impl FnMut(Cause, Option<State>, String)) {
    if let Some(offset) = reading.sound_offset_ms {
        let side = if offset < 0.0 { "behind" } else { "ahead of" };
        let apart = offset.abs();
        let words = format!("sound arrives {apart:.0} ms {side} the picture");
        is(Cause::AvOffset, beyond(apart, 500.0, 2_000.0), words);
    }
    if let Some(seconds) = reading.without_sound_seconds {
        let words = format!("no sound for {seconds:.0} s");
        is(
            Cause::AudioStopped,
            beyond(seconds, 5.0, f64::INFINITY),
            words,
        );
    }
}

fn of_making(reading: &Reading, is: &mut impl FnMut(Cause, Option<State>, String)) {
    let behind = reading.slowest_rung().and_then(|rung| {
        let (name, lag) = (&rung.name, rung.lag_ms);
        let state = beyond(lag, 1_000.0, 2_500.0)?;
        Some((state, format!("{name} is {lag:.0} ms behind")))
    });
    let left_out = (!reading.left_out.is_empty()).then(|| {
        let names = reading.left_out.join(", ");
        let words = format!("left out, as ffmpeg cannot keep up with all: {names}");
        (State::Degraded, words)
    });
    if let Some((state, words)) = behind.into_iter().chain(left_out).max_by_key(|it| it.0) {
        is(Cause::EncoderSlow, Some(state), words);
    }
    if let Some(p99) = reading.latency_p99_ms {
        let words = format!("one part of a hundred takes {p99:.0} ms from its last frame");
        is(Cause::PartLatency, beyond(p99, 1_000.0, 3_000.0), words);
    }
}

#[cfg(test)]
mod tests;
