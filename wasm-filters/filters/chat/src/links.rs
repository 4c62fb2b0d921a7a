//! Where a text points to.
//!
//! What a page would make a link of, and what people would paste into a browser: `https://...`,
//! `www....`, and a bare name with a path or one of the endings that are in use for sites. "Wait.
//! what" without the space is none.

/// Endings with which a bare name is a link. Two letters would be too many: "e.g", "node.js".
const ENDINGS: [&str; 58] = [
    "app", "biz", "br", "cc", "ch", "click", "cloud", "club", "cn", "co", "com", "de", "dev", "es",
    "eu", "fr", "fun", "gg", "id", "info", "ink", "io", "jp", "kr", "life", "link", "live", "ly",
    "me", "mobi", "net", "news", "nl", "one", "online", "org", "page", "pl", "pro", "ru", "sh",
    "shop", "site", "space", "store", "stream", "tk", "to", "top", "tv", "tw", "ua", "uk", "us",
    "vip", "wiki", "ws", "xyz",
];

/// The hosts of the links in a text, as they are written, in lower case. Empty for a link without one.
pub(crate) fn hosts(text: &str) -> impl Iterator<Item = String> {
    let is_break = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '<' | '>' | '"' | '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';'
            )
    };
    text.split(is_break).filter_map(host)
}

/// Whether `host` is one of `patterns`: the host itself, or with "*." all below it.
pub(crate) fn is_listed(host: &str, patterns: &[String]) -> bool {
    patterns
        .iter()
        .any(|pattern| match pattern.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == pattern,
        })
}

fn host(word: &str) -> Option<String> {
    // Browsers take these for the same.
    let word: String = word
        .chars()
        .map(|c| match c {
            '\\' => '/',
            '\u{3002}' | '\u{FF0E}' | '\u{FF61}' => '.',
            '\u{FF0F}' => '/',
            '\u{FF1A}' => ':',
            _ => c,
        })
        .flat_map(char::to_lowercase)
        .collect();
    if let Some((scheme, rest)) = word.split_once("://") {
        // "javascript" and other schemes without "//" are no links on any page.
        let is_scheme = scheme
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric());
        return is_scheme.then(|| authority(rest).to_owned());
    }
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
    let host = authority(bare);
    let has_path = bare
        .get(host.len()..)
        .is_some_and(|rest| rest.contains('/'));
    let mut labels = host.rsplit('.');
    let ending = labels.next().unwrap_or_default();
    let is_name = host.contains('.') && host.split('.').all(is_label);
    let is_link = is_name
        && (host.starts_with("www.")
            || has_path && is_ending(ending)
            || ENDINGS.contains(&ending)
            || ending.starts_with("xn--"));
    is_link.then(|| host.to_owned())
}

/// The host in what follows `//`: without a user, a port, a path and the last dot.
fn authority(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    host.strip_suffix('.').unwrap_or(host)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}

/// Letters, or the last number of an address.
fn is_ending(ending: &str) -> bool {
    let letters = ending.chars().all(char::is_alphabetic) && ending.chars().count() > 1;
    letters || ending.bytes().all(|it| it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn links() {
        for (text, expected) in [
            ("see https://Example.com/a?b", vec!["example.com"]),
            (
                "(http://a.example:8080),www.b.example",
                vec!["a.example", "www.b.example"],
            ),
            ("https://good.com@evil.com/", vec!["evil.com"]),
            ("https:\\\\evil.com", vec!["evil.com"]),
            ("evil\u{3002}com", vec!["evil.com"]),
            ("EVIL.COM.", vec!["evil.com"]),
            ("**evil.com**", vec!["evil.com"]),
            ("discord.gg/abc", vec!["discord.gg"]),
            ("10.0.0.1/x", vec!["10.0.0.1"]),
            ("any.thing/at/all", vec!["any.thing"]),
            ("steam://run/1", vec!["run"]),
            ("http://", vec![""]),
            ("\u{435}xample.com", vec!["\u{435}xample.com"]),
            ("wait.what", vec![]),
            ("e.g. node.js 3.5 1/2 and/or a...b .com", vec![]),
            ("yes/no ... ://", vec![]),
        ] {
            assert_eq!(hosts(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn lists_of_hosts() {
        let patterns = ["example.com".to_owned(), "*.example.org".to_owned()];
        for (host, expected) in [
            ("example.com", true),
            ("a.example.com", false),
            ("a.example.org", true),
            ("example.org", false),
            (".example.org", false),
            ("badexample.org", false),
            ("\u{435}xample.com", false),
            ("", false),
        ] {
            assert_eq!(is_listed(host, &patterns), expected, "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in any::<String>(), more in "[a-z:/.@\\\\?#]{0,40}") {
            hosts(&text).for_each(drop);
            hosts(&more).for_each(drop);
        }

        #[test]
        fn a_link_is_found_wherever_it_stands(before in "[a-z ]{0,10}", after in "[ a-z]{0,10}") {
            let text = format!("{before} https://evil.example/{after}");
            prop_assert_eq!(hosts(&text).collect::<Vec<_>>(), ["evil.example"]);
        }
    }
}
