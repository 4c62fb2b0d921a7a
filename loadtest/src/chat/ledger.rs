//! What one connection was given, held against what it was promised: each event once and in order,
//! or told that it misses it. Knows nothing of sockets and codecs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use rooms::schema::{EventFrame, Gap, Lane, Position, Recovery, Welcome};
use serde::Serialize;

/// Holes that are remembered, in case what is missing comes late. Of more only the number is kept.
const HOLES_MAX: usize = 1_024;

/// Events of CONTROL that one connection may note; a plan that would exceed it is refused.
pub(super) const CONTROL_MAX: usize = 65_536;

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) epoch: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) dropped: u32,
}

impl Head {
    pub(super) fn of(frame: &EventFrame) -> Self {
        Self {
            epoch: frame.epoch,
            first: frame.first,
            last: frame.last,
            dropped: frame.dropped,
        }
    }
}

/// One event of a frame, as far as this matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) seq: u64,
    pub(super) lane: Lane,
}

/// Numbers of one connection, or the sum of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Bytes of messages, without WebSocket and TLS.
    pub bytes: u64,
    /// Frames of events; for other servers messages.
    pub frames: u64,
    /// Events that happened after the connection was welcomed.
    pub events: u64,
    /// Events that had happened before.
    pub history: u64,
    /// Messages of STATE.
    pub states: u64,
    /// `gap` messages, and frames that say that something was dropped.
    pub gaps_told: u64,
    /// Messages that these count.
    pub messages_told: u64,
    /// Events that did not come, and nothing said so.
    pub lost: u64,
    /// Events that came again.
    pub doubled: u64,
    /// Events that came after a later one.
    pub out_of_order: u64,
    /// Messages that are none, or of another epoch than the welcome's.
    pub malformed: u64,
    /// Welcomes that said "not recovered" to somebody with a position.
    pub not_recovered: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.frames += other.frames;
        self.events += other.events;
        self.history += other.history;
        self.states += other.states;
        self.gaps_told += other.gaps_told;
        self.messages_told += other.messages_told;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
        self.malformed += other.malformed;
        self.not_recovered += other.not_recovered;
    }
}

/// From one beginning to the next: here no event of CONTROL may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Span {
    epoch: u64,
    from: u64,
    to: u64,
    /// As they came.
    control: Vec<u64>,
}

/// The account of one connection, and of those that take its place and resume.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// `seq` of the next event; 0 before the first welcome.
    next: u64,
    /// Events up to here had happened before the welcome.
    history_to: u64,
    holes: Vec<RangeInclusive<u64>>,
    spans: Vec<Span>,
    pub(super) tally: Tally,
}

impl Ledger {
    /// Where a connection that takes this one's place resumes.
    pub(super) fn position(&self) -> Option<Position> {
        let epoch = self.spans.last()?.epoch;
        (self.next > 0).then(|| Position {
            epoch,
            seq: self.next - 1,
        })
    }

    /// `seq` of the next event.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether an event had happened before the connection was welcomed.
    pub(super) fn is_history(&self, seq: u64) -> bool {
        seq <= self.history_to
    }

    pub(super) fn welcome(&mut self, welcome: &Welcome) {
        let is_same = self
            .spans
            .last()
            .is_some_and(|span| span.epoch == welcome.epoch);
        if welcome.recovery == Recovery::Complete && is_same {
            self.advance(welcome.next);
            return;
        }
        if welcome.recovery != Recovery::Fresh {
            self.tally.not_recovered += 1;
        }
        self.begin(welcome.epoch, welcome.next);
        self.history_to = welcome.seq;
    }

    fn begin(&mut self, epoch: u64, next: u64) {
        self.next = next;
        self.holes.clear();
        self.spans.push(Span {
            epoch,
            from: next,
            to: next.saturating_sub(1),
            control: Vec::new(),
        });
    }

    pub(super) fn frame(&mut self, head: Head, slots: impl IntoIterator<Item = Slot>) {
        self.tally.frames += 1;
        if self.next == 0
            || self
                .spans
                .last()
                .is_none_or(|span| span.epoch != head.epoch)
        {
            self.tally.malformed += 1;
            return;
        }
        self.advance(head.first);
        let is_thinned = head.dropped > 0;
        if is_thinned {
            self.tally.gaps_told += 1;
            self.tally.messages_told += u64::from(head.dropped);
        }
        for slot in slots {
            if is_thinned {
                self.next = self.next.max(slot.seq);
            }
            self.event(slot);
        }
        let end = head.last.saturating_add(1);
        if is_thinned {
            self.next = self.next.max(end);
        }
        self.advance(end);
        self.extend_span();
    }

    pub(super) fn gap(&mut self, gap: &Gap) {
        self.tally.gaps_told += 1;
        self.tally.messages_told += u64::from(gap.messages.unwrap_or(0));
        self.advance(gap.from);
        self.next = self.next.max(gap.to.saturating_add(1));
        self.extend_span();
    }

    /// A message of a server that has no frames: its number is the publisher's.
    pub(super) fn numbered(&mut self, number: u64) {
        self.tally.frames += 1;
        if self.next == 0 {
            self.begin(0, number);
        }
        self.event(Slot {
            seq: number,
            lane: Lane::Chat,
        });
    }

    fn event(&mut self, slot: Slot) {
        let Slot { seq, lane } = slot;
        if seq < self.next {
            if self.fill_hole(seq) {
                self.tally.lost -= 1;
                self.tally.out_of_order += 1;
                self.count(seq);
            } else {
                self.tally.doubled += 1;
            }
        } else {
            self.advance(seq);
            self.next = seq.saturating_add(1);
            self.count(seq);
        }
        if lane == Lane::Control
            && let Some(span) = self.spans.last_mut()
            && span.control.len() < CONTROL_MAX
        {
            span.control.push(seq);
        }
    }

    fn count(&mut self, seq: u64) {
        if self.is_history(seq) {
            self.tally.history += 1;
        } else {
            self.tally.events += 1;
        }
    }

    /// What lies before `next` and has not come is lost, and nobody said so.
    fn advance(&mut self, next: u64) {
        if next <= self.next {
            return;
        }
        self.tally.lost += next - self.next;
        if self.holes.len() < HOLES_MAX {
            self.holes.push(self.next..=next - 1);
        }
        self.next = next;
    }

    fn extend_span(&mut self) {
        if let Some(span) = self.spans.last_mut() {
            span.to = span.to.max(self.next.saturating_sub(1));
        }
    }

    /// Whether `seq` was missing, and now is not.
    fn fill_hole(&mut self, seq: u64) -> bool {
        let Some(at) = self.holes.iter().position(|hole| hole.contains(&seq)) else {
            return false;
        };
        let hole = self.holes.swap_remove(at);
        if *hole.start() < seq {
            self.holes.push(*hole.start()..=seq - 1);
        }
        if seq < *hole.end() {
            self.holes.push(seq + 1..=*hole.end());
        }
        true
    }
}

/// What became of CONTROL, over all connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Control {
    /// Events that anybody saw, or that were acknowledged to who acted.
    pub events: u64,
    /// How often one of them was to reach a connection.
    pub owed: u64,
    /// How often it did not.
    pub lost: u64,
    /// How often it came again.
    pub doubled: u64,
    /// How often it came after a later one.
    pub out_of_order: u64,
}

/// Compares what each connection got. `acknowledged`: epoch and `seq` of acts whose author was told
/// that they were accepted.
///
/// All of `ledgers` have the same view of the room.
pub(super) fn judge<'a>(
    ledgers: impl Iterator<Item = &'a Ledger> + Clone,
    acknowledged: impl IntoIterator<Item = (u64, u64)>,
) -> Control {
    let mut truth: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for (epoch, seq) in acknowledged {
        truth.entry(epoch).or_default().insert(seq);
    }
    for span in ledgers.clone().flat_map(|ledger| &ledger.spans) {
        let known = truth.entry(span.epoch).or_default();
        known.extend(&span.control);
    }
    let mut control = Control {
        events: truth.values().map(|known| wide(known.len())).sum(),
        ..Control::default()
    };
    for span in ledgers.flat_map(|ledger| &ledger.spans) {
        let mut seen = BTreeSet::new();
        for &seq in &span.control {
            let is_late = seen.last().is_some_and(|last| seq < *last);
            if !seen.insert(seq) {
                control.doubled += 1;
            } else if is_late {
                control.out_of_order += 1;
            }
        }
        let Some(known) = truth.get(&span.epoch) else {
            continue;
        };
        if span.from <= span.to {
            for seq in known.range(span.from..=span.to) {
                control.owed += 1;
                control.lost += u64::from(!seen.contains(seq));
            }
        }
    }
    control
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
