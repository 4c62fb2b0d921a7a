//! Whether a new version does worse than the old one.

use std::time::Duration;

use crate::stats::Histogram;

/// A version with fewer calls is not judged.
pub const CALLS_MIN: u64 = 20;
/// A version with fewer errors is not taken back for its errors.
pub const ERRORS_MIN: u64 = 3;
/// How much more of its calls may fail, in parts of a million: one percentage point.
pub const ERROR_RATE_MARGIN: u64 = 10_000;
/// Latencies are compared when both have so many calls: the 99th percentile of fewer is two calls.
pub const LATENCY_CALLS_MIN: u64 = 200;
/// A new version's p99 may be so many times the old one's.
pub const LATENCY_FACTOR: u32 = 2;
/// And so much above it: a filter that takes 3 us instead of 1 us harms nobody.
pub const LATENCY_MARGIN: Duration = Duration::from_millis(1);

/// The calls of one version at one hook over some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// All calls, failed ones included.
    pub calls: u64,
    /// Traps, missed deadlines, and calls that the filter answered with an error.
    pub errors: u64,
    /// How long all calls took.
    pub durations: Histogram,
}

impl Window {
    /// What happened since `earlier`, an older reading of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(earlier.calls),
            errors: self.errors.saturating_sub(earlier.errors),
            durations: self.durations.since(&earlier.durations),
        }
    }

    /// Failed calls of a million. 0 without calls.
    fn error_rate(&self) -> u64 {
        let rate = u128::from(self.errors) * 1_000_000 / u128::from(self.calls.max(1));
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

/// What is to be thought of a new version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Too few calls to say.
    Undecided,
    /// Not worse than the old one.
    Fine,
    /// To be taken back.
    Worse(Worse),
}

/// What is worse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Worse {
    /// More calls fail.
    #[error("{:.2} % of {calls} calls failed, with the version before {:.2} %", percent(*new), percent(*old))]
    Errors {
        /// Of a million.
        new: u64,
        /// Of a million.
        old: u64,
        /// Of the new version.
        calls: u64,
    },
    /// Calls take longer.
    #[error("the 99th percentile of a call is {new:?}, with the version before it was {old:?}")]
    Latency {
        /// p99.
        new: Duration,
        /// p99.
        old: Duration,
    },
    /// It failed so often that its breaker opened, so that there will be few calls to count.
    #[error("it failed so often that it was disabled")]
    Disabled,
}

/// Compares a new version with an old one, at one hook.
///
/// An old version without calls counts as one without errors: a new one that fails is taken back
/// even where nobody used the old one lately.
pub fn judge(old: &Window, new: &Window) -> Verdict {
    if new.calls < CALLS_MIN {
        return Verdict::Undecided;
    }
    let (old_rate, new_rate) = (old.error_rate(), new.error_rate());
    if new.errors >= ERRORS_MIN && new_rate > old_rate + ERROR_RATE_MARGIN {
        return Verdict::Worse(Worse::Errors {
            new: new_rate,
            old: old_rate,
            calls: new.calls,
        });
    }
    if new.calls < LATENCY_CALLS_MIN || old.calls < LATENCY_CALLS_MIN {
        return Verdict::Fine;
    }
    let (old, new) = (old.durations.quantile(0.99), new.durations.quantile(0.99));
    if new > old * LATENCY_FACTOR && new > old + LATENCY_MARGIN {
        return Verdict::Worse(Worse::Latency { new, old });
    }
    Verdict::Fine
}

// Casts: a rate of at most a million, for people.
fn percent(of_a_million: u64) -> f64 {
    of_a_million as f64 / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(calls: u64, errors: u64, duration: Duration) -> Window {
        let mut durations = Histogram::default();
        durations.record_many(duration, calls);
        Window {
            calls,
            errors,
            durations,
        }
    }

    #[test]
    fn errors_count_from_their_thresholds_on() {
        let us = Duration::from_micros(10);
        for (old, new, worse) in [
            // Too few calls, however bad.
            ((1000, 0), (19, 19), false),
            ((1000, 0), (20, 3), true),
            ((1000, 0), (20, 2), false),
            // One point more is allowed; a little more is not.
            ((1000, 50), (1000, 60), false),
            ((1000, 50), (1000, 61), true),
            // Better.
            ((1000, 500), (1000, 100), false),
            // The old one was not used.
            ((0, 0), (100, 3), true),
            ((0, 0), (100, 1), false),
        ] {
            let verdict = judge(&window(old.0, old.1, us), &window(new.0, new.1, us));
            let is_worse = matches!(verdict, Verdict::Worse(Worse::Errors { .. }));
            assert_eq!(is_worse, worse, "{old:?} {new:?}: {verdict:?}");
        }
    }

    #[test]
    fn latency_counts_when_it_is_twice_as_much_and_a_millisecond_more() {
        let us = Duration::from_micros;
        for (old, new, calls, worse) in [
            (us(10), us(900), 1000, false),
            (us(10), us(1500), 1000, true),
            (us(10), us(1500), 199, false),
            (us(5000), us(8000), 1000, false),
            (us(5000), us(12_000), 1000, true),
        ] {
            let verdict = judge(&window(1000, 0, old), &window(calls, 0, new));
            let is_worse = matches!(verdict, Verdict::Worse(Worse::Latency { .. }));
            assert_eq!(is_worse, worse, "{old:?} {new:?} {calls}: {verdict:?}");
        }
    }

    #[test]
    fn a_verdict_is_a_sentence() {
        let worse = Worse::Errors {
            new: 123_456,
            old: 100,
            calls: 81,
        };
        assert_eq!(
            worse.to_string(),
            "12.35 % of 81 calls failed, with the version before 0.01 %"
        );
    }
}
