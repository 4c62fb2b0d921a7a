//! How long calls take: a histogram with logarithmic buckets, and one that many threads fill.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets of each power of two: a quantile is right to within an eighth.
const PARTS: usize = 8;
const PARTS_BITS: u32 = PARTS.trailing_zeros();
/// Durations below 2^7 ns share the first buckets.
const SHORTEST_BITS: u32 = 7;
/// Durations from 2^35 ns (34 s) on share the last one: no call lasts as long.
const LONGEST_BITS: u32 = 35;
/// How many buckets there are.
const BUCKETS: usize = (LONGEST_BITS - SHORTEST_BITS) as usize * PARTS + 1;

/// Where a duration belongs.
// Casts: three bits, and the logarithm of a u64.
const fn bucket_of(nanoseconds: u64) -> usize {
    let bits = 63 - (nanoseconds | 1).leading_zeros();
    if bits < SHORTEST_BITS {
        return 0;
    }
    if bits >= LONGEST_BITS {
        return BUCKETS - 1;
    }
    let part = (nanoseconds >> (bits - PARTS_BITS)) as usize & (PARTS - 1);
    (bits - SHORTEST_BITS) as usize * PARTS + part
}

/// The durations of a bucket are below this many nanoseconds.
const fn upper_bound(bucket: usize) -> u64 {
    let bits = SHORTEST_BITS as usize + bucket / PARTS;
    (1 << bits) + ((bucket % PARTS + 1) << (bits - PARTS_BITS as usize)) as u64
}

/// Counts of durations, by size.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    sum_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
            sum_ns: 0,
        }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .finish_non_exhaustive()
    }
}

impl Histogram {
    /// Counts a duration `times` times.
    pub fn record_many(&mut self, duration: Duration, times: u64) {
        let nanoseconds = nanoseconds(duration);
        if let Some(count) = self.counts.get_mut(bucket_of(nanoseconds)) {
            *count += times;
        }
        self.sum_ns = self
            .sum_ns
            .saturating_add(nanoseconds.saturating_mul(times));
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// The duration that a share of `quantile` (0 to 1) is not longer than, rounded up by at most
    /// an eighth. Zero without any.
    #[must_use]
    // Casts: a rank between 1 and a number of calls, of which doubles hold 2^53.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let count = self.count();
        let rank = ((count as f64 * quantile).ceil() as u64).clamp(1, count.max(1));
        let mut below = 0;
        for (bucket, of_bucket) in self.counts.iter().enumerate() {
            below += of_bucket;
            if below >= rank {
                return Duration::from_nanos(upper_bound(bucket));
            }
        }
        Duration::ZERO
    }

    /// How many are shorter than `bound`, give or take those in its own bucket.
    #[must_use]
    pub fn count_below(&self, bound: Duration) -> u64 {
        let bucket = bucket_of(nanoseconds(bound));
        self.counts.iter().take(bucket).sum()
    }

    /// What was added since `earlier`, an older reading of the same counts.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (count, before) in since.counts.iter_mut().zip(earlier.counts.iter()) {
            *count = count.saturating_sub(*before);
        }
        since.sum_ns = since.sum_ns.saturating_sub(earlier.sum_ns);
        since
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts.iter()) {
            *count += more;
        }
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }
}

/// A [`Histogram`] that many threads fill without waiting for each other.
#[derive(Debug)]
pub struct SharedHistogram {
    counts: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

impl Default for SharedHistogram {
    fn default() -> Self {
        Self {
            counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum_ns: AtomicU64::new(0),
        }
    }
}

impl SharedHistogram {
    /// Counts a duration.
    pub fn record(&self, duration: Duration) {
        let nanoseconds = nanoseconds(duration);
        if let Some(count) = self.counts.get(bucket_of(nanoseconds)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The counts now. Not one instant: calls that end meanwhile may be in it or not.
    #[must_use]
    pub fn read(&self) -> Histogram {
        let mut histogram = Histogram::default();
        for (to, from) in histogram.counts.iter_mut().zip(&self.counts) {
            *to = from.load(Ordering::Relaxed);
        }
        histogram.sum_ns = self.sum_ns.load(Ordering::Relaxed);
        histogram
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_duration_lies_in_its_bucket(nanoseconds in 128u64..(1 << 35)) {
            let bucket = bucket_of(nanoseconds);
            prop_assert!(nanoseconds < upper_bound(bucket));
            prop_assert!(bucket == 0 || nanoseconds >= upper_bound(bucket - 1));
            prop_assert!(upper_bound(bucket) <= nanoseconds + nanoseconds / 8 + 1);
        }

        #[test]
        fn quantiles_are_right_to_within_an_eighth(
            mut durations in prop::collection::vec(200u64..10_000_000, 1..300),
            quantile in 0.0..=1.0f64,
        ) {
            let shared = SharedHistogram::default();
            for &duration in &durations {
                shared.record(Duration::from_nanos(duration));
            }
            durations.sort_unstable();
            let rank = ((durations.len() as f64 * quantile).ceil() as usize).max(1);
            let exact = durations[rank - 1];
            let found = shared.read().quantile(quantile).as_nanos() as u64;
            prop_assert!(found > exact && found <= exact + exact / 8 + 1, "{} {}", exact, found);
        }
    }

    #[test]
    fn what_was_added_since_and_the_sum_of_two() {
        let mut earlier = Histogram::default();
        earlier.record_many(Duration::from_micros(3), 5);
        let mut later = earlier.clone();
        later.record_many(Duration::from_millis(3), 2);
        let since = later.since(&earlier);
        assert_eq!((since.count(), since.sum()), (2, Duration::from_millis(6)));
        assert_eq!(since.count_below(Duration::from_millis(1)), 0);
        let mut sum = earlier;
        sum.add(&since);
        assert_eq!(sum, later);
    }

    #[test]
    fn the_shortest_and_the_longest_have_a_place() {
        let mut histogram = Histogram::default();
        histogram.record_many(Duration::ZERO, 1);
        histogram.record_many(Duration::MAX, 1);
        assert_eq!(histogram.count(), 2);
        assert_eq!(Histogram::default().quantile(0.99), Duration::ZERO);
    }
}
