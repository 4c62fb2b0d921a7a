//! [`AudioClock`]: places audio frames by counting them, so that the rounding of RTMP's millisecond
//! timestamps never reaches the output. It follows the source when the two part company.

use crate::MediaTime;

/// Departure of the source's timestamp from the count that is a jump rather than rounding.
const DEPARTURE_MAX: MediaTime = MediaTime::from_millis(100);

/// Counts frames from an anchor, in units of the sampling rate.
#[derive(Debug)]
pub(crate) struct AudioClock {
    rate: u32,
    next: Option<i64>,
}

/// Where a frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Start of the frame, in units of the sampling rate on the source's timeline.
    pub(crate) units: i64,
    /// Set if the count started anew here: source minus count.
    pub(crate) departure: Option<MediaTime>,
}

impl AudioClock {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate, next: None }
    }

    pub(crate) fn place(&mut self, source: MediaTime, frame_samples: u32) -> Placed {
        let counted = self.next.map(|next| (next, self.departure(source, next)));
        let (units, departure) = match counted {
            Some((next, departure)) if departure.abs_diff(MediaTime::ZERO) <= DEPARTURE_MAX => {
                (next, None)
            }
            Some((_, departure)) => (source.to_timescale(self.rate), Some(departure)),
            None => (source.to_timescale(self.rate), None),
        };
        self.next = Some(units.saturating_add(i64::from(frame_samples)));
        Placed { units, departure }
    }

    fn departure(&self, source: MediaTime, next: i64) -> MediaTime {
        source - MediaTime::from_timescale(next, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millisecond_rounding_disappears() {
        let mut clock = AudioClock::new(44_100);
        for frame in 0..10_000i64 {
            let millis = frame * 1_024 * 1_000 / 44_100;
            let placed = clock.place(MediaTime::from_millis(millis), 1_024);
            assert_eq!(placed.units, frame * 1_024);
            assert_eq!(placed.departure, None);
        }
    }

    #[test]
    fn frames_may_vary() {
        let mut clock = AudioClock::new(48_000);
        let mut due = 0;
        for samples in [960, 120, 2_880, 960, 480].into_iter().cycle().take(1_000) {
            let source = MediaTime::from_millis(due / 48);
            assert_eq!(clock.place(source, samples).units, due);
            due += i64::from(samples);
        }
    }

    #[test]
    fn a_jump_starts_the_count_anew() {
        let mut clock = AudioClock::new(48_000);
        clock.place(MediaTime::ZERO, 1_024);
        let late = clock.place(MediaTime::from_millis(21 + 100), 1_024);
        assert_eq!((late.units, late.departure), (1_024, None));
        let jumped = clock.place(MediaTime::from_millis(1_000), 1_024);
        assert_eq!(jumped.units, 48_000);
        assert!(
            jumped
                .departure
                .is_some_and(|by| by > MediaTime::from_millis(900))
        );
        let back = clock.place(MediaTime::ZERO, 1_024);
        assert_eq!(back.units, 0);
        assert!(back.departure.is_some_and(|by| by < MediaTime::ZERO));
    }
}
