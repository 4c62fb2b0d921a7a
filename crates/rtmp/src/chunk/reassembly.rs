//! Partial messages and the memory they take.

use bytes::Bytes;

use super::ChunkError;
use crate::limits::MESSAGE_RESERVE_BYTES_MAX;

/// Memory that all partial messages of a connection take together.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) max: usize,
    used: usize,
}

impl Budget {
    pub(super) fn new(max: usize) -> Self {
        Self { max, used: 0 }
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    fn take(&mut self, bytes: usize) -> Result<(), ChunkError> {
        let used = self.used.saturating_add(bytes);
        if used > self.max {
            return Err(ChunkError::ReassemblyFull { max: self.max });
        }
        self.used = used;
        Ok(())
    }

    fn release(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }
}

/// A message of which not all bytes have come.
///
/// What it has taken from the [`Budget`] goes back through [`Partial::finish`] or
/// [`Partial::discard`].
#[derive(Debug)]
pub(super) struct Partial {
    bytes: Vec<u8>,
    length: usize,
    /// What the budget was charged. Kept apart from the capacity, which the allocator may round up.
    charged: usize,
}

impl Partial {
    pub(super) fn new(length: usize, budget: &mut Budget) -> Result<Self, ChunkError> {
        let charged = length.min(MESSAGE_RESERVE_BYTES_MAX);
        budget.take(charged)?;
        Ok(Self {
            bytes: Vec::with_capacity(charged),
            length,
            charged,
        })
    }

    pub(super) fn missing(&self) -> usize {
        self.length - self.bytes.len()
    }

    /// Appends; the caller gives no more than [`Partial::missing`].
    pub(super) fn append(&mut self, bytes: &[u8], budget: &mut Budget) -> Result<(), ChunkError> {
        let needed = self.bytes.len() + bytes.len();
        if needed > self.charged {
            // Doubling keeps the copying linear; the announced length caps it.
            let charged = needed.max(self.charged * 2).min(self.length);
            budget.take(charged - self.charged)?;
            self.charged = charged;
            self.bytes.reserve_exact(charged - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn finish(self, budget: &mut Budget) -> Bytes {
        budget.release(self.charged);
        Bytes::from(self.bytes)
    }

    pub(super) fn discard(self, budget: &mut Budget) {
        budget.release(self.charged);
    }
}
