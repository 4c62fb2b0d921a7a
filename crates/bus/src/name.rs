//! Names of rooms and edges, which become parts of subjects, of headers and of file names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest name of a room, in bytes.
pub const ROOM_NAME_BYTES_MAX: usize = 64;
/// Longest name of an edge, in bytes.
pub const EDGE_NAME_BYTES_MAX: usize = 64;

/// A name that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No room has such a name.
    #[error("a room's name is 1 to {ROOM_NAME_BYTES_MAX} of A-Z, a-z, 0-9, - and _")]
    Room,
    /// No edge has such a name.
    #[error("an edge's name is 1 to {EDGE_NAME_BYTES_MAX} of A-Z, a-z, 0-9, -, _ and .")]
    Edge,
}

/// The name of a room: 1 to 64 of `A-Z a-z 0-9 - _`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// Checks a name.
    ///
    /// # Errors
    /// It cannot be one.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let fits = (1..=ROOM_NAME_BYTES_MAX).contains(&name.len());
        if fits && name.bytes().all(is_word) {
            Ok(Self(name.into()))
        } else {
            Err(NameError::Room)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an edge: 1 to 64 of `A-Z a-z 0-9 - _ .`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeName(Arc<str>);

impl EdgeName {
    /// Checks a name.
    ///
    /// # Errors
    /// It cannot be one.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let fits = (1..=EDGE_NAME_BYTES_MAX).contains(&name.len());
        if fits && name.bytes().all(|byte| is_word(byte) || byte == b'.') {
            Ok(Self(name.into()))
        } else {
            Err(NameError::Edge)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for RoomName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl AsRef<str> for RoomName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EdgeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EdgeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for EdgeName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl AsRef<str> for EdgeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        assert_eq!(RoomName::new("Demo-1_x").unwrap().as_str(), "Demo-1_x");
        assert_eq!(EdgeName::new("edge.a-1_x").unwrap().as_str(), "edge.a-1_x");
        let long = "a".repeat(65);
        for bad in [
            "",
            "a/b",
            "a b",
            "ä",
            "a*",
            ">",
            "a=b",
            "a\n",
            long.as_str(),
        ] {
            assert_eq!(RoomName::new(bad), Err(NameError::Room), "{bad}");
            assert_eq!(EdgeName::new(bad), Err(NameError::Edge), "{bad}");
        }
        assert_eq!(RoomName::new("a.b"), Err(NameError::Room));
        assert_eq!(RoomName::new(".."), Err(NameError::Room));
        assert!(RoomName::new(&"a".repeat(64)).is_ok());
    }
}
