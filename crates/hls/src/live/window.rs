//! The sliding window: what is listed, and what must stay downloadable after it left the list.
//!
//! Time is the position of the playlist's end. A stalled stream therefore forgets nothing.

use std::{collections::VecDeque, time::Duration};

use super::{LiveConfig, PART_TARGET_DURATIONS};
use crate::{Msn, PartIndex, ProgramDateTime};

/// The most Segments that are listed, and the most that are kept after that. Reached only when
/// Segments are far shorter than TARGETDURATION.
pub const SEGMENTS_MAX: usize = 16_384;

/// What the driver must keep; everything numbered lower may be dropped. Never decreases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The oldest Initialization Section still in use.
    pub inits_from: Msn,
    /// The oldest Segment whose Parts may still be asked for.
    pub parts_from: Msn,
    /// The oldest Segment that may still be asked for.
    pub segments_from: Msn,
}

/// A Segment, open or complete.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) msn: Msn,
    /// The Segment whose number the Initialization Section bears.
    pub(super) init: Msn,
    pub(super) discontinuity: bool,
    pub(super) time: ProgramDateTime,
    /// Position of its start.
    start: Duration,
    /// The sum of its Parts.
    pub(super) duration: Duration,
    /// Empty once the Parts are no longer downloadable.
    pub(super) parts: Vec<PartEntry>,
    pub(super) part_count: u32,
    /// Some Part is not a gap.
    has_media: bool,
    /// Position of the playlist's end when the Parts left the list.
    parts_unlisted_at: Option<Duration>,
    /// Position of the playlist's end when the Segment left the list.
    removed_at: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct PartEntry {
    pub(super) duration: Duration,
    pub(super) independent: bool,
    pub(super) gap: bool,
}

impl Entry {
    pub(super) fn new(msn: Msn, init: Msn, start: Duration, time: ProgramDateTime) -> Self {
        Self {
            msn,
            init,
            discontinuity: false,
            time,
            start,
            duration: Duration::ZERO,
            parts: Vec::new(),
            part_count: 0,
            has_media: false,
            parts_unlisted_at: None,
            removed_at: Duration::ZERO,
        }
    }

    pub(super) fn push(&mut self, part: PartEntry) {
        self.has_media |= !part.gap;
        self.duration += part.duration;
        self.part_count += 1;
        self.parts.push(part);
    }

    /// A Part that is still downloadable.
    pub(super) fn part(&self, index: PartIndex) -> Option<&PartEntry> {
        self.parts.get(usize::try_from(index.value()).ok()?)
    }

    /// There is no media, and so no object.
    pub(super) const fn is_gap(&self) -> bool {
        !self.has_media
    }

    pub(super) const fn lists_parts(&self) -> bool {
        self.parts_unlisted_at.is_none()
    }

    pub(super) fn end(&self) -> Duration {
        self.start + self.duration
    }
}

/// The complete Segments: listed ones, and retired ones that may still be downloaded.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Numbered without a hole, up to the first listed one.
    retired: VecDeque<Entry>,
    /// Numbered without a hole, up to the open one.
    listed: VecDeque<Entry>,
    /// The sum over `listed`.
    listed_duration: Duration,
    /// The largest `listed_duration` so far.
    longest: Duration,
    window: Duration,
    /// How long Parts stay listed, and then downloadable.
    parts_span: Duration,
    discontinuity_sequence: u64,
}

impl Window {
    pub(super) fn new(config: &LiveConfig) -> Self {
        Self {
            retired: VecDeque::new(),
            listed: VecDeque::new(),
            listed_duration: Duration::ZERO,
            longest: Duration::ZERO,
            window: config.window,
            parts_span: config.target_duration * PART_TARGET_DURATIONS,
            discontinuity_sequence: config.start_discontinuity_sequence,
        }
    }

    pub(super) const fn listed(&self) -> &VecDeque<Entry> {
        &self.listed
    }

    pub(super) fn last(&self) -> Option<&Entry> {
        self.listed.back()
    }

    /// No Segment was ever completed.
    pub(super) fn is_unused(&self) -> bool {
        self.listed.is_empty()
    }

    pub(super) const fn discontinuity_sequence(&self) -> u64 {
        self.discontinuity_sequence
    }

    /// A complete Segment that is still downloadable.
    pub(super) fn kept(&self, msn: Msn) -> Option<&Entry> {
        let within = |entries: &VecDeque<Entry>| {
            let first = entries.front()?.msn;
            let offset = msn.value().checked_sub(first.value())?;
            usize::try_from(offset).ok()
        };
        within(&self.listed)
            .and_then(|at| self.listed.get(at))
            .or_else(|| within(&self.retired).and_then(|at| self.retired.get(at)))
    }

    pub(super) fn uses_init(&self, init: Msn) -> bool {
        // Inits only ever increase along the entries.
        let uses = |entries: &VecDeque<Entry>| {
            entries
                .binary_search_by(|entry| entry.init.cmp(&init))
                .is_ok()
        };
        uses(&self.listed) || uses(&self.retired)
    }

    pub(super) fn retention(&self, open: &Entry) -> Retention {
        let oldest = self
            .retired
            .front()
            .or_else(|| self.listed.front())
            .unwrap_or(open);
        let with_parts = |entries: &VecDeque<Entry>| {
            let first = entries.partition_point(|entry| entry.parts.is_empty());
            entries.get(first).map(|entry| entry.msn)
        };
        Retention {
            inits_from: oldest.init,
            parts_from: with_parts(&self.retired)
                .or_else(|| with_parts(&self.listed))
                .unwrap_or(open.msn),
            segments_from: oldest.msn,
        }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.listed_duration += entry.duration;
        self.longest = self.longest.max(self.listed_duration);
        self.listed.push_back(entry);
    }

    /// Lets go of what has become too old, now that the playlist's end is at `end`.
    pub(super) fn trim(&mut self, end: Duration) {
        self.unlist_parts(end);
        self.retire_segments(end);
        self.drop_retired(end);
        self.drop_parts(end);
    }

    /// "Partial Segments SHOULD be removed when they are more than three Target Durations from
    /// the end." All Parts of a Segment go together, when the last of them is that far: a Segment
    /// with half of its Parts would tell a player that it starts in the middle.
    fn unlist_parts(&mut self, end: Duration) {
        let first = self.listed.partition_point(|entry| !entry.lists_parts());
        let span = self.parts_span;
        for entry in self
            .listed
            .range_mut(first..)
            .take_while(|entry| end.saturating_sub(entry.end()) > span)
        {
            entry.parts_unlisted_at = Some(end);
        }
    }

    /// `window` is at least three Target Durations, below which a playlist must not fall.
    fn retire_segments(&mut self, end: Duration) {
        while let Some(first) = self.listed.front() {
            let rest = self.listed_duration.saturating_sub(first.duration);
            if rest < self.window && self.listed.len() <= SEGMENTS_MAX {
                return;
            }
            let Some(mut entry) = self.listed.pop_front() else {
                return;
            };
            self.listed_duration = rest;
            self.discontinuity_sequence += u64::from(entry.discontinuity);
            entry.removed_at = end;
            entry.parts_unlisted_at.get_or_insert(end);
            self.retired.push_back(entry);
        }
    }

    /// A removed Segment stays for its own duration plus that of the longest playlist that listed
    /// it (RFC 8216bis 6.2.2).
    fn drop_retired(&mut self, end: Duration) {
        while let Some(first) = self.retired.front() {
            let until = first.removed_at + first.duration + self.longest;
            if end < until && self.retired.len() <= SEGMENTS_MAX {
                return;
            }
            self.retired.pop_front();
        }
    }

    /// A removed Part stays for three Target Durations. Evicting it when its Segment closes broke
    /// players that had just been hinted at it (multimux 0.2.2).
    fn drop_parts(&mut self, end: Duration) {
        let span = self.parts_span;
        let is_due = |entry: &Entry| entry.parts_unlisted_at.is_some_and(|at| end >= at + span);
        for entries in [&mut self.retired, &mut self.listed] {
            let first = entries.partition_point(|entry| entry.parts.is_empty());
            for entry in entries.range_mut(first..).take_while(|entry| is_due(entry)) {
                entry.parts = Vec::new();
            }
        }
    }
}
