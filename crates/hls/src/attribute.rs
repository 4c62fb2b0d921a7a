//! Attribute lists of tags (RFC 8216bis 4.2): `NAME=value,NAME="quoted"`.
//!
//! Splits and types the values; unknown attributes are left alone, as the draft demands.

use std::time::Duration;

use crate::{sequence::parse_decimal_integer, time::parse_decimal_seconds};

/// A parsed attribute list, borrowed from the line.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    list: Vec<(&'a str, Value<'a>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    Plain(&'a str),
    Quoted(&'a str),
}

/// The named attribute is missing or has no value of the wanted kind; `""` if the list itself
/// cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadAttribute(pub(crate) &'static str);

/// A tag of ours has at most a dozen attributes. The bound keeps the search for duplicates from
/// being quadratic in the length of the line.
const ATTRIBUTES_MAX: usize = 64;

impl<'a> Attributes<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, BadAttribute> {
        let bad = BadAttribute("");
        let mut list = Vec::new();
        let mut rest = text;
        loop {
            let (name, after) = rest.split_once('=').ok_or(bad)?;
            let (value, after) = split_value(after).ok_or(bad)?;
            let allowed =
                |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
            let known = list.iter().any(|(other, _)| *other == name);
            // "A given AttributeName MUST NOT appear more than once."
            if name.is_empty() || !name.bytes().all(allowed) || known {
                return Err(bad);
            }
            if list.len() == ATTRIBUTES_MAX {
                return Err(bad);
            }
            list.push((name, value));
            match after {
                Some(after) => rest = after,
                None => return Ok(Self { list }),
            }
        }
    }

    fn value(&self, name: &str) -> Option<Value<'a>> {
        self.list
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| *value)
    }

    /// A quoted-string.
    pub(crate) fn quoted(&self, name: &'static str) -> Result<Option<&'a str>, BadAttribute> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Quoted(text)) => Ok(Some(text)),
            Some(Value::Plain(_)) => Err(BadAttribute(name)),
        }
    }

    /// An unquoted value, read by `parse`.
    fn plain<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, BadAttribute> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Plain(text)) => parse(text).map(Some).ok_or(BadAttribute(name)),
            Some(Value::Quoted(_)) => Err(BadAttribute(name)),
        }
    }

    /// An enumerated-string.
    pub(crate) fn word(&self, name: &'static str) -> Result<Option<&'a str>, BadAttribute> {
        self.plain(name, Some)
    }

    /// A decimal-integer.
    pub(crate) fn integer(&self, name: &'static str) -> Result<Option<u64>, BadAttribute> {
        self.plain(name, parse_decimal_integer)
    }

    /// A decimal-floating-point number of seconds.
    pub(crate) fn seconds(&self, name: &'static str) -> Result<Option<Duration>, BadAttribute> {
        self.plain(name, parse_decimal_seconds)
    }

    /// `YES` or, as when absent, `NO`.
    pub(crate) fn yes(&self, name: &'static str) -> Result<bool, BadAttribute> {
        let value = self.plain(name, |word| match word {
            "YES" => Some(true),
            "NO" => Some(false),
            _ => None,
        })?;
        Ok(value.unwrap_or(false))
    }
}

/// Turns an absent attribute into an error.
pub(crate) fn required<T>(name: &'static str, value: Option<T>) -> Result<T, BadAttribute> {
    value.ok_or(BadAttribute(name))
}

/// Splits the value off; the rest is `None` at the end of the list.
fn split_value(text: &str) -> Option<(Value<'_>, Option<&str>)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = quoted.split_once('"')?;
        return match rest.strip_prefix(',') {
            Some(rest) => Some((Value::Quoted(value), Some(rest))),
            None if rest.is_empty() => Some((Value::Quoted(value), None)),
            None => None,
        };
    }
    let (value, rest) = match text.split_once(',') {
        Some((value, rest)) => (value, Some(rest)),
        None => (text, None),
    };
    let good = !value.is_empty() && !value.contains(['"', ' ', '\t']);
    good.then_some((Value::Plain(value), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_kind() {
        let list = Attributes::parse("A=1,B-2=\"x,y=z\",C=YES,D=0.5").unwrap();
        assert_eq!(list.integer("A"), Ok(Some(1)));
        assert_eq!(list.quoted("B-2"), Ok(Some("x,y=z")));
        assert_eq!(list.yes("C"), Ok(true));
        assert_eq!(list.yes("Z"), Ok(false));
        assert_eq!(list.seconds("D"), Ok(Some(Duration::from_millis(500))));
        assert_eq!(list.quoted("A"), Err(BadAttribute("A")));
        assert_eq!(list.word("B-2"), Err(BadAttribute("B-2")));
    }

    #[test]
    fn broken_lists_are_refused() {
        for bad in [
            "", "A", "A=", "=1", "a=1", "A=1,", "A=1,,B=2", "A=\"x", "A=\"x\"y", "A=1,A=2", "A =1",
            "A= 1", " A=1",
        ] {
            assert!(Attributes::parse(bad).is_err(), "{bad}");
        }
    }
}
