//! What only the Worker may know, tenant by tenant.

use serde_json::{Map, Value};

use crate::tenant_id::TenantId;

/// The Worker's bindings, for what a tenant has that no document may hold. Cannot be printed.
#[derive(Clone)]
pub struct Secrets(Map<String, Value>);

impl Secrets {
    /// Everything that is bound.
    #[must_use]
    pub fn new(bindings: Map<String, Value>) -> Self {
        Self(bindings)
    }

    /// A secret of the deployment.
    #[must_use]
    pub fn of_deployment(&self, name: &str) -> Option<&str> {
        let text = self.0.get(name).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty())
    }

    /// Where the reserved paths are, as it is written.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.of_deployment("PREFIX").unwrap_or("/_session")
    }

    /// A secret of a tenant: `ACME__API_KEY` for `API_KEY` of `acme`. A name with `__`, or with `_`
    /// in front, is nobody's, so that no tenant can name another's.
    #[must_use]
    pub fn of_tenant(&self, tenant: &TenantId, name: &str) -> Option<&str> {
        if name.contains("__") || name.starts_with('_') {
            return None;
        }
        self.of_deployment(&binding(tenant, name))
    }

    /// Whether something is bound under this name.
    #[must_use]
    pub fn has(&self, binding: &str) -> bool {
        self.0.contains_key(binding)
    }
}

/// The name of a tenant's secret among the Worker's.
#[must_use]
pub fn binding(tenant: &TenantId, name: &str) -> String {
    let tenant = tenant.as_str().to_ascii_uppercase().replace('-', "_");
    format!("{tenant}__{name}")
}
