//! Debts and connections by key, in bounded memory.
//!
//! **Invariant: a connection that was counted is uncounted at the same entry.** Entries with
//! connections are never evicted.
//!
//! The table is sets of [`WAYS`] entries, each set behind a lock of its own: two requests meet only
//! if their keys share a set. Keys are keyed hashes, so nobody can aim at a set. A new key in a full
//! set takes the place of, first, an entry that owes nothing and has no connections: forgetting it
//! changes nothing. Failing that, of the one without connections that owes least. To have a debt
//! forgotten so, every other entry of its set has to owe as much: an attacker needs as many further
//! addresses as there are ways, has to run up the same debt with each of them, and gains no more
//! than those addresses would have given him anyhow. Such evictions are counted
//! ([`Counts::evicted`]). Where every entry has connections, the newcomer is let in uncounted
//! ([`Counts::untracked`]): a table that is too small must not shut viewers out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::rate::{Debt, Rate};

/// Entries of a set.
pub const WAYS: usize = 16;

/// Whose entry. Has to be a hash that outsiders cannot compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(pub u64);

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    requests: Debt,
    bytes: Debt,
    connections: u32,
}

impl Entry {
    fn new(key: Key) -> Self {
        Self {
            key,
            requests: Debt::default(),
            bytes: Debt::default(),
            connections: 0,
        }
    }

    fn is_idle(&self, now: Duration) -> bool {
        self.connections == 0 && self.requests.is_paid(now) && self.bytes.is_paid(now)
    }

    fn owes(&self, now: Duration) -> Duration {
        self.requests.left(now).max(self.bytes.left(now))
    }
}

/// What a limit did not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untaken {
    /// As many connections as may be.
    Connections,
    /// Too many requests; one more after so long.
    Requests(Duration),
}

/// Entries of a scope: addresses, say.
#[derive(Debug)]
pub struct Table {
    sets: Box<[Mutex<Vec<Entry>>]>,
    evicted: AtomicU64,
    untracked: AtomicU64,
}

/// What happened to entries so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries that made room although they owed something.
    pub evicted: u64,
    /// Times that there was no room at all.
    pub untracked: u64,
}

impl Table {
    /// A table of at least `entries` places. Memory is taken as entries come: 32 bytes each.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        let sets = entries.div_ceil(WAYS).max(1);
        Self {
            sets: (0..sets).map(|_| Mutex::default()).collect(),
            evicted: AtomicU64::new(0),
            untracked: AtomicU64::new(0),
        }
    }

    /// Counts a connection, to be [released](Self::release) if this says that it was counted:
    /// `Ok(false)` is a connection that found no room in the table.
    ///
    /// # Errors
    /// There are `most` connections of this key.
    pub fn connect(&self, key: Key, most: u32, now: Duration) -> Result<bool, Untaken> {
        self.entry(key, now, |entry| {
            if entry.connections >= most {
                return Err(Untaken::Connections);
            }
            entry.connections += 1;
            Ok(true)
        })
        .unwrap_or(Ok(false))
    }

    /// Connections of a key.
    #[must_use]
    pub fn connections(&self, key: Key) -> u32 {
        self.look(key, |entry| entry.connections).unwrap_or(0)
    }

    /// A connection that was counted has ended.
    pub fn release(&self, key: Key) {
        if let Some(set) = self.set(key)
            && let Some(entry) = set.lock().iter_mut().find(|entry| entry.key == key)
        {
            entry.connections = entry.connections.saturating_sub(1);
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The rate does not allow it yet.
    pub fn request(&self, key: Key, rate: Rate, now: Duration) -> Result<(), Untaken> {
        self.entry(key, now, |entry| entry.requests.take(rate, 1, now))
            .unwrap_or(Ok(()))
            .map_err(Untaken::Requests)
    }

    /// How long until what was sent is within the burst of `rate` again; zero if it is.
    #[must_use]
    pub fn bytes_overdue(&self, key: Key, rate: Rate, now: Duration) -> Duration {
        let overdue = self.look(key, |entry| entry.bytes.overdue(rate, now));
        overdue.unwrap_or(Duration::ZERO)
    }

    /// Counts bytes, and says how long to wait before they are sent.
    pub fn bytes(&self, key: Key, rate: Rate, bytes: u64, now: Duration) -> Duration {
        self.entry(key, now, |entry| entry.bytes.spend(rate, bytes, now))
            .unwrap_or(Duration::ZERO)
    }

    /// What happened to entries so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            evicted: self.evicted.load(Ordering::Relaxed),
            untracked: self.untracked.load(Ordering::Relaxed),
        }
    }

    /// Entries that hold something. Looks at all of them: for figures, not for requests.
    #[must_use]
    pub fn in_use(&self, now: Duration) -> usize {
        let in_use = |set: &Mutex<Vec<Entry>>| {
            let set = set.lock();
            set.iter().filter(|entry| !entry.is_idle(now)).count()
        };
        self.sets.iter().map(in_use).sum()
    }

    fn set(&self, key: Key) -> Option<&Mutex<Vec<Entry>>> {
        let sets = u64::try_from(self.sets.len()).unwrap_or(u64::MAX);
        let index = usize::try_from(key.0 % sets).unwrap_or(0);
        self.sets.get(index)
    }

    fn look<T>(&self, key: Key, look: impl FnOnce(&Entry) -> T) -> Option<T> {
        let set = self.set(key)?.lock();
        set.iter().find(|entry| entry.key == key).map(look)
    }

    /// The entry of a key, made if there is room; `None`: there is none.
    fn entry<T>(&self, key: Key, now: Duration, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut set = self.set(key)?.lock();
        if let Some(entry) = set.iter_mut().find(|entry| entry.key == key) {
            return Some(change(entry));
        }
        if set.len() < WAYS {
            set.push(Entry::new(key));
            return set.last_mut().map(change);
        }
        let free = set.iter_mut().filter(|entry| entry.connections == 0);
        let Some(entry) = free.min_by_key(|entry| entry.owes(now)) else {
            self.untracked.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        if !entry.is_idle(now) {
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        *entry = Entry::new(key);
        Some(change(entry))
    }
}

#[cfg(test)]
mod tests;
