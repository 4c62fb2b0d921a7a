//! Texts of the ledger: ids, kinds and references. Opaque; no personal data belongs into them,
//! because nothing that is written here is ever changed or erased.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::Invalid;
use crate::limits::{ID_BYTES_MAX, KIND_BYTES_MAX, REFERENCE_BYTES_MAX};

/// Visible ASCII, without what would have to be escaped in JSON.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')
}

fn is_kind(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $bytes:expr, $is_legal:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text.
            ///
            /// # Errors
            /// Its length or a character is out of range.
            pub fn new(text: &str) -> Result<Self, Invalid> {
                if $bytes.contains(&text.len()) && text.bytes().all($is_legal) {
                    Ok(Self(text.into()))
                } else {
                    Err(Invalid::Text { what: $what })
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

text! {
    /// Whose money it is: 1 to 128 visible ASCII characters other than `"` and `\`.
    AccountId, "an account's id", (1..=ID_BYTES_MAX), is_plain
}
text! {
    /// Names a transfer for ever, and is its idempotency key: characters as [`AccountId`].
    TransferId, "a transfer's id", (1..=ID_BYTES_MAX), is_plain
}
text! {
    /// Names a hold for ever: characters as [`AccountId`]. A name space of its own.
    HoldId, "a hold's id", (1..=ID_BYTES_MAX), is_plain
}
text! {
    /// What a transfer, a hold or a message is for: 1 to 32 of `a-z 0-9 - _ .`
    Kind, "a kind", (1..=KIND_BYTES_MAX), is_kind
}
text! {
    /// What it belongs to elsewhere (a gift, a room, a payment): 0 to 260 characters as
    /// [`AccountId`].
    Reference, "a reference", (0..=REFERENCE_BYTES_MAX), is_plain
}

impl Default for Reference {
    /// None.
    fn default() -> Self {
        Self("".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_bounds() {
        let longest = "x".repeat(ID_BYTES_MAX);
        for good in ["a", "viewer:7f3a/1", longest.as_str(), "%_'--;"] {
            assert_eq!(AccountId::new(good).expect(good).as_str(), good);
        }
        let too_long = format!("{longest}x");
        for bad in [
            "",
            "a b",
            "a\"",
            "a\\",
            "a\n",
            "\u{e4}",
            "a\0",
            too_long.as_str(),
        ] {
            assert!(AccountId::new(bad).is_err(), "{bad:?}");
        }
        assert!(Kind::new("gift.coins").is_ok());
        assert!(Kind::new("Gift").is_err());
        assert!(Reference::new("").is_ok());
    }
}
