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

/// Tenant of a host or suffix at the time of the read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct HostBinding {
    /// Tenant, or `None` if no tenant has this host.
    pub(super) tenant: Option<TenantId>,
    /// Time of the read.
    pub(super) asked: UnixMillis,
}

/// Bindings by pattern, such as `chat.example` and `*.example`.
#[derive(Debug, Default)]
pub(in super::super) struct Claims {
    recent: HashMap<String, HostBinding>,
    /// Previous generation, dropped when `recent` is full; entries looked up meanwhile move to `recent`.
    earlier: HashMap<String, HostBinding>,
}

impl Claims {
    /// Returns the binding of a pattern unless it is too old.
    pub(super) fn get(&mut self, pattern: &str, now: UnixMillis) -> Option<HostBinding> {
        if let Some(claim) = self.earlier.remove(pattern) {
            self.put(pattern, claim);
        }
        let claim = self.recent.get(pattern)?;
        (now.millis_since(claim.asked) < USABLE_MS).then(|| claim.clone())
    }

    /// Caches a binding.
    pub(super) fn put(&mut self, pattern: &str, claim: HostBinding) {
        if self.recent.len() >= MAX_COUNT && !self.recent.contains_key(pattern) {
            self.earlier = core::mem::take(&mut self.recent);
        }
        self.recent.insert(pattern.to_owned(), claim);
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

    fn nobodys(asked: UnixMillis) -> HostBinding {
        HostBinding {
            tenant: None,
            asked,
        }
    }

    #[test]
    fn unknown_host_is_cached_for_a_minute() {
        let mut claims = Claims::default();
        assert_eq!(claims.get("*.example", NOW), None);
        claims.put("*.example", nobodys(NOW));
        let last = UnixMillis(NOW.0 + USABLE_MS - 1);
        assert_eq!(claims.get("*.example", last), Some(nobodys(NOW)));
        assert_eq!(claims.get("*.example", UnixMillis(last.0 + 1)), None);
    }

    #[test]
    fn flood_of_unknown_hosts_is_bounded_and_keeps_their_suffix() {
        let mut claims = Claims::default();
        claims.put("*.example", nobodys(NOW));
        for number in 0..5 * MAX_COUNT {
            claims.put(&format!("h{number}.example"), nobodys(NOW));
            assert!(claims.recent.len() + claims.earlier.len() <= 2 * MAX_COUNT);
            assert!(claims.get("*.example", NOW).is_some(), "{number}");
        }
        assert_eq!(claims.get("h0.example", NOW), None);
    }
}
