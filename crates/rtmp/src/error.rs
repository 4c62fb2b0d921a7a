//! Why a session ended, and whose doing it was.

use thiserror::Error;

use crate::amf0::AmfError;
use crate::chunk::ChunkError;
use crate::flv::TagError;
use crate::limits;

/// Who is to blame for the end of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// The peer broke the protocol or a limit.
    PeerMisbehaved,
    /// The peer asked, rightly by the protocol, for what is not offered here.
    PeerUnsupported,
    /// The caller used the session against its documentation.
    ApiMisuse,
}

/// The end of a session. No variant shows a publish key.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// An aggregate message of more messages than the limit.
    #[error("more than {max} messages in an aggregate", max = limits::AGGREGATE_MESSAGES_MAX)]
    AggregateTooMany,
    /// A sub-message of an aggregate message is cut short.
    #[error("aggregate message cut short")]
    AggregateTruncated,
    /// Not AMF0, or beyond its limits.
    #[error("malformed AMF0: {0}")]
    Amf(#[from] AmfError),
    /// The chunk stream is broken.
    #[error("broken chunk stream: {0}")]
    Chunk(#[from] ChunkError),
    /// A command before `connect`.
    #[error("{0} before connect")]
    CommandBeforeConnect(&'static str),
    /// A command without an argument that it needs, or with one of the wrong type or length.
    #[error("{command}: bad {argument}")]
    CommandArgument {
        /// The command.
        command: &'static str,
        /// The argument.
        argument: &'static str,
    },
    /// A command that may come once came again.
    #[error("second {0}")]
    CommandRepeated(&'static str),
    /// A control message shorter than its fields.
    #[error("control message type {0} cut short")]
    ControlTruncated(u8),
    /// Input after the end of the session.
    #[error("input after the session ended")]
    Ended,
    /// Audio or video without an accepted publish.
    #[error("media before an accepted publish")]
    MediaBeforePublish,
    /// More input than fits while a publish awaits its verdict.
    #[error("more than {max} bytes sent while the publish was undecided", max = limits::PENDING_INPUT_BYTES_MAX)]
    PendingInputFull,
    /// A `play` or another command of a viewer.
    #[error("{0} refused: this server only ingests")]
    PlayRefused(&'static str),
    /// A malformed audio or video body.
    #[error("malformed media: {0}")]
    Tag(#[from] TagError),
    /// `accept` or `reject` while no publish awaits it.
    #[error("no publish awaits a verdict")]
    UnexpectedVerdict,
    /// The first byte is not RTMP's version: another protocol, or RTMPE.
    #[error("handshake version {0} is not RTMP's 3")]
    UnsupportedVersion(u8),
}

impl ProtocolError {
    /// Whose doing it was.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Ended | Self::UnexpectedVerdict => Blame::ApiMisuse,
            Self::PlayRefused(_)
            | Self::UnsupportedVersion(_)
            | Self::Amf(AmfError::UnsupportedMarker(_)) => Blame::PeerUnsupported,
            Self::AggregateTooMany
            | Self::AggregateTruncated
            | Self::Amf(_)
            | Self::Chunk(_)
            | Self::CommandArgument { .. }
            | Self::CommandBeforeConnect(_)
            | Self::CommandRepeated(_)
            | Self::ControlTruncated(_)
            | Self::MediaBeforePublish
            | Self::PendingInputFull
            | Self::Tag(_) => Blame::PeerMisbehaved,
        }
    }

    /// A short name from a closed set, for a metric's label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AggregateTooMany | Self::AggregateTruncated => "bad_aggregate",
            Self::Amf(AmfError::TooDeep | AmfError::TooMany) => "amf_limit",
            Self::Amf(_) => "bad_amf",
            Self::Chunk(ChunkError::InvalidChunkSize(_)) => "bad_chunk_size",
            Self::Chunk(ChunkError::MessageTooLong { .. }) => "message_too_long",
            Self::Chunk(ChunkError::ReassemblyFull { .. }) => "reassembly_full",
            Self::Chunk(ChunkError::TooManyChunkStreams { .. }) => "too_many_chunk_streams",
            Self::Chunk(_) => "bad_chunk",
            Self::CommandArgument { .. }
            | Self::CommandBeforeConnect(_)
            | Self::CommandRepeated(_) => "bad_command",
            Self::ControlTruncated(_) => "bad_control",
            Self::Ended | Self::UnexpectedVerdict => "api_misuse",
            Self::MediaBeforePublish | Self::PendingInputFull => "media_before_publish",
            Self::PlayRefused(_) => "play_refused",
            Self::Tag(_) => "bad_media",
            Self::UnsupportedVersion(_) => "not_rtmp",
        }
    }
}
