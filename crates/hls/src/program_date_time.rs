//! EXT-X-PROGRAM-DATE-TIME: a point of wall-clock time, in milliseconds and UTC.
//!
//! Reads no clock. Years 0000 to 9999 only, because ISO 8601 gives a year four digits.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

const MILLIS_PER_SECOND: i64 = 1_000;
const MILLIS_PER_DAY: i64 = 86_400 * MILLIS_PER_SECOND;
/// 0000-01-01T00:00:00.000Z.
const MILLIS_MIN: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z.
const MILLIS_MAX: i64 = 253_402_300_799_999;

/// A wall-clock time with the precision EXT-X-PROGRAM-DATE-TIME asks for (RFC 8216bis 4.4.4.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgramDateTime {
    unix_millis: i64,
}

impl ProgramDateTime {
    /// From milliseconds since 1970-01-01T00:00:00Z, brought into the years 0000 to 9999.
    #[must_use]
    pub const fn from_unix_millis(millis: i64) -> Self {
        let unix_millis = if millis < MILLIS_MIN {
            MILLIS_MIN
        } else if millis > MILLIS_MAX {
            MILLIS_MAX
        } else {
            millis
        };
        Self { unix_millis }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.unix_millis
    }

    /// The time `duration` later, to the millisecond below.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(self.unix_millis.saturating_add(millis))
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS[.fraction](Z|+HH:MM|+HHMM|+HH)`; `None` for anything else.
    /// A zone is required: the draft says it SHOULD be there, and without it the time means
    /// nothing. Digits behind the millisecond are dropped.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('T')?;
        let (clock, offset_minutes) = split_zone(time)?;
        let (year, month, day) = parse_date(date)?;
        let days = days_from_civil(year, month, day);
        let millis =
            days * MILLIS_PER_DAY + parse_clock(clock)? - offset_minutes * 60 * MILLIS_PER_SECOND;
        (MILLIS_MIN..=MILLIS_MAX).contains(&millis).then_some(Self {
            unix_millis: millis,
        })
    }
}

impl From<SystemTime> for ProgramDateTime {
    fn from(time: SystemTime) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        })
    }
}

impl fmt::Display for ProgramDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.unix_millis.div_euclid(MILLIS_PER_DAY));
        let millis = self.unix_millis.rem_euclid(MILLIS_PER_DAY);
        let seconds = millis / MILLIS_PER_SECOND;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60,
            millis % MILLIS_PER_SECOND,
        )
    }
}

fn fixed_digits(text: &str, count: usize) -> Option<i64> {
    if text.len() != count || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn parse_date(date: &str) -> Option<(i64, i64, i64)> {
    let mut fields = date.split('-');
    let year = fixed_digits(fields.next()?, 4)?;
    let month = fixed_digits(fields.next()?, 2)?;
    let day = fixed_digits(fields.next()?, 2)?;
    if fields.next().is_some() || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    // A day past the month's end would come back as another date: refuse what does not survive.
    (civil_from_days(days_from_civil(year, month, day)) == (year, month, day))
        .then_some((year, month, day))
}

fn parse_clock(clock: &str) -> Option<i64> {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut fields = clock.split(':');
    let hours = fixed_digits(fields.next()?, 2)?;
    let minutes = fixed_digits(fields.next()?, 2)?;
    let seconds = fixed_digits(fields.next()?, 2)?;
    let bad_fraction = fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit());
    if fields.next().is_some() || hours > 23 || minutes > 59 || seconds > 59 || bad_fraction {
        return None;
    }
    let millis = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(3)
        .fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0'));
    Some(((hours * 60 + minutes) * 60 + seconds) * MILLIS_PER_SECOND + millis)
}

/// Splits off the zone and returns its offset in minutes.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (clock, zone) = time.split_at_checked(at)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let zone = zone.get(1..)?;
    let (hours, minutes) = match zone.split_once(':') {
        Some(fields) => fields,
        None if zone.len() == 2 => (zone, "00"),
        None => zone.split_at_checked(2)?,
    };
    let (hours, minutes) = (fixed_digits(hours, 2)?, fixed_digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some((clock, sign * (hours * 60 + minutes)))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March so
/// that the leap day is the last of its year; 400 years have 146,097 days.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (MILLIS_MIN, "0000-01-01T00:00:00.000Z"),
            (MILLIS_MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            let time = ProgramDateTime::from_unix_millis(millis);
            assert_eq!(time.to_string(), text);
            assert_eq!(ProgramDateTime::parse(text), Some(time));
        }
    }

    #[test]
    fn zones_and_fractions() {
        let time = ProgramDateTime::parse("2026-01-01T00:00:00.1Z");
        for same in [
            "2026-01-01T01:30:00.1+01:30",
            "2025-12-31T19:00:00.100-0500",
            "2026-01-01T02:00:00.1009+02",
        ] {
            assert_eq!(ProgramDateTime::parse(same), time, "{same}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for bad in [
            "",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+é",
            "0000-01-01T00:00:00+23:00",
            "2026-01-01T00:00:00Z ",
        ] {
            assert_eq!(ProgramDateTime::parse(bad), None, "{bad}");
        }
    }
}
