//! How much one connection may say, whatever it says: filters have finer rules, and cost more.

use std::time::Instant;

/// Messages and acts at once.
const SAY_BURST: f64 = 20.0;
/// Messages and acts a second after that.
const SAY_PER_SECOND: f64 = 5.0;
/// Likes, holds and pings at once.
const SIGNAL_BURST: f64 = 20.0;
/// Likes, holds and pings a second after that; a page sends four.
const SIGNAL_PER_SECOND: f64 = 10.0;
/// So much more for those in charge: a raid is cleared message by message.
const IN_CHARGE: f64 = 5.0;

/// Two token buckets.
#[derive(Debug)]
pub(super) struct Pace {
    say: f64,
    signal: f64,
    at: Instant,
    factor: f64,
}

impl Pace {
    pub(super) fn new(now: Instant, is_in_charge: bool) -> Self {
        let factor = if is_in_charge { IN_CHARGE } else { 1.0 };
        Self {
            say: SAY_BURST * factor,
            signal: SIGNAL_BURST,
            at: now,
            factor,
        }
    }

    /// Whether a message or an act may be said now.
    pub(super) fn say(&mut self, now: Instant) -> bool {
        self.refill(now);
        take(&mut self.say)
    }

    /// Whether a like, a hold or a ping is taken now.
    pub(super) fn signal(&mut self, now: Instant) -> bool {
        self.refill(now);
        take(&mut self.signal)
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.say = (self.say + seconds * SAY_PER_SECOND * self.factor).min(SAY_BURST * self.factor);
        self.signal = (self.signal + seconds * SIGNAL_PER_SECOND).min(SIGNAL_BURST);
    }
}

fn take(bucket: &mut f64) -> bool {
    let has = *bucket >= 1.0;
    if has {
        *bucket -= 1.0;
    }
    has
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_then_a_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(start, false);
        let said = (0..100).filter(|_| pace.say(start)).count();
        assert_eq!(said, 20);
        let later = start + Duration::from_secs(2);
        let said = (0..100).filter(|_| pace.say(later)).count();
        assert_eq!(said, 10);
        assert!(pace.signal(later), "signals have a bucket of their own");
        let mut pace = Pace::new(start, true);
        assert_eq!((0..200).filter(|_| pace.say(start)).count(), 100);
    }
}
