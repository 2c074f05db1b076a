//! Estimates the number of distinct sessions over all isolates, without storing their names.
//!
//! A bottom-k sketch (Bar-Yossef and others, 2002) keeps only the smallest hashes. Up to [`KEPT`] sessions it has all
//! hashes, and the number is exact. Beyond, the density of the smallest hashes gives the number within 1/√k or 3 %.
//! Merging two sketches keeps the smallest hashes of both.

/// Maximum number of hashes.
pub(crate) const KEPT: usize = 1_024;

/// Smallest hashes seen, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KmvSketch(Vec<u32>);

impl KmvSketch {
    /// Adds a hash, which must be evenly distributed.
    pub(crate) fn see(&mut self, hash: u32) {
        if self.0.len() >= KEPT && self.0.last().is_some_and(|largest| hash > *largest) {
            return;
        }
        if let Err(place) = self.0.binary_search(&hash) {
            self.0.insert(place, hash);
            self.0.truncate(KEPT);
        }
    }

    /// Adds the hashes of another sketch.
    pub(crate) fn merge(&mut self, other: &Self) {
        for hash in &other.0 {
            self.see(*hash);
        }
    }

    /// Estimates the number of distinct hashes.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an estimate of at most 2^32"
    )]
    pub(crate) fn count(&self) -> u64 {
        match self.0.last() {
            Some(largest) if self.0.len() >= KEPT => {
                let share = (f64::from(*largest) + 1.0) / (f64::from(u32::MAX) + 1.0);
                ((KEPT - 1) as f64 / share).round() as u64
            }
            _ => self.0.len() as u64,
        }
    }

    /// Returns the kept hashes.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }
}

impl FromIterator<u32> for KmvSketch {
    fn from_iter<T: IntoIterator<Item = u32>>(hashes: T) -> Self {
        let mut distinct = Self::default();
        for hash in hashes {
            distinct.see(hash);
        }
        distinct
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use chacha20::rand_core::{Rng as _, SeedableRng as _};

    #[test]
    fn small_sets_are_counted_exactly() {
        let seen = |from: u32, to: u32| (from..to).map(|n| n.wrapping_mul(2_654_435_761));
        let mut one: KmvSketch = seen(0, 600).chain(seen(0, 600)).collect();
        assert_eq!(one.count(), 600);
        one.merge(&seen(500, 1_000).collect());
        assert_eq!(one.count(), 1_000);
    }

    #[test]
    fn large_sets_are_estimated_within_a_few_percent() {
        let mut random = ChaCha20Rng::seed_from_u64(11);
        for number in [2_000_u64, 50_000, 1_000_000] {
            let mut parts = vec![KmvSketch::default(); 7];
            for n in 0..number {
                let hash = random.next_u32();
                parts[usize::try_from(n % 7).unwrap()].see(hash);
                parts[usize::try_from(n % 3).unwrap()].see(hash);
            }
            let mut whole = KmvSketch::default();
            for part in &parts {
                whole.merge(part);
            }
            let estimate = whole.count();
            assert!(
                estimate.abs_diff(number) * 100 <= number * 9,
                "{estimate} of {number}"
            );
        }
    }
}
