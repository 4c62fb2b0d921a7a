//! Bits of a byte string, most significant first.

/// A reader that ends with `None`.
#[derive(Debug)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// `count` bits, 32 at most.
    pub(crate) fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    pub(crate) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    /// Exponential-Golomb code, `ue(v)` of H.265 9.2; AV1's `uvlc()` is the same.
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.take(zeros)?;
        Some((1_u32 << zeros) - 1 + rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_and_the_end_is_none() {
        // 1 | 010 | 00100 | 1111111
        let mut bits = Bits::new(&[0b1010_0010, 0b0111_1111]);
        assert_eq!(
            (bits.ue(), bits.ue(), bits.ue()),
            (Some(0), Some(1), Some(3))
        );
        assert_eq!(bits.take(7), Some(0x7F));
        assert_eq!((bits.bit(), bits.ue()), (None, None));
        let mut bits = Bits::new(&[0; 16]);
        assert_eq!(bits.ue(), None);
    }
}
