//! Decides whether and when a call to a Durable Object is retried.
//!
//! Commands may arrive twice: each change carries an idempotency key. An overloaded object is not retried
//! (<https://developers.cloudflare.com/durable-objects/best-practices/error-handling/>).

use crate::clock::UnixMillis;
use crate::rule::{Rule, holds};

/// Delay before each attempt, before jitter, in milliseconds.
const DELAYS_MS: [u64; 3] = [0, 100, 400];

/// State of one call over all its attempts.
#[derive(Debug)]
pub(crate) struct Retry {
    began: UnixMillis,
    deadline_ms: u64,
    attempts: usize,
}

/// Reason why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The object is overloaded.
    Overloaded,
    /// Any other error.
    Other,
}

/// Decision after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait this many milliseconds, then retry.
    After(u64),
    /// Report the failure.
    GiveUp,
}

impl Retry {
    /// Begins a call with a total deadline; the first attempt starts at once.
    #[must_use]
    pub(crate) fn begin(deadline_ms: u32, now: UnixMillis) -> Self {
        Self {
            began: now,
            deadline_ms: u64::from(deadline_ms),
            attempts: 1,
        }
    }

    /// Returns the remaining time for the attempt that begins now, in milliseconds.
    #[must_use]
    pub(crate) fn left_ms(&self, now: UnixMillis) -> u64 {
        let spent = now.millis_since(self.began);
        self.deadline_ms.saturating_sub(spent)
    }

    /// Decides what follows a failed attempt. `random` adds jitter: each caller waits half to one and a half times the
    /// delay.
    #[must_use]
    pub(crate) fn after_failure(&mut self, cause: Cause, random: u32, now: UnixMillis) -> Next {
        let delay = match (cause, DELAYS_MS.get(self.attempts)) {
            (Cause::Overloaded, _) if holds(Rule::RetryOverload) => return Next::GiveUp,
            (_, None) if holds(Rule::RetryLimit) => return Next::GiveUp,
            (_, delay) => delay.copied().unwrap_or_default(),
        };
        let delay = delay * u64::from(holds(Rule::RetryDelay));
        self.attempts += 1;
        let jitter = (delay * u64::from(random)) >> u32::BITS;
        let wait = delay / 2 + jitter;
        if wait < self.left_ms(now) {
            Next::After(wait)
        } else {
            Next::GiveUp
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    #[test]
    fn call_is_tried_three_times() {
        let mut retry = Retry::begin(2_000, NOW);
        let half = u32::MAX / 2 + 1;
        assert_eq!(
            retry.after_failure(Cause::Other, half, NOW),
            Next::After(100)
        );
        assert_eq!(
            retry.after_failure(Cause::Other, half, NOW),
            Next::After(400)
        );
        assert_eq!(retry.after_failure(Cause::Other, half, NOW), Next::GiveUp);
    }

    #[test]
    fn delays_have_fifty_percent_jitter() {
        let first = |random| {
            let mut retry = Retry::begin(2_000, NOW);
            retry.after_failure(Cause::Other, random, NOW)
        };
        assert_eq!(first(0), Next::After(50));
        assert_eq!(first(u32::MAX), Next::After(149));
    }

    #[test]
    fn overloaded_object_is_not_retried() {
        let mut retry = Retry::begin(2_000, NOW);
        let next = retry.after_failure(Cause::Overloaded, 0, NOW);
        assert_eq!(next, Next::GiveUp);
    }

    #[test]
    fn retry_past_the_deadline_is_not_started() {
        let mut retry = Retry::begin(1_000, NOW);
        let later = UnixMillis(NOW.0 + 951);
        assert_eq!(retry.left_ms(later), 49);
        assert_eq!(retry.after_failure(Cause::Other, 0, later), Next::GiveUp);
    }

    proptest! {
        /// For any durations and random numbers: at most three attempts begin, all before the deadline, one after the
        /// other.
        #[test]
        fn attempts_are_limited_and_within_the_deadline(
            deadline in 1..20_000_u32,
            attempts in prop::collection::vec((0..5_000_u64, any::<u32>()), 10)
        ) {
            let mut retry = Retry::begin(deadline, NOW);
            let mut now = NOW;
            let mut begun = 1;
            for (ms, random) in attempts {
                now.0 += ms.min(retry.left_ms(now));
                match retry.after_failure(Cause::Other, random, now) {
                    Next::GiveUp => break,
                    Next::After(wait) => {
                        prop_assert!(wait >= 50);
                        now.0 += wait;
                        begun += 1;
                        prop_assert!(retry.left_ms(now) > 0);
                    }
                }
            }
            prop_assert!(begun <= 3);
            prop_assert!(now.0 <= NOW.0 + u64::from(deadline));
        }
    }
}
