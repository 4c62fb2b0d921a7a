//! How long a delivery waits after attempts that failed.

use crate::limits::{BACKOFF_MAX_MS, BACKOFF_MIN_MS};

/// The pause after so many attempts: 1 s, doubled each time, an hour at most; and up to a quarter less
/// by `jitter` (any number), so that endpoints which failed together do not come together.
pub fn backoff_ms(attempts: u64, jitter: u64) -> u64 {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    let factor = 1_u64.checked_shl(doublings.min(32)).unwrap_or(u64::MAX);
    let pause = BACKOFF_MIN_MS.saturating_mul(factor).min(BACKOFF_MAX_MS);
    pause - jitter % (pause / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DELIVER_WITHIN_MS;

    #[test]
    fn it_doubles_up_to_an_hour() {
        let pauses: Vec<u64> = (1..=5).map(|attempts| backoff_ms(attempts, 0)).collect();
        assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 16_000]);
        for attempts in [12, 13, 40, 1_000, u64::MAX] {
            let pause = backoff_ms(attempts, 0);
            assert!((2_048_000..=BACKOFF_MAX_MS).contains(&pause), "{pause}");
        }
        for jitter in [1, 249, 250, u64::MAX] {
            assert!((750..=1_000).contains(&backoff_ms(1, jitter)));
        }
    }

    #[test]
    fn a_day_is_some_thirty_attempts() {
        let (mut at, mut attempts) = (0, 0);
        while at < DELIVER_WITHIN_MS {
            attempts += 1;
            at += backoff_ms(attempts, 0);
        }
        assert!((30..50).contains(&attempts), "{attempts}");
    }
}
