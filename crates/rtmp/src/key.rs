//! The publish key, kept out of logs.

use std::fmt;

/// A publish key as the client sent it.
///
/// It shows itself only through [`StreamKey::expose`]; it has no `PartialEq`, because comparing
/// secrets is the business of whoever can do it in constant time.
#[derive(Clone)]
pub struct StreamKey(String);

impl StreamKey {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The secret itself. Never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(redacted)")
    }
}
