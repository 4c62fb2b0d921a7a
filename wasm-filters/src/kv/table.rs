//! Keys with what belongs to them, their weight, and when they expire.
//!
//! It knows no limits: `contents` decides what may come in.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a table keeps under a key.
pub(super) trait Weigh {
    /// Counted against the limits, in bytes. Never changes while it is kept.
    fn weight(&self) -> u64;
}

#[derive(Debug)]
struct Slot<V> {
    value: V,
    /// The first millisecond in which it is gone.
    expires_at_ms: Option<u64>,
}

/// A map whose entries can expire. Its methods take keys that [`Table::purge`] has seen: they do not
/// look at the time.
#[derive(Debug)]
pub(super) struct Table<V> {
    slots: HashMap<Arc<str>, Slot<V>>,
    /// Exactly the slots that expire, soonest first.
    expiries: BTreeSet<(u64, Arc<str>)>,
    bytes: u64,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            expiries: BTreeSet::new(),
            bytes: 0,
        }
    }
}

impl<V: Weigh> Table<V> {
    pub(super) fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Keys and values, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn value(&self, key: &str) -> Option<&V> {
        self.slots.get(key).map(|slot| &slot.value)
    }

    pub(super) fn expires_at_ms(&self, key: &str) -> Option<u64> {
        self.slots.get(key).and_then(|slot| slot.expires_at_ms)
    }

    /// Removes the key if its time has come, and says how many bytes that freed.
    pub(super) fn purge(&mut self, key: &str, now_ms: u64) -> Option<u64> {
        let due = self.expires_at_ms(key)? <= now_ms;
        if due { self.remove(key) } else { None }
    }

    /// Removes the entry that expired longest ago, if any has, and says how many bytes that freed.
    pub(super) fn expire_one(&mut self, now_ms: u64) -> Option<u64> {
        let (at_ms, _) = self.expiries.first()?;
        if *at_ms > now_ms {
            return None;
        }
        let (_, key) = self.expiries.pop_first()?;
        self.remove(&key)
    }

    /// Puts a value in, in the place of the old one.
    pub(super) fn insert(&mut self, key: &str, value: V, expires_at_ms: Option<u64>) {
        let weight = value.weight();
        let Some(slot) = self.slots.get_mut(key) else {
            self.bytes += key.len() as u64 + weight;
            let key: Arc<str> = Arc::from(key);
            if let Some(at_ms) = expires_at_ms {
                self.expiries.insert((at_ms, Arc::clone(&key)));
            }
            let slot = Slot {
                value,
                expires_at_ms,
            };
            self.slots.insert(key, slot);
            return;
        };
        self.bytes -= slot.value.weight();
        self.bytes += weight;
        slot.value = value;
        if slot.expires_at_ms != expires_at_ms {
            let before = std::mem::replace(&mut slot.expires_at_ms, expires_at_ms);
            self.move_expiry(key, before, expires_at_ms);
        }
    }

    /// Takes a key out, and says how many bytes that freed.
    pub(super) fn remove(&mut self, key: &str) -> Option<u64> {
        let (key, slot) = self.slots.remove_entry(key)?;
        let freed = key.len() as u64 + slot.value.weight();
        self.bytes -= freed;
        if let Some(at_ms) = slot.expires_at_ms {
            self.expiries.remove(&(at_ms, key));
        }
        // A crowd that came once must not hold its memory for ever.
        if self.slots.len() < self.slots.capacity() / 8 {
            self.slots.shrink_to(self.slots.len() * 2);
        }
        Some(freed)
    }

    fn move_expiry(&mut self, key: &str, before: Option<u64>, after: Option<u64>) {
        let Some((key, _)) = self.slots.get_key_value(key) else {
            return;
        };
        if let Some(at_ms) = before {
            self.expiries.remove(&(at_ms, Arc::clone(key)));
        }
        if let Some(at_ms) = after {
            self.expiries.insert((at_ms, Arc::clone(key)));
        }
    }
}
