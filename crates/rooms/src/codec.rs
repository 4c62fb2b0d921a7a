//! Messages to bytes and back.

use bytes::Bytes;
use thiserror::Error;

use crate::{
    binary,
    limits::NUMBER_MAX,
    schema::{
        ClientMessage, FrameError, FromEdge, SCHEMA_VERSION, ServerMessage, Standing, ToEdge,
    },
};

/// How a connection writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// The serde form.
    Json,
    /// See the README, "Binary schema".
    Binary,
}

/// Bytes that are no message.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It breaks off.
    #[error("the message ends too early")]
    End,
    /// A frame that no hub makes.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Not JSON, or not of the schema.
    #[error("not a message of the schema: {0}")]
    Json(#[from] serde_json::Error),
    /// Longer than the reader takes.
    #[error("{0} bytes or items are too many")]
    Length(u64),
    /// A number does not fit its field.
    #[error("a number is out of its range")]
    Number,
    /// Bytes are left over.
    #[error("{0} bytes are left over")]
    Rest(usize),
    /// A case that this version does not have.
    #[error("unknown case {0}")]
    Tag(u64),
    /// Not UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
    /// Another version of the schema.
    #[error("version {0}, and {SCHEMA_VERSION} is what is spoken here")]
    Version(u8),
}

impl Codec {
    /// Cannot fail: every message has both forms.
    pub fn encode(self, message: &ServerMessage) -> Bytes {
        match self {
            Self::Json => message.to_json(),
            Self::Binary => message.to_binary(),
        }
    }

    /// What a client reads.
    ///
    /// # Errors
    ///
    /// When it is no message.
    pub fn decode_server(self, bytes: &[u8]) -> Result<ServerMessage, DecodeError> {
        match self {
            Self::Json => ServerMessage::from_json(bytes),
            Self::Binary => ServerMessage::from_binary(bytes),
        }
    }

    /// What an edge reads. How long it may be is for who reads the socket.
    ///
    /// # Errors
    ///
    /// When it is no message.
    pub fn decode_client(self, bytes: &[u8]) -> Result<ClientMessage, DecodeError> {
        match self {
            Self::Json => ClientMessage::from_json(bytes),
            Self::Binary => ClientMessage::from_binary(bytes),
        }
    }
}

/// What cannot be said with types alone.
trait Check {
    fn check(&self) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl Check for ClientMessage {}
impl Check for FromEdge {}

impl Check for ServerMessage {
    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Events(frame) => Ok(frame.check()?),
            _ => Ok(()),
        }
    }
}

impl Check for ToEdge {
    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Frame(frame) => Ok(frame.check_whole()?),
            Self::Fill { standing, frames }
            | Self::Reset {
                standing, frames, ..
            } => {
                frames.iter().try_for_each(|frame| frame.check_whole())?;
                standing.check()
            }
            Self::Change { standing, .. }
            | Self::Heartbeat { standing }
            | Self::State { standing, .. } => standing.check(),
            Self::Ack { .. } | Self::ReportAck { .. } | Self::Relay(_) | Self::NoRoom => Ok(()),
        }
    }
}

impl Check for Standing {
    fn check(&self) -> Result<(), DecodeError> {
        let is_small = self.head <= NUMBER_MAX && self.state_version <= NUMBER_MAX;
        is_small.then_some(()).ok_or(DecodeError::Number)
    }
}

macro_rules! codecs {
    ($($type:ty),*) => {$(
        impl $type {
            /// The JSON form.
            pub fn to_json(&self) -> Bytes {
                // Neither a map with other keys than strings nor a Serialize of our own that fails.
                Bytes::from(serde_json::to_vec(self).unwrap_or_default())
            }

            /// From the JSON form.
            ///
            /// # Errors
            ///
            /// When it is no message.
            pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
                let message: Self = serde_json::from_slice(bytes)?;
                message.check()?;
                Ok(message)
            }

            /// The binary form.
            pub fn to_binary(&self) -> Bytes {
                binary::encode(self)
            }

            /// From the binary form.
            ///
            /// # Errors
            ///
            /// When it is no message.
            pub fn from_binary(bytes: &[u8]) -> Result<Self, DecodeError> {
                let message: Self = binary::decode(bytes)?;
                message.check()?;
                Ok(message)
            }
        }
    )*};
}

codecs!(ClientMessage, FromEdge, ServerMessage, ToEdge);
