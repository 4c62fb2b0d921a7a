//! A bit reader over bytes that may be hostile: every read is checked, none panics.

/// Reads big-endian bit fields and Exp-Golomb codes (H.264 9.1) from the front of a slice.
#[derive(Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// The field runs past the end of the bytes, or an Exp-Golomb code is longer than 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfBits;

/// Longest legal run of leading zeros: a code value must fit 32 bits (H.264 9.1).
const EXP_GOLOMB_ZEROS_MAX: u32 = 31;

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(crate) fn bit(&mut self) -> Result<bool, OutOfBits> {
        let byte = self.bytes.get(self.position / 8).ok_or(OutOfBits)?;
        let shift = 7 - self.position % 8;
        self.position += 1;
        Ok(byte >> shift & 1 == 1)
    }

    /// `count` bits, at most 32, as an unsigned number.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, OutOfBits> {
        let mut value = 0u32;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Ok(value)
    }

    pub(crate) fn skip(&mut self, count: u32) -> Result<(), OutOfBits> {
        for _ in 0..count {
            self.bit()?;
        }
        Ok(())
    }

    /// `ue(v)`.
    pub(crate) fn unsigned(&mut self) -> Result<u32, OutOfBits> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > EXP_GOLOMB_ZEROS_MAX {
                return Err(OutOfBits);
            }
        }
        let suffix = self.bits(zeros)?;
        Ok((1u32 << zeros) - 1 + suffix)
    }

    /// `se(v)`.
    pub(crate) fn signed(&mut self) -> Result<i32, OutOfBits> {
        let code = i64::from(self.unsigned()?);
        let magnitude = (code + 1) / 2;
        let value = if code % 2 == 0 { -magnitude } else { magnitude };
        i32::try_from(value).map_err(|_| OutOfBits)
    }

    pub(crate) fn remaining(&self) -> usize {
        (self.bytes.len() * 8).saturating_sub(self.position)
    }
}

/// Removes emulation prevention bytes of a NAL unit: 00 00 03 is 00 00 (H.264 7.3.1).
pub(crate) fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        payload.push(byte);
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes() {
        // 1 010 011 00100 00101 -> 0 1 2 3 4
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut reader = BitReader::new(&bytes);
        let values: Vec<u32> = (0..5).map(|_| reader.unsigned().unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
        let mut reader = BitReader::new(&bytes);
        let values: Vec<i32> = (0..5).map(|_| reader.signed().unwrap()).collect();
        assert_eq!(values, [0, 1, -1, 2, -2]);
    }

    #[test]
    fn runs_dry_instead_of_panicking() {
        assert_eq!(BitReader::new(&[]).bit(), Err(OutOfBits));
        assert_eq!(BitReader::new(&[0; 16]).unsigned(), Err(OutOfBits));
        assert_eq!(BitReader::new(&[0xFF]).bits(9), Err(OutOfBits));
        let longest = [0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFE];
        assert_eq!(BitReader::new(&longest).unsigned(), Ok(u32::MAX - 1));
    }
}
