//! Which of an isolate's batches were taken in: each once, in whatever order they come.

/// So many numbers above a gap are remembered; then whatever is missing below counts as given up.
const MAX_AHEAD: usize = 64;

/// The numbers of an isolate's batches that were taken in.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// All up to this one.
    up_to: u64,
    /// Some above, in order.
    ahead: Vec<u64>,
}

impl Taken {
    /// Whether none after it was taken.
    pub(super) fn is_latest(&self, number: u64) -> bool {
        number > self.ahead.last().copied().unwrap_or(self.up_to)
    }

    /// Takes a number; whether it was not taken before.
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
        let mut taken = Taken::default();
        for number in [1, 3, 2, 7, 5, 6, 4, 8] {
            assert!(taken.take(number), "{number}");
            assert!(!taken.take(number), "{number}");
        }
        assert!((1..=8).all(|number| !taken.take(number)));
        assert_eq!((taken.up_to, taken.ahead.len()), (8, 0));
        assert!(taken.is_latest(9) && !taken.is_latest(8));
    }

    #[test]
    fn missing_batch_is_given_up() {
        let mut taken = Taken::default();
        for number in 2..1_000 {
            assert!(taken.take(number));
        }
        assert!(taken.ahead.len() <= MAX_AHEAD);
        assert!(!taken.take(1) && !taken.take(900));
    }
}
