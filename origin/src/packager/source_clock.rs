//! The source's clock, repaired: encoders restart it, set it, and wrap it. Pure.
//!
//! Timestamps pass as they are while they move as the wall's clock does, gaps included. One that
//! leaps is taken for a clock that was set: the timeline goes on where it was, by what has passed meanwhile.
//! Sound and picture leap one after the other, so whichever comes second takes over the first one's correction,
//! and they stay together.

use std::time::Duration;

/// A timestamp may be so far from where the wall's clock says it should be: queues in the encoder, the network
/// and the kernel hold seconds. Beyond it the source's clock was set.
const LEAP_MS: i64 = 5_000;
/// Nor does time go back, by more than what tags of several tracks are out of order: what came before would be
/// dropped, and what is decoded from it shown all the same.
const BACK_MS: i64 = 1_000;
/// A correction of the other kind is taken over if it puts a tag so close to where it is expected.
const TOGETHER_MS: i64 = 2_000;
/// What a tag advances whose clock was set, at least: the timeline must not stand still.
const STEP_MS: i64 = 1;

/// What a tag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Audio,
    Video,
}

/// Where a tag belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// On the repaired timeline.
    pub(super) ms: i64,
    /// How far its clock leapt, if it did.
    pub(super) leapt_ms: Option<i64>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct SourceClock {
    audio: Option<Hand>,
    video: Option<Hand>,
}

/// The clock as one kind of tags shows it.
#[derive(Clone, Copy, Debug)]
struct Hand {
    /// Repaired minus source time.
    correction_ms: i64,
    /// The newest tag's repaired time, and when it arrived.
    newest_ms: i64,
    arrived: Duration,
}

impl SourceClock {
    /// Takes the next tag of a kind; `arrived` is the time since any fixed point, and never goes back.
    pub(super) fn place(&mut self, kind: Kind, timestamp_ms: i64, arrived: Duration) -> Placed {
        let (own, other) = match kind {
            Kind::Audio => (&mut self.audio, &self.video),
            Kind::Video => (&mut self.video, &self.audio),
        };
        let correction_ms = other.map_or(0, |other| other.correction_ms);
        let Some(hand) = own else {
            let ms = timestamp_ms.saturating_add(correction_ms);
            *own = Some(Hand {
                correction_ms,
                newest_ms: ms,
                arrived,
            });
            return Placed { ms, leapt_ms: None };
        };
        let passed = arrived.saturating_sub(hand.arrived).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let expected = hand.newest_ms.saturating_add(passed);
        let mut ms = timestamp_ms.saturating_add(hand.correction_ms);
        let by_ms = ms.saturating_sub(hand.newest_ms);
        // Measured both ways: a stall lets the wall's clock run on while tags wait, and they come in a heap.
        let is_leap = by_ms < -BACK_MS
            || by_ms > LEAP_MS && ms.saturating_sub(expected).saturating_abs() > LEAP_MS;
        if is_leap {
            let together = timestamp_ms.saturating_add(correction_ms);
            let fits = together.saturating_sub(expected).saturating_abs() <= TOGETHER_MS;
            hand.correction_ms = if fits && together > hand.newest_ms {
                correction_ms
            } else {
                expected
                    .max(hand.newest_ms.saturating_add(STEP_MS))
                    .saturating_sub(timestamp_ms)
            };
            ms = timestamp_ms.saturating_add(hand.correction_ms);
        }
        hand.newest_ms = ms;
        hand.arrived = arrived;
        Placed {
            ms,
            leapt_ms: is_leap.then_some(by_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind::{Audio, Video};
    use super::*;

    struct Source {
        clock: SourceClock,
        now: Duration,
        /// Added to what the source counts.
        set_ms: i64,
        placed: Vec<(Kind, i64)>,
        leaps: Vec<i64>,
    }

    impl Source {
        fn new() -> Self {
            Self {
                clock: SourceClock::default(),
                now: Duration::from_secs(1_000),
                set_ms: 0,
                placed: Vec::new(),
                leaps: Vec::new(),
            }
        }

        /// 25 pictures a second, and as many frames of sound 10 ms behind them.
        fn run(&mut self, from_ms: i64, until_ms: i64) {
            for at in (from_ms..until_ms).step_by(40) {
                self.now += Duration::from_millis(40);
                for (kind, at) in [(Video, at), (Audio, at + 10)] {
                    let placed = self.clock.place(kind, at + self.set_ms, self.now);
                    self.placed.push((kind, placed.ms));
                    self.leaps.extend(placed.leapt_ms);
                }
            }
        }

        /// The steps of one kind.
        fn steps(&self, kind: Kind) -> Vec<i64> {
            let own = self.placed.iter().filter(|(own, _)| *own == kind);
            let own: Vec<_> = own.map(|(_, ms)| *ms).collect();
            own.windows(2).map(|pair| pair[1] - pair[0]).collect()
        }

        fn sound_behind_picture(&self) -> Vec<i64> {
            let pairs = self.placed.chunks(2);
            pairs.map(|pair| pair[1].1 - pair[0].1).collect()
        }
    }

    #[test]
    fn a_clock_that_runs_passes() {
        let mut source = Source::new();
        source.run(123_456, 200_000);
        assert!(source.leaps.is_empty());
        assert_eq!(source.placed[0], (Video, 123_456));
        assert_eq!(source.placed[1], (Audio, 123_466));
    }

    #[test]
    fn a_clock_that_is_set_goes_on_where_it_was() {
        for by in [
            86_400_000,
            -86_400_000,
            10_000,
            -10_000,
            -1_488,
            i64::from(u32::MAX),
            -(i64::from(i32::MAX)),
            i64::MAX / 2,
        ] {
            let mut source = Source::new();
            source.run(0, 4_000);
            source.set_ms = by;
            source.run(4_000, 8_000);
            assert_eq!(source.leaps.len(), 2, "{by}: once for each kind");
            for kind in [Video, Audio] {
                let steps = source.steps(kind);
                assert!(
                    steps.iter().all(|step| (30..=50).contains(step)),
                    "{by}: {kind:?} {steps:?}"
                );
            }
            let together = source.sound_behind_picture();
            assert!(
                together.iter().all(|behind| *behind == 10),
                "{by}: {together:?}"
            );
        }
    }

    #[test]
    fn a_gap_in_the_source_stays_one() {
        let mut source = Source::new();
        source.run(0, 4_000);
        source.now += Duration::from_secs(60);
        source.run(64_000, 68_000);
        assert!(source.leaps.is_empty());
        assert_eq!(source.steps(Video).iter().max(), Some(&60_040));
    }

    #[test]
    fn a_heap_after_a_stall_is_no_leap() {
        let mut source = Source::new();
        source.run(0, 4_000);
        source.now += Duration::from_secs(14);
        // It all comes at once.
        for at in (4_000..18_000).step_by(40) {
            let placed = source.clock.place(Video, at, source.now);
            assert_eq!((placed.ms, placed.leapt_ms), (at, None));
        }
    }

    #[test]
    fn one_kind_alone_may_leap() {
        let mut source = Source::new();
        source.run(0, 4_000);
        let now = source.now;
        let mut last = 3_970;
        for frame in 1..50 {
            let at = i64::from(frame) * 40;
            let arrived = now + Duration::from_millis(u64::try_from(at).unwrap());
            let placed = source.clock.place(Audio, 50_000_000 + at, arrived);
            assert_eq!(placed.leapt_ms.is_some(), frame == 1);
            assert_eq!(placed.ms - last, 40);
            last = placed.ms;
            let picture = source.clock.place(Video, 3_960 + at, arrived);
            assert_eq!((picture.ms, picture.leapt_ms), (3_960 + at, None));
        }
    }

    #[test]
    fn no_timestamp_is_too_wild() {
        let mut clock = SourceClock::default();
        for (timestamp, kind) in [i64::MAX, i64::MIN, 0, i64::MAX, -1, i64::MIN]
            .into_iter()
            .zip([Video, Audio].into_iter().cycle())
        {
            clock.place(kind, timestamp, Duration::ZERO);
        }
    }
}
