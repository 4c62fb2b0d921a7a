//! A map of a fixed size: a new entry takes the place of the oldest in its bucket.
//!
//! Keys are keyed hashes, so nobody can aim at a bucket; to displace an entry takes as many others
//! as there are places, each of which an attempt has to be admitted for.

/// Entries of a bucket.
const WAYS: usize = 8;

#[derive(Debug)]
struct Entry<T> {
    key: u64,
    used_ms: u64,
    value: T,
}

#[derive(Debug)]
pub(super) struct Table<T> {
    buckets: Vec<Vec<Entry<T>>>,
}

impl<T: Copy + Default> Table<T> {
    /// Of a number of buckets, at least one. Memory is taken as entries come.
    pub(super) fn new(buckets: usize) -> Self {
        Self {
            buckets: (0..buckets.max(1)).map(|_| Vec::new()).collect(),
        }
    }

    fn bucket(&mut self, key: u64) -> Option<&mut Vec<Entry<T>>> {
        let buckets = u64::try_from(self.buckets.len()).unwrap_or(u64::MAX);
        let index = usize::try_from(key % buckets).ok()?;
        self.buckets.get_mut(index)
    }

    fn slot(&mut self, key: u64) -> Option<&mut Entry<T>> {
        let bucket = self.bucket(key)?;
        bucket.iter_mut().find(|entry| entry.key == key)
    }

    pub(super) fn find(&mut self, key: u64) -> Option<T> {
        self.slot(key).map(|entry| entry.value)
    }

    /// Changes what is there.
    pub(super) fn change(&mut self, key: u64, change: impl FnOnce(&mut T)) {
        if let Some(entry) = self.slot(key) {
            change(&mut entry.value);
        }
    }

    /// Puts an entry that was used in the future into the present.
    pub(super) fn set_back(&mut self, key: u64, now_ms: u64, rebase: impl FnOnce(&mut T, u64)) {
        if let Some(entry) = self.slot(key) {
            entry.used_ms = entry.used_ms.min(now_ms);
            rebase(&mut entry.value, now_ms);
        }
    }

    /// Changes what is there, or the default.
    pub(super) fn entry(&mut self, key: u64, now_ms: u64, change: impl FnOnce(&mut T)) {
        let Some(bucket) = self.bucket(key) else {
            return;
        };
        if let Some(entry) = bucket.iter_mut().find(|entry| entry.key == key) {
            entry.used_ms = now_ms;
            change(&mut entry.value);
            return;
        }
        if bucket.len() >= WAYS {
            let oldest = bucket
                .iter()
                .enumerate()
                .min_by_key(|(_, entry)| entry.used_ms);
            if let Some((oldest, _)) = oldest {
                bucket.swap_remove(oldest);
            }
        }
        let mut value = T::default();
        change(&mut value);
        bucket.push(Entry {
            key,
            used_ms: now_ms,
            value,
        });
    }

    pub(super) fn remove(&mut self, key: u64) {
        if let Some(bucket) = self.bucket(key) {
            bucket.retain(|entry| entry.key != key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_the_newest() {
        let mut table: Table<u64> = Table::new(4);
        for key in 0..10_000 {
            table.entry(key, key, |value| *value = key);
        }
        assert_eq!(table.len(), 4 * WAYS);
        assert_eq!(table.find(9_999), Some(9_999));
        assert_eq!(table.find(0), None);
        table.remove(9_999);
        assert_eq!(table.find(9_999), None);
    }
}
