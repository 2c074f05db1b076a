//! Decides whether storage may be read: after consecutive failures reads pause, then one probe reads first (a circuit
//! breaker; Nygard, *Release It!*, chapter 5).
//!
//! While storage hangs, each read costs its whole deadline. Requests that can be served without storage should not wait
//! for it in turn.

use crate::clock::UnixMillis;
use crate::rule::{Rule, holds};

/// Number of consecutive failed reads that open the breaker.
const BREAK_AFTER: u32 = 3;

/// Time for which an open breaker refuses reads, in milliseconds.
const BREAK_MS: u64 = 1_000;

/// Time after which a probe without an outcome no longer blocks the next one, in milliseconds: its caller is gone.
const PROBE_LASTS_MS: u64 = 1_000;

/// Breaker of one isolate.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Reads are allowed; this many have failed in a row.
    Closed { failures: u32 },
    /// Reads are refused since this time.
    Open { since: UnixMillis },
    /// One probe reads since this time.
    Probing { since: UnixMillis },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// Permission for one read, used to report its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permit {
    /// Time when the probe began; `None` for an ordinary read.
    probe: Option<UnixMillis>,
}

impl Breaker {
    /// Returns permission for a read, or `None` while storage counts as unavailable.
    #[must_use]
    pub(crate) fn admit(&mut self, now: UnixMillis) -> Option<Permit> {
        let (since, lasts_ms) = match self.state {
            State::Closed { .. } => return Some(Permit { probe: None }),
            State::Open { since } => (since, BREAK_MS),
            State::Probing { since } => (since, PROBE_LASTS_MS),
        };
        // A clock that was set back must not block reads.
        let is_kept_out = matches!(self.state, State::Open { .. }) || holds(Rule::SingleProbe);
        if since <= now && now.millis_since(since) < lasts_ms && is_kept_out {
            return None;
        }
        self.state = State::Probing { since: now };
        Some(Permit { probe: Some(now) })
    }

    /// Records that a read succeeded.
    pub(crate) fn record_success(&mut self, permit: Permit) {
        let counts = match self.state {
            State::Closed { .. } => true,
            State::Open { .. } | State::Probing { .. } => permit.probe.is_some(),
        };
        if counts {
            self.state = State::Closed { failures: 0 };
        }
    }

    /// Records that a read failed or got no response.
    pub(crate) fn record_failure(&mut self, permit: Permit, now: UnixMillis) {
        match self.state {
            State::Closed { failures } if failures + 1 < BREAK_AFTER || !holds(Rule::Breaker) => {
                let failures = failures + 1;
                self.state = State::Closed { failures };
            }
            State::Closed { .. } => self.state = State::Open { since: now },
            State::Probing { since } if permit.probe == Some(since) || !holds(Rule::StaleProbe) => {
                self.state = State::Open { since: now };
            }
            // The read began before the breaker opened, so its failure is not news.
            State::Open { .. } | State::Probing { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> UnixMillis {
        UnixMillis(1_700_000_000_000 + ms)
    }

    /// Creates a breaker that three reads have just opened.
    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..BREAK_AFTER {
            let permit = breaker.admit(at(0)).unwrap();
            breaker.record_failure(permit, at(0));
        }
        breaker
    }

    #[test]
    fn three_failures_in_a_row_open_the_breaker_for_a_second() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(at(0)), None);
        assert_eq!(breaker.admit(at(999)), None);
        assert!(breaker.admit(at(1_000)).is_some());
    }

    #[test]
    fn success_resets_the_failure_count() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            for _ in 0..2 {
                let permit = breaker.admit(at(0)).unwrap();
                breaker.record_failure(permit, at(0));
            }
            let permit = breaker.admit(at(0)).unwrap();
            breaker.record_success(permit);
        }
        assert!(breaker.admit(at(0)).is_some());
    }

    #[test]
    fn one_probe_closes_or_reopens() {
        let mut breaker = opened();
        let probe = breaker.admit(at(1_000)).unwrap();
        assert_eq!(breaker.admit(at(1_001)), None, "only one probe");
        breaker.record_failure(probe, at(1_500));
        assert_eq!(breaker.admit(at(2_499)), None, "another second");
        let probe = breaker.admit(at(2_500)).unwrap();
        breaker.record_success(probe);
        for _ in 0..10 {
            assert!(breaker.admit(at(2_501)).is_some());
        }
    }

    #[test]
    fn cancelled_probe_is_replaced() {
        let mut breaker = opened();
        let gone = breaker.admit(at(1_000)).unwrap();
        assert_eq!(breaker.admit(at(1_999)), None);
        let probe = breaker.admit(at(2_000)).unwrap();
        // A late report of the first probe does not end the second one.
        breaker.record_failure(gone, at(2_001));
        breaker.record_success(probe);
        assert!(breaker.admit(at(2_002)).is_some());
    }

    #[test]
    fn late_failure_of_a_replaced_probe_does_not_keep_it_open() {
        let mut breaker = opened();
        let gone = breaker.admit(at(1_000)).unwrap();
        assert!(breaker.admit(at(2_000)).is_some());
        breaker.record_failure(gone, at(2_001));
        assert!(
            breaker.admit(at(3_000)).is_some(),
            "a second since the probe that counts"
        );
    }

    #[test]
    fn reads_from_before_do_not_close_the_breaker() {
        let mut breaker = Breaker::default();
        let early = breaker.admit(at(0)).unwrap();
        for _ in 0..BREAK_AFTER {
            let permit = breaker.admit(at(0)).unwrap();
            breaker.record_failure(permit, at(0));
        }
        breaker.record_success(early);
        breaker.record_failure(early, at(900));
        assert_eq!(breaker.admit(at(999)), None);
        assert!(breaker.admit(at(1_000)).is_some());
    }

    #[test]
    fn clock_set_back_does_not_block_reads() {
        let mut breaker = opened();
        assert!(breaker.admit(UnixMillis(5)).is_some());
    }

    proptest! {
        /// For any outcomes, including cancelled reads: an open breaker starts at most one read per second. Within two
        /// seconds of a recovery it admits all reads again.
        #[test]
        fn open_breaker_admits_one_read_a_second_and_closes_soon_after_recovery(
            steps in prop::collection::vec((0..600_u64, 0..3_u8), 1..200)
        ) {
            let mut breaker = Breaker::default();
            let mut now = 0;
            let mut failed = 0_u32;
            let mut refused_since = None;
            for (ms, outcome) in steps {
                now += ms;
                let Some(permit) = breaker.admit(at(now)) else {
                    prop_assert!(failed >= BREAK_AFTER);
                    let since = *refused_since.get_or_insert(now);
                    prop_assert!(now - since < BREAK_MS, "refused for too long");
                    continue;
                };
                refused_since = None;
                match outcome {
                    0 => {
                        breaker.record_success(permit);
                        failed = 0;
                    }
                    1 => {
                        breaker.record_failure(permit, at(now));
                        failed += 1;
                        if failed >= BREAK_AFTER {
                            prop_assert!(breaker.admit(at(now)).is_none());
                        }
                    }
                    // Cancelled.
                    _ => {}
                }
            }
            now += BREAK_MS;
            let permit = breaker.admit(at(now)).unwrap();
            breaker.record_success(permit);
            prop_assert!(breaker.admit(at(now)).is_some());
        }
    }
}
