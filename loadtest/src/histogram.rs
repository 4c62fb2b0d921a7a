//! Latencies in a fixed space, however many there are: a value is kept to within one part in 128,
//! the greatest exactly.

use serde::Serialize;

/// Values below are kept exactly; above, each doubling is cut into half as many pieces.
const EXACT: u64 = 1 << BITS;
const BITS: u32 = 8;

/// Of microseconds, or of anything that is counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn record(&mut self, value: u64) {
        let at = place(value);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// The value that so many of a thousand do not exceed, by nearest rank; 0 when there are none.
    pub(crate) fn permille(&self, permille: u64) -> u64 {
        let rank = (self.count * permille).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return greatest(at).min(self.max);
            }
        }
        self.max
    }

    /// Of microseconds.
    pub(crate) fn spread(&self) -> Spread {
        let ms = |us: u64| us as f64 / 1e3;
        Spread {
            samples: self.count,
            p50_ms: ms(self.permille(500)),
            p90_ms: ms(self.permille(900)),
            p99_ms: ms(self.permille(990)),
            p999_ms: ms(self.permille(999)),
            max_ms: ms(self.max),
        }
    }
}

/// How latencies lie, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// How many were measured.
    pub samples: u64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Of a thousand, 999 are no worse.
    pub p999_ms: f64,
    /// The worst.
    pub max_ms: f64,
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "p50 {:.1}, p90 {:.1}, p99 {:.1}, p99.9 {:.1}, max {:.1} ms ({} samples)",
            self.p50_ms, self.p90_ms, self.p99_ms, self.p999_ms, self.max_ms, self.samples
        )
    }
}

/// Where a value is counted.
fn place(value: u64) -> usize {
    // So that what is left has BITS bits, of which the first is 1.
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(BITS);
    let at = u64::from(shift) * (EXACT / 2) + (value >> shift);
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The greatest value that is counted there.
fn greatest(at: usize) -> u64 {
    let at = u64::try_from(at).unwrap_or(u64::MAX);
    let shift = (at / (EXACT / 2)).saturating_sub(1);
    let least = at - shift * (EXACT / 2);
    (least << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_to_within_one_part_in_128() {
        let mut before = 0;
        for value in (0..3_000).chain([65_535, 65_536, 1_234_567, u64::from(u32::MAX), 1 << 50]) {
            let at = place(value);
            assert!(at >= before, "{value}");
            before = at;
            let kept = greatest(at);
            assert!(
                kept >= value && kept - value <= value / 128,
                "{value} {kept}"
            );
        }
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.permille(500), 0);
        for value in 1..=200 {
            histogram.record(value);
        }
        let [p50, p99, p999] = [500, 990, 999].map(|permille| histogram.permille(permille));
        assert_eq!((p50, p99, p999), (100, 198, 200));
        histogram.record(1_000_003);
        assert_eq!(histogram.permille(1_000), 1_000_003);
        assert_eq!(histogram.spread().max_ms, 1_000.003);
    }
}
