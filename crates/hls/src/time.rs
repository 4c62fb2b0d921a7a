//! Media time in text: decimal seconds, and rounding that keeps sums exact.
//!
//! No wall clock (see [`crate::ProgramDateTime`]) and no timescales: callers hand in
//! [`Duration`]s.

use std::{fmt, time::Duration};

use crate::sequence::parse_decimal_integer;

/// The longest duration the parser takes. A wrapped 32-bit counter once reached players as an
/// EXTINF of 4294967.996 s; nothing in a live playlist lasts longer than a day.
pub const DURATION_MAX: Duration = Duration::from_secs(86_400);

const NANOS_PER_MICRO: u128 = 1_000;
/// What the parser keeps is what the renderer writes: a value that was read reads back the same.
const FRACTION_DIGITS: usize = 6;

/// Turns exact durations into durations of whole microseconds whose sums do not drift.
///
/// Not the duration is rounded but the *position* of each boundary on the stream's timeline; a
/// duration in the text is the difference of two rounded positions. So Parts add up to their
/// Segment, and Segments to the stream, digit by digit. And as `round(p + d) - round(p)` is never
/// above `ceil(d)`, a Part that keeps PART-TARGET (whole microseconds) keeps it in the text too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timeline {
    exact: Duration,
}

impl Timeline {
    /// The rounded position of the end.
    pub(crate) fn position(self) -> Duration {
        round_to_micros(self.exact)
    }

    /// What [`Timeline::advance`] would return.
    pub(crate) fn measure(self, duration: Duration) -> Duration {
        round_to_micros(self.exact.saturating_add(duration)).saturating_sub(self.position())
    }

    /// Moves the end by `duration` and returns that step as the text shows it.
    pub(crate) fn advance(&mut self, duration: Duration) -> Duration {
        let step = self.measure(duration);
        self.exact = self.exact.saturating_add(duration);
        step
    }
}

pub(crate) fn round_to_micros(duration: Duration) -> Duration {
    let micros = (duration.as_nanos() + NANOS_PER_MICRO / 2) / NANOS_PER_MICRO;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

pub(crate) fn is_whole_micros(duration: Duration) -> bool {
    duration.as_nanos().is_multiple_of(NANOS_PER_MICRO)
}

/// A `decimal-floating-point` number of seconds: at least one and at most six fraction digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecimalSeconds(pub(crate) Duration);

impl fmt::Display for DecimalSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = round_to_micros(self.0);
        let (mut fraction, mut digits) = (rounded.subsec_micros(), 6);
        while digits > 1 && fraction.is_multiple_of(10) {
            fraction /= 10;
            digits -= 1;
        }
        write!(f, "{}.{fraction:0digits$}", rounded.as_secs())
    }
}

/// Reads a non-negative decimal number of seconds, at most [`DURATION_MAX`]. Digits behind the
/// microsecond are dropped.
pub(crate) fn parse_decimal_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds = parse_decimal_integer(whole)?;
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(FRACTION_DIGITS)
        .fold(0, |micros: u32, digit| {
            micros * 10 + u32::from(digit - b'0')
        });
    // The bound on whole seconds comes first so that the addition cannot overflow.
    (seconds <= DURATION_MAX.as_secs())
        .then(|| Duration::new(seconds, micros * 1_000))
        .filter(|duration| *duration <= DURATION_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_short_and_read_back() {
        for (micros, text) in [
            (2_000_000, "2.0"),
            (333_333, "0.333333"),
            (350_000, "0.35"),
            (1, "0.000001"),
            (12_000_010, "12.00001"),
        ] {
            let duration = Duration::from_micros(micros);
            assert_eq!(DecimalSeconds(duration).to_string(), text);
            assert_eq!(parse_decimal_seconds(text), Some(duration));
        }
        assert_eq!(
            DecimalSeconds(Duration::from_nanos(999_999_500)).to_string(),
            "1.0"
        );
    }

    #[test]
    fn odd_numbers_are_refused() {
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "inf",
            "NaN",
            "1,5",
            "4294967.996",
        ] {
            assert_eq!(parse_decimal_seconds(bad), None, "{bad}");
        }
        assert_eq!(parse_decimal_seconds("86400.000001"), None);
        assert_eq!(
            parse_decimal_seconds("1.0000019"),
            Some(Duration::from_micros(1_000_001))
        );
    }

    #[test]
    fn thirds_of_a_second_add_up() {
        let mut timeline = Timeline::default();
        let sum: Duration = (0..6)
            .map(|_| timeline.advance(Duration::new(0, 333_333_333)))
            .sum();
        assert_eq!(sum, timeline.position());
        assert_eq!(sum, Duration::from_secs(2));
    }
}
