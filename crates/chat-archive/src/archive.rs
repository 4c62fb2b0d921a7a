//! The archive: all rooms, the keys, and who was erased.

mod open;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use rooms::schema::Event;

pub use open::{OpenReport, Recovered};
pub use read::{Export, Read};

use crate::error::{Error, SegmentId};
use crate::limits::{DAY_MS, RETENTION_DAYS_MAX, SEGMENT_BYTES_LEAST, SEGMENT_BYTES_MAX};
use crate::room::{Appended, Common, Room, Task};
use crate::segment::check_room;
use crate::state::State;

/// Directory of the rooms within that of the archive.
const ROOMS: &str = "rooms";

/// How an archive keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Days after the one on which something happened, 1 to [`RETENTION_DAYS_MAX`].
    pub retention_days: u32,
    /// Size at which a segment is closed; it is exceeded by one record at most.
    pub segment_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retention_days: 30,
            segment_bytes_max: 64 << 20,
        }
    }
}

impl Options {
    fn check(&self) -> Result<(), Error> {
        if !(1..=RETENTION_DAYS_MAX).contains(&self.retention_days) {
            return Err(Error::Options("retention_days is out of range"));
        }
        if !(SEGMENT_BYTES_LEAST..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes_max) {
            return Err(Error::Options("segment_bytes_max is out of range"));
        }
        Ok(())
    }
}

/// Rooms' chat on disk. Clones are cheap and share everything; all methods block.
///
/// The driver calls [`Self::append`] with what a hub accepted, in order; [`Self::sync`] as often as
/// it can bear to lose what is between; [`Self::sweep`] after the start and each hour; and
/// [`Self::close`] at the end. **What was deleted or erased is never read again, and is gone from
/// the disk after the next sweep, or when `erase` returns.**
#[derive(Clone, Debug)]
pub struct Archive(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    common: Arc<Common>,
    rooms: RwLock<BTreeMap<String, Arc<Room>>>,
    /// Held while it is written.
    state: Mutex<State>,
    appended: AtomicU64,
    /// Of the whole directory, for one process.
    _lock: File,
}

/// What [`Archive::erase`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Records that are gone, or lost a part.
    pub records: u64,
    /// Segments that were rewritten or removed for it.
    pub segments: u64,
}

/// What [`Archive::sweep`] did.
#[derive(Debug, Default)]
pub struct Swept {
    /// Segments whose time was over.
    pub expired: u64,
    /// Their bytes.
    pub expired_bytes: u64,
    /// Segments that were rewritten without what was deleted.
    pub rewritten: u64,
    /// Records that are gone, or lost a part.
    pub records: u64,
    /// What did not work; it is tried again by the next sweep.
    pub failed: Vec<Error>,
}

/// What [`Archive::reseal`] did.
#[derive(Debug, Default)]
pub struct Resealed {
    /// Segments that are under the first key now.
    pub segments: u64,
    /// Those that still need another key, and why. Empty: the other keys can be thrown away.
    pub failed: Vec<(SegmentId, Error)>,
}

/// What an archive has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rooms of which something is or was stored.
    pub rooms: u64,
    /// Files.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Deletions that the next sweep applies.
    pub pending_deletions: u64,
    /// Erasures that are remembered.
    pub tombstones: u64,
    /// Records since the start.
    pub appended: u64,
    /// Beginning of the oldest day of which something is stored, Unix milliseconds.
    pub oldest_ms: Option<u64>,
}

impl Archive {
    /// Stores events of a room: messages, gifts, notices, reviews and acts. All of those that go
    /// into one segment are written at once, or not at all. What is stored already is left out, so
    /// that a call that failed can be repeated.
    ///
    /// # Errors
    /// [`Error::Full`] and others: what follows works when there is space again.
    pub fn append(&self, room: &str, epoch: u64, events: &[Arc<Event>]) -> Result<Appended, Error> {
        let appended = self.room(room)?.append(epoch, events)?;
        self.0
            .appended
            .fetch_add(appended.records, Ordering::Relaxed);
        Ok(appended)
    }

    /// Makes durable what was appended up to now.
    ///
    /// # Errors
    /// Of some room it may not be durable; the others are done.
    pub fn sync(&self) -> Result<(), Error> {
        let synced = self.rooms().into_iter().map(|room| room.sync());
        synced.fold(Ok(()), Result::and)
    }

    /// Ends the segments of a room that is over, so that no file stays open for it.
    ///
    /// # Errors
    /// It may not be durable.
    pub fn close_room(&self, room: &str) -> Result<(), Error> {
        check_room(room)?;
        let known = self.0.rooms.read().get(room).cloned();
        known.map_or(Ok(()), |room| {
            room.close();
            room.sync()
        })
    }

    /// Ends all segments. What is appended later begins new ones.
    ///
    /// # Errors
    /// Something may not be durable.
    pub fn close(&self) -> Result<(), Error> {
        self.rooms().iter().for_each(|room| room.close());
        self.sync()
    }

    /// Erases what a user did up to now, in all rooms. Ok: it is gone from all files, durably.
    ///
    /// # Errors
    /// [`Error::Unfinished`] names segments that cannot be read or replaced. What is in them is
    /// not read any more, and each sweep tries again, as may the caller.
    pub fn erase(&self, user: &str, now_ms: u64) -> Result<Erased, Error> {
        if !(1..=rooms::ID_BYTES_MAX).contains(&user.len()) {
            return Err(Error::UserId);
        }
        self.change_state(|state| state.tombstones.insert(user, now_ms))?;
        let mut erased = Erased::default();
        let mut failed = Vec::new();
        for room in self.rooms() {
            let cleaned = room.clean(&Task::Erase(user));
            erased.records += cleaned.records;
            erased.segments += cleaned.segments;
            failed.extend(cleaned.failed);
        }
        if !failed.is_empty() {
            return Err(Error::Unfinished { failed });
        }
        self.change_state(|state| state.tombstones.done(user, now_ms))?;
        Ok(erased)
    }

    /// Removes what is too old, and rewrites what moderators have deleted from.
    pub fn sweep(&self, now_ms: u64) -> Swept {
        let mut swept = Swept::default();
        let mut settled = BTreeMap::new();
        let seen = Arc::clone(&self.0.common.erased.read());
        for room in self.rooms() {
            match room.expire(now_ms) {
                Ok((segments, bytes)) => {
                    swept.expired += segments;
                    swept.expired_bytes += bytes;
                }
                Err(error) => swept.failed.push(error),
            }
            room.close_idle(now_ms);
            let cleaned = room.clean(&Task::Sweep);
            swept.rewritten += cleaned.segments;
            swept.records += cleaned.records;
            let failed = cleaned.failed.into_iter().map(|(_, error)| error);
            swept.failed.extend(failed);
            if let Some(number) = cleaned.settled {
                settled.insert(room.name().to_owned(), number);
            }
        }
        let empty = self.rooms().into_iter();
        let empty: Vec<_> = empty.filter(|it| it.figures().segments == 0).collect();
        let is_done = swept.failed.is_empty() && !seen.is_done();
        let kept_ms = (u64::from(self.0.common.options.retention_days) + 2) * DAY_MS;
        let before_ms = now_ms.saturating_sub(kept_ms);
        if !settled.is_empty() || is_done || seen.has_before(before_ms) {
            let saved = self.change_state(|state| {
                state.settled.extend(settled);
                for room in empty {
                    state.settled.remove(room.name());
                }
                if is_done {
                    state.tombstones.all_done(&seen);
                }
                state.tombstones.forget(before_ms);
            });
            swept.failed.extend(saved.err());
        }
        swept.failed.extend(self.sync().err());
        swept
    }

    /// Encrypts under the first key what is under another one.
    ///
    /// # Errors
    /// The state cannot be written. Segments that failed are in the answer.
    pub fn reseal(&self) -> Result<Resealed, Error> {
        self.change_state(|_| ())?;
        let mut resealed = Resealed::default();
        for room in self.rooms() {
            let cleaned = room.clean(&Task::Reseal);
            resealed.segments += cleaned.segments;
            resealed.failed.extend(cleaned.failed);
        }
        Ok(resealed)
    }

    /// For metrics.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            appended: self.0.appended.load(Ordering::Relaxed),
            tombstones: count(self.0.common.erased.read().len()),
            ..Stats::default()
        };
        let mut oldest_day = None;
        for room in self.rooms() {
            let figures = room.figures();
            stats.rooms += 1;
            stats.segments += figures.segments;
            stats.bytes += figures.bytes;
            stats.pending_deletions += count(figures.pending);
            oldest_day = oldest_day.into_iter().chain(figures.oldest_day).min();
        }
        stats.oldest_ms = oldest_day.map(|day| u64::from(day).saturating_mul(DAY_MS));
        stats
    }

    fn rooms(&self) -> Vec<Arc<Room>> {
        self.0.rooms.read().values().cloned().collect()
    }

    fn room(&self, name: &str) -> Result<Arc<Room>, Error> {
        check_room(name)?;
        if let Some(room) = self.0.rooms.read().get(name) {
            return Ok(Arc::clone(room));
        }
        let settled = self.0.state.lock().settled.get(name).copied();
        let mut rooms = self.0.rooms.write();
        let room = rooms.entry(name.to_owned()).or_insert_with(|| {
            let directory = rooms_directory(&self.0.directory).join(name);
            let common = Arc::clone(&self.0.common);
            let next = settled.unwrap_or_default();
            Arc::new(Room::new(name.to_owned(), directory, common, next))
        });
        Ok(Arc::clone(room))
    }

    /// Durable, and known to all rooms, when it returns. After an error it is neither, but a
    /// tombstone stays.
    fn change_state(&self, change: impl FnOnce(&mut State)) -> Result<(), Error> {
        let mut state = self.0.state.lock();
        change(&mut state);
        *self.0.common.erased.write() = Arc::new(state.tombstones.clone());
        state.save(&self.0.directory, &self.0.common.keys)
    }
}

fn rooms_directory(directory: &Path) -> PathBuf {
    directory.join(ROOMS)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
