//! Sums, extremes and quantiles of the last so many seconds, in bounded memory. Pure.
//!
//! Time is whatever the caller counts: what has passed since the process began, or media time.

use std::collections::VecDeque;
use std::time::Duration;

/// The grain of a [`Sum`]: a value leaves it at most this late.
const SLOT: Duration = Duration::from_millis(200);
/// Values that a [`Quantiles`] keeps: ten seconds of parts of nine renditions, and more.
const VALUES_MAX: usize = 512;

fn slot_of(at: Duration) -> u64 {
    let slot = at.as_millis() / SLOT.as_millis();
    u64::try_from(slot).unwrap_or(u64::MAX)
}

/// What was added within the last `span`, in slots of 200 ms; the slot that is being filled does not
/// count yet, so that what is read does not depend on where in it one reads.
#[derive(Clone, Debug)]
pub(super) struct Sum {
    slots: VecDeque<(u64, f64)>,
    span_slots: u64,
    first: Option<u64>,
}

impl Sum {
    /// `span` from 200 ms to some minutes: it takes five slots a second.
    pub(super) fn over(span: Duration) -> Self {
        Self {
            slots: VecDeque::new(),
            span_slots: slot_of(span).max(1),
            first: None,
        }
    }

    /// Adds `value` at `now`. Earlier than before counts as then.
    pub(super) fn add(&mut self, now: Duration, value: f64) {
        let slot = slot_of(now);
        self.first.get_or_insert(slot);
        match self.slots.back_mut() {
            Some((newest, sum)) if *newest >= slot => *sum += value,
            _ => self.slots.push_back((slot, value)),
        }
        let oldest = slot.saturating_sub(self.span_slots);
        while self.slots.front().is_some_and(|(slot, _)| *slot < oldest) {
            self.slots.pop_front();
        }
    }

    /// What was added within the span before `now`.
    pub(super) fn sum(&self, now: Duration) -> f64 {
        let until = slot_of(now);
        let from = until.saturating_sub(self.span_slots);
        let inside = |slot: &u64| (from..until).contains(slot);
        let slots = self.slots.iter().filter(|(slot, _)| inside(slot));
        // Not `sum()`: that of nothing is -0.
        slots.fold(0.0, |all, (_, sum)| all + sum)
    }

    /// The same a second; over what has passed while that is less than the span. `None` before a second has.
    pub(super) fn per_second(&self, now: Duration) -> Option<f64> {
        let slots = self.covered(now).min(self.span_slots);
        let seconds = f64::from(u32::try_from(slots).unwrap_or(u32::MAX)) * SLOT.as_secs_f64();
        (seconds >= 1.0).then(|| self.sum(now) / seconds)
    }

    /// Whether a whole span has passed since the first value.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        self.covered(now) >= self.span_slots
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.first = None;
    }

    fn covered(&self, now: Duration) -> u64 {
        let first = self.first.unwrap_or(u64::MAX);
        slot_of(now).saturating_sub(first)
    }
}

/// The least value of the last so many seconds, give or take one.
#[derive(Clone, Debug)]
pub(super) struct Least {
    seconds: VecDeque<(u64, i64)>,
    span_seconds: u64,
}

impl Least {
    pub(super) fn over(span: Duration) -> Self {
        Self {
            seconds: VecDeque::new(),
            span_seconds: span.as_secs().max(1),
        }
    }

    /// Adds `value`, and says what the least is now.
    pub(super) fn add(&mut self, now: Duration, value: i64) -> i64 {
        let second = now.as_secs();
        // Whatever is not less than a newer value is never the least again.
        while self.seconds.back().is_some_and(|(_, own)| *own >= value) {
            self.seconds.pop_back();
        }
        // What is less, and leaves in the same second, makes it needless.
        if self.seconds.back().is_none_or(|(last, _)| *last < second) {
            self.seconds.push_back((second, value));
        }
        let oldest = second.saturating_sub(self.span_seconds);
        while self.seconds.len() > 1 && self.seconds.front().is_some_and(|(at, _)| *at < oldest) {
            self.seconds.pop_front();
        }
        self.seconds.front().map_or(value, |(_, least)| *least)
    }

    pub(super) fn clear(&mut self) {
        self.seconds.clear();
    }
}

/// Quantiles of the values of the last so many seconds, of the newest 512 of them.
#[derive(Clone, Debug)]
pub(super) struct Quantiles {
    values: VecDeque<(Duration, f64)>,
    span: Duration,
}

impl Quantiles {
    pub(super) fn over(span: Duration) -> Self {
        Self {
            values: VecDeque::new(),
            span,
        }
    }

    pub(super) fn add(&mut self, now: Duration, value: f64) {
        if self.values.len() >= VALUES_MAX {
            self.values.pop_front();
        }
        self.values.push_back((now, value));
    }

    /// The median and the 99th percentile; `None` without a value.
    pub(super) fn p50_p99(&mut self, now: Duration) -> Option<(f64, f64)> {
        let oldest = now.saturating_sub(self.span);
        while self.values.front().is_some_and(|(at, _)| *at < oldest) {
            self.values.pop_front();
        }
        let mut values: Vec<f64> = self.values.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let at = |percent: usize| values.get(values.len() * percent / 100).copied();
        let last = values.last().copied()?;
        Some((at(50).unwrap_or(last), at(99).unwrap_or(last)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let mut sum = Sum::over(ms(5_000));
        for at in (0..60_000).step_by(100) {
            if at == 30_000 {
                assert_eq!(sum.per_second(ms(at)), Some(10.0));
            }
            sum.add(ms(at), if at < 30_000 { 1.0 } else { 3.0 });
        }
        assert_eq!(sum.per_second(ms(60_000)), Some(30.0));
        assert_eq!(sum.per_second(ms(62_400)), Some(15.6));
        assert_eq!(sum.per_second(ms(70_000)), Some(0.0));
    }

    #[test]
    fn a_rate_that_begins_is_over_what_has_passed() {
        let mut sum = Sum::over(ms(5_000));
        for at in (100_000..102_000).step_by(50) {
            sum.add(ms(at), 1.0);
        }
        assert_eq!(sum.per_second(ms(100_500)), None);
        assert_eq!(sum.per_second(ms(102_000)), Some(20.0));
        assert!(!sum.is_full(ms(104_000)));
        assert!(sum.is_full(ms(105_000)));
    }

    proptest! {
        #[test]
        fn a_window_is_bounded_and_right(steps in proptest::collection::vec((0_u64..900, 0_i32..50), 1..600)) {
            let (mut sum, mut least) = (Sum::over(ms(3_000)), Least::over(ms(10_000)));
            let mut quantiles = Quantiles::over(ms(3_000));
            let (mut now, mut all) = (0, Vec::new());
            for (step, value) in steps {
                now += step;
                all.push((now, value));
                sum.add(ms(now), f64::from(value));
                quantiles.add(ms(now), f64::from(value));
                let said = least.add(ms(now), i64::from(value));
                let of_last = |ms: u64| {
                    let kept = all.iter().filter(move |(at, _)| *at + ms >= now);
                    kept.map(|(_, value)| i64::from(*value)).min().unwrap()
                };
                // A second more or less may count.
                prop_assert!(said <= of_last(9_000) && said >= of_last(12_000), "{said}");
                prop_assert!(sum.slots.len() <= 17 && least.seconds.len() <= 13);
                prop_assert!(quantiles.values.len() <= VALUES_MAX);
            }
            let until = now / 200;
            let inside = |at: u64| at / 200 < until && at / 200 + 15 >= until;
            let due: i32 = all.iter().filter(|(at, _)| inside(*at)).map(|(_, value)| value).sum();
            prop_assert_eq!(sum.sum(ms(now)), f64::from(due));
            let (p50, p99) = quantiles.p50_p99(ms(now)).unwrap();
            prop_assert!(p50 <= p99);
        }
    }
}
