//! Numbers for drawing samples, from a seed. Not for secrets.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below `bound`; 0 if that is 0. The bias is below 2^-32 for the small bounds we have.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).checked_rem(bound).unwrap_or(0)
    }
}

/// A fair sample of a stream of unknown length (Vitter's algorithm R).
#[derive(Debug)]
pub(crate) struct Sample<T> {
    items: Vec<T>,
    seen: u64,
    items_max: usize,
}

impl<T> Sample<T> {
    pub(crate) fn new(items_max: usize) -> Self {
        Self {
            items: Vec::new(),
            seen: 0,
            items_max,
        }
    }

    pub(crate) fn offer(&mut self, item: T, rng: &mut Rng) {
        self.seen += 1;
        if self.items.len() < self.items_max {
            self.items.push(item);
            return;
        }
        let at = usize::try_from(rng.below(self.seen)).unwrap_or(usize::MAX);
        if let Some(place) = self.items.get_mut(at) {
            *place = item;
        }
    }

    /// The sample so far; a new one begins.
    pub(crate) fn take(&mut self) -> Vec<T> {
        self.seen = 0;
        std::mem::take(&mut self.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_bounded_and_everybody_has_a_chance() {
        let mut rng = Rng::new(7);
        let mut hits = [0_u32; 10];
        for _ in 0..1_000 {
            let mut sample = Sample::new(3);
            for item in 0..10_usize {
                sample.offer(item, &mut rng);
            }
            let taken = sample.take();
            assert_eq!(taken.len(), 3);
            for item in taken {
                hits[item] += 1;
            }
        }
        // 300 expected of each.
        assert!(
            hits.iter().all(|hits| (230..370).contains(hits)),
            "{hits:?}"
        );
    }
}
