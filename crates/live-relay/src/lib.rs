//! The live relay: how a tier hands a stream to the next as it is made, instead of being asked for
//! each object.
//!
//! A child asks once for a stream (`GET /relay/v1/{stream}?renditions=...`, see [`Interest`]), and
//! the answer does not end: it is a row of [`Frame`]s, a Partial Segment before the playlist that
//! lists it. With the last playlist of a rendition the child answers Blocking Playlist Reloads
//! itself ([`Followed`]): it holds them, refuses them, or answers them without asking anybody.
//!
//! Pure: no sockets, no clock, no tasks. Nothing here compresses or decompresses a playlist, nor
//! knows what a cache is.
//!
//! **What is lost can be asked for.** A frame says nothing that the parent would not answer to an
//! ordinary request. A child that missed frames, or whose parent has no relay, asks as if there were
//! none.

mod followed;
mod frame;
mod interest;
mod wire;

pub use followed::{Answer, Cursor, Followed, RECENT_SEGMENTS};
pub use frame::{CodedText, End, FIELDS_MAX, FRAME_BYTES_MAX, Frame, PartFrame, PlaylistFrame};
pub use interest::{Interest, InterestError, RENDITIONS_MAX, Wanted};
pub use wire::{Decoder, FrameError};

/// Media type of the answer.
pub const MEDIA_TYPE: &str = "application/vnd.weir.relay";

/// The path of a subscription, without the stream's name.
pub const PATH_PREFIX: &str = "/relay/v1/";
