//! `Cache-Control` of a response (RFC 9111 5.2.2, RFC 5861, RFC 8246).

use std::time::Duration;

use http::HeaderMap;
use http::header::CACHE_CONTROL;

use crate::syntax::{first_wins, members, members_of};

/// The directives of a response that a shared cache acts on.
///
/// Directives it does not know are ignored (5.2.3). `no-cache` and `private` with a list of
/// field names count as the plain ones, as both sections allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// Will not change while fresh (RFC 8246 2).
    pub immutable: bool,
    /// The freshness lifetime (5.2.2.1).
    pub max_age: Option<Duration>,
    /// Not to be served stale (5.2.2.2; `proxy-revalidate`, 5.2.2.8, means the same here).
    pub must_revalidate: bool,
    /// Not to be served without asking the origin each time (5.2.2.4).
    pub no_cache: bool,
    /// Not to be stored (5.2.2.5).
    pub no_store: bool,
    /// Not to be changed on the way, compressed for instance (5.2.2.6).
    pub no_transform: bool,
    /// Not for a shared cache (5.2.2.7).
    pub private: bool,
    /// May be stored whatever its status (5.2.2.9).
    pub public: bool,
    /// The freshness lifetime in a shared cache; goes before `max_age` (5.2.2.10).
    pub s_maxage: Option<Duration>,
    /// How long past freshness it may be served when the origin fails (RFC 5861 4).
    pub stale_if_error: Option<Duration>,
    /// How long past freshness it may be served while a new one is fetched (RFC 5861 3).
    pub stale_while_revalidate: Option<Duration>,
}

impl CacheControl {
    /// Reads every `Cache-Control` line. A line that is not visible ASCII says nothing.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Self::read(members(headers, &CACHE_CONTROL))
    }

    /// Reads one field value.
    pub fn parse(text: &str) -> Self {
        Self::read(members_of(text))
    }

    /// `s-maxage` before `max-age` (4.2.1).
    pub fn shared_max_age(&self) -> Option<Duration> {
        self.s_maxage.or(self.max_age)
    }

    fn read<'a>(members: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Self {
        let mut control = Self::default();
        for (name, value) in members {
            control.apply(&name.to_ascii_lowercase(), value);
        }
        control
    }

    fn apply(&mut self, name: &str, value: Option<&str>) {
        match name {
            "immutable" => self.immutable = true,
            "max-age" => first_wins(&mut self.max_age, value),
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "no-cache" => self.no_cache = true,
            "no-store" => self.no_store = true,
            "no-transform" => self.no_transform = true,
            "private" => self.private = true,
            "public" => self.public = true,
            "s-maxage" => first_wins(&mut self.s_maxage, value),
            "stale-if-error" => first_wins(&mut self.stale_if_error, value),
            "stale-while-revalidate" => first_wins(&mut self.stale_while_revalidate, value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::syntax::DELTA_SECONDS_MAX;

    type Change = fn(&mut CacheControl);

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn directives_are_read_as_rfc_9111_5_2_says() {
        let table: [(&str, Change); 13] = [
            ("", |_| {}),
            ("community=\"UCI\", , only-if-cached", |_| {}),
            ("max-age=12", |c| c.max_age = seconds(12)),
            ("max-age=\"12\"", |c| c.max_age = seconds(12)),
            ("max-age = 12", |c| c.max_age = seconds(12)),
            ("MAX-AGE=12, Immutable", |c| {
                (c.max_age, c.immutable) = (seconds(12), true);
            }),
            ("s-maxage=1,max-age=9", |c| {
                (c.s_maxage, c.max_age) = (seconds(1), seconds(9));
            }),
            ("no-cache=\"set-cookie, x\"", |c| c.no_cache = true),
            ("No-Transform", |c| c.no_transform = true),
            ("private=\"max-age=5, no-store\"", |c| c.private = true),
            ("x=\"a\\\", no-store\", public", |c| c.public = true),
            ("proxy-revalidate, no-store", |c| {
                (c.must_revalidate, c.no_store) = (true, true);
            }),
            ("stale-while-revalidate=2, stale-if-error=3", |c| {
                (c.stale_while_revalidate, c.stale_if_error) = (seconds(2), seconds(3));
            }),
        ];
        for (text, change) in table {
            let mut expect = CacheControl::default();
            change(&mut expect);
            assert_eq!(CacheControl::parse(text), expect, "{text}");
        }
    }

    #[test]
    fn bad_numbers_mean_stale_and_large_ones_a_long_time() {
        for text in [
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1.5",
            "max-age=ten",
            "max-age=+1",
        ] {
            assert_eq!(CacheControl::parse(text).max_age, seconds(0), "{text}");
        }
        assert_eq!(
            CacheControl::parse("max-age=1, max-age=9").max_age,
            seconds(1)
        );
        let huge = CacheControl::parse("max-age=99999999999999999999999");
        assert_eq!(huge.max_age, seconds(DELTA_SECONDS_MAX));
    }

    #[test]
    fn several_lines_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(CACHE_CONTROL, HeaderValue::from_static("max-age=5"));
        headers.append(CACHE_CONTROL, HeaderValue::from_bytes(b"\xff").unwrap());
        headers.append(
            CACHE_CONTROL,
            HeaderValue::from_static("max-age=7, private"),
        );
        let control = CacheControl::from_headers(&headers);
        assert_eq!(control.shared_max_age(), seconds(5));
        assert!(control.private);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,80}") {
            let _ = CacheControl::parse(&text);
        }
    }
}
