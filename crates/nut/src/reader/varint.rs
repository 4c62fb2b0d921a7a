//! NUT's numbers.

use super::NutError;

/// A number has 10 bytes at most: 64 bits, seven in each.
const V_BYTES_MAX: usize = 10;

/// A position in bytes.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    overlong: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            overlong: false,
        }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let bytes = self.take(8)?;
        bytes.try_into().ok().map(u64::from_be_bytes)
    }

    /// `v`: seven bits in each byte, the high one first.
    pub(super) fn v(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for _ in 0..V_BYTES_MAX {
            let byte = *self.take(1)?.first()?;
            if value >> 57 != 0 {
                break;
            }
            value = value << 7 | u64::from(byte & 0x7F);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        self.overlong = true;
        None
    }

    /// `s`: a signed number.
    pub(super) fn s(&mut self) -> Option<i64> {
        let value = self.v()?.checked_add(1)?;
        let half = i64::try_from(value >> 1).ok()?;
        Some(if value & 1 == 1 { -half } else { half })
    }

    /// `vb`: a length, then as many bytes, `max` at most.
    pub(super) fn counted(&mut self, max: usize) -> Option<&'a [u8]> {
        let count = usize::try_from(self.v()?).ok()?;
        self.take(Some(count).filter(|count| *count <= max)?)
    }

    /// After a `None` of an incomplete buffer: more bytes will help, unless a number was too long.
    pub(super) fn wait(&self, what: &'static str) -> Result<(), NutError> {
        if self.overlong {
            return Err(NutError::Malformed(what));
        }
        Ok(())
    }
}
