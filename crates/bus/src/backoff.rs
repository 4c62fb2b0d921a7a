//! How long to wait before the next attempt.

use std::time::Duration;

use rand::Rng;

/// Between attempts to reach the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

impl Backoff {
    /// Before the attempt after `failures` failed ones: from half to all of a bound that doubles,
    /// so that edges that lost the same hub do not come back at the same moment.
    pub(crate) fn delay(self, failures: u32) -> Duration {
        let bound = self.bound(failures);
        bound.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    fn bound(self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.min(31));
        self.min.saturating_mul(doubled).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_a_bound() {
        let backoff = Backoff {
            min: Duration::from_millis(100),
            max: Duration::from_secs(5),
        };
        for (failures, ms) in [(0, 100), (1, 200), (5, 3200), (6, 5000), (u32::MAX, 5000)] {
            let bound = Duration::from_millis(ms);
            assert_eq!(backoff.bound(failures), bound);
            let delay = backoff.delay(failures);
            assert!(delay >= bound / 2 && delay <= bound, "{delay:?}");
        }
    }
}
