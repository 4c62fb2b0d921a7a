//! The cap on CHAT.

/// A token bucket that holds what half a second allows, at least one message.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// In thousandths of a message.
    level: u64,
    filled_ms: u64,
}

const MESSAGE: u64 = 1_000;

impl Bucket {
    /// Whether one more message is within `per_second`; 0 is no cap.
    pub(crate) fn take(&mut self, now_ms: u64, per_second: u32) -> bool {
        if per_second == 0 {
            return true;
        }
        let rate = u64::from(per_second);
        let earned = now_ms.saturating_sub(self.filled_ms).saturating_mul(rate);
        let most = (rate * MESSAGE / 2).max(MESSAGE);
        self.level = self.level.saturating_add(earned).min(most);
        self.filled_ms = now_ms;
        let is_within = self.level >= MESSAGE;
        if is_within {
            self.level -= MESSAGE;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_holds_over_time_and_bursts_are_half_a_second() {
        let mut bucket = Bucket::default();
        let passed = (0..10_000_u64)
            .filter(|ms| bucket.take(1_000_000 + ms, 20))
            .count();
        assert_eq!(passed, 10 + 199);
        assert!((0..100).all(|_| Bucket::default().take(0, 0)));
        // Below the cap nothing is left out.
        let mut bucket = Bucket::default();
        assert!((1..100).all(|second| bucket.take(second * 1_000, 1)));
    }
}
