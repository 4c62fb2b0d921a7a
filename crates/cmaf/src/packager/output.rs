//! What a [`Packager`](super::Packager) gives: media, and remarks on media it could not take.

use bytes::Bytes;

use super::TrackId;
use crate::MediaTime;

/// One step of one track, or of all. Before each run of segments: `Start`. Within a track: `Init`, then `Part` and `Gap` in order, `SegmentEnd`,
/// the parts of the next segment, and so on; `Ended` last of all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// A run of segments begins, behind everything that was there before, in all tracks.
    Start(StartOutput),
    /// The Media Initialization Section for the segments that follow.
    Init(InitOutput),
    /// A complete part.
    Part(PartOutput),
    /// A part for which the track has no samples: list it with GAP=YES.
    Gap(GapOutput),
    /// The segment has all its parts.
    SegmentEnd(SegmentEndOutput),
    /// Something to log and count; no media.
    Event(Event),
    /// All tracks are closed for good.
    Ended,
}

/// See [`Output::Start`]. The two advance together until the next one: the source's clock may have been
/// set in between, or something else listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartOutput {
    /// Decode time of the leader's first frame as it was pushed.
    pub source: MediaTime,
    /// The same on the stream's timeline.
    pub start: MediaTime,
}

/// See [`Output::Init`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitOutput {
    /// The track.
    pub track: TrackId,
    /// First segment it applies to, counted from 0 at the start of the stream. Add it to the
    /// stream's first MSN.
    pub segment_offset: u64,
    /// True if that segment carries EXT-X-DISCONTINUITY (never the stream's first).
    pub discontinuity: bool,
    /// ftyp and moov.
    pub bytes: Bytes,
}

/// See [`Output::Part`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOutput {
    /// The track.
    pub track: TrackId,
    /// Its segment, counted from 0 at the start of the stream.
    pub segment_offset: u64,
    /// Part Index within the segment.
    pub part: u32,
    /// Decode time of the first sample on the stream's timeline, as in its `tfdt`.
    pub start: MediaTime,
    /// DURATION: the sum of its samples'.
    pub duration: MediaTime,
    /// INDEPENDENT=YES: holds a keyframe, or is audio.
    pub independent: bool,
    /// Samples in the part.
    pub samples: u32,
    /// If the segment begins with this part and an I-frame: bytes of the chunk that holds that frame, and
    /// nothing else.
    pub i_frame_bytes: Option<u64>,
    /// moof and mdat, twice where the first I-frame has a chunk of its own.
    pub bytes: Bytes,
}

/// See [`Output::Gap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapOutput {
    /// The track.
    pub track: TrackId,
    /// Its segment, counted from 0 at the start of the stream.
    pub segment_offset: u64,
    /// Part Index within the segment.
    pub part: u32,
    /// Where the leader's part starts on the stream's timeline.
    pub start: MediaTime,
    /// Duration of the leader's part.
    pub duration: MediaTime,
}

/// See [`Output::SegmentEnd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentEndOutput {
    /// The track.
    pub track: TrackId,
    /// The segment, counted from 0 at the start of the stream.
    pub segment_offset: u64,
    /// EXTINF: the sum of its parts' and gaps' durations, exactly.
    pub duration: MediaTime,
    /// True if every part of the segment is a gap: list the segment with EXT-X-GAP.
    pub gap: bool,
}

/// What a packager noticed. Each is a metric's label: see [`Event::as_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Audio timestamps departed from the count of frames; the count starts anew.
    AudioReanchored {
        /// The track.
        track: TrackId,
        /// Source timestamp minus the counted one.
        departure: MediaTime,
    },
    /// Samples were thrown away: see the reason.
    Dropped {
        /// The track.
        track: TrackId,
        /// How many.
        samples: u32,
        /// Why.
        reason: DropReason,
    },
    /// The longest segment was reached without a keyframe; it was cut where a player cannot join.
    SegmentWithoutKeyframe {
        /// The segment that starts without one.
        segment_offset: u64,
    },
    /// The leader's timestamps jumped; a discontinuity follows.
    TimestampJump {
        /// New timestamp minus the previous one.
        by: MediaTime,
    },
}

/// Why samples were thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// The timestamp went back over samples already queued.
    Backwards,
    /// It lies before the start of the stream, or of what follows a discontinuity. Usual for a few
    /// audio frames.
    BeforeStart,
    /// The part it belongs to is closed.
    Late,
    /// Waiting for a keyframe, or for the leader's first one.
    NoKeyframe,
    /// The follower's queue was full: the leader delivers nothing.
    QueueFull,
    /// The track is suspended.
    Suspended,
    /// A sample larger than the limit, or a timestamp beyond it.
    Unusable,
    /// The track has no configuration yet.
    Unconfigured,
}

impl Event {
    /// Its name, for metrics and logs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::AudioReanchored { .. } => "audio_reanchored",
            Self::Dropped { reason, .. } => reason.as_str(),
            Self::SegmentWithoutKeyframe { .. } => "segment_without_keyframe",
            Self::TimestampJump { .. } => "timestamp_jump",
        }
    }
}

impl DropReason {
    /// Its name, for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backwards => "dropped_backwards",
            Self::BeforeStart => "dropped_before_start",
            Self::Late => "dropped_late",
            Self::NoKeyframe => "dropped_no_keyframe",
            Self::QueueFull => "dropped_queue_full",
            Self::Suspended => "dropped_suspended",
            Self::Unusable => "dropped_unusable",
            Self::Unconfigured => "dropped_unconfigured",
        }
    }
}
