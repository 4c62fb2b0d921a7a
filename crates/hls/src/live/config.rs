//! What a live playlist is made with.

use std::time::Duration;

use thiserror::Error;

use super::PART_TARGET_DURATIONS;
use crate::{Msn, ProgramDateTime, RenditionName, time::is_whole_micros};

const TARGET_DURATION_MAX: Duration = Duration::from_secs(60);
const WINDOW_MAX: Duration = Duration::from_secs(4 * 3_600);
/// Apple's HLS Authoring Specification 14.3.
const HOLD_BACK_PART_TARGETS_MIN: u32 = 3;

/// Settings of a [`super::LivePlaylist`], chosen at stream start and never changed: AVPlayer ends
/// playback when PART-TARGET or PART-HOLD-BACK changes, and TARGETDURATION MUST NOT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveConfig {
    /// The rendition's name, as its URL carries it.
    pub rendition: RenditionName,
    /// TARGETDURATION: whole seconds, 1 to 60.
    pub target_duration: Duration,
    /// PART-TARGET: whole microseconds, at most TARGETDURATION.
    pub part_target: Duration,
    /// PART-HOLD-BACK: at least three times the largest PART-TARGET of all renditions.
    pub part_hold_back: Duration,
    /// How much the playlist lists: Segments leave while the rest is still at least this long.
    /// At least three Target Durations, at most four hours.
    pub window: Duration,
    /// How long a removed Segment stays downloadable at most; at least three Target Durations. The draft
    /// asks for its own duration plus that of the longest playlist that listed it (6.2.2), which for a long
    /// window is twice its memory for the sake of players that loaded a playlist, waited, and then seek to
    /// its very end. Media memory is bitrate times `window` and this.
    pub removed_max: Duration,
    /// The number of the first Segment. Above every number used before under the same URL.
    pub start_msn: Msn,
    /// EXT-X-DISCONTINUITY-SEQUENCE of the first Segment. It must never decrease under the same
    /// URL either, not even across a restart that forgets how many there were. The value of
    /// `start_msn` serves: there are never more discontinuities than Segments.
    pub start_discontinuity_sequence: u64,
    /// Wall-clock time of the first Part's start.
    pub start_time: ProgramDateTime,
}

/// A [`LiveConfig`] that no correct playlist can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// PART-HOLD-BACK below three Part Targets.
    #[error("PART-HOLD-BACK must be whole microseconds and at least three times PART-TARGET")]
    PartHoldBack,
    /// PART-TARGET is zero, above TARGETDURATION, or not in whole microseconds.
    #[error("PART-TARGET must be whole microseconds, above zero and at most TARGETDURATION")]
    PartTarget,
    /// Removed Segments would go while a player still loads them.
    #[error("removed segments must stay for at least three times TARGETDURATION")]
    RemovedMax,
    /// TARGETDURATION is not in whole seconds from 1 to 60.
    #[error("TARGETDURATION must be 1 to 60 whole seconds")]
    TargetDuration,
    /// The window is shorter than three Target Durations or longer than four hours.
    #[error("the window must be at least three times TARGETDURATION and at most four hours")]
    Window,
}

impl LiveConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let (target, part) = (self.target_duration, self.part_target);
        let is_whole = target.subsec_nanos() == 0;
        if !is_whole || target.is_zero() || target > TARGET_DURATION_MAX {
            return Err(ConfigError::TargetDuration);
        }
        if part.is_zero() || part > target || !is_whole_micros(part) {
            return Err(ConfigError::PartTarget);
        }
        let hold_back_min = part * HOLD_BACK_PART_TARGETS_MIN;
        if self.part_hold_back < hold_back_min || !is_whole_micros(self.part_hold_back) {
            return Err(ConfigError::PartHoldBack);
        }
        if self.window < target * PART_TARGET_DURATIONS || self.window > WINDOW_MAX {
            return Err(ConfigError::Window);
        }
        if self.removed_max < target * PART_TARGET_DURATIONS {
            return Err(ConfigError::RemovedMax);
        }
        Ok(())
    }
}
