//! JSON without ambiguity: no object with two members of one name.
//!
//! Parsers disagree on which of the two counts. What this node checks and what a filter reads later
//! must be the same claims, so neither is accepted (RFC 7515 4, RFC 7519 4).

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Whether the text is one JSON object, in which no object has two members of one name. Nesting is
/// bounded by serde_json.
pub(super) fn is_unambiguous_object(text: &str) -> bool {
    serde_json::from_str::<Object>(text).is_ok()
}

/// Requires a member that is there to be of its type: with plain `Option`, `null` would pass for an
/// absent member, and `"exp": null` for a token without end.
pub(super) fn some<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A string that is borrowed where it has no escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// Any value; the top one must be an object.
struct Object;
struct Anything;
struct AnythingVisitor;
struct TextVisitor;

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_map(AnythingVisitor)
            .map(|Anything| Self)
    }
}

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnythingVisitor)
    }
}

impl<'de> Visitor<'de> for AnythingVisitor {
    type Value = Anything;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without two members of one name")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_str<E>(self, _: &str) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_unit<E>(self) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Anything, A::Error> {
        while let Some(Anything) = items.next_element()? {}
        Ok(Anything)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Anything, A::Error> {
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        while let Some((Text(name), Anything)) = members.next_entry()? {
            names.push(name);
        }
        names.sort_unstable();
        if names.is_sorted_by(|a, b| a < b) {
            Ok(Anything)
        } else {
            Err(A::Error::custom("two members of one name"))
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Self)
    }
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_without_repetition_pass() {
        for text in [
            "{}",
            r#" {"a":1,"b":[{"a":null},{"a":true}],"c":{"a":"x","b":-1.5e3}} "#,
            r#"{"a":1,"A":2,"":3}"#,
        ] {
            assert!(is_unambiguous_object(text), "{text}");
        }
    }

    #[test]
    fn everything_else_does_not() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for text in [
            "",
            "[]",
            "1",
            "null",
            "\"{}\"",
            "{} {}",
            "{",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"a":3}"#,
            // The same name, written with an escape.
            r#"{"a":1,"\u0061":1}"#,
            r#"{"a":[{"b":{"c":1,"c":2}}]}"#,
            r#"{"a":1e999}"#,
            &deep,
        ] {
            assert!(!is_unambiguous_object(text), "{text}");
        }
    }
}
