//! `If-None-Match` (RFC 9110 13.1.2).

use http::header::{ETAG, HeaderMap, IF_NONE_MATCH};

/// Whether to answer a GET or HEAD with 304, because the viewer has the object already.
///
/// `response` is the header of the object. Tags are compared weakly, as the section demands.
pub fn if_none_match(request: &HeaderMap, response: &HeaderMap) -> bool {
    let current = response
        .get(ETAG)
        .and_then(|tag| opaque_tag(tag.as_bytes()));
    request.get_all(IF_NONE_MATCH).iter().any(|line| {
        if line.as_bytes() == b"*" {
            return true;
        }
        current.is_some_and(|current| entity_tags(line.as_bytes()).any(|tag| tag == current))
    })
}

/// The opaque tags of a list, up to the first syntax error. A comma may be part of a tag.
fn entity_tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        while let Some((b' ' | b'\t' | b',', tail)) = rest.split_first() {
            rest = tail;
        }
        let (tag, tail) = split_tag(rest)?;
        rest = tail;
        Some(tag)
    })
}

/// The only tag of a value.
fn opaque_tag(value: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = split_tag(value)?;
    rest.is_empty().then_some(tag)
}

/// Splits `[W/]"tag"` off, and gives what is between the quotes.
fn split_tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let quoted = text
        .strip_prefix(b"W/")
        .unwrap_or(text)
        .strip_prefix(b"\"")?;
    let end = quoted.iter().position(|byte| *byte == b'"')?;
    let (tag, rest) = quoted.split_at_checked(end)?;
    Some((tag, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        let table = [
            ("\"a\"", Some("\"a\""), true),
            ("W/\"a\"", Some("\"a\""), true),
            ("\"a\"", Some("W/\"a\""), true),
            ("\"x\", W/\"a\" , \"y\"", Some("\"a\""), true),
            ("\"x,\\\"a\"", Some("\"a\""), false),
            ("\"x, y\",\"a\"", Some("\"a\""), true),
            ("\"a\"", Some("\"b\""), false),
            ("\"a\"", None, false),
            ("*", Some("\"a\""), true),
            ("*", None, true),
            ("a", Some("\"a\""), false),
            ("w/\"a\"", Some("\"a\""), false),
            ("\"a", Some("\"a\""), false),
            ("", Some("\"\""), false),
            ("\"\"", Some("\"\""), true),
            ("\"a\"", Some("a"), false),
        ];
        for (condition, tag, expect) in table {
            let mut request = HeaderMap::new();
            request.insert(IF_NONE_MATCH, HeaderValue::from_static(condition));
            let mut response = HeaderMap::new();
            if let Some(tag) = tag {
                response.insert(ETAG, HeaderValue::from_static(tag));
            }
            assert_eq!(
                if_none_match(&request, &response),
                expect,
                "{condition} {tag:?}"
            );
        }
        assert!(!if_none_match(&HeaderMap::new(), &HeaderMap::new()));
    }

    #[test]
    fn every_line_counts() {
        let mut request = HeaderMap::new();
        request.append(IF_NONE_MATCH, HeaderValue::from_static("\"x\""));
        request.append(IF_NONE_MATCH, HeaderValue::from_static("\"a\""));
        let mut response = HeaderMap::new();
        response.insert(ETAG, HeaderValue::from_static("\"a\""));
        assert!(if_none_match(&request, &response));
    }
}
