//! Quantities as people read them.

use time::OffsetDateTime;
use time::macros::format_description;

/// A size in bytes: `512 B`, `55.2 KiB`, `1.7 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = to_f64(bytes) / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for next in units {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A number with its thousands apart: `1 204 331`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A duration in microseconds with three digits or so: `2.05 us`, `17.9 us`, `114 ms`, `1.20 s`.
pub(crate) fn duration_us(us: f64) -> String {
    let (value, unit) = if us < 999.5 {
        (us, "us")
    } else if us < 999_500.0 {
        (us / 1e3, "ms")
    } else {
        (us / 1e6, "s")
    };
    if value < 9.995 {
        format!("{value:.2} {unit}")
    } else if value < 99.95 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// A duration in milliseconds, as [`duration_us`].
pub(crate) fn millis(ms: u64) -> String {
    duration_us(to_f64(ms) * 1e3)
}

/// How long ago: `12 s`, `3 min`, `5 h`, `8 d`. The future is `0 s`: clocks differ a little.
pub(crate) fn age(unix_ms: u64, now_unix_ms: u64) -> String {
    let seconds = now_unix_ms.saturating_sub(unix_ms) / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A Unix time in milliseconds as UTC: `2026-11-21T15:54:22.120Z`.
pub(crate) fn instant(unix_ms: u64) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .ok()
        .and_then(|instant| instant.format(&format).ok())
        .unwrap_or_else(|| format!("{unix_ms} ms"))
}

/// `part` of `whole` in per cent; `-` of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{:.1} %", to_f64(part) * 100.0 / to_f64(whole))
}

/// Exact up to 2^53; beyond that nobody reads the last digit.
fn to_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(56_525), "55.2 KiB");
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(bytes(18 << 20), "18.0 MiB");
        assert_eq!(bytes(5 << 40), "5.0 TiB");
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_204_331), "1 204 331");
        assert_eq!(duration_us(2.054), "2.05 us");
        assert_eq!(duration_us(17.94), "17.9 us");
        assert_eq!(duration_us(133.0), "133 us");
        assert_eq!(duration_us(999.9), "1.00 ms");
        assert_eq!(duration_us(114_000.0), "114 ms");
        assert_eq!(millis(1200), "1.20 s");
        assert_eq!(percent(1, 0), "-");
        assert_eq!(percent(1, 8), "12.5 %");
    }

    #[test]
    fn times() {
        assert_eq!(instant(1_767_225_600_123), "2026-01-01T00:00:00.123Z");
        assert_eq!(instant(u64::MAX), format!("{} ms", u64::MAX));
        let ago = |seconds: u64| age(1_000_000_000, 1_000_000_000 + seconds * 1000);
        assert_eq!(ago(0), "0 s");
        assert_eq!(ago(119), "119 s");
        assert_eq!(ago(120), "2 min");
        assert_eq!(ago(7200), "2 h");
        assert_eq!(ago(172_800), "2 d");
        assert_eq!(age(2000, 1000), "0 s");
    }
}
