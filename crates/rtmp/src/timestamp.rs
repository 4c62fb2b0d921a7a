//! Timestamps of 32 bits made into a timeline that does not wrap.

/// Turns the wrapping millisecond timestamps of RTMP and FLV into 64-bit ones.
///
/// It unwraps modulo 2^31, not 2^32: ffmpeg and librtmp mask the top bit when they write a tag, so
/// their clock wraps after 24.8 days, and a small negative time arrives as 0x7FFF_FFxx. Senders
/// that use all 32 bits come out the same, as long as two neighbours lie less than 12 days apart.
/// The first value is taken as signed for the same reason.
#[derive(Clone, Debug, Default)]
pub struct TimestampUnwrapper {
    last_ms: Option<i64>,
}

const MODULUS_MS: i64 = 1 << 31;

impl TimestampUnwrapper {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The 64-bit time that lies nearest to the previous one.
    pub fn unwrap_ms(&mut self, timestamp: u32) -> i64 {
        let last = self.last_ms.unwrap_or(0);
        let mut delta = (i64::from(timestamp) - last).rem_euclid(MODULUS_MS);
        if delta >= MODULUS_MS / 2 {
            delta -= MODULUS_MS;
        }
        let now = last.saturating_add(delta);
        self.last_ms = Some(now);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &[u32], expected: &[i64]) {
        let mut unwrapper = TimestampUnwrapper::new();
        let got: Vec<i64> = input.iter().map(|&t| unwrapper.unwrap_ms(t)).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn plain_timestamps_are_kept() {
        check(&[0, 33, 67, 40, 100], &[0, 33, 67, 40, 100]);
    }

    #[test]
    fn full_32_bit_wrap_goes_on() {
        check(
            &[
                0x3000_0000,
                0x6000_0000,
                0x9000_0000,
                0xC000_0000,
                0xFFFF_FFFF,
                16,
            ],
            &[
                0x3000_0000,
                0x6000_0000,
                0x9000_0000,
                0xC000_0000,
                0xFFFF_FFFF,
                0x1_0000_000F + 1,
            ],
        );
    }

    #[test]
    fn masked_31_bit_wrap_goes_on() {
        check(
            &[0x3FFF_0000, 0x6000_0000, 0x7FFF_FFFE, 1],
            &[0x3FFF_0000, 0x6000_0000, 0x7FFF_FFFE, 0x8000_0001],
        );
    }

    #[test]
    fn masked_negative_start_is_negative() {
        check(&[0x7FFF_FFEB, 0, 21], &[-21, 0, 21]);
    }
}
