//! Tracks the batches of an isolate, so that each counts once in any order.

/// Maximum numbers above a gap; beyond it the missing batch counts as given up.
const MAX_AHEAD: usize = 64;

/// Numbers of an isolate's counted batches.
#[derive(Debug, Default)]
pub(super) struct Dedup {
    /// All numbers up to this one.
    up_to: u64,
    /// Higher numbers, in order.
    ahead: Vec<u64>,
}

impl Dedup {
    /// Returns whether this number is above all counted ones.
    pub(super) fn is_latest(&self, number: u64) -> bool {
        number > self.ahead.last().copied().unwrap_or(self.up_to)
    }

    /// Marks a number as counted. Returns whether it was new.
    pub(super) fn take(&mut self, number: u64) -> bool {
        let Err(place) = self.ahead.binary_search(&number) else {
            return false;
        };
        if number <= self.up_to {
            return false;
        }
        self.ahead.insert(place, number);
        if self.ahead.len() > MAX_AHEAD {
            self.up_to = self.ahead.remove(0);
        }
        while self.ahead.first() == Some(&(self.up_to + 1)) {
            self.up_to = self.ahead.remove(0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_batch_counts_once_in_any_order() {
        let mut dedup = Dedup::default();
        for number in [1, 3, 2, 7, 5, 6, 4, 8] {
            assert!(dedup.take(number), "{number}");
            assert!(!dedup.take(number), "{number}");
        }
        assert!((1..=8).all(|number| !dedup.take(number)));
        assert_eq!((dedup.up_to, dedup.ahead.len()), (8, 0));
        assert!(dedup.is_latest(9) && !dedup.is_latest(8));
    }

    #[test]
    fn missing_batch_is_given_up() {
        let mut dedup = Dedup::default();
        for number in 2..1_000 {
            assert!(dedup.take(number));
        }
        assert!(dedup.ahead.len() <= MAX_AHEAD);
        assert!(!dedup.take(1) && !dedup.take(900));
    }
}
