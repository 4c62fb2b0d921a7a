//! `Range` with a single byte range (RFC 9110 14).

use http::header::{ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE};

/// The bytes asked for, both ends included, within the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub first: u64,
    /// The last byte; not before `first`, and before the object's end.
    pub last: u64,
}

/// How to answer a GET for an object whose response is a 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeDecision {
    /// No range was asked for: 200.
    Full,
    /// A range was asked for that a server may ignore, and ours does (several ranges, another
    /// unit, a syntax error, an `If-Range` that does not match): 200.
    Ignored,
    /// 206 with these bytes.
    Partial(ByteRange),
    /// 416 with [`unsatisfied_content_range`].
    Unsatisfiable,
}

impl ByteRange {
    /// How many bytes; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    /// `Content-Range` of the 206 (RFC 9110 14.4).
    pub fn content_range(&self, complete_length: u64) -> HeaderValue {
        ascii_value(&format!(
            "bytes {}-{}/{complete_length}",
            self.first, self.last
        ))
    }
}

/// `Content-Range` of a 416 (RFC 9110 15.5.17).
pub fn unsatisfied_content_range(complete_length: u64) -> HeaderValue {
    ascii_value(&format!("bytes */{complete_length}"))
}

/// Decides on the `Range` of `request` for an object of `complete_length` bytes.
///
/// `response` is the header of the object, for its `ETag`.
pub fn decide_range(
    request: &HeaderMap,
    response: &HeaderMap,
    complete_length: u64,
) -> RangeDecision {
    let mut lines = request.get_all(RANGE).iter();
    let Some(line) = lines.next() else {
        return RangeDecision::Full;
    };
    if lines.next().is_some() || !if_range_holds(request, response) {
        return RangeDecision::Ignored;
    }
    line.to_str()
        .ok()
        .and_then(single_range_spec)
        .map_or(RangeDecision::Ignored, |spec| {
            resolve(spec, complete_length)
        })
}

/// RFC 9110 13.1.5: a strong comparison. A date never holds here: it would have to be a strong
/// validator, and no object of ours carries one.
fn if_range_holds(request: &HeaderMap, response: &HeaderMap) -> bool {
    request.get(IF_RANGE).is_none_or(|condition| {
        condition.as_bytes().starts_with(b"\"") && response.get(ETAG) == Some(condition)
    })
}

/// RFC 9110 14.1.1.
#[derive(Clone, Copy, Debug)]
enum RangeSpec {
    FromTo(u64, u64),
    From(u64),
    Suffix(u64),
}

fn single_range_spec(text: &str) -> Option<RangeSpec> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim_matches([' ', '\t']).split_once('-')?;
    match (first, last) {
        ("", suffix) => Some(RangeSpec::Suffix(position(suffix)?)),
        (first, "") => Some(RangeSpec::From(position(first)?)),
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            (first <= last).then_some(RangeSpec::FromTo(first, last))
        }
    }
}

/// Digits only. One too large for an integer lies behind the end of every object.
fn position(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

fn resolve(spec: RangeSpec, complete_length: u64) -> RangeDecision {
    let Some(end) = complete_length.checked_sub(1) else {
        return match spec {
            // Satisfiable by 14.1.2, yet no Content-Range can say it: the whole nothing.
            RangeSpec::Suffix(1..) => RangeDecision::Ignored,
            _ => RangeDecision::Unsatisfiable,
        };
    };
    let (first, last) = match spec {
        RangeSpec::FromTo(first, last) => (first, last.min(end)),
        RangeSpec::From(first) => (first, end),
        RangeSpec::Suffix(0) => return RangeDecision::Unsatisfiable,
        RangeSpec::Suffix(length) => (complete_length.saturating_sub(length), end),
    };
    if first > end {
        return RangeDecision::Unsatisfiable;
    }
    RangeDecision::Partial(ByteRange { first, last })
}

fn ascii_value(text: &str) -> HeaderValue {
    #[expect(
        clippy::expect_used,
        reason = "both callers format digits and fixed ASCII"
    )]
    HeaderValue::from_str(text).expect("digits and fixed ASCII are a header value")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decide(range: &str, complete_length: u64) -> RangeDecision {
        let mut request = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(range) {
            request.insert(RANGE, value);
        }
        decide_range(&request, &HeaderMap::new(), complete_length)
    }

    fn partial(first: u64, last: u64) -> RangeDecision {
        RangeDecision::Partial(ByteRange { first, last })
    }

    #[test]
    fn ranges_are_resolved_as_rfc_9110_14_1_2_says() {
        let table = [
            ("bytes=0-0", 10, partial(0, 0)),
            ("bytes=0-9", 10, partial(0, 9)),
            ("bytes=2-", 10, partial(2, 9)),
            ("bytes=2-100", 10, partial(2, 9)),
            ("Bytes=9-99999999999999999999999", 10, partial(9, 9)),
            ("bytes=-3", 10, partial(7, 9)),
            ("bytes=-30", 10, partial(0, 9)),
            ("bytes= 1-2 ", 10, partial(1, 2)),
            ("bytes=10-", 10, RangeDecision::Unsatisfiable),
            ("bytes=10-12", 10, RangeDecision::Unsatisfiable),
            ("bytes=-0", 10, RangeDecision::Unsatisfiable),
            ("bytes=0-", 0, RangeDecision::Unsatisfiable),
            ("bytes=-5", 0, RangeDecision::Ignored),
            ("bytes=-0", 0, RangeDecision::Unsatisfiable),
            ("bytes=5-2", 10, RangeDecision::Ignored),
            ("bytes=0-1,4-5", 10, RangeDecision::Ignored),
            ("bytes=", 10, RangeDecision::Ignored),
            ("bytes=-", 10, RangeDecision::Ignored),
            ("bytes=a-b", 10, RangeDecision::Ignored),
            ("bytes=+1-2", 10, RangeDecision::Ignored),
            ("bytes=1 -2", 10, RangeDecision::Ignored),
            ("bytes 0-1", 10, RangeDecision::Ignored),
            ("seconds=0-1", 10, RangeDecision::Ignored),
        ];
        for (range, length, expect) in table {
            assert_eq!(decide(range, length), expect, "{range} of {length}");
        }
        assert_eq!(
            decide_range(&HeaderMap::new(), &HeaderMap::new(), 10),
            RangeDecision::Full
        );
    }

    #[test]
    fn two_range_lines_are_ignored() {
        let mut request = HeaderMap::new();
        request.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        request.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(
            decide_range(&request, &HeaderMap::new(), 10),
            RangeDecision::Ignored
        );
    }

    #[test]
    fn if_range_needs_the_same_strong_tag() {
        let table = [
            ("\"a\"", Some("\"a\""), true),
            ("\"a\"", Some("\"b\""), false),
            ("\"a\"", None, false),
            ("W/\"a\"", Some("W/\"a\""), false),
            ("Sat, 21 Nov 2026 10:00:00 GMT", Some("\"a\""), false),
        ];
        for (condition, tag, holds) in table {
            let mut request = HeaderMap::new();
            request.insert(RANGE, HeaderValue::from_static("bytes=0-1"));
            request.insert(IF_RANGE, HeaderValue::from_static(condition));
            let mut response = HeaderMap::new();
            if let Some(tag) = tag {
                response.insert(ETAG, HeaderValue::from_static(tag));
            }
            let expect = if holds {
                partial(0, 1)
            } else {
                RangeDecision::Ignored
            };
            assert_eq!(
                decide_range(&request, &response, 10),
                expect,
                "{condition} {tag:?}"
            );
        }
    }

    #[test]
    fn content_range_is_written_as_rfc_9110_14_4_says() {
        let range = ByteRange { first: 2, last: 5 };
        assert_eq!(range.len(), 4);
        assert_eq!(range.content_range(10), "bytes 2-5/10");
        assert_eq!(unsatisfied_content_range(10), "bytes */10");
    }

    proptest! {
        #[test]
        fn a_partial_range_lies_within_the_object(
            range in "bytes=[0-9]{0,20}-[0-9]{0,20}",
            complete_length in prop_oneof![0u64..100, any::<u64>()],
        ) {
            if let RangeDecision::Partial(range) = decide(&range, complete_length) {
                prop_assert!(range.first <= range.last);
                prop_assert!(range.last < complete_length);
                prop_assert!(range.len() <= complete_length);
            }
        }
    }
}
