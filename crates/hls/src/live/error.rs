//! What can go wrong when a live playlist is pushed to.

use std::time::Duration;

use thiserror::Error;

use crate::{Msn, PartIndex};

/// A Part that cannot be listed. The playlist is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PushError {
    /// The playlist has ended.
    #[error("the playlist has ended")]
    Ended,
    /// With this Part the open Segment would exceed TARGETDURATION, or have too many Parts.
    #[error("segment {msn} is full and has to be closed first")]
    SegmentFull {
        /// The open Segment.
        msn: Msn,
    },
    /// The Part alone exceeds TARGETDURATION: no Segment can take it.
    #[error("a part of {duration:?} exceeds the Target Duration of {target:?}")]
    TooLong {
        /// Its duration.
        duration: Duration,
        /// TARGETDURATION.
        target: Duration,
    },
    /// The Part is shorter than a microsecond and would be listed with no duration.
    #[error("the part has no duration")]
    TooShort,
}

/// A Segment that cannot be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CloseError {
    /// It has no Parts.
    #[error("the open segment has no parts")]
    Empty,
    /// The playlist has ended.
    #[error("the playlist has ended")]
    Ended,
}

/// The playlist has ended; nothing follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the playlist has ended")]
pub struct EndedError;

/// A rule that the packager broke. The playlist goes on, since dropping media would be worse, but
/// strict players (AVPlayer) may leave low latency mode: count it and log it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// "The duration of a Partial Segment MUST be less than or equal to the Part Target Duration."
    #[error("a part of {duration:?} exceeds the Part Target of {target:?}")]
    PartAboveTarget {
        /// DURATION.
        duration: Duration,
        /// PART-TARGET.
        target: Duration,
    },
    /// A Part is below 85 % of PART-TARGET, and neither the last of its Segment, nor independent,
    /// nor next to a gap.
    /// Found when the next Part is pushed.
    #[error("part {part} of {duration:?} is below 85 % of the Part Target of {target:?}")]
    PartShort {
        /// The short Part's index in the open Segment.
        part: PartIndex,
        /// DURATION.
        duration: Duration,
        /// PART-TARGET.
        target: Duration,
    },
    /// A Segment has no independent frame.
    #[error("the segment has no independent frame")]
    SegmentNotIndependent,
}

impl Violation {
    /// A short label for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PartAboveTarget { .. } => "part_above_target",
            Self::PartShort { .. } => "part_short",
            Self::SegmentNotIndependent => "segment_not_independent",
        }
    }
}
