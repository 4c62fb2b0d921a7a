//! Where a request goes on to, when its path was somebody else's choice.

use reqwest::Url;

/// The URL of `path_and_query` below `base`, if it is the one that was asked for: a path with dot segments,
/// their escapes or backslashes is another one to the next server (RFC 3986 section 5.2.4, URL Standard),
/// and would leave what this edge opens.
pub fn below(base: &str, path_and_query: &str) -> Option<Url> {
    let path = path_and_query.split('?').next().unwrap_or_default();
    if !path.starts_with('/') {
        return None;
    }
    let root = Url::parse(base).ok()?;
    let url = Url::parse(&format!("{}{path_and_query}", base.trim_end_matches('/'))).ok()?;
    let is_as_asked = url.path().strip_prefix(root.path().trim_end_matches('/')) == Some(path);
    (is_as_asked && url.origin() == root.origin()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_what_is_asked() {
        for (base, path, whole) in [
            ("http://o:1", "/v1/me", "http://o:1/v1/me"),
            ("http://o:1/", "/v1/me?a=../b", "http://o:1/v1/me?a=../b"),
            ("https://o/api", "/v1/me/", "https://o/api/v1/me/"),
            (
                "http://o:1",
                "/v1/users/a%3Ab..c",
                "http://o:1/v1/users/a%3Ab..c",
            ),
        ] {
            let url = below(base, path).map(String::from);
            assert_eq!(url.as_deref(), Some(whole), "{base} {path}");
        }
    }

    #[test]
    fn nobody_leaves_by_dots_and_slashes() {
        for path in [
            "/v1/session/../rooms/demo/gifts",
            "/v1/session/%2e%2e/rooms/demo/gifts",
            "/v1/session/.%2E/rooms",
            "/v1/session/%2E./rooms",
            "/v1/session/\\..\\..\\rooms",
            "/v1/session\\rooms",
            "/v1/me/./export",
            "/v1/me/..",
            "/v1/filters/../../metrics",
            "/v1/me/%2e%2e?x",
            "/v1/me/\t../rooms",
            "/v1/me/.\n./rooms",
            "/v1/me#/x",
            ".example/v1/me",
            ":2/v1/me",
            "@elsewhere/v1/me",
        ] {
            assert_eq!(below("http://o", path), None, "{path}");
            assert_eq!(below("http://o:1/deep/er", path), None, "{path}");
        }
    }
}
