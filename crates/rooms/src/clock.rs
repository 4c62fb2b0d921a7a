//! What time it is for a room.

use std::time::{Duration, Instant};

/// The clock of one room, in Unix milliseconds: the wall's when the room was opened, and from then on what
/// has passed.
///
/// [`crate::Hub`] and [`crate::EdgeRoom`] take a time that goes back for the latest seen, and so do their
/// deadlines: a driver that compared them with a wall clock that was set back would do nothing in the room
/// until the wall had caught up. Whatever is compared with a room's deadlines comes from here.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    opened_ms: u64,
    opened: Instant,
}

impl Clock {
    /// Of a room that is opened `now`, when the wall says `wall_ms`.
    pub fn new(wall_ms: u64, now: Instant) -> Self {
        Self {
            opened_ms: wall_ms,
            opened: now,
        }
    }

    /// Unix milliseconds at `now`; never less than before.
    pub fn at(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.opened).as_millis();
        let passed_ms = u64::try_from(passed).unwrap_or(u64::MAX);
        self.opened_ms.saturating_add(passed_ms)
    }

    /// From `now` until `at_ms`.
    pub fn until(&self, at_ms: u64, now: Instant) -> Duration {
        Duration::from_millis(at_ms.saturating_sub(self.at(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, EdgeRoom, Hub, Saved};

    const WALL_MS: u64 = 1_795_305_600_000;
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

    #[test]
    fn what_has_passed_is_added_and_nothing_goes_back() {
        let opened = Instant::now();
        let clock = Clock::new(WALL_MS, opened);
        let later = opened + Duration::from_millis(1_500);
        assert_eq!(clock.at(opened), WALL_MS);
        assert_eq!(clock.at(later), WALL_MS + 1_500);
        assert_eq!(
            clock.until(WALL_MS + 2_000, later),
            Duration::from_millis(500)
        );
        assert_eq!(clock.until(WALL_MS, later), Duration::ZERO);
        // Not even before it was opened.
        let early = Clock::new(WALL_MS, later);
        assert_eq!(early.at(opened), WALL_MS);
    }

    /// The wall is set back a day while a room is open: what its driver does next is due as before.
    #[test]
    fn deadlines_are_met_whatever_the_wall_says() {
        let opened = Instant::now();
        let clock = Clock::new(WALL_MS, opened);
        let config = Config::default();
        let hub = Hub::new(&config, 7, Saved::default(), clock.at(opened), 1);
        let hub = hub.expect("correct settings");
        let edge = EdgeRoom::new(&config, "edge".to_owned(), 1, clock.at(opened), 1);
        let edge = edge.expect("correct settings");
        for deadline in [hub.deadline(), edge.deadline()] {
            let wait = clock.until(deadline, opened);
            assert!(wait < Duration::from_secs(60), "{wait:?}");
            assert!(clock.at(opened + wait) >= deadline);
            let wall_ms = WALL_MS - DAY_MS;
            assert!(wall_ms < deadline, "the wall alone would say: not yet");
        }
    }
}
