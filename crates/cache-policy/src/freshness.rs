//! Lifetimes and ages (RFC 9111 4.2), adding up across tiers.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AGE, DATE, EXPIRES, HeaderName};

use crate::control::CacheControl;
use crate::syntax::{parse_delta_seconds, split_list};

/// Whether a stored response may be served, and on what terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// For this much longer.
    Fresh {
        /// What remains of the lifetime; more than zero.
        ttl: Duration,
    },
    /// Stale, but may be served while a new one is being fetched (RFC 5861 3).
    StaleWhileRevalidate,
    /// Stale, but may be served if the parent fails (RFC 5861 4).
    StaleIfError,
    /// Not to be served.
    Expired,
}

/// How long the response is fresh, counted from its generation (RFC 9111 4.2.1).
///
/// `None` if it does not say. `now` stands in for a missing `Date`.
pub fn freshness_lifetime(
    headers: &HeaderMap,
    control: &CacheControl,
    now: SystemTime,
) -> Option<Duration> {
    if let Some(lifetime) = control.shared_max_age() {
        return Some(lifetime);
    }
    headers.get(EXPIRES)?;
    // 5.3: an invalid date, "0" above all, is a time in the past.
    let Some(expires) = date(headers, &EXPIRES) else {
        return Some(Duration::ZERO);
    };
    let generated = date(headers, &DATE).unwrap_or(now);
    Some(expires.duration_since(generated).unwrap_or_default())
}

/// The upstream's `Age`, zero if there is none or it is no number.
///
/// RFC 9111 5.1: of several values the first counts.
pub fn age_value(headers: &HeaderMap) -> Duration {
    headers
        .get(AGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| split_list(text).next())
        .and_then(parse_delta_seconds)
        .unwrap_or_default()
}

/// The age of a response when it arrives (RFC 9111 4.2.3, `corrected_age_value`, which the
/// section lets a cache use as `corrected_initial_age`). Clocks need not agree for it.
///
/// `response_delay` is the time between asking and the arrival of the response header. When the
/// parent held a blocking request, the response was generated at the *end* of that time: give
/// the round trip alone, else a playlist made this instant would claim the age of its wait, and
/// players tune in late (RFC 8216bis Appendix C reads `Age`).
pub fn corrected_initial_age(headers: &HeaderMap, response_delay: Duration) -> Duration {
    age_value(headers).saturating_add(response_delay)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| httpdate::parse_http_date(text).ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const DAY: &str = "Sat, 21 Nov 2026 10:00:00 GMT";
    const MINUTE_LATER: &str = "Sat, 21 Nov 2026 10:01:00 GMT";

    /// Field lines: name, value.
    type Lines = &'static [(&'static str, &'static str)];

    fn headers(lines: Lines) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn lifetime_seconds(lines: Lines) -> Option<u64> {
        let headers = headers(lines);
        let now = httpdate::parse_http_date(DAY).unwrap() + Duration::from_secs(10);
        let control = CacheControl::from_headers(&headers);
        freshness_lifetime(&headers, &control, now).map(|lifetime| lifetime.as_secs())
    }

    #[test]
    fn lifetime_has_the_precedence_of_rfc_9111_4_2_1() {
        let table: [(Lines, Option<u64>); 9] = [
            (&[], None),
            (
                &[("cache-control", "s-maxage=3, max-age=9"), ("expires", DAY)],
                Some(3),
            ),
            (&[("cache-control", "max-age=9"), ("expires", DAY)], Some(9)),
            (&[("cache-control", "public")], None),
            (&[("expires", MINUTE_LATER), ("date", DAY)], Some(60)),
            (&[("expires", MINUTE_LATER)], Some(50)),
            (&[("expires", DAY), ("date", MINUTE_LATER)], Some(0)),
            (&[("expires", "0"), ("date", DAY)], Some(0)),
            (&[("date", DAY)], None),
        ];
        for (lines, expect) in table {
            assert_eq!(lifetime_seconds(lines), expect, "{lines:?}");
        }
    }

    #[test]
    fn age_is_read_as_rfc_9111_5_1_says() {
        let table = [
            ("7", 7),
            ("0", 0),
            ("-1", 0),
            ("1.5", 0),
            ("x", 0),
            ("3, 9", 3),
            ("", 0),
        ];
        for (text, expect) in table {
            let mut headers = HeaderMap::new();
            headers.insert(AGE, HeaderValue::from_static(text));
            assert_eq!(age_value(&headers), Duration::from_secs(expect), "{text}");
        }
        assert_eq!(age_value(&HeaderMap::new()), Duration::ZERO);
        assert!(
            age_value(&headers(&[("age", "99999999999999999999")])) > Duration::from_secs(1 << 30)
        );
    }

    #[test]
    fn initial_age_adds_the_delay_to_the_parents_age() {
        let delay = Duration::from_millis(250);
        assert_eq!(
            corrected_initial_age(&headers(&[("age", "4")]), delay),
            Duration::from_millis(4250)
        );
        assert_eq!(corrected_initial_age(&HeaderMap::new(), delay), delay);
    }
}
