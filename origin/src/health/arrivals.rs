//! What a publisher sends, looked at as it arrives: rates, gaps, delays, the distance of sound from picture.
//!
//! Pure: `now` is what has passed since the process began. It keeps counts and times, no media.

use std::collections::VecDeque;
use std::time::Duration;

use super::sliding::{Least, Sum};

/// Rates are over so long.
const RATE_SPAN: Duration = Duration::from_secs(5);
/// Shares of late and missing frames, and the publisher's pace, are over so long.
const SHARE_SPAN: Duration = Duration::from_secs(10);
/// The way here is as fast as it was at its best in so long.
const BEST_SPAN: Duration = Duration::from_secs(30);
/// A frame is late when its way took so much longer than the best one did.
const LATE: Duration = Duration::from_millis(500);
/// Time that goes on by more than this from one frame to the next, or back, is a jump.
const JUMP_MS: i64 = 1_000;
/// Intervals of frames from which the usual one is told.
const INTERVALS: usize = 61;
/// Two frames further apart than so many usual intervals have others missing between them.
const MISSING_FACTOR: f64 = 1.75;

/// A frame of the picture, as far as health goes.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// Decode time by the publisher's clock, in milliseconds.
    pub dts_ms: i64,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// Of the coded frame.
    pub bytes: usize,
}

/// What was seen of one publisher, from its first byte.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    began: Duration,
    picture: Track,
    sound: Track,
    bytes: Sum,
    frames: Sum,
    /// As `frames`, over the span of shares.
    came: Sum,
    late: Sum,
    missing: Sum,
    jumps: Sum,
    offsets: Sum,
    offset_count: Sum,
    intervals: VecDeque<i64>,
    usual_ms: Option<f64>,
    best: Least,
    pace: VecDeque<(Duration, i64)>,
    keyframe_ms: Option<i64>,
    keyframe_interval: Option<Duration>,
    totals: Totals,
}

/// Counted since the stream began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) frames: u64,
    pub(super) jumps: u64,
    pub(super) late: u64,
    pub(super) missing: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Track {
    last_ms: Option<i64>,
    arrived: Option<Duration>,
}

impl Track {
    /// The step from the frame before; `None` for the first.
    fn step(&mut self, now: Duration, dts_ms: i64) -> Option<i64> {
        self.arrived = Some(now);
        let last = self.last_ms.replace(dts_ms);
        last.map(|last| dts_ms.saturating_sub(last))
    }
}

impl Arrivals {
    pub(super) fn new(now: Duration, totals: Totals) -> Self {
        let rate = || Sum::over(RATE_SPAN);
        let share = || Sum::over(SHARE_SPAN);
        Self {
            began: now,
            picture: Track::default(),
            sound: Track::default(),
            bytes: rate(),
            frames: rate(),
            came: share(),
            late: share(),
            missing: share(),
            jumps: Sum::over(BEST_SPAN),
            offsets: rate(),
            offset_count: rate(),
            intervals: VecDeque::new(),
            usual_ms: None,
            best: Least::over(BEST_SPAN),
            pace: VecDeque::new(),
            keyframe_ms: None,
            keyframe_interval: None,
            totals,
        }
    }

    pub(super) fn picture(&mut self, now: Duration, picture: &Picture) {
        self.bytes.add(now, bytes(picture.bytes));
        self.frames.add(now, 1.0);
        self.came.add(now, 1.0);
        self.totals.frames += 1;
        if let Some(step) = self.picture.step(now, picture.dts_ms) {
            if !(0..=JUMP_MS).contains(&step) {
                self.jumped(now);
            } else {
                self.stepped(now, step);
            }
        }
        let way = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let way = way.saturating_sub(picture.dts_ms);
        let best = self.best.add(now, way);
        if way.saturating_sub(best) > i64::try_from(LATE.as_millis()).unwrap_or(i64::MAX) {
            self.late.add(now, 1.0);
            self.totals.late += 1;
        }
        self.paced(now, picture.dts_ms);
        if picture.keyframe {
            let before = self.keyframe_ms.replace(picture.dts_ms);
            let interval = before.map(|before| picture.dts_ms.saturating_sub(before));
            self.keyframe_interval = interval.and_then(millis).or(self.keyframe_interval);
        }
    }

    pub(super) fn sound(&mut self, now: Duration, dts_ms: i64, count: usize) {
        self.bytes.add(now, bytes(count));
        let step = self.sound.step(now, dts_ms);
        if step.is_some_and(|step| !(0..=JUMP_MS).contains(&step)) {
            self.totals.jumps += 1;
            self.jumps.add(now, 1.0);
        }
        if let Some(picture_ms) = self.picture.last_ms {
            let offset = i32::try_from(dts_ms.saturating_sub(picture_ms)).unwrap_or(i32::MAX);
            self.offsets.add(now, f64::from(offset));
            self.offset_count.add(now, 1.0);
        }
    }

    /// Bits per second of picture and sound.
    pub(super) fn bitrate(&self, now: Duration) -> Option<f64> {
        Some(self.bytes.per_second(now)? * 8.0)
    }

    /// Frames per second that arrived.
    pub(super) fn frame_rate(&self, now: Duration) -> Option<f64> {
        self.frames.per_second(now)
    }

    /// Frames per second that the publisher's timestamps tell.
    pub(super) fn usual_frame_rate(&self) -> Option<f64> {
        self.usual_ms.map(|usual| 1_000.0 / usual)
    }

    /// From one keyframe to the next, in media time: of the last two, or what has passed since the last one
    /// if that is more.
    pub(super) fn keyframe_interval(&self) -> Option<Duration> {
        let since = self.picture.last_ms?.saturating_sub(self.keyframe_ms?);
        let since = millis(since);
        self.keyframe_interval
            .map(|whole| since.map_or(whole, |since| whole.max(since)))
            .or_else(|| since.filter(|since| !since.is_zero()))
    }

    /// How far sound is ahead of the picture (or, negative, behind) as they arrive, in milliseconds.
    pub(super) fn sound_offset_ms(&self, now: Duration) -> Option<f64> {
        let count = self.offset_count.sum(now);
        (count > 0.0).then(|| self.offsets.sum(now) / count)
    }

    /// Media time that comes in a second: 1 is as it should be. `None` in the first seconds.
    pub(super) fn pace(&self, now: Duration) -> Option<f64> {
        let (first, first_ms) = self.pace.front()?;
        let passed = now.saturating_sub(*first).as_secs_f64();
        let came = self.picture.last_ms?.saturating_sub(*first_ms);
        let came = f64::from(i32::try_from(came).ok()?) / 1_000.0;
        (passed >= SHARE_SPAN.as_secs_f64() / 2.0).then(|| came / passed)
    }

    /// Late frames of a hundred that came.
    pub(super) fn late_percent(&self, now: Duration) -> f64 {
        percent(self.late.sum(now), self.came.sum(now))
    }

    /// Frames that are missing between others, of a hundred that were due: they and those that came.
    pub(super) fn missing_percent(&self, now: Duration) -> f64 {
        let missing = self.missing.sum(now);
        percent(missing, self.came.sum(now) + missing)
    }

    /// Jumps of the timestamps in the last half minute.
    pub(super) fn recent_jumps(&self, now: Duration) -> f64 {
        self.jumps.sum(now)
    }

    /// Since when there was no picture.
    pub(super) fn without_picture(&self, now: Duration) -> Duration {
        now.saturating_sub(self.picture.arrived.unwrap_or(self.began))
    }

    /// Since when there was no sound; `None` if there never was any.
    pub(super) fn without_sound(&self, now: Duration) -> Option<Duration> {
        Some(now.saturating_sub(self.sound.arrived?))
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    fn stepped(&mut self, now: Duration, step: i64) {
        if let (Some(usual), Ok(step)) = (self.usual_ms, i32::try_from(step)) {
            let intervals = f64::from(step) / usual;
            if intervals > MISSING_FACTOR {
                let count = intervals.round() - 1.0;
                self.missing.add(now, count);
                // At most a second of frames: it is no jump.
                self.totals.missing += f64_to_u64(count);
            }
        }
        if step == 0 {
            return;
        }
        if self.intervals.len() >= INTERVALS {
            self.intervals.pop_front();
        }
        self.intervals.push_back(step);
        self.usual_ms = usual(&self.intervals);
    }

    fn jumped(&mut self, now: Duration) {
        self.totals.jumps += 1;
        self.jumps.add(now, 1.0);
        // What was measured against the old time says nothing about the new one.
        self.best.clear();
        self.pace.clear();
        self.keyframe_ms = None;
    }

    fn paced(&mut self, now: Duration, dts_ms: i64) {
        let is_new = self
            .pace
            .back()
            .is_none_or(|(last, _)| now.saturating_sub(*last) >= RATE_SPAN / 10);
        if is_new {
            self.pace.push_back((now, dts_ms));
        }
        let oldest = now.saturating_sub(SHARE_SPAN);
        while self.pace.len() > 1 && self.pace.front().is_some_and(|(at, _)| *at < oldest) {
            self.pace.pop_front();
        }
    }
}

/// The mean of the intervals near the median one: timestamps are rounded to milliseconds, and where frames are
/// missing intervals are a multiple. `None` before there are enough.
fn usual(intervals: &VecDeque<i64>) -> Option<f64> {
    const ENOUGH: usize = 12;
    if intervals.len() < ENOUGH {
        return None;
    }
    let mut sorted: Vec<i64> = intervals.iter().copied().collect();
    sorted.sort_unstable();
    let median = *sorted.get(sorted.len() / 2)?;
    let near = sorted
        .iter()
        .filter(|interval| (**interval - median).abs() * 2 < median.max(3));
    let (sum, count) = near.fold((0, 0), |(sum, count), interval| (sum + interval, count + 1));
    let sum = f64::from(i32::try_from(sum).ok()?);
    (count > 0).then(|| sum / f64::from(count))
}

/// 0 of nothing.
fn percent(count: f64, all: f64) -> f64 {
    if all < 1.0 { 0.0 } else { count * 100.0 / all }
}

fn millis(ms: i64) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}

fn bytes(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of frames of at most a second"
)]
fn f64_to_u64(count: f64) -> u64 {
    count.clamp(0.0, 1_000.0) as u64
}
