//! Limits how often something may happen per second, with bursts of one second (token bucket).

use crate::clock::UnixMillis;

/// Token bucket: holds the tokens of one second, and starts full.
#[derive(Debug, Default)]
pub(crate) struct TokenBucket {
    /// Used tokens, in thousandths.
    missing: u64,
    /// Time of the last refill.
    at: UnixMillis,
}

impl TokenBucket {
    /// Takes a token, if there is one; `per_second` tokens come back each second.
    pub(crate) fn take(&mut self, per_second: u32, now: UnixMillis) -> bool {
        // `per_second` thousandths return each millisecond, and 1,000 times as many fill the bucket.
        let per_second = u64::from(per_second);
        let refilled = per_second.saturating_mul(now.millis_since(self.at));
        let missing = self.missing.saturating_sub(refilled);
        let has_token = missing + 1_000 <= per_second * 1_000;
        self.missing = if has_token { missing + 1_000 } else { missing };
        self.at = self.at.max(now);
        has_token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(bucket: &mut TokenBucket, per_second: u32, at: u64, times: u32) -> u32 {
        let take = |_: &u32| bucket.take(per_second, UnixMillis(at));
        u32::try_from((0..times).filter(take).count()).unwrap()
    }

    #[test]
    fn burst_of_a_second_passes_and_then_the_rate() {
        let mut bucket = TokenBucket::default();
        assert_eq!(taken(&mut bucket, 10, 5_000, 50), 10);
        assert_eq!(taken(&mut bucket, 10, 5_099, 50), 0);
        assert_eq!(taken(&mut bucket, 10, 5_100, 50), 1);
        assert_eq!(taken(&mut bucket, 10, 5_600, 50), 5);
        assert_eq!(taken(&mut bucket, 10, 99_000, 50), 10);
        assert_eq!(
            taken(&mut bucket, 10, 98_000, 50),
            0,
            "a clock that goes back"
        );
    }

    proptest! {
        #[test]
        fn no_second_has_more_than_twice_the_rate(
            per_second in 1_u32..100,
            waits in prop::collection::vec(0_u64..300, 1..200),
        ) {
            let mut bucket = TokenBucket::default();
            let mut now = 1_000_000;
            let mut passed = Vec::new();
            for wait in waits {
                now += wait;
                if bucket.take(per_second, UnixMillis(now)) {
                    passed.push(now);
                }
            }
            for from in &passed {
                let within = passed.iter().filter(|at| (*from..*from + 1_000).contains(*at));
                prop_assert!(within.count() <= 2 * per_second as usize);
            }
        }
    }
}
