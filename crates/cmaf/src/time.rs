//! [`MediaTime`]: a point or a span on a stream's timeline, in 90 kHz ticks.
//!
//! It knows no epoch and no clock: where zero lies is the business of whoever made the value.

use std::fmt;
use std::ops::{Add, Neg, Sub};
use std::time::Duration;

/// Ticks per second of [`MediaTime`]; also the timescale of every video track.
pub const TICKS_PER_SECOND: i64 = 90_000;

const TICKS_PER_MILLISECOND: i64 = 90;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// A point or span of media time in 90 kHz ticks.
///
/// Milliseconds (RTMP, FLV) convert exactly. Arithmetic saturates: timestamps come from the
/// network, and a hostile one must not overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime(pub i64);

impl MediaTime {
    /// The start of a timeline, or an empty span.
    pub const ZERO: Self = Self(0);

    /// From milliseconds, exactly.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(TICKS_PER_MILLISECOND))
    }

    /// From `units` of a `timescale` (units per second), rounded down.
    #[must_use]
    pub fn from_timescale(units: i64, timescale: u32) -> Self {
        Self(scale(units, TICKS_PER_SECOND, i64::from(timescale)))
    }

    /// In units of a `timescale` (units per second), rounded down.
    #[must_use]
    pub fn to_timescale(self, timescale: u32) -> i64 {
        scale(self.0, i64::from(timescale), TICKS_PER_SECOND)
    }

    /// The raw 90 kHz ticks.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// In seconds, for people and metrics.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / TICKS_PER_SECOND as f64
    }

    /// As a [`Duration`]; a negative span is zero.
    #[must_use]
    pub fn to_duration(self) -> Duration {
        let ticks = i128::from(self.0.max(0));
        let nanos = ticks * NANOS_PER_SECOND / i128::from(TICKS_PER_SECOND);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The distance between two points, whichever is earlier.
    #[must_use]
    pub const fn abs_diff(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).saturating_abs())
    }
}

/// `value * numerator / denominator`, rounded down, saturating.
fn scale(value: i64, numerator: i64, denominator: i64) -> i64 {
    let scaled = i128::from(value) * i128::from(numerator);
    let scaled = scaled.div_euclid(i128::from(denominator.max(1)));
    i64::try_from(scaled).unwrap_or(if scaled < 0 { i64::MIN } else { i64::MAX })
}

impl Add for MediaTime {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for MediaTime {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for MediaTime {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}s", self.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_exact_and_audio_units_round_down() {
        assert_eq!(MediaTime::from_millis(333).ticks(), 29_970);
        assert_eq!(MediaTime::from_timescale(1_024, 48_000).ticks(), 1_920);
        assert_eq!(MediaTime::from_timescale(1_024, 44_100).ticks(), 2_089);
        assert_eq!(MediaTime(2_090).to_timescale(44_100), 1_024);
        assert_eq!(
            MediaTime::from_millis(1_500).to_duration(),
            Duration::from_millis(1_500)
        );
    }

    #[test]
    fn arithmetic_saturates() {
        let max = MediaTime(i64::MAX);
        assert_eq!(max + max, max);
        assert_eq!(MediaTime(i64::MIN) - max, MediaTime(i64::MIN));
        assert_eq!(-MediaTime(i64::MIN), max);
        assert_eq!(max.to_timescale(u32::MAX), i64::MAX);
        assert_eq!(MediaTime(-5).to_duration(), Duration::ZERO);
    }
}
