//! The sliding window: what is listed, and what must stay downloadable after it left the list.
//!
//! Time is the position of the playlist's end. A stalled stream therefore forgets nothing.

use std::{collections::VecDeque, time::Duration};

use super::{LiveConfig, PART_TARGET_DURATIONS, settled::Settled};
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
pub(crate) struct Entry {
    pub(crate) msn: Msn,
    /// The Segment whose number the Initialization Section bears.
    pub(crate) init: Msn,
    pub(crate) discontinuity: bool,
    pub(crate) time: ProgramDateTime,
    /// Position of its start.
    start: Duration,
    /// The sum of its Parts.
    pub(crate) duration: Duration,
    /// Empty once the Parts are no longer downloadable.
    pub(crate) parts: Vec<PartEntry>,
    pub(crate) part_count: u32,
    /// Some Part is not a gap.
    has_media: bool,
    /// Position of the playlist's end when the Parts left the list.
    parts_unlisted_at: Option<Duration>,
    /// Position of the playlist's end when the Segment left the list.
    removed_at: Duration,
    /// Bytes from the Segment's start to its first frame's end, if that is an I-frame.
    pub(crate) i_frame_bytes: Option<u64>,
    /// Bytes of its text in [`Settled`]; 0 before it is there.
    pub(crate) text_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PartEntry {
    pub(crate) duration: Duration,
    pub(crate) independent: bool,
    pub(crate) gap: bool,
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
            i_frame_bytes: None,
            text_bytes: 0,
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
    /// How long a removed Segment stays at most.
    removed_max: Duration,
    /// Segments are listed no longer than this, for the want of memory.
    withdrawn_before: Msn,
    /// The text of the first so many of `listed`.
    settled: Settled,
    settled_count: usize,
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
            removed_max: config.removed_max,
            withdrawn_before: Msn::default(),
            settled: Settled::default(),
            settled_count: 0,
            parts_span: config.target_duration * PART_TARGET_DURATIONS,
            discontinuity_sequence: config.start_discontinuity_sequence,
        }
    }

    pub(super) const fn listed(&self) -> &VecDeque<Entry> {
        &self.listed
    }

    /// The text of all listed Segments but the first `skipped`, as far as it is settled; the first of them
    /// is left out, and the number of Segments that the text is of.
    pub(super) fn settled_after(&self, skipped: usize) -> (&str, usize) {
        let count = self.settled_count.saturating_sub(skipped + 1);
        // Whichever is the shorter way to the length.
        let bytes = |from: usize, to: usize| {
            let entries = self.listed.range(from..to);
            entries.map(|entry| entry.text_bytes).sum::<usize>()
        };
        if count == 0 {
            return ("", 0);
        }
        let text = if skipped < count {
            let all = self.settled.all();
            all.get(bytes(0, skipped + 1)..).unwrap_or_default()
        } else {
            self.settled.last(bytes(skipped + 1, self.settled_count))
        };
        (text, count)
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

    /// Everything below `msn` goes now, in order, from the list and from what is kept; what the list must
    /// not lose stays (a playlist is never shorter than three Target Durations).
    pub(super) fn withdraw(&mut self, msn: Msn, end: Duration) {
        self.withdrawn_before = self.withdrawn_before.max(msn);
        self.trim(end);
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
        while let Some(entry) = self.listed.get(self.settled_count) {
            if entry.lists_parts() {
                return;
            }
            let before = self.settled_count.checked_sub(1);
            let before = before.and_then(|at| self.listed.get(at));
            let bytes = self.settled.push(entry, before.map(|entry| entry.init));
            if let Some(entry) = self.listed.get_mut(self.settled_count) {
                entry.text_bytes = bytes;
            }
            self.settled_count += 1;
        }
    }

    /// `window` is at least three Target Durations, below which a playlist must not fall.
    fn retire_segments(&mut self, end: Duration) {
        while let Some(first) = self.listed.front() {
            let rest = self.listed_duration.saturating_sub(first.duration);
            let is_withdrawn = first.msn < self.withdrawn_before && rest >= self.parts_span;
            if rest < self.window && self.listed.len() <= SEGMENTS_MAX && !is_withdrawn {
                return;
            }
            let Some(mut entry) = self.listed.pop_front() else {
                return;
            };
            if self.settled_count > 0 {
                self.settled.pop(entry.text_bytes);
                self.settled_count -= 1;
            }
            self.listed_duration = rest;
            self.discontinuity_sequence += u64::from(entry.discontinuity);
            entry.removed_at = end;
            entry.parts_unlisted_at.get_or_insert(end);
            self.retired.push_back(entry);
        }
    }

    /// A removed Segment stays for its own duration plus that of the longest playlist that listed
    /// it (RFC 8216bis 6.2.2), but no longer than the configuration has it.
    fn drop_retired(&mut self, end: Duration) {
        while let Some(first) = self.retired.front() {
            let stays = (first.duration + self.longest).min(self.removed_max);
            let is_kept = first.msn >= self.withdrawn_before && end < first.removed_at + stays;
            if is_kept && self.retired.len() <= SEGMENTS_MAX {
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
