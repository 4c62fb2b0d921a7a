//! Bytes that wait: a queue that owns memory only while it holds something.

use std::mem;

/// Bytes appended at the end and taken from the front; empty, it owns no memory.
#[derive(Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// How many of `bytes` were taken already.
    taken: usize,
}

impl Held {
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends `count` zeros and returns them, to be overwritten.
    pub(super) fn append_zeros(&mut self, count: usize) -> &mut [u8] {
        let before = self.bytes.len();
        self.bytes.resize(before + count, 0);
        self.bytes.get_mut(before..).unwrap_or_default()
    }

    /// Takes `count` bytes, at most all.
    pub(super) fn take(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count);
        if self.taken >= self.bytes.len() {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Makes `bytes` the whole content.
    pub(super) fn replace(&mut self, bytes: &[u8]) {
        let mut memory = mem::take(&mut self.bytes);
        self.taken = 0;
        // Memory much larger than what is left in it is given back.
        let fits = bytes.len()..=bytes.len().saturating_mul(2);
        if !bytes.is_empty() {
            if !fits.contains(&memory.capacity()) {
                memory = Vec::with_capacity(bytes.len());
            }
            memory.clear();
            memory.extend_from_slice(bytes);
            self.bytes = memory;
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.taken..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}
