//! Blocking Playlist Reload and object requests: answer now, hold, or refuse.
//!
//! Pure decisions over where a playlist stands. Nothing waits here: the driver holds the request,
//! asks again after each change, and gives up after [`LivePosition::blocked_max`].

use std::time::Duration;

use thiserror::Error;

use crate::{BlockUntil, DeliveryDirectives, DirectiveError, Msn};

/// How far `_HLS_msn` may lie beyond the last Segment (RFC 8216bis 6.2.5.2).
pub const ADVANCE_SEGMENTS_MAX: u64 = 2;

/// A held request is answered with 503 after this many Target Durations (RFC 8216bis 6.2.5.2).
pub const BLOCKED_TARGET_DURATIONS_MAX: u32 = 3;

/// What to do with a playlist request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The current playlist answers it.
    Ready,
    /// Hold it until the playlist changes, then decide again.
    Wait,
    /// Refuse it at once.
    Reject(Rejection),
}

/// Why a playlist request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Held for [`LivePosition::blocked_max`] without an answer. Never decided here: for drivers.
    #[error("the playlist did not reach the requested position in time")]
    BlockedTooLong,
    /// The directives cannot be read.
    #[error(transparent)]
    Malformed(#[from] DirectiveError),
    /// `_HLS_msn` is more than [`ADVANCE_SEGMENTS_MAX`] beyond the last Segment.
    #[error("_HLS_msn is more than {ADVANCE_SEGMENTS_MAX} beyond the last segment")]
    MsnTooFar,
    /// `_HLS_part` is beyond the last Part by more than the Advance Part Limit.
    #[error("_HLS_part is beyond the Advance Part Limit")]
    PartTooFar,
}

impl Rejection {
    /// The HTTP status to answer with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BlockedTooLong => 503,
            Self::Malformed(error) => error.status(),
            Self::MsnTooFar | Self::PartTooFar => 400,
        }
    }

    /// A short label for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BlockedTooLong => "blocked_too_long",
            Self::Malformed(error) => error.as_str(),
            Self::MsnTooFar => "msn_too_far",
            Self::PartTooFar => "part_too_far",
        }
    }
}

/// What to do with a request for an Initialization Section, a Segment or a Part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectState {
    /// It is complete and still kept: send it.
    Available,
    /// It is expected within the Advance Part Limit: hold the request until it is complete, then
    /// send it at line rate (RFC 8216bis 6.2.6), or answer 404 when it turns out not to come.
    Hold,
    /// Gone, a gap, cancelled, or too far ahead: answer 404 at once.
    NotFound,
}

/// Where a live playlist stands: all that a decision about a reload needs.
///
/// A snapshot, cheap to copy. The origin takes it from [`crate::LivePlaylist::position`], an edge
/// from the last playlist it saw ([`crate::media::MediaPlaylist::position`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivePosition {
    /// The Segment whose Parts are being added; it has no EXTINF yet.
    pub open: Msn,
    /// How many Parts the open Segment has.
    pub open_parts: u32,
    /// How many Parts the Segment before the open one has.
    pub previous_parts: u32,
    /// There is a complete Segment. Before that a playlist says nothing a player could start
    /// from, and hls.js takes a playlist without Segments for an error.
    pub started: bool,
    /// EXT-X-ENDLIST is set.
    pub ended: bool,
    /// TARGETDURATION.
    pub target_duration: Duration,
    /// PART-TARGET; zero when the playlist has no Parts.
    pub part_target: Duration,
}

impl LivePosition {
    /// Decides a playlist request.
    ///
    /// With EXT-X-ENDLIST directives are ignored. An old position is answered at once. A Part
    /// beyond the last of its (complete) Segment means the first of the next Segment.
    #[must_use]
    pub fn decide(&self, directives: &DeliveryDirectives) -> Decision {
        if self.ended {
            return Decision::Ready;
        }
        if let Err(rejection) = self.check_limits(directives, Duration::ZERO) {
            return Decision::Reject(rejection);
        }
        if self.started
            && directives
                .block_until()
                .is_none_or(|until| self.has_reached(until))
        {
            Decision::Ready
        } else {
            Decision::Wait
        }
    }

    /// Whether the playlist lists what a Blocking Playlist Reload waits for, or something later.
    #[must_use]
    pub fn has_reached(&self, until: BlockUntil) -> bool {
        match until {
            BlockUntil::Segment(msn) => msn < self.open,
            BlockUntil::Part(msn, part) if msn == self.open => part.value() < self.open_parts,
            BlockUntil::Part(msn, part) if msn.next() == self.open => {
                part.value() < self.previous_parts || self.open_parts > 0
            }
            BlockUntil::Part(msn, _) => msn < self.open,
        }
    }

    /// Whether the directives keep the limits on asking ahead.
    ///
    /// `age` is how old this snapshot is. An edge that is behind its origin must not refuse what
    /// the origin would hold (RFC 8216bis Appendix C), so the limits widen by what may have been
    /// published since.
    ///
    /// # Errors
    /// [`Rejection::MsnTooFar`] or [`Rejection::PartTooFar`].
    pub fn check_limits(
        &self,
        directives: &DeliveryDirectives,
        age: Duration,
    ) -> Result<(), Rejection> {
        let Some(until) = directives.block_until().filter(|_| !self.ended) else {
            return Ok(());
        };
        let segments_since = steps(age, self.target_duration / 2);
        let last = if self.started && self.open_parts == 0 {
            Msn::new(self.open.value().saturating_sub(1))
        } else {
            self.open
        };
        if until.msn() > last.plus(ADVANCE_SEGMENTS_MAX).plus(segments_since) {
            return Err(Rejection::MsnTooFar);
        }
        let BlockUntil::Part(msn, part) = until else {
            return Ok(());
        };
        let listed = if msn == self.open { self.open_parts } else { 0 };
        let ahead_max = u64::from(self.advance_part_limit()) + steps(age, self.part_target);
        // `listed` Parts have the indexes below `listed`: the last of them is listed - 1.
        if msn >= self.open && u64::from(part.value()) >= u64::from(listed) + ahead_max {
            return Err(Rejection::PartTooFar);
        }
        Ok(())
    }

    /// The Advance Part Limit: three seconds' worth of Parts, and at least three.
    #[must_use]
    pub fn advance_part_limit(&self) -> u32 {
        advance_part_limit(self.part_target)
    }

    /// How long a request may be held before it is answered with
    /// [`Rejection::BlockedTooLong`].
    #[must_use]
    pub fn blocked_max(&self) -> Duration {
        self.target_duration * BLOCKED_TARGET_DURATIONS_MAX
    }
}

/// `3 / PART-TARGET` rounded up if PART-TARGET is below a second, else 3 (RFC 8216bis 6.2.5.2).
pub(crate) fn advance_part_limit(part_target: Duration) -> u32 {
    if part_target >= Duration::from_secs(1) {
        return 3;
    }
    u32::try_from(steps(Duration::from_secs(3), part_target)).unwrap_or(u32::MAX)
}

/// How many `step`s `span` has begun.
fn steps(span: Duration, step: Duration) -> u64 {
    let count = span.as_nanos().div_ceil(step.as_nanos().max(1));
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
