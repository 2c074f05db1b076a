//! Lists the host bindings that can select a request's tenant, the most specific first.

use std::borrow::Cow;

use crate::http::host::{Host, HostPattern};

/// Parts of a request that select its tenant.
pub(super) struct Place {
    pub(super) host: Host,
    /// Qualifiers behind the host, the most specific first; those of the host alone are omitted.
    pub(super) qualifiers: Vec<String>,
}

impl Place {
    pub(super) fn of(host: Host) -> Self {
        let qualifiers = Vec::new();
        Self { host, qualifiers }
    }

    /// Returns the full name in the cache of hosts.
    pub(super) fn name(&self) -> Cow<'_, str> {
        match self.qualifiers.first() {
            None => self.host.as_str().into(),
            Some(qualifier) => [self.host.as_str(), qualifier].concat().into(),
        }
    }

    /// Returns the patterns that match, the most specific first.
    pub(super) fn patterns(&self) -> impl Iterator<Item = String> {
        self.host.patterns().flat_map(|host| {
            let qualified = self.qualifiers.iter();
            let mut patterns: Vec<String> =
                qualified.map(|one| [host.as_str(), one].concat()).collect();
            patterns.push(host);
            patterns
        })
    }

    /// Returns whether a pattern has all that the request has besides the host.
    pub(super) fn is_own(&self, pattern: &str) -> bool {
        let all = self.qualifiers.first();
        all.is_some_and(|all| pattern.ends_with(all.as_str()))
    }

    /// Returns whether a pattern matches.
    pub(super) fn is_in(&self, pattern: &HostPattern) -> bool {
        pattern.selects(&self.host, &self.qualifiers)
    }
}
