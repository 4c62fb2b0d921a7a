//! To every edge: which streams are off.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;

/// The name under which the bus carries what concerns every edge; no room has it.
pub const EVERY_EDGE: &str = "_every-edge";

/// Most names of one message.
pub const STOPPED_MAX: usize = 1_024;

/// Streams that somebody stopped not long ago. Edges play nothing of them, whatever they have kept; a stream
/// that is not named any more soon is one like all others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Their names.
    pub streams: Vec<String>,
}

impl Stopped {
    /// As it goes over the bus.
    pub fn to_json(&self) -> Bytes {
        // Neither a map with other keys than strings nor a Serialize of our own that fails.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// As it came over the bus.
    ///
    /// # Errors
    /// When it is no such message, or has more than [`STOPPED_MAX`] names.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: Self = serde_json::from_slice(bytes)?;
        match message.streams.len() {
            0..=STOPPED_MAX => Ok(message),
            count => Err(DecodeError::Length(count as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let said = Stopped {
            streams: vec!["a".to_owned(), "b".to_owned()],
        };
        assert_eq!(Stopped::from_json(&said.to_json()).unwrap(), said);
        let much = Stopped {
            streams: vec!["a".to_owned(); STOPPED_MAX + 1],
        };
        assert!(Stopped::from_json(&much.to_json()).is_err());
        assert!(Stopped::from_json(b"{").is_err());
    }
}
