//! What a parent says to a child.

use bytes::Bytes;
use hls::{LivePosition, Msn, PartIndex, RenditionName};
use http::HeaderMap;

/// The longest frame, in bytes without its head. A Partial Segment of 2 s at 60 Mbit/s fits.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// Fields of an answer that travel with a frame.
pub const FIELDS_MAX: usize = 32;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A Partial Segment was made.
    Part(PartFrame),
    /// A rendition's playlist has changed. Every Part that it lists, and that was not sent before,
    /// stands in a frame before this one.
    Playlist(PlaylistFrame),
    /// Nothing has changed; the parent is there.
    Ping,
    /// Nothing more will come.
    End(End),
}

/// A Partial Segment.
#[derive(Clone, Debug, PartialEq)]
pub struct PartFrame {
    /// Its rendition.
    pub rendition: RenditionName,
    /// Its Segment.
    pub msn: Msn,
    /// Its place in the Segment.
    pub part: PartIndex,
    /// The fields of the answer to a request for it, without those of one hop.
    pub fields: HeaderMap,
    /// Its bytes.
    pub body: Bytes,
}

/// A Media Playlist at one position.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaylistFrame {
    /// Its rendition.
    pub rendition: RenditionName,
    /// Where it stands.
    pub position: LivePosition,
    /// The fields of the answer to a request for it, without those of one hop and `Cache-Control`.
    pub fields: HeaderMap,
    /// `max-age` of an answer to a Blocking Playlist Reload, in seconds.
    pub blocking_seconds: u32,
    /// `max-age` of an answer to any other request, in seconds.
    pub plain_seconds: u32,
    /// The whole playlist.
    pub full: CodedText,
    /// The Playlist Delta Update; `None`: nothing can be skipped.
    pub delta: Option<CodedText>,
}

/// A text as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodedText {
    /// Compressed by zstd (RFC 8878), or as it is.
    pub zstd: bool,
    /// The bytes.
    pub bytes: Bytes,
}

/// Why nothing more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream ended well: its last playlist has EXT-X-ENDLIST.
    Ended,
    /// The stream was taken away. What is kept of it is to be forgotten.
    Gone,
    /// The parent is about to stop, or has lost its own parent: ask another, or again.
    Leaving,
}

impl End {
    /// A short label for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Gone => "gone",
            Self::Leaving => "leaving",
        }
    }
}
