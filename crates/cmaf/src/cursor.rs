//! Checked reads of whole bytes from the front of a slice that may be hostile.

/// The field runs past the end of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfBytes;

#[derive(Debug)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn byte(&mut self) -> Result<u8, OutOfBytes> {
        let (&first, rest) = self.0.split_first().ok_or(OutOfBytes)?;
        self.0 = rest;
        Ok(first)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], OutOfBytes> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(OutOfBytes)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], OutOfBytes> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(OutOfBytes)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, OutOfBytes> {
        self.array().map(u16::from_be_bytes)
    }
}
