//! Defines the id of a tenant. The MAC, the derived keys and the storage key contain it, so nothing of one tenant works
//! at another.

use core::fmt;
use std::sync::Arc;

/// Id of a tenant: 1 to 63 of `a-z`, `0-9` and `-`. Copies share the text; native tools use several threads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TenantId(Arc<str>);

/// Maximum length of a tenant id: that of a DNS label.
const MAX_ID_LENGTH: usize = 63;

impl TenantId {
    /// Parses an id. Returns `None` if it is empty, too long, or has other characters.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = !text.is_empty() && text.len() <= MAX_ID_LENGTH && text.bytes().all(plain);
        fits.then(|| Self(text.into()))
    }

    /// Returns the id as text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_id_is_short_and_plain() {
        for good in ["a", "acme-1", &"x".repeat(MAX_ID_LENGTH)] {
            assert!(TenantId::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "A",
            "a b",
            "a:b",
            "a/b",
            "\u{e9}",
            &"x".repeat(MAX_ID_LENGTH + 1),
        ] {
            assert!(TenantId::parse(bad).is_none(), "{bad}");
        }
    }
}
