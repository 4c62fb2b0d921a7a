//! Low-Latency HLS (draft-pantos-hls-rfc8216bis-22): playlists, Delivery Directives, decisions.
//!
//! Pure: no sockets, files, clock or randomness, and no media. It knows names, durations and
//! order; the bytes of Segments and Parts live with whoever drives it.
//!
//! - [`LivePlaylist`] is the state machine of one rendition: Parts and Segments go in, playlist
//!   text comes out, and requests are decided against it.
//! - [`DeliveryDirectives`] are the `_HLS_*` parameters, [`LivePosition`] decides them.
//! - [`media`] is the Media Playlist as a value, with its renderer and parser.
//! - [`multivariant`] is the Multivariant Playlist.
//! - [`ObjectName`] spells the names of Initialization Sections, Segments and Parts.
//!
//! **The playlist is a function of the pushes.** Nothing in it depends on when or how often it was
//! asked, so every edge and every viewer that asks for the same position gets the same bytes.

mod attribute;
mod directives;
mod i_frames;
pub mod images;
mod live;
pub mod media;
pub mod multivariant;
mod object;
mod program_date_time;
mod reload;
mod sequence;
mod time;

pub use self::{
    directives::{BlockUntil, DeliveryDirectives, DirectiveError, QUERY_BYTES_MAX, Skip},
    live::{
        CloseError, ClosedSegment, CompleteSegment, ConfigError, EndedError, LiveConfig,
        LivePlaylist, NewPart, PARTS_PER_SEGMENT_MAX, PartAdded, PushError, RenderRequest,
        Retention, SEGMENTS_MAX, Violation,
    },
    media::RenditionReport,
    object::{
        I_FRAMES_NAME, IMAGE_TILES_MAX, IMAGES_NAME, ObjectName, PLAYLIST_NAME,
        RENDITION_NAME_BYTES_MAX, RenditionName, RenditionNameError,
    },
    program_date_time::ProgramDateTime,
    reload::{
        ADVANCE_SEGMENTS_MAX, BLOCKED_TARGET_DURATIONS_MAX, Decision, LivePosition, ObjectState,
        Rejection,
    },
    sequence::{Msn, PartIndex},
    time::DURATION_MAX,
};
