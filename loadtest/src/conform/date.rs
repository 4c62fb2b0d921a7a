//! Dates as EXT-X-PROGRAM-DATE-TIME has them (ISO 8601, RFC 8216bis section 4.4.4.6).

/// Seconds since 1970; `None` when it is no date with a time and a zone.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let (date, time) = text.trim().split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    if !(0..=9_999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (clock, zone) = match time.strip_suffix('Z') {
        Some(clock) => (clock, 0.0),
        None => {
            let at = time.rfind(['+', '-'])?;
            let (clock, zone) = time.split_at(at);
            let sign = if zone.starts_with('-') { -1.0 } else { 1.0 };
            (clock, sign * offset(zone.get(1..)?)?)
        }
    };
    let mut clock = clock.splitn(3, ':').map(str::parse::<f64>);
    let (hour, minute, second) = (
        clock.next()?.ok()?,
        clock.next()?.ok()?,
        clock.next()?.ok()?,
    );
    let days = i32::try_from(days(year, month, day)).ok()?;
    Some(f64::from(days) * 86_400.0 + hour * 3_600.0 + minute * 60.0 + second - zone)
}

/// `HH:MM` or `HHMM`, in seconds.
fn offset(text: &str) -> Option<f64> {
    let digits = text.replace(':', "");
    let (hours, minutes) = (digits.get(..2)?, digits.get(2..).unwrap_or(""));
    let minutes = if minutes.is_empty() { "0" } else { minutes };
    Some(hours.parse::<f64>().ok()? * 3_600.0 + minutes.parse::<f64>().ok()? * 60.0)
}

/// Days since 1970 of the Gregorian calendar. A year counts from March, so that the leap day is
/// its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, month) = (year.div_euclid(400), (month + 9).rem_euclid(12));
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_with_and_without_a_zone() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(seconds("2024-02-29T12:00:00.250Z"), Some(1_709_208_000.25));
        assert_eq!(
            seconds("2024-02-29T14:00:00.250+02:00"),
            Some(1_709_208_000.25)
        );
        assert_eq!(seconds("2024-02-29T07:30:00-0430"), Some(1_709_208_000.0));
        assert_eq!(seconds("2024-02-29"), None);
        for date in [
            "9223372036854775807-01-01",
            "2024-9223372036854775807-01",
            "2024-01--9223372036854775808",
            "2024-13-01",
            "2024-01-32",
        ] {
            assert_eq!(seconds(&format!("{date}T00:00:00Z")), None, "{date}");
        }
        assert_eq!(seconds("2024-02-29T12:00:00"), None);
    }
}
