//! How often somebody may do something: a bucket for each, of a bounded number. Pure: the time is an
//! argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Times at once.
    pub(crate) burst: u32,
    /// Once more after each of these.
    pub(crate) every: Duration,
    /// Of whom it is remembered.
    pub(crate) known_max: usize,
}

/// What everybody has done.
#[derive(Debug)]
pub(crate) struct Pace<K> {
    rate: Rate,
    /// When each bucket will be full again.
    full_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> Pace<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            full_at: Mutex::default(),
        }
    }

    /// Lets somebody do it, or says how long they have to wait.
    pub(crate) fn take(&self, who: K, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock();
        if full_at.len() >= self.rate.known_max {
            full_at.retain(|_, at| *at > now);
            if full_at.len() >= self.rate.known_max {
                // So many at once are no people: nobody is remembered, rather than everybody refused.
                full_at.clear();
            }
        }
        let at = full_at.entry(who).or_insert(now);
        let from = (*at).max(now);
        let missing = from.duration_since(now);
        let most = self.rate.every * self.rate.burst.saturating_sub(1);
        if missing > most {
            return Err(missing - most);
        }
        *at = from + self.rate.every;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(known_max: usize) -> Pace<u32> {
        Pace::new(Rate {
            burst: 3,
            every: 10 * SECOND,
            known_max,
        })
    }

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let (pace, now) = (pace(10), Instant::now());
        for _ in 0..3 {
            assert_eq!(pace.take(1, now), Ok(()));
        }
        assert_eq!(pace.take(1, now), Err(10 * SECOND));
        assert_eq!(pace.take(2, now), Ok(()), "another one");
        assert_eq!(pace.take(1, now + 4 * SECOND), Err(6 * SECOND));
        assert_eq!(pace.take(1, now + 10 * SECOND), Ok(()));
        assert_eq!(pace.take(1, now + 10 * SECOND), Err(10 * SECOND));
        // Never more than a burst, however long it was.
        let later = now + 10_000 * SECOND;
        let taken = (0..9).filter(|_| pace.take(1, later).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn it_is_bounded() {
        let (pace, now) = (pace(4), Instant::now());
        for who in 0..1_000 {
            assert_eq!(pace.take(who, now), Ok(()));
            assert!(pace.full_at.lock().len() <= 4);
        }
    }
}
