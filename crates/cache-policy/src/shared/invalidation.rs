//! What an unsafe method outdates (RFC 9111 4.4).

use http::header::{CONTENT_LOCATION, HeaderMap, HeaderName, LOCATION};
use http::{Method, StatusCode};

/// A resource of one authority: its path and query.
pub type Target = String;

/// Whether a method changes nothing (RFC 9110 9.2.1, RFC 9535 and WebDAV's readers). One that
/// nobody knows does.
pub fn is_safe(method: &Method) -> bool {
    const SAFE: [&str; 8] = [
        "GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY",
    ];
    SAFE.contains(&method.as_str())
}

/// The resources whose stored responses are not to be used any more, after `method` on `target`
/// of `authority` was answered so: itself, and those that `Location` and `Content-Location` name,
/// if they are of the same origin.
pub fn invalidated(
    method: &Method,
    authority: &str,
    target: &str,
    status: StatusCode,
    response: &HeaderMap,
) -> Vec<Target> {
    if is_safe(method) || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut targets = vec![target.to_owned()];
    for name in [LOCATION, CONTENT_LOCATION] {
        targets.extend(named(&name, authority, target, response).filter(|it| it != target));
    }
    targets
}

/// Whether `Content-Location` says that the response is of `target` itself (RFC 9110 9.3.3).
pub fn is_same_resource(authority: &str, target: &str, response: &HeaderMap) -> bool {
    named(&CONTENT_LOCATION, authority, target, response).any(|named| named == target)
}

fn named(
    name: &HeaderName,
    authority: &str,
    base: &str,
    response: &HeaderMap,
) -> impl Iterator<Item = Target> {
    let reference = response.get(name).and_then(|value| value.to_str().ok());
    reference
        .and_then(|reference| resolve(authority, base, reference))
        .into_iter()
}

/// RFC 3986 5.2, as far as it stays with one authority.
fn resolve(authority: &str, base: &str, reference: &str) -> Option<Target> {
    let reference = reference.split('#').next().unwrap_or_default();
    let rest = match reference.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => Some((rest, ":80")),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => Some((rest, ":443")),
        _ => reference.strip_prefix("//").map(|rest| (rest, "")),
    };
    let path = match rest {
        Some((rest, port)) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (host, path) = rest.split_at_checked(end)?;
            let bare = |host: &str| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
            if bare(host) != bare(authority) {
                return None;
            }
            path
        }
        None => reference,
    };
    let (base_path, base_query) = base
        .split_once('?')
        .map_or((base, None), |(p, q)| (p, Some(q)));
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(p, q)| (p, Some(q)));
    let (path, query) = match path {
        "" if rest.is_some() => ("/".to_owned(), query),
        "" => (base_path.to_owned(), query.or(base_query)),
        path if path.starts_with('/') => (path.to_owned(), query),
        // A scheme that is neither http nor https.
        path if path
            .split('/')
            .next()
            .is_some_and(|first| first.contains(':')) =>
        {
            return None;
        }
        path => {
            let (directory, _) = base_path.rsplit_once('/')?;
            (format!("{directory}/{path}"), query)
        }
    };
    let path = without_dots(&path);
    Some(query.map_or_else(|| path.clone(), |query| format!("{path}?{query}")))
}

/// RFC 3986 5.2.4.
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let last = path.rsplit('/').next().unwrap_or_default();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    if matches!(last, "." | "..") {
        segments.push("");
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn references_are_resolved_within_the_origin() {
        for (reference, expect) in [
            ("/a/b?c=d#e", Some("/a/b?c=d")),
            ("e", Some("/x/e")),
            ("../e/./f/..", Some("/e/")),
            ("../../../e", Some("/e")),
            ("?q", Some("/x/y?q")),
            ("", Some("/x/y?z")),
            ("#f", Some("/x/y?z")),
            ("http://CDN.example/a", Some("/a")),
            ("http://cdn.example:80", Some("/")),
            ("https://cdn.example:443/a", Some("/a")),
            ("//cdn.example?q", Some("/?q")),
            ("http://other.example/a", None),
            ("http://cdn.example:8080/a", None),
            ("http://cdn.example.evil/a", None),
            ("mailto:a@b", None),
        ] {
            let resolved = resolve("cdn.example", "/x/y?z", reference);
            assert_eq!(resolved.as_deref(), expect, "{reference}");
        }
    }

    #[test]
    fn unsafe_methods_that_succeed_outdate() {
        let mut response = HeaderMap::new();
        response.insert(LOCATION, HeaderValue::from_static("/a"));
        response.insert(CONTENT_LOCATION, HeaderValue::from_static("/b"));
        let of = |method: &str, status: u16| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            invalidated(&method, "h", "/t", status, &response)
        };
        assert_eq!(of("POST", 200), ["/t", "/a", "/b"]);
        assert_eq!(of("M-SEARCH", 303), ["/t", "/a", "/b"]);
        assert!(of("GET", 200).is_empty() && of("DELETE", 404).is_empty());
        assert!(of("PUT", 500).is_empty());
    }

    #[test]
    fn a_posts_answer_may_be_its_targets() {
        let of = |value| {
            let mut response = HeaderMap::new();
            response.insert(CONTENT_LOCATION, HeaderValue::from_static(value));
            is_same_resource("h", "/t?q", &response)
        };
        assert!(of("/t?q") && of("http://h/t?q") && of("?q"));
        assert!(!of("/t") && !of("http://other/t?q"));
    }
}
