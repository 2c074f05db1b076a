//! Selects the KV namespace of a storage key: a tenant with a binding `<ID>__SESSIONS` has one of its own.
//!
//! The tenant is part of each key, so isolates, session objects and the library agree without the tenant's document.

use crate::secrets::binding;
use crate::tenant_id::TenantId;

/// Binding of the namespace of all other tenants.
pub(crate) const SHARED: &str = "SESSIONS";

/// Tenants with a namespace of their own, each with its binding.
#[derive(Debug, Default)]
pub(crate) struct Namespaces(Vec<(TenantId, String)>);

impl Namespaces {
    /// Assigns the bindings of these tenants.
    #[must_use]
    pub(crate) fn of(tenants: &[TenantId]) -> Self {
        let own = |tenant: &TenantId| (tenant.clone(), binding(tenant, SHARED));
        Self(tenants.iter().map(own).collect())
    }

    /// Returns the binding for a key or for a prefix of keys; `None` for [`SHARED`].
    #[must_use]
    pub(crate) fn binding(&self, key: &str) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        let tenant = tenant_in(key)?;
        let mut own = self.0.iter();
        own.find_map(|(id, binding)| (id.as_str() == tenant).then_some(binding.as_str()))
    }
}

/// Returns the tenant in a key: of a record (`s:`), a copy of an unreadable one (`q:s:`), a place in the list (`i:`) or
/// a revocation (`r:`).
fn tenant_in(key: &str) -> Option<&str> {
    let key = key.strip_prefix("q:").unwrap_or(key);
    let (kind, rest) = key.split_once(':')?;
    let (tenant, _) = rest.split_once(':')?;
    matches!(kind, "s" | "i" | "r").then_some(tenant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::id::{Handle, RecordName};
    use crate::store::session_index::{list_keys, revocation_prefix};

    #[test]
    fn each_key_of_a_tenant_is_in_its_namespace() {
        let id = |text| TenantId::parse(text).unwrap();
        let namespaces = Namespaces::of(&[id("acme"), id("two-words")]);
        let keys = |tenant: &TenantId| {
            let record = RecordName::derive(tenant, Handle([1; 16]));
            let lists = [list_keys(tenant, None), list_keys(tenant, Some(&[[2; 16]]))];
            let mut keys = lists.concat();
            keys.extend([record.as_str().to_owned(), record.quarantine()]);
            keys.push(revocation_prefix(tenant));
            keys
        };
        for (tenant, expected) in [
            ("acme", Some("ACME__SESSIONS")),
            ("two-words", Some("TWO_WORDS__SESSIONS")),
            ("acme2", None),
            ("globex", None),
        ] {
            for key in keys(&id(tenant)) {
                assert_eq!(namespaces.binding(&key), expected, "{key}");
                assert_eq!(Namespaces::default().binding(&key), None);
            }
        }
        for key in [
            "readiness-probe",
            "",
            "acme",
            "c:acme:x",
            "s:acme",
            ":acme:",
        ] {
            assert_eq!(namespaces.binding(key), None, "{key}");
        }
    }
}
