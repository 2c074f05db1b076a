//! Caches the tenants of hosts and suffixes that this isolate has read.
//!
//! It also caches hosts without a tenant. Otherwise each request to an unknown host would cost a read per suffix.
//! Anonymous clients choose the lookups, so the cache is bounded, and entries in use outlive those looked up once.

use std::collections::HashMap;

use crate::clock::UnixMillis;
use crate::tenant_id::TenantId;

/// Maximum age of an entry, in milliseconds.
const USABLE_MS: u64 = 60_000;

/// Maximum entries in each of two generations.
const MAX_COUNT: usize = 2_048;

/// A binding holds no tenant's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Unreadable;

/// Tenant of a host or suffix at the time of the read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct HostBinding {
    /// Tenant, or `None` if no tenant has this host.
    pub(super) tenant: Result<Option<TenantId>, Unreadable>,
    /// Time of the read.
    pub(super) asked: UnixMillis,
}

/// Bindings by pattern, such as `chat.example` and `*.example`.
#[derive(Debug, Default)]
pub(in super::super) struct PatternCache {
    recent: HashMap<String, HostBinding>,
    /// Previous generation, dropped when `recent` is full; entries looked up meanwhile move to `recent`.
    earlier: HashMap<String, HostBinding>,
}

impl PatternCache {
    /// Returns the binding of a pattern unless it is too old.
    pub(super) fn get(&mut self, pattern: &str, now: UnixMillis) -> Option<HostBinding> {
        if let Some(binding) = self.earlier.remove(pattern) {
            self.put(pattern, binding);
        }
        let binding = self.recent.get(pattern)?;
        (now.millis_since(binding.asked) < USABLE_MS).then(|| binding.clone())
    }

    /// Caches a binding.
    pub(super) fn put(&mut self, pattern: &str, binding: HostBinding) {
        if self.recent.len() >= MAX_COUNT && !self.recent.contains_key(pattern) {
            self.earlier = core::mem::take(&mut self.recent);
        }
        self.recent.insert(pattern.to_owned(), binding);
    }

    /// Forgets the binding of a pattern that this isolate changed.
    pub(super) fn forget(&mut self, pattern: &str) {
        self.recent.remove(pattern);
        self.earlier.remove(pattern);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn unclaimed(asked: UnixMillis) -> HostBinding {
        HostBinding {
            tenant: Ok(None),
            asked,
        }
    }

    #[test]
    fn unknown_host_is_cached_for_a_minute() {
        let mut patterns = PatternCache::default();
        assert_eq!(patterns.get("*.example", NOW), None);
        patterns.put("*.example", unclaimed(NOW));
        let last = UnixMillis(NOW.0 + USABLE_MS - 1);
        assert_eq!(patterns.get("*.example", last), Some(unclaimed(NOW)));
        assert_eq!(patterns.get("*.example", UnixMillis(last.0 + 1)), None);
    }

    #[test]
    fn flood_of_unknown_hosts_is_bounded_and_keeps_their_suffix() {
        let mut patterns = PatternCache::default();
        patterns.put("*.example", unclaimed(NOW));
        for number in 0..5 * MAX_COUNT {
            patterns.put(&format!("h{number}.example"), unclaimed(NOW));
            assert!(patterns.recent.len() + patterns.earlier.len() <= 2 * MAX_COUNT);
            assert!(patterns.get("*.example", NOW).is_some(), "{number}");
        }
        assert_eq!(patterns.get("h0.example", NOW), None);
    }
}
