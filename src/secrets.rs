//! Reads the Worker's bindings by deployment and by tenant.

use serde_json::{Map, Value};

use crate::tenant_id::TenantId;

/// Bindings of the Worker, which hold the secrets that no document may contain: texts as they are, an object for a
/// binding that can send requests, `true` for any other. Has no `Debug`.
#[derive(Clone)]
pub(crate) struct Secrets(Map<String, Value>);

impl Secrets {
    /// Wraps all bindings.
    #[must_use]
    pub(crate) fn new(bindings: Map<String, Value>) -> Self {
        Self(bindings)
    }

    /// Returns a secret of the deployment, trimmed; `None` if it is empty.
    #[must_use]
    pub(crate) fn of_deployment(&self, name: &str) -> Option<&str> {
        let text = self.0.get(name).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty())
    }

    /// Returns the prefix of the reserved paths as it is configured, unchecked.
    #[must_use]
    pub(crate) fn prefix(&self) -> &str {
        self.of_deployment("PREFIX").unwrap_or("/_session")
    }

    /// Returns a secret of a tenant: `ACME__API_KEY` for `API_KEY` of `acme`. A name that contains `__` or begins with
    /// `_` finds nothing, so no tenant can name another's secret.
    #[must_use]
    pub(crate) fn of_tenant(&self, tenant: &TenantId, name: &str) -> Option<&str> {
        if name.contains("__") || name.starts_with('_') {
            return None;
        }
        self.of_deployment(&binding(tenant, name))
    }

    /// Returns whether the deployment or any tenant has this secret.
    #[must_use]
    pub(crate) fn is_set_for_any(&self, name: &str) -> bool {
        self.of_deployment(name).is_some() || self.of_tenants(name).next().is_some()
    }

    /// Iterates over the tenants that have this secret of their own.
    pub(crate) fn of_tenants<'s>(
        &'s self,
        name: &'s str,
    ) -> impl Iterator<Item = (TenantId, &'s str)> {
        self.tenants_with(name).filter_map(move |(id, _)| {
            let secret = self.of_tenant(&id, name)?;
            Some((id, secret))
        })
    }

    /// Iterates over the tenants that have a binding of this name, with its value: a text, or another value for another kind.
    pub(crate) fn tenants_with<'s>(
        &'s self,
        name: &'s str,
    ) -> impl Iterator<Item = (TenantId, &'s Value)> {
        self.0.iter().filter_map(move |(bound, value)| {
            let tenant = bound.strip_suffix(name)?.strip_suffix("__")?;
            let id = TenantId::parse(&tenant.to_ascii_lowercase().replace('_', "-"))?;
            (binding(&id, name) == *bound).then_some((id, value))
        })
    }

    /// Returns whether a binding of this name can send requests, as service bindings can.
    #[must_use]
    pub(crate) fn is_fetcher(&self, binding: &str) -> bool {
        self.0.get(binding).is_some_and(Value::is_object)
    }

    /// Iterates over the names of all bindings.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns whether a binding of this name exists.
    #[must_use]
    pub(crate) fn has(&self, binding: &str) -> bool {
        self.0.contains_key(binding)
    }
}

/// Returns the binding's name for a tenant's secret.
#[must_use]
pub(crate) fn binding(tenant: &TenantId, name: &str) -> String {
    let tenant = tenant.as_str().to_ascii_uppercase().replace('-', "_");
    format!("{tenant}__{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_found_by_their_secrets() {
        let bound = |names: &[&str]| {
            let bound = names
                .iter()
                .map(|name| ((*name).to_owned(), Value::from("x")));
            Secrets::new(bound.collect())
        };
        let secrets = bound(&[
            "ADMIN_TOKEN",
            "ACME__ADMIN_TOKEN",
            "TWO_WORDS__ADMIN_TOKEN",
            "lower__ADMIN_TOKEN",
            "__ADMIN_TOKEN",
            "ACME__ADMIN_TOKEN_OLD",
            "ACME__ORIGIN_KEY",
        ]);
        let mut tenants: Vec<String> = secrets
            .of_tenants("ADMIN_TOKEN")
            .map(|(id, _)| id.to_string())
            .collect();
        tenants.sort();
        assert_eq!(tenants, ["acme", "two-words"]);
        assert!(!bound(&["ADMIN"]).is_set_for_any("ADMIN_TOKEN"));
        assert!(bound(&["A__ADMIN_TOKEN"]).is_set_for_any("ADMIN_TOKEN"));
    }
}
