//! A token bucket in whole numbers: no rounding, so that two nodes with the same calls agree.
//!
//! It keeps no clock: the time is an argument.

/// One token, in the unit that the level is kept in. A millisecond at one token per minute adds
/// exactly one unit.
const TOKEN: u64 = 60_000;

/// How full a bucket is, and when that was so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    level: u64,
    at_ms: u64,
}

/// How a bucket fills. It comes with every call, so that a new configuration takes effect at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) capacity: u32,
    pub(super) refill_per_minute: u32,
}

impl Bucket {
    /// As every bucket begins.
    pub(super) fn full(rate: Rate, now_ms: u64) -> Self {
        Self {
            level: rate.full_level(),
            at_ms: now_ms,
        }
    }

    /// Takes one token, or says how many milliseconds there are to wait for one.
    ///
    /// `now_ms` may lie before an earlier call's, because a call's clock stands still while it
    /// runs: then no time has passed.
    pub(super) fn take(&mut self, rate: Rate, now_ms: u64) -> Option<u32> {
        let elapsed = now_ms.saturating_sub(self.at_ms);
        let refill = u64::from(rate.refill_per_minute);
        self.level = self
            .level
            .saturating_add(elapsed.saturating_mul(refill))
            .min(rate.full_level());
        self.at_ms = self.at_ms.max(now_ms);
        if let Some(left) = self.level.checked_sub(TOKEN) {
            self.level = left;
            return None;
        }
        Some(rate.wait_ms(TOKEN - self.level))
    }

    /// When it will be full. From then on it is what an absent one is, and need not be kept.
    pub(super) fn full_at_ms(&self, rate: Rate) -> Option<u64> {
        let missing = rate.full_level().saturating_sub(self.level);
        let wait = match rate.refill_per_minute {
            0 => return None,
            refill => missing.div_ceil(u64::from(refill)),
        };
        Some(self.at_ms.saturating_add(wait))
    }
}

impl Rate {
    fn full_level(self) -> u64 {
        u64::from(self.capacity) * TOKEN
    }

    /// `u32::MAX` stands for more than that, and for never.
    fn wait_ms(self, missing: u64) -> u32 {
        match self.refill_per_minute {
            0 => u32::MAX,
            refill => u32::try_from(missing.div_ceil(u64::from(refill))).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        capacity: 3,
        refill_per_minute: 60,
    };

    #[test]
    fn it_starts_full_and_refills_evenly() {
        let mut bucket = Bucket::full(RATE, 10_000);
        for _ in 0..3 {
            assert_eq!(bucket.take(RATE, 10_000), None);
        }
        assert_eq!(bucket.take(RATE, 10_000), Some(1_000));
        assert_eq!(bucket.take(RATE, 10_999), Some(1));
        assert_eq!(bucket.take(RATE, 11_000), None);
        assert_eq!(bucket.take(RATE, 11_000), Some(1_000));
        assert_eq!(bucket.full_at_ms(RATE), Some(14_000));
    }

    #[test]
    fn a_clock_that_goes_back_adds_nothing() {
        let mut bucket = Bucket::full(RATE, 10_000);
        while bucket.take(RATE, 10_000).is_none() {}
        assert_eq!(bucket.take(RATE, 4_000), Some(1_000));
        assert_eq!(bucket.take(RATE, 10_500), Some(500));
    }

    #[test]
    fn without_refill_what_is_gone_is_gone() {
        let rate = Rate {
            capacity: 1,
            refill_per_minute: 0,
        };
        let mut bucket = Bucket::full(rate, 0);
        assert_eq!(bucket.take(rate, 0), None);
        assert_eq!(bucket.take(rate, u64::MAX), Some(u32::MAX));
        assert_eq!(bucket.full_at_ms(rate), None);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let rate = Rate {
            capacity: u32::MAX,
            refill_per_minute: u32::MAX,
        };
        let mut bucket = Bucket::full(rate, 0);
        assert_eq!(bucket.take(rate, 0), None);
        assert_eq!(bucket.take(rate, u64::MAX), None);
        assert!(bucket.full_at_ms(rate).is_some());
    }

    #[test]
    fn a_smaller_capacity_takes_effect_at_once() {
        let mut bucket = Bucket::full(RATE, 0);
        let smaller = Rate {
            capacity: 1,
            ..RATE
        };
        assert_eq!(bucket.take(smaller, 0), None);
        assert_eq!(bucket.take(smaller, 0), Some(1_000));
    }
}
