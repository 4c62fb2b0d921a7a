//! FLV: the tags that RTMP carries as messages and that ffmpeg reads and writes on pipes.
//!
//! It parses what surrounds the coded frames, never the frames themselves.

mod audio;
mod fourcc;
mod reader;
#[cfg(test)]
mod tests;
mod video;
mod writer;

use thiserror::Error;

pub use audio::AudioBody;
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
    /// An AVC or AAC packet type that no specification defines.
    #[error("{kind} tag has the unknown packet type {packet_type}")]
    UnknownPacketType {
        /// Audio or video.
        kind: TagKind,
        /// The type as sent.
        packet_type: u8,
    },
}
