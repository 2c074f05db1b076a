//! How often an address may do something, counted in one isolate: cheap, and good against a flood, not
//! against somebody who comes from everywhere.

use std::collections::HashMap;

use crate::clock::UnixMillis;

/// How many addresses are remembered; beyond that all are forgotten, which only ever lets more in.
const ADDRESSES: usize = 4_096;

#[derive(Debug)]
struct Window {
    since: UnixMillis,
    count: u32,
}

impl Window {
    /// How much is left of it, in milliseconds.
    fn left(&self, window_ms: u64, now: UnixMillis) -> u64 {
        window_ms.saturating_sub(now.millis_since(self.since))
    }
}

/// What one more of it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first from there in a while: worth a line in the log.
    First,
    /// One of some.
    Counted,
    /// The one with which the limit was passed: worth another line. Seconds to wait.
    Passed(u64),
    /// One too many. Seconds to wait.
    Over(u64),
}

/// Counts per address.
#[derive(Debug)]
pub struct RateLimit {
    per_window: u32,
    window_ms: u64,
    windows: HashMap<String, Window>,
}

impl RateLimit {
    /// At most `per_window` within `window_ms` from one address.
    #[must_use]
    pub fn new(per_window: u32, window_ms: u64) -> Self {
        Self {
            per_window,
            window_ms,
            windows: HashMap::new(),
        }
    }

    /// Forgets what was counted from `address`.
    pub fn forget(&mut self, address: &str) {
        self.windows.remove(address);
    }

    /// Until when those who come from `address` are told to wait for as many seconds as now; none if nothing was counted.
    #[must_use]
    pub fn told_until(&self, address: &str, now: UnixMillis) -> Option<UnixMillis> {
        let left = self.windows.get(address)?.left(self.window_ms, now);
        // What is left is told rounded up.
        (left > 0).then(|| UnixMillis(now.0 + (left - 1) % 1000 + 1))
    }

    /// Counts one from `address`; those without one share a count.
    pub fn count(&mut self, address: &str, now: UnixMillis) -> Verdict {
        if self.windows.len() >= ADDRESSES && !self.windows.contains_key(address) {
            self.windows.clear();
        }
        let fresh = || Window {
            since: now,
            count: 0,
        };
        let window = self.windows.entry(address.to_owned()).or_insert_with(fresh);
        if now.millis_since(window.since) >= self.window_ms {
            *window = fresh();
        }
        window.count = window.count.saturating_add(1);
        let wait = window.left(self.window_ms, now).div_ceil(1000).max(1);
        let over = window.count.saturating_sub(self.per_window);
        match (window.count, over) {
            (1, 0) => Verdict::First,
            (_, 0) => Verdict::Counted,
            (_, 1) => Verdict::Passed(wait),
            _ => Verdict::Over(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_stopped_after_its_share_and_let_in_again_later() {
        let mut limit = RateLimit::new(300, 10_000);
        assert_eq!(limit.count("a", UnixMillis(0)), Verdict::First);
        for _ in 1..300 {
            assert_eq!(limit.count("a", UnixMillis(0)), Verdict::Counted);
        }
        assert_eq!(limit.count("a", UnixMillis(1_500)), Verdict::Passed(9));
        assert_eq!(limit.count("a", UnixMillis(1_500)), Verdict::Over(9));
        assert_eq!(limit.count("b", UnixMillis(1_500)), Verdict::First);
        assert_eq!(limit.count("a", UnixMillis(10_000)), Verdict::First);
    }

    #[test]
    fn memory_stays_bounded() {
        let mut limit = RateLimit::new(300, 10_000);
        for number in 0..3 * ADDRESSES {
            limit.count(&number.to_string(), UnixMillis(0));
            assert!(limit.windows.len() <= ADDRESSES);
        }
    }
}
