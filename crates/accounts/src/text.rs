//! Names and ids, checked where they enter.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::error::{Error, Invalid};
use crate::limits::{
    DISPLAY_BYTES_MAX, LOGIN_CHARS_MAX, LOGIN_CHARS_MIN, ROLE_BYTES_MAX, ROOM_BYTES_MAX,
};
use crate::random;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// An account's id: `u-` and 32 hexadecimal digits, random. It says nothing about the person,
    /// and is never given out again.
    UserId
}
text! {
    /// A login name: 3 to 64 of `a-z`, `0-9`, `.`, `_`, `-`, beginning and ending with a letter or
    /// digit. No two of them look alike but differ, as Unicode would allow.
    Login
}
text! {
    /// The name that others see: NFC, 1 to 96 bytes, without control and invisible characters or
    /// white space at its ends. Not unique.
    DisplayName
}
text! {
    /// A role, such as `admin` or `moderator`: 1 to 16 of `a-z`, `0-9`, `-`. What it allows is
    /// decided elsewhere.
    Role
}
text! {
    /// A room's id: 1 to 64 of `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`.
    Room
}

/// What is before the digits of a user's id.
const USER_ID_PREFIX: &str = "u-";
const USER_ID_DIGITS: usize = 32;

impl UserId {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        let digits = text.strip_prefix(USER_ID_PREFIX).ok_or(Invalid::UserId)?;
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() != USER_ID_DIGITS || !digits.bytes().all(hex) {
            return Err(Invalid::UserId);
        }
        Ok(Self(text))
    }

    /// A new one.
    pub(crate) fn random() -> Result<Self, Error> {
        let bytes: [u8; USER_ID_DIGITS / 2] = random::bytes()?;
        Ok(Self(format!("{USER_ID_PREFIX}{}", random::hex(&bytes))))
    }
}

impl Login {
    /// Reads one: ASCII capitals become small, white space at the ends is left out.
    ///
    /// # Errors
    /// It is too short or too long, or has other characters than those documented.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if !(LOGIN_CHARS_MIN..=LOGIN_CHARS_MAX).contains(&text.len()) {
            return Err(Invalid::Login);
        }
        let text = text.to_ascii_lowercase();
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let allowed = |byte: u8| plain(&byte) || matches!(byte, b'.' | b'_' | b'-');
        let ends = [text.as_bytes().first(), text.as_bytes().last()];
        let ends_plain = ends.into_iter().flatten().all(plain);
        if !ends_plain || !text.bytes().all(allowed) {
            return Err(Invalid::Login);
        }
        Ok(Self(text))
    }
}

impl DisplayName {
    /// Reads one.
    ///
    /// # Errors
    /// It is empty or too long, or has characters that cannot be seen.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        // Before the normalisation: it takes time, and lengthens.
        if text.len() > DISPLAY_BYTES_MAX {
            return Err(Invalid::DisplayName);
        }
        let text: String = text.trim().nfc().collect();
        if text.is_empty() || text.len() > DISPLAY_BYTES_MAX || text.chars().any(is_invisible) {
            return Err(Invalid::DisplayName);
        }
        Ok(Self(text))
    }
}

impl Role {
    /// Reads one.
    ///
    /// # Errors
    /// It is empty, too long, or has other characters.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let long = text.is_empty() || text.len() > ROLE_BYTES_MAX;
        if long || !text.bytes().all(allowed) {
            return Err(Invalid::Role);
        }
        Ok(Self(text))
    }
}

impl Room {
    /// Reads one.
    ///
    /// # Errors
    /// It is empty, too long, or has other characters.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let long = text.is_empty() || text.len() > ROOM_BYTES_MAX;
        if long || !text.bytes().all(allowed) {
            return Err(Invalid::Room);
        }
        Ok(Self(text))
    }
}

/// Controls, and what turns text around, joins or hides it.
fn is_invisible(char: char) -> bool {
    let formats = matches!(
        char,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    char.is_control() || formats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_normalised_and_bounded() {
        let login = |text: &str| Login::new(text).map(|login| login.to_string());
        assert_eq!(login(" Ana.B-1_c "), Ok("ana.b-1_c".to_owned()));
        let long = "a".repeat(64);
        assert_eq!(login(&long), Ok(long.clone()));
        for wrong in [
            "",
            "ab",
            &format!("{long}a"),
            ".ab",
            "ab-",
            "a b",
            "a'--b",
            "änä",
            "ana\0b",
        ] {
            assert_eq!(login(wrong), Err(Invalid::Login), "{wrong:?}");
        }
    }

    #[test]
    fn display_names_can_be_seen() {
        let name = |text: &str| DisplayName::new(text).map(|name| name.to_string());
        assert_eq!(name(" A\u{30a}sa "), Ok("\u{c5}sa".to_owned()));
        assert_eq!(name("🐙 <b>"), Ok("🐙 <b>".to_owned()));
        for wrong in ["", "  ", "a\nb", "a\u{202e}b", "\u{200b}", &"x".repeat(97)] {
            assert_eq!(name(wrong), Err(Invalid::DisplayName), "{wrong:?}");
        }
    }

    #[test]
    fn ids_roles_and_rooms() {
        let id = UserId::random().unwrap();
        assert_eq!(UserId::new(id.as_str()), Ok(id));
        for wrong in ["", "u-", "u-12", &format!("u-{}", "G".repeat(32))] {
            assert_eq!(UserId::new(wrong), Err(Invalid::UserId));
        }
        assert!(Role::new("moderator").is_ok() && Room::new("Demo.1").is_ok());
        for wrong in ["", "a b", "a:b", &"a".repeat(65)] {
            assert!(Role::new(wrong).is_err() && Room::new(wrong).is_err());
        }
    }
}
