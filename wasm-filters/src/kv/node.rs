//! What all filters of a node keep together: the bound on memory, and the figures.

use std::sync::atomic::{AtomicU64, Ordering};

use super::KvError;
use super::contents::ENTRY_OVERHEAD_BYTES;

/// Counters that every space of a store shares.
#[derive(Debug)]
pub(super) struct Node {
    bytes_max: u64,
    /// What the entries take in memory, as estimated: with [`ENTRY_OVERHEAD_BYTES`] for each.
    bytes: AtomicU64,
    entries: AtomicU64,
    refused: [AtomicU64; 3],
}

// Nothing but the counters themselves is published through them: Relaxed is enough. That the
// bound holds rests on the compare-and-swap of `reserve`.
impl Node {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            bytes: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            refused: Default::default(),
        }
    }

    /// Takes so much of the node's room, or nothing of it.
    pub(super) fn reserve(&self, entries: u64, bytes: u64) -> bool {
        let wanted = bytes + entries * ENTRY_OVERHEAD_BYTES;
        let reserved = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                held.checked_add(wanted)
                    .filter(|sum| *sum <= self.bytes_max)
            })
            .is_ok();
        if reserved {
            self.entries.fetch_add(entries, Ordering::Relaxed);
        }
        reserved
    }

    /// Gives back what was reserved.
    pub(super) fn release(&self, entries: u64, bytes: u64) {
        self.entries.fetch_sub(entries, Ordering::Relaxed);
        self.bytes
            .fetch_sub(bytes + entries * ENTRY_OVERHEAD_BYTES, Ordering::Relaxed);
    }

    pub(super) fn count_refused(&self, error: KvError) {
        let [quota, too_large, unavailable] = &self.refused;
        let counter = match error {
            KvError::Quota => quota,
            KvError::TooLarge => too_large,
            KvError::Unavailable => unavailable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// By quota, size, and want of room.
    pub(super) fn refused(&self) -> [u64; 3] {
        self.refused
            .each_ref()
            .map(|counter| counter.load(Ordering::Relaxed))
    }
}
