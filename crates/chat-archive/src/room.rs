//! One room: its segments, the one that grows, and the deletions that wait.

mod chunk;
mod clean;
mod recover;

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rooms::schema::{Body, Event};

pub(crate) use chunk::{Cursor, Days};
pub(crate) use clean::Task;
pub(crate) use recover::Found;

use crate::archive::Options;
use crate::deletions::{Deletions, Position};
use crate::disk;
use crate::error::{Error, SegmentId};
use crate::keys::KeyFile;
use crate::limits::{DAY_MS, PENDING_DELETIONS_MAX};
use crate::person::{People, Verdict};
use crate::record;
use crate::segment::Writer;
use crate::state::Tombstones;

/// What all rooms share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) keys: KeyFile,
    pub(crate) options: Options,
    /// Replaced as a whole.
    pub(crate) erased: RwLock<Arc<Tombstones>>,
}

/// See the module. Who changes files that are there takes `turn` first, then `inner`.
#[derive(Debug)]
pub(crate) struct Room {
    name: String,
    directory: PathBuf,
    common: Arc<Common>,
    /// One at a time rewrites and removes; `inner` is not held meanwhile, so that appends go on.
    turn: Mutex<()>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By number, without the one that grows.
    segments: BTreeMap<u64, Segment>,
    active: Option<Active>,
    pending: Deletions,
    /// At so many of them `append` sweeps.
    sweep_at: usize,
    /// Of the last event that was taken.
    last: Position,
    /// Number of the next segment.
    next: u64,
    /// Written, and not durable yet.
    unsynced: Vec<Arc<File>>,
    is_directory_synced: bool,
}

#[derive(Debug)]
struct Active {
    writer: Writer,
    is_synced: bool,
    is_idle: bool,
}

/// A segment to which nothing is added.
#[derive(Clone, Debug)]
struct Segment {
    day: u32,
    bytes: u64,
    /// None if it could not be read.
    key_id: Option<String>,
    /// Bytes that are valid, if it has no seal.
    unsealed: Option<u64>,
    /// Changes with its content.
    generation: u64,
}

/// What an append did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Records that were written. What was stored before, was deleted, or is of somebody erased
    /// is left out.
    pub records: u64,
    /// Their bytes in the file.
    pub bytes: u64,
}

/// What a room has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
    pub(crate) pending: usize,
    pub(crate) oldest_day: Option<u32>,
}

impl Room {
    pub(crate) fn new(name: String, directory: PathBuf, common: Arc<Common>, next: u64) -> Self {
        let inner = Inner {
            next: next.max(1),
            is_directory_synced: true,
            sweep_at: PENDING_DELETIONS_MAX,
            ..Inner::default()
        };
        Self {
            name,
            directory,
            common,
            turn: Mutex::new(()),
            inner: Mutex::new(inner),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Stores events in one write per segment.
    pub(crate) fn append(&self, epoch: u64, events: &[Arc<Event>]) -> Result<Appended, Error> {
        let mut inner = self.inner.lock();
        // Taken with the lock held: an erasure changes it first and takes the lock then.
        let erased = Arc::clone(&self.common.erased.read());
        let mut at = inner.last;
        let mut fresh = Vec::with_capacity(events.len());
        for event in events {
            if (epoch, event.seq) > at {
                at = (epoch, event.seq);
                inner.pending.note(epoch, event);
                fresh.push(event);
            }
        }
        let mut appended = Appended::default();
        let mut staged = inner.last;
        for event in fresh {
            let position = (epoch, event.seq);
            let changed;
            let event = match left_of(&inner.pending, &erased, position, event) {
                Verdict::Drop => None,
                Verdict::Keep => Some(&**event),
                Verdict::Change(body) => {
                    changed = Event {
                        body: *body,
                        ..**event
                    };
                    Some(&changed)
                }
            };
            if let Some(event) = event {
                self.make_room_for(&mut inner, day_of(event.at_ms), staged, &mut appended)?;
                push(&mut inner, epoch, event)?;
            }
            staged = position;
        }
        self.flush(&mut inner, staged, &mut appended)?;
        let is_much = inner.pending.len() >= inner.sweep_at;
        if is_much {
            // Not at each append, if it fails.
            inner.sweep_at = inner.pending.len() + PENDING_DELETIONS_MAX;
        }
        drop(inner);
        if is_much {
            // What fails here is tried again by the next sweep.
            drop(self.clean(&Task::Sweep));
        }
        Ok(appended)
    }

    /// Sees to it that there is a segment of the day that is not full.
    fn make_room_for(
        &self,
        inner: &mut Inner,
        day: u32,
        staged: Position,
        appended: &mut Appended,
    ) -> Result<(), Error> {
        if let Some(active) = &inner.active {
            let is_full = active.writer.bytes_ahead() >= self.common.options.segment_bytes_max;
            if active.writer.id().day == day && !is_full {
                return Ok(());
            }
            self.flush(inner, staged, appended)?;
            self.close_active(inner);
        }
        disk::make_directory(&self.directory)?;
        let id = SegmentId {
            room: self.name.clone(),
            day,
            number: inner.next,
        };
        inner.next += 1;
        let writer = Writer::create(&self.directory, id, &self.common.keys)?;
        inner.is_directory_synced = false;
        inner.active = Some(Active {
            writer,
            is_synced: false,
            is_idle: false,
        });
        Ok(())
    }

    /// Writes the group, which ends at `staged`.
    fn flush(
        &self,
        inner: &mut Inner,
        staged: Position,
        appended: &mut Appended,
    ) -> Result<(), Error> {
        if let Some(active) = &mut inner.active {
            let before = (active.writer.bytes(), active.writer.count());
            let flushed = active.writer.flush();
            appended.bytes += active.writer.bytes() - before.0;
            appended.records += active.writer.count() - before.1;
            active.is_synced &= active.writer.bytes() == before.0;
            active.is_idle = false;
            if flushed.is_err() {
                self.close_active(inner);
                return flushed;
            }
        }
        inner.last = staged;
        Ok(())
    }

    /// Ends the segment that grows. One that cannot be sealed is known by its length, and sealed
    /// by the next sweep, or start.
    fn close_active(&self, inner: &mut Inner) {
        let Some(mut active) = inner.active.take() else {
            return;
        };
        let path = self.directory.join(active.writer.id().file_name());
        if active.writer.count() == 0 && disk::remove(&path).is_ok() {
            return;
        }
        let sealed = active.writer.seal();
        let bytes = active.writer.bytes();
        let segment = Segment {
            day: active.writer.id().day,
            bytes,
            key_id: Some(active.writer.key_id().to_owned()),
            unsealed: sealed.is_err().then_some(bytes),
            generation: 0,
        };
        inner.segments.insert(active.writer.id().number, segment);
        inner.unsynced.push(Arc::clone(active.writer.file()));
    }

    /// Ends the segment that grows, if there is one.
    pub(crate) fn close(&self) {
        self.close_active(&mut self.inner.lock());
    }

    /// Ends the segment that grows if its day is over, or nothing came since this was asked last.
    pub(crate) fn close_idle(&self, now_ms: u64) {
        let mut inner = self.inner.lock();
        let Some(active) = &mut inner.active else {
            return;
        };
        if active.is_idle || active.writer.id().day < day_of(now_ms) {
            self.close_active(&mut inner);
        } else {
            active.is_idle = true;
        }
    }

    /// Makes durable what was appended. Appends go on meanwhile.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let mut inner = self.inner.lock();
        let mut files = std::mem::take(&mut inner.unsynced);
        if let Some(active) = inner.active.as_mut().filter(|active| !active.is_synced) {
            active.is_synced = true;
            files.push(Arc::clone(active.writer.file()));
        }
        let is_directory_synced = std::mem::replace(&mut inner.is_directory_synced, true);
        drop(inner);
        let synced = self.sync_files(&files, !is_directory_synced);
        if synced.is_err() {
            let mut inner = self.inner.lock();
            inner.unsynced.extend(files);
            inner.is_directory_synced &= is_directory_synced;
        }
        synced
    }

    fn sync_files(&self, files: &[Arc<File>], with_directory: bool) -> Result<(), Error> {
        for file in files {
            let synced = file.sync_data();
            synced.map_err(Error::io("sync", &self.directory))?;
        }
        if with_directory {
            match disk::sync_directory(&self.directory) {
                // It went with the last segment.
                Err(Error::Io { source, .. })
                    if source.kind() == ErrorKind::NotFound && self.is_empty() => {}
                synced => synced?,
            }
            disk::sync_directory(self.directory.parent().unwrap_or(&self.directory))?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        let inner = self.inner.lock();
        inner.segments.is_empty() && inner.active.is_none()
    }

    pub(crate) fn figures(&self) -> Figures {
        let inner = self.inner.lock();
        let active = inner.active.as_ref();
        let active_bytes = active.map_or(0, |it| it.writer.bytes());
        let days = inner.segments.values().map(|it| it.day);
        Figures {
            segments: u64::try_from(inner.segments.len() + usize::from(active.is_some()))
                .unwrap_or(u64::MAX),
            bytes: active_bytes + inner.segments.values().map(|it| it.bytes).sum::<u64>(),
            pending: inner.pending.len(),
            oldest_day: days.chain(active.map(|it| it.writer.id().day)).min(),
        }
    }
}

/// Adds an event to the group of the segment that grows. After an error there is no group.
fn push(inner: &mut Inner, epoch: u64, event: &Event) -> Result<(), Error> {
    let Some(active) = &mut inner.active else {
        return Ok(());
    };
    let text = |text: &mut Vec<u8>| record::encode(epoch, event, text);
    let pushed = active.writer.push(text);
    if pushed.is_err() {
        active.writer.discard();
    }
    pushed
}

pub(crate) fn day_of(at_ms: u64) -> u32 {
    u32::try_from(at_ms / DAY_MS).unwrap_or(u32::MAX)
}

/// What is left of an event for whoever looks now.
fn left_of(pending: &Deletions, erased: &Tombstones, position: Position, event: &Event) -> Verdict {
    left_of_with(pending, erased, &HashSet::new(), position, event)
}

/// The same, where messages of those erased are known.
fn left_of_with(
    pending: &Deletions,
    erased: &Tombstones,
    messages: &HashSet<String>,
    position: Position,
    event: &Event,
) -> Verdict {
    let rest = pending.rest_of(position, &event.body);
    let body = rest.as_ref().unwrap_or(&event.body);
    if *body == Body::Void {
        return Verdict::Drop;
    }
    if !erased.is_empty() {
        let people = People {
            is_theirs: &|id| erased.takes(id, event.at_ms),
            messages,
        };
        let verdict = people.rest_of(body);
        if verdict != Verdict::Keep {
            return verdict;
        }
    }
    rest.map_or(Verdict::Keep, |rest| Verdict::Change(Box::new(rest)))
}
