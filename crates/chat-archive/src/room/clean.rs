//! Rewriting segments, so that what is gone is gone from the disk, and removing them.

use std::collections::HashSet;
use std::sync::Arc;

use rooms::schema::{Body, Event};

use super::chunk::{decode, ended};
use super::{Inner, Room, Segment, left_of_with};
use crate::deletions::Deletions;
use crate::disk;
use crate::error::{Error, SegmentId};
use crate::limits::{DAY_MS, PENDING_DELETIONS_MAX};
use crate::person::Verdict;
use crate::record::{self, Needle, Record};
use crate::segment::{Scan, Writer};
use crate::state::Tombstones;

/// Bytes that are written at once.
const GROUP_BYTES: u64 = 1 << 20;
/// What an event has that refers to a message by its id.
const REFERENCES: [&str; 3] = ["\"reply_to\"", "\"moderation\"", "\"review\""];

/// Why segments are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task<'a> {
    /// A user was erased.
    Erase(&'a str),
    /// The first key is another one.
    Reseal,
    /// What waits.
    Sweep,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Cleaned {
    /// Records that were removed, or of which a part was.
    pub(crate) records: u64,
    /// Segments that were rewritten or removed.
    pub(crate) segments: u64,
    /// Those with which it did not work.
    pub(crate) failed: Vec<(SegmentId, Error)>,
    /// Deletions in segments before this number are applied to all of them.
    pub(crate) settled: Option<u64>,
}

/// What is to be left out.
struct Filter {
    pending: Deletions,
    erased: Arc<Tombstones>,
    /// Ids of messages of those who are being erased.
    messages: HashSet<String>,
    /// Finds the records that are about the one who is being erased; none if all may be.
    needle: Option<Needle>,
}

impl Room {
    /// Rewrites what the task asks for. Each segment is the old one or the new one at each moment,
    /// and durable when this returns.
    pub(crate) fn clean(&self, task: &Task<'_>) -> Cleaned {
        let _turn = self.turn.lock();
        let mut inner = self.inner.lock();
        let erased = Arc::clone(&self.common.erased.read());
        let is_erasing = match task {
            Task::Erase(_) => true,
            Task::Reseal => false,
            Task::Sweep => !erased.is_done(),
        };
        let is_sweeping = *task == Task::Sweep && !inner.pending.is_empty();
        if is_erasing || is_sweeping {
            self.close_active(&mut inner);
        }
        let mut filter = Filter {
            pending: inner.pending.clone(),
            erased,
            messages: HashSet::new(),
            needle: match task {
                Task::Erase(user) => Some(Needle::new(user)),
                Task::Reseal | Task::Sweep => None,
            },
        };
        let next = inner.next;
        let segments = inner.segments.clone();
        drop(inner);
        if is_erasing {
            for (number, segment) in &segments {
                let id = self.id(*number, segment.day);
                // One that cannot be read cannot be cleaned either, and is reported then.
                drop(self.collect_messages(&id, segment, &mut filter));
            }
        }
        let mut cleaned = Cleaned::default();
        for (number, segment) in &segments {
            let is_forced = match task {
                Task::Reseal => segment.key_id.as_deref() != Some(self.common.keys.first()),
                Task::Erase(_) | Task::Sweep => segment.unsealed.is_some(),
            };
            if !is_forced && !is_erasing && !is_sweeping {
                continue;
            }
            let id = self.id(*number, segment.day);
            match self.clean_segment(&id, segment, &filter, is_forced) {
                Ok(None) => {}
                Ok(Some(records)) => {
                    cleaned.records += records;
                    cleaned.segments += 1;
                }
                Err(error) => cleaned.failed.push((id, error)),
            }
        }
        if *task == Task::Sweep && cleaned.failed.is_empty() {
            let mut inner = self.inner.lock();
            inner.pending.settle(&filter.pending);
            inner.sweep_at = inner.pending.len() + PENDING_DELETIONS_MAX;
            cleaned.settled = is_sweeping.then_some(next);
        }
        cleaned
    }

    fn collect_messages(
        &self,
        id: &SegmentId,
        segment: &Segment,
        filter: &mut Filter,
    ) -> Result<(), Error> {
        self.each(id, segment, |scan, index| {
            let needle = filter.needle.as_ref();
            if needle.is_some_and(|needle| !needle.may_be_in(scan.record())) {
                return Ok(true);
            }
            let event = decode(scan, id, index)?.event;
            if let Body::Message(message) = event.body
                && filter.erased.takes(&message.author.id, event.at_ms)
            {
                filter.messages.insert(message.id);
            }
            Ok(true)
        })
    }

    /// Goes through a segment as long as `take` says so.
    fn each(
        &self,
        id: &SegmentId,
        segment: &Segment,
        mut take: impl FnMut(&Scan, u64) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let path = self.directory.join(id.file_name());
        let scan = Scan::open(&path, id, &self.common.keys, segment.unsealed)?;
        let mut scan = scan.ok_or_else(|| id.tampered(0))?;
        loop {
            let (_, index) = scan.position();
            if ended(&scan.step()?, id, index, segment.unsealed.is_some())? || !take(&scan, index)?
            {
                return Ok(());
            }
        }
    }

    /// Records that changed, if it had to be rewritten.
    fn clean_segment(
        &self,
        id: &SegmentId,
        segment: &Segment,
        filter: &Filter,
        is_forced: bool,
    ) -> Result<Option<u64>, Error> {
        let mut is_changed = is_forced;
        if !is_forced {
            self.each(id, segment, |scan, index| {
                is_changed = !matches!(filter.fate(scan, id, index)?, Verdict::Keep);
                Ok(!is_changed)
            })?;
        }
        if !is_changed {
            return Ok(None);
        }
        let path = self.directory.join(id.file_name());
        let file = disk::unfinished(&self.directory)?;
        let clone = file.as_file().try_clone();
        let clone = clone.map_err(Error::io("open", file.path()))?;
        let new = file.path().to_owned();
        let mut writer = Writer::begin(clone, new, id.clone(), &self.common.keys)?;
        let mut changed = 0;
        self.each(id, segment, |scan, index| {
            let fate = filter.fate(scan, id, index)?;
            changed += u64::from(!matches!(fate, Verdict::Keep));
            match fate {
                Verdict::Drop => {}
                Verdict::Keep => writer.push(|text| {
                    text.extend_from_slice(scan.record());
                    Ok(())
                })?,
                Verdict::Change(body) => {
                    let Record { epoch, event } = decode(scan, id, index)?;
                    let event = Event {
                        body: *body,
                        ..event
                    };
                    writer.push(|text| record::encode(epoch, &event, text))?;
                }
            }
            if writer.bytes_ahead() - writer.bytes() >= GROUP_BYTES {
                writer.flush()?;
            }
            Ok(true)
        })?;
        writer.seal()?;
        let synced = file.as_file().sync_all();
        synced.map_err(Error::io("sync", file.path()))?;
        let mut inner = self.inner.lock();
        if writer.count() == 0 {
            disk::remove(&path)?;
            inner.segments.remove(&id.number);
        } else {
            let kept = file.persist(&path).map_err(|error| error.error);
            kept.map_err(Error::io("write", &path))?;
            if let Some(known) = inner.segments.get_mut(&id.number) {
                known.bytes = writer.bytes();
                known.key_id = Some(writer.key_id().to_owned());
                known.unsealed = None;
                known.generation += 1;
            }
        }
        drop(inner);
        disk::sync_directory(&self.directory)?;
        Ok(Some(changed))
    }

    /// Removes segments whose time is over, by their names. How many, and their bytes.
    pub(crate) fn expire(&self, now_ms: u64) -> Result<(u64, u64), Error> {
        let _turn = self.turn.lock();
        let mut inner = self.inner.lock();
        let days = u64::from(self.common.options.retention_days) + 1;
        let is_over = |day: u32| (u64::from(day) + days).saturating_mul(DAY_MS) <= now_ms;
        let active = inner.active.as_ref();
        if active.is_some_and(|active| is_over(active.writer.id().day)) {
            self.close_active(&mut inner);
        }
        let over = inner.segments.iter().filter(|(_, it)| is_over(it.day));
        let over: Vec<(u64, u32)> = over.map(|(number, it)| (*number, it.day)).collect();
        let mut removed = (0, 0);
        for (number, day) in over {
            disk::remove(&self.directory.join(self.id(number, day).file_name()))?;
            let segment = inner.segments.remove(&number);
            removed.0 += 1;
            removed.1 += segment.map_or(0, |segment| segment.bytes);
        }
        if removed.0 > 0 {
            disk::sync_directory(&self.directory)?;
        }
        self.remove_if_empty(&inner);
        Ok(removed)
    }

    fn remove_if_empty(&self, inner: &Inner) {
        if inner.segments.is_empty() && inner.active.is_none() {
            // A directory that is not empty stays, and the next append makes one that is gone.
            drop(std::fs::remove_dir(&self.directory));
        }
    }
}

impl Filter {
    fn fate(&self, scan: &Scan, id: &SegmentId, index: u64) -> Result<Verdict, Error> {
        if !self.may_concern(scan.record()) {
            return Ok(Verdict::Keep);
        }
        let record = decode(scan, id, index)?;
        let position = (record.epoch, record.event.seq);
        Ok(left_of_with(
            &self.pending,
            &self.erased,
            &self.messages,
            position,
            &record.event,
        ))
    }

    /// Whether there is a point in taking it apart.
    fn may_concern(&self, record: &[u8]) -> bool {
        if self.pending.is_empty() && self.erased.is_empty() {
            return false;
        }
        let Some(needle) = &self.needle else {
            return true;
        };
        let has_reference = || REFERENCES.iter().any(|it| record::contains(record, it));
        needle.may_be_in(record) || (!self.messages.is_empty() && has_reference())
    }
}
