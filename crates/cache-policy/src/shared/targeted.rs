//! Fields that speak to this cache alone: `CDN-Cache-Control` (RFC 9213), a Dictionary of
//! structured fields, and its forerunner `Surrogate-Control` (Edge Architecture Specification).

use std::time::Duration;

use http::header::{HeaderMap, HeaderName};

use super::directives::ResponseDirectives;
use crate::syntax::{parse_delta_seconds, split_list};

/// RFC 9213 3.1: caches of a content delivery network.
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
/// Edge Architecture Specification 2.2.
pub const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// The longest field that is read, in bytes; a longer one is as one that cannot be parsed.
const BYTES_MAX: usize = 8 << 10;

/// What the targeted fields say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targeted {
    /// These count, and `Cache-Control` and `Expires` do not (RFC 9213 2.1).
    Directives(ResponseDirectives),
    /// None is there, or none that can be read.
    Nothing,
}

/// The first of `fields` that is there and valid. `device` is the name of this cache in
/// `Surrogate-Capability`; what is meant for other devices does not count.
pub fn targeted(headers: &HeaderMap, fields: &[HeaderName], device: &str) -> Targeted {
    for name in fields {
        let read = if *name == SURROGATE_CONTROL {
            surrogate(headers, device)
        } else {
            dictionary(headers, name)
        };
        if let Some(directives) = read {
            return Targeted::Directives(directives);
        }
    }
    Targeted::Nothing
}

/// RFC 9213 2.2: an empty or malformed field is as none. Of a member that is there twice the last
/// counts (RFC 9651 4.2.2).
fn dictionary(headers: &HeaderMap, name: &HeaderName) -> Option<ResponseDirectives> {
    let mut text = String::new();
    for line in headers.get_all(name) {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(line.to_str().ok()?);
        if text.len() > BYTES_MAX {
            return None;
        }
    }
    let members = Parser::dictionary(&text)?;
    if members.is_empty() {
        return None;
    }
    let mut directives = ResponseDirectives::default();
    for (position, (key, item)) in members.iter().enumerate() {
        let is_last = !members
            .iter()
            .skip(position + 1)
            .any(|(later, _)| later == key);
        if is_last {
            apply(&mut directives, key, item);
        }
    }
    Some(directives)
}

fn apply(directives: &mut ResponseDirectives, key: &str, item: &Item<'_>) {
    let seconds = |item: &Item<'_>| match item {
        // RFC 9213 2.1: values of the wrong type make the directive one to ignore.
        Item::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
        _ => None,
    };
    match (key, item) {
        ("max-age", item) => directives.max_age = seconds(item),
        ("s-maxage", item) => directives.s_maxage = seconds(item),
        ("stale-if-error", item) => directives.stale_if_error = seconds(item),
        ("stale-while-revalidate", item) => directives.stale_while_revalidate = seconds(item),
        (_, Item::Boolean(true)) => directives.apply(key, None),
        ("no-cache" | "private", Item::Text(fields)) => directives.apply(key, Some(fields)),
        _ => {}
    }
}

/// `max-age=3600;device, no-store`. Directives for another device are left out; with none left
/// the field says nothing.
fn surrogate(headers: &HeaderMap, device: &str) -> Option<ResponseDirectives> {
    let mut directives = ResponseDirectives::default();
    let mut any = false;
    for line in headers.get_all(SURROGATE_CONTROL) {
        for member in split_list(line.to_str().ok()?) {
            let (directive, target) = match member.split_once(';') {
                Some((directive, target)) => (directive.trim(), Some(target.trim())),
                None => (member, None),
            };
            if target.is_some_and(|target| !target.eq_ignore_ascii_case(device)) {
                continue;
            }
            let (name, value) = match directive.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (directive, None),
            };
            match name.to_ascii_lowercase().as_str() {
                // `max-age=fresh+stale`: the second may be served stale.
                "max-age" => {
                    let (fresh, stale) = value
                        .map(|value| value.split_once('+').unwrap_or((value, "")))
                        .unwrap_or_default();
                    directives.max_age = Some(parse_delta_seconds(fresh).unwrap_or_default());
                    directives.stale_if_error = parse_delta_seconds(stale);
                }
                "no-store" | "no-store-remote" => directives.no_store = true,
                _ => continue,
            }
            any = true;
        }
    }
    any.then_some(directives)
}

/// A bare item, as far as a directive can be one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item<'a> {
    Boolean(bool),
    Integer(i64),
    Text(String),
    /// A token, decimal, byte sequence, date, display string or inner list: right syntax, and no
    /// directive takes one.
    Other(&'a str),
}

/// RFC 9651 4.2, as strictly as it says: the first error makes the whole field void.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn dictionary(text: &'a str) -> Option<Vec<(&'a str, Item<'a>)>> {
        let mut parser = Self {
            rest: text.trim_matches(' '),
        };
        let mut members = Vec::new();
        while !parser.rest.is_empty() {
            let key = parser.key()?;
            let item = if parser.take('=') {
                parser.member()?
            } else {
                Item::Boolean(true)
            };
            parser.parameters()?;
            members.push((key, item));
            parser.rest = parser.rest.trim_start_matches([' ', '\t']);
            if parser.rest.is_empty() {
                break;
            }
            if !parser.take(',') {
                return None;
            }
            parser.rest = parser.rest.trim_start_matches([' ', '\t']);
            if parser.rest.is_empty() {
                return None; // A trailing comma.
            }
        }
        Some(members)
    }

    fn take(&mut self, expected: char) -> bool {
        let rest = self.rest.strip_prefix(expected);
        if let Some(rest) = rest {
            self.rest = rest;
        }
        rest.is_some()
    }

    /// The longest beginning of which every byte is `allowed`.
    fn run(&mut self, allowed: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(|byte| !allowed(byte));
        let (run, rest) = self
            .rest
            .split_at_checked(end.unwrap_or(self.rest.len()))
            .unwrap_or((self.rest, ""));
        self.rest = rest;
        run
    }

    fn key(&mut self) -> Option<&'a str> {
        let first = self.rest.bytes().next()?;
        if !first.is_ascii_lowercase() && first != b'*' {
            return None;
        }
        Some(self.run(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
        }))
    }

    fn member(&mut self) -> Option<Item<'a>> {
        if !self.take('(') {
            return self.item();
        }
        let start = self.rest;
        loop {
            self.rest = self.rest.trim_start_matches(' ');
            if self.take(')') {
                return Some(Item::Other(start));
            }
            self.item()?;
            self.parameters()?;
            if !self.rest.starts_with([' ', ')']) {
                return None;
            }
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.take(';') {
            self.rest = self.rest.trim_start_matches(' ');
            self.key()?;
            if self.take('=') {
                self.item()?;
            }
        }
        Some(())
    }

    fn item(&mut self) -> Option<Item<'a>> {
        match self.rest.bytes().next()? {
            b'"' => self.string(),
            b'?' => {
                self.take('?');
                match self.run(|byte| matches!(byte, b'0' | b'1')) {
                    "0" => Some(Item::Boolean(false)),
                    "1" => Some(Item::Boolean(true)),
                    _ => None,
                }
            }
            b'-' | b'0'..=b'9' => self.number(),
            b'@' => {
                self.take('@');
                match self.number()? {
                    Item::Integer(_) => Some(Item::Other("")),
                    _ => None,
                }
            }
            b':' => {
                self.take(':');
                let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
                let bytes = self.run(base64);
                self.take(':').then_some(Item::Other(bytes))
            }
            first if first.is_ascii_alphabetic() || first == b'*' => {
                let token =
                    |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
                Some(Item::Other(self.run(token)))
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Item<'a>> {
        let sign = if self.take('-') { -1 } else { 1 };
        let whole = self.run(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 15 {
            return None;
        }
        if self.take('.') {
            let fraction = self.run(|byte| byte.is_ascii_digit());
            let fits = whole.len() <= 12 && (1..=3).contains(&fraction.len());
            return fits.then_some(Item::Other(fraction));
        }
        Some(Item::Integer(sign * whole.parse::<i64>().ok()?))
    }

    fn string(&mut self) -> Option<Item<'a>> {
        self.take('"');
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(Item::Text(text));
                }
                '\\' => match characters.next()? {
                    (_, escaped @ ('"' | '\\')) => text.push(escaped),
                    _ => return None,
                },
                ' '..='~' => text.push(character),
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
