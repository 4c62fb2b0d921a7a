//! A rate with a burst, and what somebody owes against it.
//!
//! The generic cell rate algorithm: instead of a level and the time of its last change, a debt is
//! the moment at which it is paid off. One number, and a paid debt is any number in the past, which
//! is what makes forgetting cheap and safe (see [`Table`](crate::Table)).

use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// So many units a second, and so many at once. A unit is a request or a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: u64,
    burst: u64,
}

impl Rate {
    /// `None` if either is 0.
    #[must_use]
    pub fn new(per_second: u64, burst: u64) -> Option<Self> {
        (per_second > 0 && burst > 0).then_some(Self { per_second, burst })
    }

    /// How long `units` take to be earned, in nanoseconds.
    fn nanos(self, units: u64) -> u64 {
        let nanos = u128::from(units) * NANOS_PER_SECOND / u128::from(self.per_second);
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// What is owed: the moment, in nanoseconds, from which on nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Debt(u64);

impl Debt {
    /// Whether nothing is owed.
    #[must_use]
    pub fn is_paid(self, now: Duration) -> bool {
        self.0 <= nanos(now)
    }

    /// What is owed at `now`, as the time that it takes to be paid off.
    #[must_use]
    pub fn left(self, now: Duration) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(nanos(now)))
    }

    /// Takes `units` if the burst has room for them all; else changes nothing, and says after how
    /// long it will have. More than the burst never fits, and is answered as if it were the burst.
    ///
    /// # Errors
    /// The time to wait.
    pub fn take(&mut self, rate: Rate, units: u64, now: Duration) -> Result<(), Duration> {
        let now = nanos(now);
        let units = units.min(rate.burst);
        let after = self.0.max(now).saturating_add(rate.nanos(units));
        let over = after.saturating_sub(now.saturating_add(rate.nanos(rate.burst)));
        if over > 0 {
            return Err(Duration::from_nanos(over));
        }
        self.0 = after;
        Ok(())
    }

    /// Takes `units` whatever is owed, and says how long to wait before they are used: zero within
    /// the burst. Who waits his time keeps to the rate, and those who wait are served in turn.
    pub fn spend(&mut self, rate: Rate, units: u64, now: Duration) -> Duration {
        let now = nanos(now);
        self.0 = self.0.max(now).saturating_add(rate.nanos(units));
        let allowed = now.saturating_add(rate.nanos(rate.burst));
        Duration::from_nanos(self.0.saturating_sub(allowed))
    }

    /// How long until the debt is within the burst again; zero if it is.
    #[must_use]
    pub fn overdue(self, rate: Rate, now: Duration) -> Duration {
        let allowed = nanos(now).saturating_add(rate.nanos(rate.burst));
        Duration::from_nanos(self.0.saturating_sub(allowed))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = Rate::new(10, 5).unwrap();
        let mut debt = Debt::default();
        let now = ms(1_000);
        for _ in 0..5 {
            assert_eq!(debt.take(rate, 1, now), Ok(()));
        }
        assert_eq!(debt.take(rate, 1, now), Err(ms(100)));
        // What was refused is not owed.
        assert_eq!(debt.take(rate, 1, now), Err(ms(100)));
        assert_eq!(debt.take(rate, 1, ms(1_099)), Err(ms(1)));
        assert_eq!(debt.take(rate, 1, ms(1_100)), Ok(()));
        assert!(!debt.is_paid(ms(1_599)));
        assert!(debt.is_paid(ms(1_600)));
        // A clock that goes back gives nothing away, and takes nothing for ever.
        assert!(debt.take(rate, 1, ms(0)).is_err());
        assert_eq!(debt.take(rate, 1, ms(2_000)), Ok(()));
    }

    #[test]
    fn who_spends_waits_in_turn() {
        let rate = Rate::new(1_000, 100).unwrap();
        let mut debt = Debt::default();
        assert_eq!(debt.spend(rate, 100, ms(0)), ms(0));
        assert_eq!(debt.spend(rate, 50, ms(0)), ms(50));
        assert_eq!(debt.spend(rate, 50, ms(0)), ms(100));
        assert_eq!(debt.overdue(rate, ms(30)), ms(70));
        assert_eq!(debt.overdue(rate, ms(100)), ms(0));
        assert_eq!(debt.left(ms(150)), ms(50));
    }

    #[test]
    fn numbers_have_no_end_to_fall_off() {
        let rate = Rate::new(1, u64::MAX).unwrap();
        let mut debt = Debt::default();
        for _ in 0..3 {
            debt.spend(rate, u64::MAX, Duration::MAX);
            debt.take(rate, u64::MAX, Duration::MAX).ok();
        }
        let fast = Rate::new(u64::MAX, 1).unwrap();
        assert_eq!(Debt::default().take(fast, u64::MAX, ms(0)), Ok(()));
        assert_eq!(Rate::new(0, 1), None);
        assert_eq!(Rate::new(1, 0), None);
    }

    proptest! {
        /// In no span is more taken than the burst and what the span earns; who asks long enough
        /// gets at least what it earns.
        #[test]
        fn never_more_than_burst_and_rate(
            per_second in 1_u64..5_000,
            burst in 1_u64..500,
            steps in prop::collection::vec(0_u64..50_000, 1..400),
        ) {
            let rate = Rate::new(per_second, burst).unwrap();
            let mut debt = Debt::default();
            let mut at = Duration::from_secs(5);
            let mut taken = Vec::new();
            for step in steps {
                at += Duration::from_micros(step);
                match debt.take(rate, 1, at) {
                    Ok(()) => taken.push(at),
                    Err(wait) => {
                        // The wait is exact.
                        prop_assert!(wait > Duration::ZERO);
                        let mut later = debt;
                        prop_assert_eq!(later.take(rate, 1, at + wait), Ok(()));
                        let mut early = debt;
                        let early_at = at + wait.saturating_sub(Duration::from_nanos(2));
                        prop_assert!(early.take(rate, 1, early_at).is_err() || wait.as_nanos() <= 2);
                    }
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (index, to) in taken.iter().enumerate().skip(first) {
                    let count = (index - first + 1) as f64;
                    let earned = (*to - *from).as_secs_f64() * per_second as f64;
                    prop_assert!(count <= burst as f64 + earned + 1e-3);
                }
            }
        }
    }
}
