//! Days, as leaderboards and earnings have them: of UTC.

use std::fmt;

use time::Date;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The Julian day of 1970-01-01.
const EPOCH_JULIAN: i64 = 2_440_588;

/// A day of UTC. Shown as `2026-11-22`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u64);

impl Day {
    /// The day of a time, in milliseconds since 1970.
    pub fn of(at_ms: u64) -> Self {
        Self(at_ms / DAY_MS)
    }

    /// A day that was stored.
    pub(crate) fn numbered(days: u64) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub fn number(self) -> u64 {
        self.0
    }

    /// Its first millisecond.
    pub fn start_ms(self) -> u64 {
        self.0.saturating_mul(DAY_MS)
    }

    /// The day after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Some days before it; not before 1970.
    #[must_use]
    pub fn minus(self, days: u64) -> Self {
        Self(self.0.saturating_sub(days))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let julian = i64::try_from(self.0).unwrap_or(i64::MAX);
        let julian = i32::try_from(julian.saturating_add(EPOCH_JULIAN));
        let date = julian.ok().and_then(|day| Date::from_julian_day(day).ok());
        // After the year 9999.
        let date = date.unwrap_or(Date::MAX);
        let (year, month, day) = date.to_calendar_date();
        write!(f, "{year:04}-{:02}-{day:02}", u8::from(month))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (at_ms, date) in [
            (0, "1970-01-01"),
            (951_782_400_000, "2000-02-29"),
            (1_795_305_599_999, "2026-11-21"),
            (1_795_305_600_000, "2026-11-22"),
            (u64::MAX, "9999-12-31"),
        ] {
            assert_eq!(Day::of(at_ms).to_string(), date, "{at_ms}");
        }
        let day = Day::of(1_795_305_600_000);
        assert_eq!(day.start_ms(), 1_795_305_600_000);
        assert_eq!(day.minus(1).next(), day);
    }
}
