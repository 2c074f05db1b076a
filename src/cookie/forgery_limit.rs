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

/// Counts per address, in one isolate.
#[derive(Debug, Default)]
pub struct ForgeryLimit(HashMap<String, Window>);

impl ForgeryLimit {
    /// Counts a forged cookie from `address` (those without one share a count). Over the limit it
    /// returns how many seconds to wait.
    pub fn count(&mut self, address: &str, now: UnixMillis) -> Option<u64> {
        if self.0.len() >= ADDRESSES && !self.0.contains_key(address) {
            self.0.clear();
        }
        let window = self.0.entry(address.to_owned()).or_insert(Window {
            since: now,
            count: 0,
        });
        let age = now.millis_since(window.since);
        if age >= WINDOW_MS {
            *window = Window {
                since: now,
                count: 0,
            };
        }
        window.count = window.count.saturating_add(1);
        let left = WINDOW_MS.saturating_sub(now.millis_since(window.since));
        (window.count > PER_WINDOW).then(|| left.div_ceil(1000).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_stopped_after_its_share_and_let_in_again_later() {
        let mut limit = ForgeryLimit::default();
        for _ in 0..PER_WINDOW {
            assert_eq!(limit.count("a", UnixMillis(0)), None);
        }
        assert_eq!(limit.count("a", UnixMillis(1_500)), Some(9));
        assert_eq!(limit.count("b", UnixMillis(1_500)), None);
        assert_eq!(limit.count("a", UnixMillis(WINDOW_MS)), None);
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
