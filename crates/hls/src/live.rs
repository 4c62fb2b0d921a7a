//! The live Media Playlist of one rendition as a state machine.
//!
//! Holds numbers, durations and flags. No media, no waiting, no clock: the end of the last Part
//! is the only "now" there is.

mod config;
mod error;
mod settled;
mod snapshot;
mod window;

use std::time::Duration;

pub(crate) use self::window::Entry;
use self::window::{PartEntry, Window};
pub use self::{
    config::{ConfigError, LiveConfig},
    error::{CloseError, EndedError, PushError, Violation},
    snapshot::RenderRequest,
    window::{Retention, SEGMENTS_MAX},
};
use crate::{
    Decision, DeliveryDirectives, LivePosition, Msn, ObjectName, ObjectState, PartIndex,
    ProgramDateTime, RenditionReport, reload::advance_part_limit, time::Timeline,
};

/// The most Parts a Segment may have. The longest TARGETDURATION over the shortest PART-TARGET
/// gives fewer; the bound keeps a broken packager from growing a playlist for ever.
pub const PARTS_PER_SEGMENT_MAX: usize = 1_024;

/// A Part shorter than this percentage of PART-TARGET is a [`Violation`], with exceptions.
const PART_SHORT_PERCENT: u32 = 85;

/// Parts stay listed, and then downloadable, for this many Target Durations (RFC 8216bis 6.2.2).
const PART_TARGET_DURATIONS: u32 = 3;

/// CAN-SKIP-UNTIL in Target Durations: the least the draft allows.
const SKIP_TARGET_DURATIONS: u32 = 6;

/// One rendition's live Media Playlist.
///
/// It does no I/O and holds no bytes: the driver stores media under the names of [`ObjectName`].
///
/// # Protocol
///
/// Pushes, in stream order; the driver stores the object *before* it pushes, because what is
/// listed must be downloadable:
///
/// 1. Store the Initialization Section as `init-{msn}.mp4` with `msn` from
///    [`LivePlaylist::current_init`].
/// 2. For each finished Part, store it under [`LivePlaylist::next_part`], then
///    [`LivePlaylist::push_part`]. [`PushError::SegmentFull`] means: close the Segment first.
/// 3. At each Segment's end store the Segment (its Parts, concatenated), then
///    [`LivePlaylist::close_segment`].
/// 4. When the source changes or was away: [`LivePlaylist::discontinuity`], then from 1.
///    To tell viewers that there is nothing for a while, push Parts with `gap` set instead.
/// 5. [`LivePlaylist::end`] when the show is over.
/// 6. After any of these: wake the held requests, and drop what [`LivePlaylist::retention`] no
///    longer names.
///
/// Requests, at any time, all `&self`:
///
/// - A playlist: [`LivePlaylist::decide`] (or [`LivePlaylist::decide_query`]). `Ready`: send
///   [`LivePlaylist::render`]. `Wait`: hold it, decide again after each push, and answer
///   [`crate::Rejection::BlockedTooLong`] after [`LivePlaylist::blocked_max`].
/// - An object: [`LivePlaylist::object_state`], with `Hold` handled like `Wait`.
///
/// All renditions of a stream get the same `start_msn` and are pushed in step: same Segments,
/// same discontinuities, within one Part of each other.
///
/// # Invariants
///
/// TARGETDURATION, PART-TARGET and PART-HOLD-BACK never change. MSN and Discontinuity Sequence
/// never decrease. Listed Parts add up to their Segment, in the text too.
#[derive(Clone, Debug)]
pub struct LivePlaylist {
    config: LiveConfig,
    window: Window,
    open: Entry,
    timeline: Timeline,
    /// Wall-clock time of a position: set at the start and at each discontinuity.
    anchor: (ProgramDateTime, Duration),
    ended: bool,
}

/// A finished Part, to be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPart {
    /// Its exact duration. Take the difference of two positions, rather than converting a
    /// difference, so that conversion errors do not add up.
    pub duration: Duration,
    /// It contains an independent frame.
    pub independent: bool,
    /// It stands for media that is missing; there is no object for it. A Segment of nothing else
    /// is listed with EXT-X-GAP and has no object either.
    pub gap: bool,
}

/// What [`LivePlaylist::push_part`] listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartAdded {
    /// The Segment it belongs to.
    pub msn: Msn,
    /// Its index there.
    pub part: PartIndex,
    /// DURATION as the playlist shows it.
    pub duration: Duration,
    /// A rule of the draft that the packager broke; the Part is listed all the same.
    pub violation: Option<Violation>,
}

/// What [`LivePlaylist::close_segment`] listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedSegment {
    /// Its number.
    pub msn: Msn,
    /// EXTINF: the sum of its Parts as the playlist shows them.
    pub duration: Duration,
    /// How many Parts it has.
    pub parts: u32,
    /// A rule of the draft that the packager broke; the Segment is listed all the same.
    pub violation: Option<Violation>,
}

/// What is told of a complete Segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompleteSegment {
    /// That of its Initialization Section.
    pub init: Msn,
    /// Wall-clock time of its start.
    pub time: ProgramDateTime,
    /// Bytes of its first chunk, if that holds an I-frame and nothing else.
    pub i_frame_bytes: Option<u64>,
}

impl LivePlaylist {
    /// An empty playlist.
    ///
    /// # Errors
    /// [`ConfigError`] when the durations contradict the draft or each other.
    pub fn new(config: LiveConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let open = Entry::new(
            config.start_msn,
            config.start_msn,
            Duration::ZERO,
            config.start_time,
        );
        Ok(Self {
            window: Window::new(&config),
            open,
            timeline: Timeline::default(),
            anchor: (config.start_time, Duration::ZERO),
            ended: false,
            config,
        })
    }

    /// Lists a finished Part at the end of the open Segment.
    ///
    /// # Errors
    /// [`PushError`]; the playlist is then unchanged.
    pub fn push_part(&mut self, part: NewPart) -> Result<PartAdded, PushError> {
        let duration = self.timeline.measure(part.duration);
        self.check_push(part, duration)?;
        let violation = self.part_violation(part, duration);
        let added = PartAdded {
            msn: self.open.msn,
            part: PartIndex::new(self.open.part_count),
            duration,
            violation,
        };
        self.timeline.advance(part.duration);
        self.open.push(PartEntry {
            duration,
            independent: part.independent,
            gap: part.gap,
        });
        self.window.trim(self.timeline.position());
        Ok(added)
    }

    /// Completes the open Segment; its Parts are its media. The next one follows on seamlessly.
    ///
    /// # Errors
    /// [`CloseError`] when the open Segment has no Part or the playlist has ended.
    pub fn close_segment(&mut self) -> Result<ClosedSegment, CloseError> {
        if self.ended {
            return Err(CloseError::Ended);
        }
        self.close_open().ok_or(CloseError::Empty)
    }

    /// The next Part does not continue the last: other source, other encoding, or time lost.
    ///
    /// Completes the open Segment if it has Parts (and returns it), then opens one with
    /// EXT-X-DISCONTINUITY and an Initialization Section of its own, named by
    /// [`LivePlaylist::current_init`]. Store that section before the first Part is pushed. `time`
    /// is the wall-clock time of the next Part's start. It is moved forward if it lies before the
    /// end of what is listed, because the mapping from media to dates must not be ambiguous.
    ///
    /// # Errors
    /// [`EndedError`] when the playlist has ended.
    pub fn discontinuity(
        &mut self,
        time: ProgramDateTime,
    ) -> Result<Option<ClosedSegment>, EndedError> {
        let closed = self.break_off(time)?;
        self.open.init = self.open.msn;
        Ok(closed)
    }

    /// The same where this rendition has nothing to show behind the discontinuity, because the new source
    /// has nothing for it: the Initialization Section stays the one before, and gaps follow. Discontinuities
    /// have to be those of the other renditions all the same.
    ///
    /// # Errors
    /// [`EndedError`] when the playlist has ended.
    pub fn discontinuity_of_gaps(
        &mut self,
        time: ProgramDateTime,
    ) -> Result<Option<ClosedSegment>, EndedError> {
        self.break_off(time)
    }

    fn break_off(&mut self, time: ProgramDateTime) -> Result<Option<ClosedSegment>, EndedError> {
        if self.ended {
            return Err(EndedError);
        }
        let closed = self.close_open();
        let (anchor, since) = self.anchor;
        let position = self.timeline.position();
        self.anchor = (
            time.max(anchor.plus(position.saturating_sub(since))),
            position,
        );
        self.open.time = self.anchor.0;
        // Before the very first Segment there is nothing to be discontinuous with.
        self.open.discontinuity = !self.window.is_unused();
        Ok(closed)
    }

    /// The show is over: completes the open Segment if it has Parts and sets EXT-X-ENDLIST.
    pub fn end(&mut self) -> Option<ClosedSegment> {
        let closed = self.close_open();
        self.ended = true;
        closed
    }

    /// The open Segment begins with an I-frame, which ends so many bytes from the Segment's start: what an
    /// I-frame playlist lists. Ignored but after the Segment's first Part.
    pub fn begins_with_i_frame(&mut self, bytes: u64) {
        if self.open.part_count == 1 && !self.open.is_gap() {
            self.open.i_frame_bytes = Some(bytes);
        }
    }

    /// Takes everything below `msn` from the list and from what is kept, before its time, because there is
    /// no memory for it. Removal is in order, and what makes the last three Target Durations stays listed.
    pub fn withdraw(&mut self, msn: Msn) {
        self.window.withdraw(msn, self.timeline.position());
    }

    /// True after [`LivePlaylist::end`].
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// The settings it was made with; they never change.
    #[must_use]
    pub const fn config(&self) -> &LiveConfig {
        &self.config
    }

    /// Where the next Part will be listed: the Part that EXT-X-PRELOAD-HINT names.
    #[must_use]
    pub const fn next_part(&self) -> (Msn, PartIndex) {
        (self.open.msn, PartIndex::new(self.open.part_count))
    }

    /// The number in the name of the Initialization Section that the next Part needs.
    #[must_use]
    pub const fn current_init(&self) -> Msn {
        self.open.init
    }

    /// Wall-clock time of the next Part's start.
    #[must_use]
    pub fn next_time(&self) -> ProgramDateTime {
        let (time, since) = self.anchor;
        time.plus(self.timeline.position().saturating_sub(since))
    }

    /// Moves the dates of what follows against the media by so many milliseconds, from the next Segment on:
    /// a source's clock drifts, dates are the wall's. Players tolerate less than a second at once.
    pub fn steer(&mut self, millis: i64) {
        let (time, since) = self.anchor;
        let time = time.unix_millis().saturating_add(millis);
        self.anchor = (ProgramDateTime::from_unix_millis(time), since);
        if self.open.part_count == 0 {
            self.open.time = self.next_time();
        }
    }

    /// EXT-X-DISCONTINUITY-SEQUENCE behind the last discontinuity that is listed. One more is the least that
    /// a playlist may begin with that takes this one's place under the same URL and does not continue it.
    #[must_use]
    pub fn last_discontinuity_sequence(&self) -> u64 {
        let listed = self.window.listed().iter().chain([&self.open]);
        let discontinuities = listed.filter(|entry| entry.discontinuity).count();
        let discontinuities = u64::try_from(discontinuities).unwrap_or(u64::MAX);
        self.window
            .discontinuity_sequence()
            .saturating_add(discontinuities)
    }

    /// EXT-X-MEDIA-SEQUENCE, EXT-X-DISCONTINUITY-SEQUENCE and the Segments that are listed.
    pub(crate) fn listed(&self) -> (Msn, u64, impl Iterator<Item = &Entry>) {
        let listed = self.window.listed();
        let first = listed.front().map_or(self.open.msn, |first| first.msn);
        (first, self.window.discontinuity_sequence(), listed.iter())
    }

    /// The newest complete Segment.
    #[must_use]
    pub fn last_complete(&self) -> Option<Msn> {
        self.window.last().map(|last| last.msn)
    }

    /// A complete Segment that can still be downloaded.
    #[must_use]
    pub fn complete(&self, msn: Msn) -> Option<CompleteSegment> {
        self.window.kept(msn).map(|entry| CompleteSegment {
            init: entry.init,
            time: entry.time,
            i_frame_bytes: entry.i_frame_bytes,
        })
    }

    /// Wall-clock time of the start of what is listed, if a Segment is.
    #[must_use]
    pub fn listed_since(&self) -> Option<ProgramDateTime> {
        self.window.listed().front().map(|first| first.time)
    }

    /// Where the playlist stands.
    #[must_use]
    pub fn position(&self) -> LivePosition {
        LivePosition {
            open: self.open.msn,
            open_parts: self.open.part_count,
            previous_parts: self.window.last().map_or(0, |last| last.part_count),
            started: self.window.last().is_some(),
            ended: self.ended,
            target_duration: self.config.target_duration,
            part_target: self.config.part_target,
        }
    }

    /// Decides a playlist request; see [`LivePosition::decide`].
    #[must_use]
    pub fn decide(&self, directives: &DeliveryDirectives) -> Decision {
        self.position().decide(directives)
    }

    /// Parses and decides a playlist request in one step.
    ///
    /// Not the same as one after the other: once ended, directives MUST be ignored, malformed
    /// ones included. The directives returned are those to render by.
    #[must_use]
    pub fn decide_query(&self, query: &str) -> (Decision, DeliveryDirectives) {
        if self.ended {
            return (Decision::Ready, DeliveryDirectives::default());
        }
        match DeliveryDirectives::parse(query) {
            Ok(directives) => (self.decide(&directives), directives),
            Err(error) => (
                Decision::Reject(error.into()),
                DeliveryDirectives::default(),
            ),
        }
    }

    /// How long a request may be held.
    #[must_use]
    pub fn blocked_max(&self) -> Duration {
        self.position().blocked_max()
    }

    /// What this rendition's siblings report about it; `None` before the first Part.
    #[must_use]
    pub fn report(&self) -> Option<RenditionReport> {
        let last = if self.open.part_count > 0 {
            &self.open
        } else {
            self.window.last()?
        };
        Some(RenditionReport {
            uri: self.config.rendition.uri_from_sibling(),
            last_msn: last.msn,
            last_part: Some(PartIndex::new(last.part_count.saturating_sub(1))),
        })
    }

    /// What to do with a request for an object of this rendition; a playlist is always
    /// `Available` here, see [`LivePlaylist::decide`].
    #[must_use]
    pub fn object_state(&self, object: ObjectName) -> ObjectState {
        match object {
            ObjectName::Playlist | ObjectName::IFrames => ObjectState::Available,
            // Pictures are not the playlist's affair.
            ObjectName::Images | ObjectName::Image(..) => ObjectState::NotFound,
            ObjectName::Init(msn) => self.init_state(msn),
            ObjectName::Segment(msn) => self.segment_state(msn),
            ObjectName::Part(msn, part) => self.part_state(msn, part),
        }
    }

    /// What to do with a request for a Part.
    #[must_use]
    pub fn part_state(&self, msn: Msn, part: PartIndex) -> ObjectState {
        let entry = if msn == self.open.msn {
            Some(&self.open)
        } else {
            self.window.kept(msn)
        };
        match entry.and_then(|entry| entry.part(part)) {
            Some(known) if known.gap => ObjectState::NotFound,
            Some(_) => ObjectState::Available,
            None if self.is_part_expected(msn, part) => ObjectState::Hold,
            None => ObjectState::NotFound,
        }
    }

    /// What to do with a request for a Segment.
    #[must_use]
    pub fn segment_state(&self, msn: Msn) -> ObjectState {
        match self.window.kept(msn) {
            Some(entry) if entry.is_gap() => ObjectState::NotFound,
            Some(_) => ObjectState::Available,
            None if msn == self.open.msn && !self.ended => ObjectState::Hold,
            None => ObjectState::NotFound,
        }
    }

    /// What to do with a request for an Initialization Section.
    #[must_use]
    pub fn init_state(&self, msn: Msn) -> ObjectState {
        let is_current = msn == self.open.init && !self.ended;
        if is_current || self.window.uses_init(msn) {
            ObjectState::Available
        } else {
            ObjectState::NotFound
        }
    }

    /// What the driver must keep.
    #[must_use]
    pub fn retention(&self) -> Retention {
        self.window.retention(&self.open)
    }

    fn check_push(&self, part: NewPart, duration: Duration) -> Result<(), PushError> {
        let target = self.config.target_duration;
        // "The EXTINF duration, when rounded to the nearest integer, MUST be less than or equal
        // to the Target Duration" (RFC 8216bis 4.4.3.1).
        let fits = |total: Duration| total < target + Duration::from_millis(500);
        if self.ended {
            Err(PushError::Ended)
        } else if part.duration < Duration::from_micros(1) {
            Err(PushError::TooShort)
        } else if !fits(part.duration) {
            Err(PushError::TooLong {
                duration: part.duration,
                target,
            })
        } else if self.open.parts.len() >= PARTS_PER_SEGMENT_MAX
            || !fits(self.open.duration + duration)
        {
            Err(PushError::SegmentFull { msn: self.open.msn })
        } else {
            Ok(())
        }
    }

    fn part_violation(&self, part: NewPart, duration: Duration) -> Option<Violation> {
        let target = self.config.part_target;
        if duration > target {
            return Some(Violation::PartAboveTarget { duration, target });
        }
        // Only now is it known that the Part before is not the last of its Segment.
        let before = self.open.parts.last()?;
        let is_short = before.duration * 100 < target * PART_SHORT_PERCENT;
        let is_exempt = before.independent || before.gap || part.gap;
        (is_short && !is_exempt).then_some(Violation::PartShort {
            part: PartIndex::new(self.open.part_count.saturating_sub(1)),
            duration: before.duration,
            target,
        })
    }

    fn is_part_expected(&self, msn: Msn, part: PartIndex) -> bool {
        let ahead_max = advance_part_limit(self.config.part_target);
        let (open, count) = (self.open.msn, self.open.part_count);
        let is_in_open = msn == open && part.value() < count.saturating_add(ahead_max);
        let is_in_next = msn == open.next() && msn != open && part.value() < ahead_max;
        !self.ended && (is_in_open || is_in_next)
    }

    fn close_open(&mut self) -> Option<ClosedSegment> {
        if self.open.part_count == 0 {
            return None;
        }
        let next = Entry::new(
            self.open.msn.next(),
            self.open.init,
            self.timeline.position(),
            self.next_time(),
        );
        let entry = std::mem::replace(&mut self.open, next);
        let is_independent = entry.is_gap() || entry.parts.iter().any(|part| part.independent);
        let closed = ClosedSegment {
            msn: entry.msn,
            duration: entry.duration,
            parts: entry.part_count,
            violation: (!is_independent).then_some(Violation::SegmentNotIndependent),
        };
        self.window.push(entry);
        self.window.trim(self.timeline.position());
        Some(closed)
    }
}

#[cfg(test)]
mod tests;
