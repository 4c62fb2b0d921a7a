//! How the source's clock drifts against the wall's, so that EXT-X-PROGRAM-DATE-TIME stays true. Pure.
//!
//! A crystal is off by some tens of parts in a million: seconds in a day. What tells drift from the network's
//! delays is that these only ever make a frame later: of all frames of a while the one that took least time
//! shows the clocks.

use std::collections::VecDeque;
use std::time::Duration;

/// The frames of so long are looked at together.
const WHILE: Duration = Duration::from_secs(30);
/// The most that a date is moved against the media from one segment to the next, in milliseconds: 0.5 %, far
/// below the second that players tolerate, and more than any clock drifts.
const STEP_MS: i64 = 10;
/// Behind a break dates are moved at once if they are off by more: less than that is the network's.
const AT_ONCE_MS: u64 = 300;
/// Frames remembered: those that could still become the least.
const REMEMBERED_MAX: usize = 512;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Drift {
    /// Delay of the first while against the source's clock, in microseconds; drift is counted from it.
    start: Option<i64>,
    /// Delays that may still be the least, oldest and least first.
    least: VecDeque<(Duration, i64)>,
    /// The newest frame, which may be of a clock that was set: see [`Self::break_off`].
    newest: Option<(Duration, i64)>,
    /// What dates have been moved by, in milliseconds.
    moved_ms: i64,
    begun: Option<Duration>,
}

impl Drift {
    /// Notes a frame of the source's time `at` that `arrived`, both since any fixed points.
    pub(super) fn note(&mut self, at_micros: i64, arrived: Duration) {
        let arrived_micros = i64::try_from(arrived.as_micros()).unwrap_or(i64::MAX);
        let delay = arrived_micros.saturating_sub(at_micros);
        let before = self.newest.replace((arrived, delay));
        if let Some((arrived, delay)) = before {
            self.enter(arrived, delay);
        }
    }

    /// The clocks may be others from the newest frame on: the source stood still, or its clock was set by less
    /// than would be seen.
    pub(super) fn break_off(&mut self) {
        let known = self.least.front().map(|(_, least)| *least);
        self.start = self.start.or(known);
        self.least.clear();
    }

    /// What dates are to be moved by behind a [break](Self::break_off), in all, in milliseconds: at once what
    /// would be false for minutes otherwise.
    pub(super) fn settle_ms(&mut self) -> i64 {
        let newest = self.newest.iter();
        let least = self.least.iter().chain(newest).map(|(_, delay)| *delay);
        if let (Some(start), Some(least)) = (self.start, least.min()) {
            let off_ms = least.saturating_sub(start) / 1_000;
            if off_ms.abs_diff(self.moved_ms) > AT_ONCE_MS {
                self.moved_ms = off_ms;
            }
        }
        self.moved_ms
    }

    fn enter(&mut self, arrived: Duration, delay: i64) {
        let begun = *self.begun.get_or_insert(arrived);
        while self.least.back().is_some_and(|(_, least)| *least >= delay) {
            self.least.pop_back();
        }
        if self.least.len() >= REMEMBERED_MAX {
            self.least.pop_front();
        }
        self.least.push_back((arrived, delay));
        while self
            .least
            .front()
            .is_some_and(|(noted, _)| arrived.saturating_sub(*noted) > WHILE)
        {
            self.least.pop_front();
        }
        if self.start.is_none() && arrived.saturating_sub(begun) >= WHILE {
            self.start = self.least.front().map(|(_, least)| *least);
        }
    }

    /// By how many milliseconds the dates of the next segment are to be moved on in all, or back if negative.
    pub(super) fn step_ms(&mut self) -> i64 {
        if let (Some(start), Some((_, least))) = (self.start, self.least.front()) {
            let off_ms = least.saturating_sub(start) / 1_000;
            let step = off_ms
                .saturating_sub(self.moved_ms)
                .clamp(-STEP_MS, STEP_MS);
            self.moved_ms = self.moved_ms.saturating_add(step);
        }
        self.moved_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is between a day's dates and the truth at its end, in milliseconds, for a clock off by so many
    /// parts in a million and a network that delays frames by up to 300 ms.
    fn after_a_day(parts_per_million: i64) -> i64 {
        let mut drift = Drift::default();
        let mut random = 7_u64;
        let mut moved = 0;
        let day = 86_400;
        for second in 0..day * 5 {
            // Five frames a second do.
            let true_micros = second * 200_000;
            let source = true_micros + true_micros / 1_000_000 * parts_per_million;
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let delay = i64::try_from(random >> 33).unwrap() % 300_000;
            let arrived = Duration::from_micros(u64::try_from(true_micros + delay).unwrap());
            drift.note(source, arrived);
            if second % 10 == 0 {
                let before = std::mem::replace(&mut moved, drift.step_ms());
                assert!((moved - before).abs() <= STEP_MS);
            }
        }
        day * 1_000 * parts_per_million / 1_000_000 + moved
    }

    #[test]
    fn dates_stay_true_for_a_day() {
        for parts_per_million in [0, 50, -50, 500, -500, 3_000] {
            let error = after_a_day(parts_per_million);
            assert!(error.abs() < 250, "{parts_per_million}: {error} ms off");
        }
    }

    /// A day in which the clock loses nine seconds, with a break at noon: what dates were moved by until then stays.
    #[test]
    fn a_break_takes_nothing_back_and_tells_what_was_set() {
        let mut drift = Drift::default();
        let mut set_micros = 0;
        let mut settled = Vec::new();
        for second in 0..86_400_u64 {
            let micros = i64::try_from(second).unwrap() * 1_000_000;
            if second == 43_200 {
                set_micros = 2_000_000;
            }
            let at = micros - micros / 1_000_000 * 100 + set_micros;
            drift.note(at, Duration::from_secs(second));
            if second == 43_100 || second == 43_200 {
                drift.break_off();
                settled.push(drift.settle_ms());
            }
            drift.step_ms();
        }
        assert!((settled[0] - 4_310).abs() < 250, "{settled:?}");
        assert!((settled[1] - 2_320).abs() < 250, "{settled:?}");
        let end = drift.step_ms();
        assert!((end - 6_640).abs() < 250, "{end}");
    }

    #[test]
    fn a_queue_that_drains_is_no_drift() {
        let mut drift = Drift::default();
        for frame in 0..3_000_u64 {
            // In the second minute everything is two seconds late, with moments in between.
            let at = Duration::from_millis(frame * 40);
            let late = (1_500..2_200).contains(&frame) && frame % 100 != 0;
            let late = Duration::from_secs(if late { 2 } else { 0 });
            drift.note(i64::try_from(at.as_micros()).unwrap(), at + late);
            assert_eq!(drift.step_ms(), 0);
        }
    }

    #[test]
    fn nothing_wild_panics() {
        let mut drift = Drift::default();
        for at in [i64::MIN, i64::MAX, 0] {
            drift.note(at, Duration::from_secs(40));
            drift.note(at, Duration::MAX);
            drift.step_ms();
            drift.break_off();
            drift.settle_ms();
        }
    }
}
