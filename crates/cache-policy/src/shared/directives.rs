//! `Cache-Control` of requests (RFC 9111 5.2.1) and of responses (5.2.2), as a shared cache needs
//! them.

use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, PRAGMA};

use crate::syntax::{first_wins, members, seconds, split_list};

/// Fields that one `no-cache` or `private` may name; the rest of a longer list makes it count as
/// the plain directive, which is stricter.
const FIELDS_MAX: usize = 32;

/// What a client says of the responses that it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// No response older than this (5.2.1.1).
    pub max_age: Option<Duration>,
    /// A stale one, up to this long (5.2.1.2); [`Duration::MAX`] for the directive alone.
    pub max_stale: Option<Duration>,
    /// Only one that stays fresh this long (5.2.1.3).
    pub min_fresh: Option<Duration>,
    /// None that was not validated for it (5.2.1.4; `Pragma: no-cache`, 5.4).
    pub no_cache: bool,
    /// The response is not to be stored (5.2.1.5).
    pub no_store: bool,
    /// Only a stored one (5.2.1.7).
    pub only_if_cached: bool,
}

/// What a response says of how it may be kept. Directives that nobody knows are ignored (5.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    /// Will not change while fresh (RFC 8246 2).
    pub immutable: bool,
    /// 5.2.2.1.
    pub max_age: Option<Duration>,
    /// 5.2.2.2.
    pub must_revalidate: bool,
    /// 5.2.2.3.
    pub must_understand: bool,
    /// 5.2.2.4, without field names.
    pub no_cache: bool,
    /// Fields that may not be used without validation (5.2.2.4), and those that are one client's
    /// (5.2.2.7).
    pub fields_not_kept: Vec<HeaderName>,
    /// 5.2.2.5.
    pub no_store: bool,
    /// 5.2.2.7, without field names.
    pub private: bool,
    /// 5.2.2.8.
    pub proxy_revalidate: bool,
    /// 5.2.2.9.
    pub public: bool,
    /// 5.2.2.10.
    pub s_maxage: Option<Duration>,
    /// RFC 5861 4.
    pub stale_if_error: Option<Duration>,
    /// RFC 5861 3.
    pub stale_while_revalidate: Option<Duration>,
}

impl RequestDirectives {
    /// Reads `Cache-Control`, and `Pragma` where there is none (5.4).
    pub fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        if !headers.contains_key(CACHE_CONTROL) {
            directives.no_cache =
                members(headers, &PRAGMA).any(|(name, _)| name.eq_ignore_ascii_case("no-cache"));
            return directives;
        }
        for (name, value) in members(headers, &CACHE_CONTROL) {
            let seconds = || value.and_then(seconds);
            match name.to_ascii_lowercase().as_str() {
                // One that cannot be read asks for nothing that is not validated.
                "max-age" => shorter(&mut directives.max_age, seconds().unwrap_or_default()),
                "min-fresh" => {
                    let seconds = seconds().unwrap_or_default();
                    let known = directives.min_fresh.get_or_insert(seconds);
                    *known = (*known).max(seconds);
                }
                "max-stale" => {
                    let most = match value {
                        None => Duration::MAX,
                        Some(_) => seconds().unwrap_or_default(),
                    };
                    shorter(&mut directives.max_stale, most);
                }
                "no-cache" => directives.no_cache = true,
                "no-store" => directives.no_store = true,
                "only-if-cached" => directives.only_if_cached = true,
                _ => {}
            }
        }
        directives
    }
}

impl ResponseDirectives {
    /// Reads every `Cache-Control` line. A line that is not visible ASCII says nothing.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        for (name, value) in members(headers, &CACHE_CONTROL) {
            directives.apply(name, value);
        }
        directives
    }

    /// `s-maxage` before `max-age` (4.2.1).
    pub fn shared_max_age(&self) -> Option<Duration> {
        self.s_maxage.or(self.max_age)
    }

    /// Whether a stale response may never be used without validation (4.2.4).
    ///
    /// `s-maxage` means it as well (5.2.2.10).
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.no_cache || self.s_maxage.is_some()
    }

    /// One directive, from whichever field.
    pub(super) fn apply(&mut self, name: &str, value: Option<&str>) {
        match name.to_ascii_lowercase().as_str() {
            "immutable" => self.immutable = true,
            "max-age" => first_wins(&mut self.max_age, value),
            "must-revalidate" => self.must_revalidate = true,
            "must-understand" => self.must_understand = true,
            "no-cache" => {
                let all = !self.keep_out(value);
                self.no_cache |= all;
            }
            "no-store" => self.no_store = true,
            "private" => {
                let all = !self.keep_out(value);
                self.private |= all;
            }
            "proxy-revalidate" => self.proxy_revalidate = true,
            "public" => self.public = true,
            "s-maxage" => first_wins(&mut self.s_maxage, value),
            "stale-if-error" => first_wins(&mut self.stale_if_error, value),
            "stale-while-revalidate" => first_wins(&mut self.stale_while_revalidate, value),
            _ => {}
        }
    }

    /// Takes the field names of a qualified directive. False if there are none, or more or others
    /// than can be kept out: then the directive stands for the whole response.
    fn keep_out(&mut self, value: Option<&str>) -> bool {
        let Some(list) = value.map(|value| value.trim_matches('"')) else {
            return false;
        };
        let mut named = 0;
        for name in split_list(list) {
            let Ok(name) = name.parse() else {
                return false;
            };
            if self.fields_not_kept.len() == FIELDS_MAX {
                return false;
            }
            self.fields_not_kept.push(name);
            named += 1;
        }
        named > 0
    }
}

/// Of several the strictest counts: a client that contradicts itself gets what is right for both.
fn shorter(slot: &mut Option<Duration>, value: Duration) {
    let known = slot.get_or_insert(value);
    *known = (*known).min(value);
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn response(value: &'static str) -> ResponseDirectives {
        ResponseDirectives::of(&headers(&[(CACHE_CONTROL, value)]))
    }

    fn request(value: &'static str) -> RequestDirectives {
        RequestDirectives::of(&headers(&[(CACHE_CONTROL, value)]))
    }

    const fn s(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn a_client_that_contradicts_itself_gets_the_stricter() {
        let read = request("max-age=10, max-age=5, min-fresh=1, min-fresh=3, max-stale");
        assert_eq!((read.max_age, read.min_fresh), (s(5), s(3)));
        assert_eq!(read.max_stale, Some(Duration::MAX));
        assert_eq!(request("max-stale=7, max-stale").max_stale, s(7));
        assert_eq!(request("max-age=x").max_age, s(0));
        assert!(request("ONLY-IF-CACHED, no-store").only_if_cached);
    }

    #[test]
    fn pragma_counts_where_there_is_no_cache_control() {
        let pragma = (PRAGMA, "foo, No-Cache");
        assert!(RequestDirectives::of(&headers(std::slice::from_ref(&pragma))).no_cache);
        let both = headers(&[pragma, (CACHE_CONTROL, "max-age=5")]);
        assert!(!RequestDirectives::of(&both).no_cache);
    }

    #[test]
    fn named_fields_are_not_the_whole_response() {
        let read = response("no-cache=\"a, B\", private=c, max-age=5");
        assert!(!read.no_cache && !read.private);
        let names: Vec<&str> = read
            .fields_not_kept
            .iter()
            .map(HeaderName::as_str)
            .collect();
        assert_eq!(names, ["a", "b", "c"]);
        for plain in [
            "no-cache",
            "no-cache=\"\"",
            "no-cache=\"a b\"",
            "no-cache, no-cache=\"a\"",
        ] {
            assert!(response(plain).no_cache, "{plain}");
        }
    }

    #[test]
    fn quoted_text_is_no_directive() {
        let read = response("extension=\"max-age=3600\", max-age=1");
        assert_eq!(read.max_age, s(1));
        assert_eq!(response("max-age='3600'").max_age, s(0));
        assert_eq!(response("max-age=003600").max_age, s(3600));
    }

    #[test]
    fn what_forbids_stale() {
        for text in [
            "must-revalidate",
            "proxy-revalidate",
            "no-cache",
            "s-maxage=1",
        ] {
            assert!(response(text).forbids_stale(), "{text}");
        }
        assert!(!response("max-age=1, stale-if-error=9").forbids_stale());
    }
}
