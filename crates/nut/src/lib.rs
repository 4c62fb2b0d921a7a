//! What FLV cannot carry out of ffmpeg: the NUT container, and HEVC and AV1 in the form that
//! ISO-BMFF wants. No I/O.
//!
//! ```text
//!  bytes -> Reader -> Stream, Packet -> Hevc / Av1 -> decoder configuration record, samples
//! ```
//!
//! It writes no NUT, seeks nowhere, and reads one video stream only. NUT was taken because ffmpeg
//! writes a frame the moment it has it; Matroska holds one back until the next, as fMP4 does.

mod av1;
mod bits;
mod hevc;
mod reader;

pub use av1::Av1;
pub use hevc::Hevc;
pub use reader::{NutError, Packet, Reader, Stream};

use thiserror::Error;

/// Longest frame taken: an uncompressed 4K picture is smaller.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest codec data taken; parameter sets are some hundreds of bytes.
pub const CODEC_DATA_BYTES_MAX: usize = 64 * 1024;

/// Why an encoder's output cannot be packaged.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum CodecError {
    /// A parameter set that has to be there is not.
    #[error("the encoder gave no {0}")]
    Missing(&'static str),
    /// It ends early, or holds what its format does not allow.
    #[error("the {0} is malformed")]
    Malformed(&'static str),
}
