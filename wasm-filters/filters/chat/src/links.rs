//! Where a text points to.
//!
//! What a page would make a link of, and what people would paste into a browser: `https://...`,
//! `www....`, and a bare name with a path or one of the endings that are in use for sites. "Wait.
//! what" without the space is none. `links.json` has texts, and what the page and this make of them:
//! the tests of both read it.

use unicode_normalization::UnicodeNormalization;

/// Endings with which a bare name is a link. Two letters would be too many: "e.g", "node.js".
const ENDINGS: [&str; 58] = [
    "app", "biz", "br", "cc", "ch", "click", "cloud", "club", "cn", "co", "com", "de", "dev", "es",
    "eu", "fr", "fun", "gg", "id", "info", "ink", "io", "jp", "kr", "life", "link", "live", "ly",
    "me", "mobi", "net", "news", "nl", "one", "online", "org", "page", "pl", "pro", "ru", "sh",
    "shop", "site", "space", "store", "stream", "tk", "to", "top", "tv", "tw", "ua", "uk", "us",
    "vip", "wiki", "ws", "xyz",
];

/// The hosts of the links in a text, in lower case and without compatibility characters, each once.
/// Empty for a link without one.
pub(crate) fn hosts(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut push = |host: String| {
        if !found.contains(&host) {
            found.push(host);
        }
    };
    // As people read it, who do not see which dot or colon it is.
    for word in plain(text).split(|c| ends_link(c) || is_bracket(c)) {
        let (before, _) = word.split_once("://").unwrap_or((word, ""));
        bare(before).for_each(&mut push);
        schemes(word).for_each(|host| push(host.to_owned()));
    }
    // As the page and browsers read it: they look for the end of the host first, and ask what its
    // characters stand for later.
    let typed = text.replace('\\', "/").to_lowercase();
    for word in typed.split(ends_link) {
        schemes(word.trim_end_matches(is_trailing)).for_each(|host| push(plain(host)));
    }
    found
}

/// Whether `host` is one of `patterns`: the host itself, or with "*." all below it. One that has
/// characters which hosts do not have is none: who knows where a browser sees its end.
pub(crate) fn is_listed(host: &str, patterns: &[String]) -> bool {
    let is_plain = host.chars().all(is_of_host);
    is_plain
        && patterns
            .iter()
            .any(|pattern| match pattern.strip_prefix('*') {
                Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
                None => host == pattern,
            })
}

/// Where the page ends a link: `PIECES` of `edge/web/src/room/text.ts`.
fn ends_link(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '<' | '>' | '"' | '\'' | '`' | '\u{3001}' | '\u{3002}' | '\u{3008}'
                ..='\u{3011}'
                    | '\u{FF01}'
                    | '\u{FF08}'
                    | '\u{FF09}'
                    | '\u{FF0C}'
                    | '\u{FF1B}'
                    | '\u{FF1F}'
                    | '\u{FF61}'
        )
}

fn is_bracket(c: char) -> bool {
    matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';')
}

/// Signs that end a sentence: `TRAILING` there.
fn is_trailing(c: char) -> bool {
    matches!(
        c,
        '.' | ','
            | ':'
            | ';'
            | '!'
            | '?'
            | ')'
            | ']'
            | '}'
            | '\u{BB}'
            | '\u{201D}'
            | '\u{2019}'
            | '\u{2026}'
    )
}

/// What browsers take for the same.
fn plain(text: &str) -> String {
    text.nfkc()
        .map(|c| match c {
            '\\' => '/',
            '\u{3002}' => '.',
            _ => c,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

/// The host after each `scheme://`. "javascript" and other schemes without "//" are no links on any
/// page.
fn schemes(word: &str) -> impl Iterator<Item = &str> {
    word.match_indices("://").filter_map(|(at, sign)| {
        let scheme = word.get(..at)?.chars().next_back()?;
        let rest = word.get(at + sign.len()..)?;
        scheme.is_alphanumeric().then(|| authority(rest))
    })
}

/// Names that are links by themselves, whatever stands between them, up to a path.
fn bare(word: &str) -> impl Iterator<Item = String> {
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let (names, has_path) = match word.split_once('/') {
        Some((names, _)) => (names, true),
        None => (word, false),
    };
    let names = names.split(|c| !is_of_host(c));
    names.filter_map(move |name| link(name, has_path))
}

fn link(name: &str, has_path: bool) -> Option<String> {
    let host = name.trim_matches(|c: char| !c.is_alphanumeric());
    let ending = host.rsplit('.').next().unwrap_or_default();
    let is_name = host.contains('.') && host.split('.').all(|label| !label.is_empty());
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

fn is_of_host(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
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

    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        filter: Vec<String>,
    }

    #[test]
    fn links() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("links.json")).expect("a table");
        for Case { text, filter } in cases {
            assert_eq!(hosts(&text), filter, "{text}");
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
            ("evil.com\u{600}.example.org", false),
            ("evil.com,.example.org", false),
            ("\u{435}xample.com", false),
            ("", false),
        ] {
            assert_eq!(is_listed(host, &patterns), expected, "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in any::<String>(), more in "[a-z:/.@\\\\?#]{0,40}") {
            hosts(&text);
            hosts(&more);
        }

        #[test]
        fn a_link_is_found_wherever_it_stands(before in "[a-z ]{0,10}", after in "[ a-z]{0,10}") {
            let text = format!("{before} https://evil.example/{after}");
            prop_assert_eq!(hosts(&text), ["evil.example"]);
        }
    }
}
