//! Merges defaults, deployment and tenant: the tenant overrides the deployment, which overrides the defaults.

use serde_json::Value;

use super::merge::lay_over;
use super::model::Document;
use super::parse::{Fault, FromDocument as _, Reader};
use super::variables;

/// Layer that a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// No layer sets it: the default applies.
    Default,
    /// The deployment's variables.
    Deployment,
    /// The tenant's document.
    Tenant,
}

/// Layers that describe a tenant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layers {
    /// The deployment's variables, as a document.
    pub deployment: Value,
    /// The tenant's document.
    pub tenant: Value,
}

impl Layers {
    /// Merges the layers and reads the document.
    ///
    /// # Errors
    /// Returns every fault. A fault in a value from the deployment's variables has the variable's name as its path.
    pub(crate) fn read(&self) -> Result<Document, Vec<Fault>> {
        Reader::read(&self.merged()).map_err(|faults| self.name_variables(faults))
    }

    /// Replaces the paths of faults by the variable's name where a variable sets the value.
    #[must_use]
    pub(crate) fn name_variables(&self, faults: Vec<Fault>) -> Vec<Fault> {
        let by_variable = |fault: Fault| match self.source(&fault.path) {
            Source::Deployment => variables::named_by_variable(fault),
            Source::Default | Source::Tenant => fault,
        };
        faults.into_iter().map(by_variable).collect()
    }

    fn merged(&self) -> Value {
        let mut merged = self.deployment.clone();
        lay_over(&mut merged, &self.tenant);
        merged
    }

    /// Returns the layer that sets the value at `path`.
    #[must_use]
    pub(crate) fn source(&self, path: &str) -> Source {
        if value_at(&self.tenant, path).is_some() {
            Source::Tenant
        } else if value_at(&self.deployment, path).is_some() {
            Source::Deployment
        } else {
            Source::Default
        }
    }

    /// Returns every value with its path and its layer.
    #[must_use]
    #[cfg_attr(
        not(feature = "internals"),
        allow(dead_code, reason = "for tools that read documents")
    )]
    pub(crate) fn explain(&self) -> Vec<(String, Value, Source)> {
        let mut all = Document::default_value().unwrap_or_default();
        lay_over(&mut all, &self.merged());
        let mut explained = Vec::new();
        leaves(&all, String::new(), &mut |path, value| {
            let source = self.source(&path);
            explained.push((path, value.clone(), source));
        });
        explained
    }
}

/// Returns a layer's value at a path, or the list that the path leads into.
fn value_at<'v>(layer: &'v Value, path: &str) -> Option<&'v Value> {
    let mut rest = path.split('[').next().unwrap_or_default();
    let mut value = layer;
    while !rest.is_empty() {
        // A member's name may contain dots, for example a file's.
        let (name, inside) = match value.get(rest) {
            Some(_) => (rest, ""),
            None => rest.split_once('.').unwrap_or((rest, "")),
        };
        value = value.get(name)?;
        rest = inside;
    }
    (!value.is_null()).then_some(value)
}

#[cfg_attr(
    not(feature = "internals"),
    allow(dead_code, reason = "for tools that read documents")
)]
fn leaves(value: &Value, path: String, visit: &mut impl FnMut(String, &Value)) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(member, format!("{path}{dot}{name}"), visit);
            }
        }
        Value::Null => {}
        _ => visit(path, value),
    }
}
