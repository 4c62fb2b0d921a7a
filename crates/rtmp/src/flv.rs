//! FLV: the tags that RTMP carries as messages and that ffmpeg reads and writes on pipes.
//!
//! It parses what surrounds the coded frames, never the frames themselves.

mod audio;
mod codec;
mod color;
mod extended;
mod fourcc;
mod reader;
#[cfg(test)]
mod tests;
mod video;
mod writer;

use thiserror::Error;

use crate::limits::TAG_TRACKS_MAX;

pub use audio::AudioBody;
pub use codec::{AudioCodec, VideoCodec};
pub use color::ColorInfo;
pub use reader::{FlvError, Reader, Tag, TagKind};
pub use video::VideoBody;
pub use writer::Writer;

/// Why the body of an audio or video tag is not acceptable.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum TagError {
    /// The body ends inside its own header.
    #[error("{0} tag cut short")]
    Truncated(TagKind),
    /// More tracks in one tag than [`TAG_TRACKS_MAX`].
    #[error("{0} tag with more than {TAG_TRACKS_MAX} tracks")]
    TooManyTracks(TagKind),
    /// A multitrack type that E-RTMP does not define.
    #[error("{kind} tag has the unknown multitrack type {multitrack_type}")]
    UnknownMultitrack {
        /// Audio or video.
        kind: TagKind,
        /// The type as sent.
        multitrack_type: u8,
    },
    /// A packet type that no specification defines.
    #[error("{kind} tag has the unknown packet type {packet_type}")]
    UnknownPacketType {
        /// Audio or video.
        kind: TagKind,
        /// The type as sent.
        packet_type: u8,
    },
}
