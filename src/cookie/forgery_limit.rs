//! Slows down whoever sends forged cookies. Refusing one is cheap; answering thousands is not.

use std::collections::HashMap;

use crate::clock::UnixMillis;

/// How many forged cookies one address may send within a window. Generous: after an emergency
/// change of keys every genuine cookie of an office behind one address is forged once.
const PER_WINDOW: u32 = 300;

/// Length of a window in milliseconds.
const WINDOW_MS: u64 = 10_000;

/// How many addresses are remembered; beyond that all are forgotten, which only ever lets more in.
const ADDRESSES: usize = 4_096;

#[derive(Debug)]
struct Window {
    since: UnixMillis,
    count: u32,
}

/// What a forged cookie leads to.
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

/// Counts per address, in one isolate.
#[derive(Debug, Default)]
pub struct ForgeryLimit(HashMap<String, Window>);

impl ForgeryLimit {
    /// Counts a forged cookie from `address`; those without one share a count.
    pub fn count(&mut self, address: &str, now: UnixMillis) -> Verdict {
        if self.0.len() >= ADDRESSES && !self.0.contains_key(address) {
            self.0.clear();
        }
        let fresh = Window {
            since: now,
            count: 0,
        };
        let window = self.0.entry(address.to_owned()).or_insert(fresh);
        if now.millis_since(window.since) >= WINDOW_MS {
            *window = Window {
                since: now,
                count: 0,
            };
        }
        window.count = window.count.saturating_add(1);
        let left = WINDOW_MS.saturating_sub(now.millis_since(window.since));
        let wait = left.div_ceil(1000).max(1);
        match window.count {
            1 => Verdict::First,
            count if count <= PER_WINDOW => Verdict::Counted,
            count if count == PER_WINDOW + 1 => Verdict::Passed(wait),
            _ => Verdict::Over(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_stopped_after_its_share_and_let_in_again_later() {
        let mut limit = ForgeryLimit::default();
        assert_eq!(limit.count("a", UnixMillis(0)), Verdict::First);
        for _ in 1..PER_WINDOW {
            assert_eq!(limit.count("a", UnixMillis(0)), Verdict::Counted);
        }
        assert_eq!(limit.count("a", UnixMillis(1_500)), Verdict::Passed(9));
        assert_eq!(limit.count("a", UnixMillis(1_500)), Verdict::Over(9));
        assert_eq!(limit.count("b", UnixMillis(1_500)), Verdict::First);
        assert_eq!(limit.count("a", UnixMillis(WINDOW_MS)), Verdict::First);
    }

    #[test]
    fn memory_stays_bounded() {
        let mut limit = ForgeryLimit::default();
        for number in 0..3 * ADDRESSES {
            limit.count(&number.to_string(), UnixMillis(0));
            assert!(limit.0.len() <= ADDRESSES);
        }
    }
}
