//! Why an ingest connection ended.

use std::io;
use std::time::Duration;

use rtmp::{Blame, ProtocolError};
use thiserror::Error;

use crate::health::Breach;
use crate::publish::{ClaimError, EndReason};

/// The end of a connection. Its text is for the log; no variant holds a publish key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// A rule of the key is broken, and its action is to cut.
    #[error("{0}")]
    Breach(Breach),
    /// This process is shutting down.
    #[error("the server is shutting down")]
    Draining,
    /// The stream was ended from this side.
    #[error("ended by the stream: {0}")]
    Ended(EndReason),
    /// The TLS and RTMP handshakes took too long.
    #[error("handshake too slow")]
    HandshakeTimeout,
    /// A publisher sent nothing for too long.
    #[error("publisher silent")]
    IdleTimeout,
    /// The socket failed.
    #[error("connection lost: {0}")]
    Io(io::Error),
    /// A publisher sent no picture for too long, whatever else it sent.
    #[error("no picture came for {} s", .0.as_secs())]
    NoPicture(Duration),
    /// The peer closed without ending its stream first, as a killed encoder does.
    #[error("closed by the peer")]
    PeerClosed,
    /// The peer broke the protocol.
    #[error(transparent)]
    Protocol(ProtocolError),
    /// No publish came.
    #[error("no publish in time")]
    PublishTimeout,
    /// The publish was refused, before media.
    #[error("publish refused: {0}")]
    Refused(ClaimError),
    /// The packager took nothing for too long.
    #[error("the packager stalled")]
    Stalled,
    /// The TLS handshake failed.
    #[error("TLS handshake failed: {0}")]
    Tls(io::Error),
    /// All seats are taken.
    #[error("too many connections")]
    TooManyConnections,
    /// All seats of the peer's address are taken.
    #[error("too many connections from this address")]
    TooManyFromAddress,
    /// The publisher ended its stream.
    #[error("the publisher ended its stream")]
    Unpublished,
    /// The peer did not take a reply.
    #[error("the peer does not read")]
    WriteTimeout,
}

impl CloseReason {
    /// The name for the metric's label, from a closed set.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Breach(breach) => breach.rule.as_str(),
            Self::Draining => "draining",
            Self::Ended(_) => "ended",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::Io(_) => "io",
            Self::NoPicture(_) => "no_picture",
            Self::PeerClosed => "peer_closed",
            Self::Protocol(error) => error.reason(),
            Self::PublishTimeout => "publish_timeout",
            Self::Refused(ClaimError::WrongKey) => "wrong_key",
            Self::Refused(ClaimError::InUse) => "stream_in_use",
            Self::Refused(ClaimError::Denied { .. }) => "denied",
            Self::Refused(ClaimError::NotOpen(channels::Refused::Stopped { .. })) => "room_stopped",
            Self::Refused(ClaimError::NotOpen(_)) => "key_not_open",
            Self::Refused(ClaimError::Unavailable) => "filters_unavailable",
            Self::Refused(_) => "refused",
            Self::Stalled => "stalled",
            Self::Tls(_) => "tls",
            Self::TooManyConnections => "too_many_connections",
            Self::TooManyFromAddress => "too_many_from_address",
            Self::Unpublished => "unpublished",
            Self::WriteTimeout => "write_timeout",
        }
    }

    /// Whose doing it was, for the log.
    pub fn blame(&self) -> &'static str {
        match self {
            Self::Draining | Self::Refused(ClaimError::Unavailable) | Self::Stalled => "here",
            Self::Ended(EndReason::Refused(_)) => "peer",
            Self::Ended(_) => "here",
            Self::Protocol(error) => match error.blame() {
                Blame::PeerMisbehaved | Blame::PeerUnsupported => "peer",
                Blame::ApiMisuse => "here",
            },
            Self::TooManyConnections => "nobody",
            Self::Io(_) | Self::PeerClosed | Self::Unpublished => "nobody",
            Self::Breach(_)
            | Self::HandshakeTimeout
            | Self::IdleTimeout
            | Self::NoPicture(_)
            | Self::PublishTimeout
            | Self::Refused(_)
            | Self::Tls(_)
            | Self::TooManyFromAddress
            | Self::WriteTimeout => "peer",
        }
    }

    /// A socket's error: a peer that closes with a reset, or without TLS's closure alert, has
    /// closed all the same.
    pub(super) fn lost(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::UnexpectedEof => Self::PeerClosed,
            _ => Self::Io(error),
        }
    }

    /// What to tell a publisher whose stream ends from this side; `None` when it knows, or when it
    /// would not listen.
    pub(super) fn farewell(&self) -> Option<String> {
        match self {
            Self::Breach(_)
            | Self::Draining
            | Self::Ended(_)
            | Self::NoPicture(_)
            | Self::Stalled => Some(self.to_string()),
            _ => None,
        }
    }

    /// Whether the publisher is refused for what it sends: nothing failed, and to try the same again is of
    /// no use.
    pub(super) fn is_rejection(&self) -> bool {
        matches!(
            self,
            Self::Breach(_) | Self::NoPicture(_) | Self::Ended(EndReason::Refused(_))
        )
    }

    /// Whether to let the peer close first, so that it hears why, or that its end was heard. What
    /// strangers still send is not worth a read.
    pub(super) fn awaits_the_peer(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Unpublished => true,
            _ => self.farewell().is_some(),
        }
    }
}
