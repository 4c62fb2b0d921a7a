//! The Media Playlist as a value: what its tags say, in the order they stand.
//!
//! A plain document that renders and parses. It enforces no rule over time; that is
//! [`crate::LivePlaylist`]'s work.

mod parse;
mod render;

use std::time::Duration;

pub use self::parse::{PLAYLIST_BYTES_MAX, ParseError, ParseErrorKind, parse};
use crate::{LivePosition, Msn, PartIndex, ProgramDateTime};

/// The version of a playlist without Playlist Delta Updates: EXT-X-MAP outside of I-frame
/// playlists needs 6, and VERSION should not be higher than needed.
pub const VERSION: u8 = 6;

/// The version of a Playlist Delta Update.
pub const VERSION_DELTA: u8 = 9;

/// A whole Media Playlist, or a Playlist Delta Update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPlaylist {
    /// EXT-X-VERSION; 1 when the tag is absent.
    pub version: u8,
    /// EXT-X-TARGETDURATION, whole seconds.
    pub target_duration: Duration,
    /// EXT-X-SERVER-CONTROL.
    pub server_control: Option<ServerControl>,
    /// EXT-X-PART-INF:PART-TARGET.
    pub part_target: Option<Duration>,
    /// EXT-X-MEDIA-SEQUENCE: the number of the first Segment, skipped ones included.
    pub media_sequence: Msn,
    /// EXT-X-DISCONTINUITY-SEQUENCE.
    pub discontinuity_sequence: u64,
    /// EXT-X-SKIP:SKIPPED-SEGMENTS; 0 when the tag is absent.
    pub skipped_segments: u64,
    /// The Segments, oldest first.
    pub segments: Vec<Segment>,
    /// What is listed of the Segment whose EXTINF is still to come.
    pub open: SegmentHead,
    /// EXT-X-PRELOAD-HINT.
    pub preload_hints: Vec<PreloadHint>,
    /// EXT-X-RENDITION-REPORT, one per other rendition.
    pub rendition_reports: Vec<RenditionReport>,
    /// EXT-X-ENDLIST.
    pub end_list: bool,
}

/// EXT-X-SERVER-CONTROL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerControl {
    /// CAN-BLOCK-RELOAD=YES: "the server supports Blocking Playlist Reload".
    pub can_block_reload: bool,
    /// CAN-SKIP-UNTIL: the Skip Boundary, at least six Target Durations.
    pub can_skip_until: Option<Duration>,
    /// CAN-SKIP-DATERANGES=YES.
    pub can_skip_dateranges: bool,
    /// HOLD-BACK: at least three Target Durations, which is also its value when absent.
    pub hold_back: Option<Duration>,
    /// PART-HOLD-BACK: at least three Part Targets (Apple's Authoring Specification 14.3).
    pub part_hold_back: Option<Duration>,
}

/// A Media Segment with its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The tags that stand before EXTINF.
    pub head: SegmentHead,
    /// EXT-X-GAP: the Segment has no media and must not be loaded.
    pub gap: bool,
    /// EXTINF.
    pub duration: Duration,
    /// The URI line.
    pub uri: String,
}

/// The tags of a Segment that stand before its first Part, and its Parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentHead {
    /// EXT-X-DISCONTINUITY.
    pub discontinuity: bool,
    /// EXT-X-MAP's URI, where the tag stands here; it stays in force until the next one.
    pub map: Option<String>,
    /// EXT-X-PROGRAM-DATE-TIME.
    pub program_date_time: Option<ProgramDateTime>,
    /// EXT-X-PART.
    pub parts: Vec<Part>,
}

/// EXT-X-PART.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// DURATION.
    pub duration: Duration,
    /// URI.
    pub uri: String,
    /// INDEPENDENT=YES: it contains an independent frame.
    pub independent: bool,
    /// GAP=YES: it has no media.
    pub gap: bool,
}

/// EXT-X-PRELOAD-HINT of a whole resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreloadHint {
    /// TYPE.
    pub kind: HintKind,
    /// URI.
    pub uri: String,
}

/// TYPE of an EXT-X-PRELOAD-HINT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HintKind {
    /// `MAP`: a Media Initialization Section.
    Map,
    /// `PART`: a Partial Segment.
    Part,
}

impl HintKind {
    /// The attribute's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Map => "MAP",
            Self::Part => "PART",
        }
    }
}

/// EXT-X-RENDITION-REPORT: how far another rendition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenditionReport {
    /// URI, relative to this playlist.
    pub uri: String,
    /// LAST-MSN: the Segment of the last Part, complete or not.
    pub last_msn: Msn,
    /// LAST-PART: the last Part of that Segment.
    pub last_part: Option<PartIndex>,
}

impl MediaPlaylist {
    /// The Segment that the listed Parts without EXTINF belong to: the one after the last.
    #[must_use]
    pub fn open_msn(&self) -> Msn {
        self.media_sequence
            .plus(self.skipped_segments)
            .plus(count(self.segments.len()))
    }

    /// Where the playlist stands, to decide reloads against.
    #[must_use]
    pub fn position(&self) -> LivePosition {
        let parts = |head: &SegmentHead| u32::try_from(head.parts.len()).unwrap_or(u32::MAX);
        LivePosition {
            open: self.open_msn(),
            open_parts: parts(&self.open),
            previous_parts: self.segments.last().map_or(0, |last| parts(&last.head)),
            started: self.skipped_segments > 0 || !self.segments.is_empty(),
            ended: self.end_list,
            target_duration: self.target_duration,
            part_target: self.part_target.unwrap_or_default(),
        }
    }

    /// How long the listed Segments and Parts last, without the skipped ones.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let segments = self.segments.iter().map(|segment| segment.duration);
        let parts = self.open.parts.iter().map(|part| part.duration);
        segments
            .chain(parts)
            .fold(Duration::ZERO, Duration::saturating_add)
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
