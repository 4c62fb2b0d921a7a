//! What was read from the outbox and is not done with, without I/O: which room is told what, when, and up
//! to where everything is done.
//!
//! A room that does not answer is in nobody's way: it is left out, and of what it is to be told only so
//! much is kept here. The rest stays in the outbox and is read again when the room has taken what it has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bus::RoomName;
use rooms::schema::Publish;

use crate::rooms::NotPublished;

/// Messages that are read at once; a room is told as many at once.
pub(super) const BATCH: usize = 256;
/// Messages of one room that are kept here; what is beyond is read again. With it, whatever one read brings
/// is taken in.
pub(super) const ROOM_WAITING_MAX: usize = BATCH;
/// Messages of all rooms. It takes hundreds of rooms that do not answer to come here; then everybody waits.
pub(super) const WAITING_MAX: usize = 65_536;
/// A room that refused is left out for so long; twice as long after each time that it does so again.
pub(super) const LEFT_OUT_FOR: Duration = Duration::from_secs(1);
/// The longest of it.
pub(super) const LEFT_OUT_MAX: Duration = Duration::from_secs(32);
/// So long after a room was told, what it was told is still in the outbox: it is on its way from the hub to
/// edges, which may have to find the hub again first, and a crash would lose it. A screen that is told again
/// shows it once.
pub(super) const TOLD_FOR: Duration = Duration::from_secs(10);

/// What one room is to be told.
#[derive(Debug, Default)]
struct Queue {
    /// In order; the first `telling` are on their way to the hub.
    untold: VecDeque<(u64, Publish)>,
    telling: usize,
    /// From this message on, the room's are read again: there was no space for them.
    behind: Option<u64>,
    /// It is left out until then.
    again_at: Option<Instant>,
    failures: u32,
}

impl Queue {
    fn push(&mut self, seq: u64, publish: Publish) {
        if self.behind.is_none() && self.untold.len() < ROOM_WAITING_MAX {
            self.untold.push_back((seq, publish));
        } else {
            self.behind.get_or_insert(seq);
        }
    }

    fn first(&self) -> Option<u64> {
        let untold = self.untold.front().map(|(seq, _)| *seq);
        untold.or(self.behind)
    }

    fn is_left_out(&self, now: Instant) -> bool {
        self.telling > 0 || self.again_at.is_some_and(|at| now < at)
    }

    fn fail(&mut self, now: Instant) {
        let factor = 2_u32.saturating_pow(self.failures);
        let wait = LEFT_OUT_FOR.saturating_mul(factor).min(LEFT_OUT_MAX);
        self.failures = self.failures.saturating_add(1);
        self.again_at = Some(now + wait);
    }
}

/// What was read and is not done with.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    rooms: BTreeMap<RoomName, Queue>,
    /// Rooms whose hub may have counted something twice, or has something to take away.
    uncounted: BTreeSet<RoomName>,
    /// The last that was read.
    read: u64,
    /// Whether the outbox was read to its end once.
    has_caught_up: bool,
    /// When everything up to a number was done.
    told: VecDeque<(Instant, u64)>,
    /// The last that was removed from the outbox.
    removed: u64,
}

impl Waiting {
    /// Messages that rooms are to be told.
    pub(super) fn len(&self) -> usize {
        self.rooms.values().map(|queue| queue.untold.len()).sum()
    }

    /// Rooms that are not told anything now, because their hub does not answer.
    pub(super) fn left_out(&self, now: Instant) -> usize {
        let rooms = self.rooms.values();
        rooms.filter(|queue| queue.is_left_out(now)).count()
    }

    /// Whether there is a room to be told something now, which a turn that just was has not told.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        let mut rooms = self.rooms.values();
        rooms.any(|queue| !queue.is_left_out(now))
    }

    /// The last that was read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// A message was read, whatever it is.
    pub(super) fn note_read(&mut self, seq: u64) {
        self.read = self.read.max(seq);
    }

    /// The outbox was read to its end.
    pub(super) fn caught_up(&mut self) {
        self.has_caught_up = true;
    }

    /// Takes in what a room is to be told.
    pub(super) fn push(&mut self, seq: u64, room: RoomName, publish: Publish) {
        // What was there when this process began may have been told before, by a process that is gone: a
        // hub that saved its points then counts it twice now, whether the records have it or not.
        if !self.has_caught_up {
            self.uncounted.insert(room.clone());
        }
        self.rooms.entry(room).or_default().push(seq, publish);
    }

    /// The hub's points of this room are to be corrected.
    pub(super) fn miscounted(&mut self, room: RoomName) {
        self.uncounted.insert(room);
    }

    /// Rooms whose points can be corrected, which are those that were told everything: to what is told later,
    /// the hub adds.
    pub(super) fn take_uncounted(&mut self) -> BTreeSet<RoomName> {
        let all = std::mem::take(&mut self.uncounted);
        let (told, later) = all
            .into_iter()
            .partition(|room| !self.rooms.contains_key(room));
        self.uncounted = later;
        told
    }

    /// Who is to be told what, now.
    pub(super) fn begin_telling(&mut self, now: Instant) -> Vec<(RoomName, Vec<Publish>)> {
        let mut all = Vec::new();
        for (room, queue) in &mut self.rooms {
            if queue.untold.is_empty() || queue.is_left_out(now) {
                continue;
            }
            queue.telling = queue.untold.len();
            let publishes = queue.untold.iter().map(|(_, publish)| publish.clone());
            all.push((room.clone(), publishes.collect()));
        }
        all
    }

    /// What became of it. How many messages are done with.
    pub(super) fn note_told(
        &mut self,
        now: Instant,
        room: &RoomName,
        told: Result<(), NotPublished>,
    ) -> usize {
        let Some(queue) = self.rooms.get_mut(room) else {
            return 0;
        };
        let telling = std::mem::take(&mut queue.telling);
        let count = match told {
            // The money has moved; that the room is gone changes nothing of it.
            Ok(()) | Err(NotPublished::NoRoom) => {
                (queue.failures, queue.again_at) = (0, None);
                telling
            }
            Err(NotPublished::Busy { told }) => {
                queue.fail(now);
                told.min(telling)
            }
        };
        queue.untold.drain(..count);
        if queue.first().is_none() {
            self.rooms.remove(room);
        }
        count
    }

    /// The room that is furthest behind of those that can take more, and the message up to which it has all.
    pub(super) fn behind(&self, now: Instant) -> Option<(RoomName, u64)> {
        let rooms = self.rooms.iter();
        let behind = rooms.filter_map(|(room, queue)| {
            let may_read = queue.untold.is_empty() && !queue.is_left_out(now);
            may_read.then_some((room, queue.behind?))
        });
        let (room, from) = behind.min_by_key(|(_, from)| *from)?;
        Some((room.clone(), from.saturating_sub(1)))
    }

    /// What was read again for a room: its own messages, and the last one of all that were read, if there
    /// are more after it.
    pub(super) fn catch_up(
        &mut self,
        room: &RoomName,
        own: Vec<(u64, Publish)>,
        last: Option<u64>,
    ) {
        let read = self.read;
        let Some(queue) = self.rooms.get_mut(room) else {
            return;
        };
        queue.behind = None;
        // What nobody has read yet is read for all.
        for (seq, publish) in own.into_iter().filter(|(seq, _)| *seq <= read) {
            queue.push(seq, publish);
        }
        if let Some(last) = last.filter(|last| *last < read) {
            queue.behind.get_or_insert(last + 1);
        }
        if queue.first().is_none() {
            self.rooms.remove(room);
        }
    }

    /// Notes what is done by now; up to where everything was done long enough ago. `unsettled` is the first
    /// message that is not in the records, or not in the queue of webhooks.
    pub(super) fn removable(&mut self, now: Instant, unsettled: Option<u64>) -> Option<u64> {
        let done = self.done(unsettled);
        let noted = self.told.back().map_or(self.removed, |(_, seq)| *seq);
        if done > noted {
            self.told.push_back((now, done));
        }
        let mut removable = None;
        while let Some((at, seq)) = self.told.front()
            && now.saturating_duration_since(*at) >= TOLD_FOR
        {
            removable = Some(*seq);
            self.told.pop_front();
        }
        removable
    }

    /// Everything up to there was told, and is in the records and the queue of webhooks.
    fn done(&self, unsettled: Option<u64>) -> u64 {
        let untold = self.rooms.values().filter_map(Queue::first).min();
        let first = [untold, unsettled].into_iter().flatten().min();
        first.map_or(self.read, |seq| seq.saturating_sub(1))
    }

    /// What [`Self::removable`] said was removed; or not, and it is said again.
    pub(super) fn note_removed(&mut self, now: Instant, seq: u64, is_removed: bool) {
        if is_removed {
            self.removed = seq;
        } else {
            self.told.push_front((now, seq));
        }
    }
}

#[cfg(test)]
mod tests;
