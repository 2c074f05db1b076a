//! Limits how often clients may do something, counted in one isolate. That is cheap and stops a flood, but not a
//! client with many addresses.

use core::borrow::Borrow;
use core::hash::Hash;
use std::collections::HashMap;

use super::network::Network;
use crate::clock::UnixMillis;

/// Maximum number of remembered keys. At the limit expired ones are dropped, or else all, which can only admit more.
const MAX_COUNT: usize = 4_096;

/// Factor by which a site may exceed a subnet's limit: it may be a household, or a city.
const SUBNETS_OF_A_SITE: u32 = 8;

#[derive(Debug)]
struct Window {
    since: UnixMillis,
    count: u32,
}

impl Window {
    /// Returns the time left in this window, in milliseconds.
    fn left(&self, window_ms: u64, now: UnixMillis) -> u64 {
        window_ms.saturating_sub(now.millis_since(self.since))
    }
}

/// Result of counting one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// First in this window: log it.
    First,
    /// Within the limit.
    Counted,
    /// First over the limit: log it. Holds the seconds to wait.
    Passed(u64),
    /// Over the limit. Holds the seconds to wait.
    Over(u64),
}

impl Verdict {
    /// Decides whether it is the first in a while.
    #[must_use]
    pub(crate) fn is_first(self) -> bool {
        self == Self::First
    }
}

/// Rate limit per key.
#[derive(Debug)]
pub(crate) struct RateLimit<K = String> {
    per_window: u32,
    window_ms: u64,
    windows: HashMap<K, Window>,
}

impl<K: Hash + Eq> RateLimit<K> {
    /// Creates a limit of `per_window` within `window_ms` for each key.
    #[must_use]
    pub(crate) fn new(per_window: u32, window_ms: u64) -> Self {
        Self {
            per_window,
            window_ms,
            windows: HashMap::new(),
        }
    }

    /// Resets a key.
    pub(crate) fn forget<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        self.windows.remove(key);
    }

    /// Returns the seconds to wait if the limit is exceeded.
    #[must_use]
    pub(crate) fn wait<Q>(&self, key: &Q, now: UnixMillis) -> Option<u64>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let window = self.windows.get(key)?;
        let left = window.left(self.window_ms, now);
        (window.count > self.per_window && left > 0).then(|| left.div_ceil(1000))
    }

    /// Returns until when this key's `Retry-After` stays the same; `None` if nothing was counted.
    #[must_use]
    pub(crate) fn retry_after_until<Q>(&self, key: &Q, now: UnixMillis) -> Option<UnixMillis>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let left = self.windows.get(key)?.left(self.window_ms, now);
        // `Retry-After` rounds the remaining time up to seconds.
        (left > 0).then(|| UnixMillis(now.0 + (left - 1) % 1000 + 1))
    }

    /// Counts one more.
    pub(crate) fn count<Q>(&mut self, key: &Q, now: UnixMillis) -> Verdict
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        if self.windows.len() >= MAX_COUNT && !self.windows.contains_key(key) {
            let window_ms = self.window_ms;
            self.windows
                .retain(|_, window| window.left(window_ms, now) > 0);
            if self.windows.len() >= MAX_COUNT {
                self.windows.clear();
            }
        }
        let fresh = || Window {
            since: now,
            count: 0,
        };
        let window = self.windows.entry(key.to_owned()).or_insert_with(fresh);
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

/// Rate limit per client (an IPv4 address or an IPv6 subnet), and for all subnets of a site together. Rejections of a
/// subnet do not count for its site, so one client cannot block others.
#[derive(Debug)]
pub(crate) struct ClientLimit {
    clients: RateLimit<Network>,
    sites: RateLimit<Network>,
}

impl ClientLimit {
    /// Creates a limit of `per_window` within `window_ms` for each client.
    #[must_use]
    pub(crate) fn new(per_window: u32, window_ms: u64) -> Self {
        let of_site = per_window.saturating_mul(SUBNETS_OF_A_SITE);
        Self {
            clients: RateLimit::new(per_window, window_ms),
            sites: RateLimit::new(of_site, window_ms),
        }
    }

    /// Counts one more for `client`; clients without an address share a count.
    pub(crate) fn count(&mut self, client: Network, now: UnixMillis) -> Verdict {
        let site = client.site();
        if let Some(wait) = site.and_then(|site| self.sites.wait(&site, now)) {
            return Verdict::Over(wait);
        }
        let verdict = self.clients.count(&client, now);
        match (verdict, site) {
            (Verdict::First | Verdict::Counted, Some(site)) => match self.sites.count(&site, now) {
                Verdict::First | Verdict::Counted => verdict,
                over => over,
            },
            _ => verdict,
        }
    }

    /// Returns the seconds `client` must wait, if its limit or its site's is exceeded.
    #[must_use]
    pub(crate) fn wait(&self, client: Network, now: UnixMillis) -> Option<u64> {
        let site = client.site();
        site.and_then(|site| self.sites.wait(&site, now))
            .or_else(|| self.clients.wait(&client, now))
    }

    /// Returns until when the `Retry-After` of `client` stays the same; `None` if nothing was counted.
    #[must_use]
    pub(crate) fn retry_after_until(&self, client: Network, now: UnixMillis) -> Option<UnixMillis> {
        match client.site() {
            Some(site) if self.sites.wait(&site, now).is_some() => {
                self.sites.retry_after_until(&site, now)
            }
            _ => self.clients.retry_after_until(&client, now),
        }
    }

    /// Resets `client`; its site's count stays.
    pub(crate) fn forget(&mut self, client: Network) {
        self.clients.forget(&client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_limited_and_admitted_again_later() {
        let mut limit: RateLimit = RateLimit::new(300, 10_000);
        assert_eq!(limit.count("a", UnixMillis(0)), Verdict::First);
        for _ in 1..300 {
            assert_eq!(limit.count("a", UnixMillis(0)), Verdict::Counted);
        }
        assert_eq!(limit.wait("a", UnixMillis(0)), None);
        assert_eq!(limit.count("a", UnixMillis(1_500)), Verdict::Passed(9));
        assert_eq!(limit.count("a", UnixMillis(1_500)), Verdict::Over(9));
        assert_eq!(limit.wait("a", UnixMillis(1_500)), Some(9));
        assert_eq!(limit.count("b", UnixMillis(1_500)), Verdict::First);
        assert_eq!(limit.wait("a", UnixMillis(10_000)), None);
        assert_eq!(limit.count("a", UnixMillis(10_000)), Verdict::First);
    }

    #[test]
    fn memory_stays_bounded_and_expired_entries_go_first() {
        let mut limit: RateLimit = RateLimit::new(1, 10_000);
        for number in 0..MAX_COUNT {
            limit.count(&number.to_string(), UnixMillis(0));
        }
        limit.count("0", UnixMillis(10_000));
        limit.count("0", UnixMillis(10_000));
        limit.count("one more", UnixMillis(10_000));
        assert_eq!(limit.windows.len(), 2);
        assert!(limit.wait("0", UnixMillis(10_000)).is_some());
        for number in 0..3 * MAX_COUNT {
            limit.count(&number.to_string(), UnixMillis(10_000));
            assert!(limit.windows.len() <= MAX_COUNT);
        }
    }

    fn client(address: &str) -> Network {
        Network::of(Some(address))
    }

    #[test]
    fn addresses_of_a_subnet_share_one_budget() {
        let mut limit = ClientLimit::new(30, 60_000);
        let now = UnixMillis(0);
        for number in 0..40 {
            let verdict = limit.count(client(&format!("2001:db8:1:2::{number:x}")), now);
            let is_over = matches!(verdict, Verdict::Passed(_) | Verdict::Over(_));
            assert_eq!(is_over, number >= 30, "{number}");
        }
        assert_eq!(limit.count(client("2001:db8:1:3::1"), now), Verdict::First);
        assert_eq!(limit.wait(client("2001:db8:1:2::ffff"), now), Some(60));
        assert_eq!(limit.wait(client("2001:db8:1:3::1"), now), None);
    }

    #[test]
    fn site_budget_limits_many_subnets_but_not_one() {
        let mut limit = ClientLimit::new(30, 60_000);
        let now = UnixMillis(0);
        for _ in 0..10_000 {
            limit.count(client("2001:db8:1:2::1"), now);
        }
        assert_eq!(limit.count(client("2001:db8:1:3::1"), now), Verdict::First);
        let mut allowed = 0;
        for subnet in 16..1_000 {
            for _ in 0..30 {
                let verdict = limit.count(client(&format!("2001:db8:1:{subnet:x}::1")), now);
                allowed += u32::from(matches!(verdict, Verdict::First | Verdict::Counted));
            }
        }
        assert_eq!(allowed, 30 * SUBNETS_OF_A_SITE - 30 - 1);
        assert!(limit.wait(client("2001:db8:1:ffff::1"), now).is_some());
        assert!(
            limit
                .retry_after_until(client("2001:db8:1:ffff::1"), now)
                .is_some()
        );
        assert_eq!(limit.count(client("2001:db8:2:2::1"), now), Verdict::First);
    }
}
