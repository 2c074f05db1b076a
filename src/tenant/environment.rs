//! Builds the values that a tenant's origins receive as `X-Session-Env`: the same for all visitors, or with rules by
//! group. A claim of the identity provider selects values through the groups that it holds.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::faults::{Faults, OWN_SECRETS};
use crate::config::model::Document;
use crate::encoding::ascii_json;
use crate::flat_map::FlatMap;
use crate::secrets::{Secrets, binding};
use crate::session::identity::Identity;
use crate::tenant_id::TenantId;

/// Environment of a tenant's origins.
#[derive(Default)]
pub(crate) struct Environment {
    /// Value of the header without any rule.
    common: Option<String>,
    /// Values without any rule.
    values: Map<String, Value>,
    rules: Vec<Rule>,
}

/// Values for users of some groups.
struct Rule {
    groups: Vec<String>,
    values: Map<String, Value>,
}

impl Environment {
    pub(super) fn new(document: &Document, secrets: &Secrets, faults: &mut Faults) -> Self {
        let mut read = |path: &str, env| values(&document.id, path, env, secrets, faults);
        let values = read("env", &document.env);
        let rules = document
            .env_rules
            .iter()
            .enumerate()
            .map(|(at, rule)| Rule {
                groups: rule.groups.clone(),
                values: read(&format!("env_rules[{at}].env"), &rule.env),
            });
        let rules = rules.collect();
        let common = (!values.is_empty()).then(|| line(values.clone()));
        Self {
            common,
            values,
            rules,
        }
    }

    /// Returns the header's value for a visitor. Of several rules that apply, the last one decides about a name.
    #[must_use]
    pub(crate) fn of(&self, identity: Option<&Identity>) -> Option<Cow<'_, str>> {
        let groups = identity.map_or(&[][..], |identity| &identity.groups);
        let applies = |rule: &&Rule| rule.groups.iter().any(|group| groups.contains(group));
        let mut rules = self.rules.iter().filter(applies).peekable();
        if rules.peek().is_none() {
            return self.common.as_deref().map(Cow::Borrowed);
        }
        let mut values = self.values.clone();
        for rule in rules {
            values.extend(rule.values.clone());
        }
        Some(line(values).into())
    }
}

/// Reads the values, and those of secrets.
#[inline(never)]
fn values(
    id: &TenantId,
    path: &str,
    env: &FlatMap<String, String>,
    secrets: &Secrets,
    faults: &mut Faults,
) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, value) in env.iter() {
        let value = match value.strip_prefix("secret:") {
            None => Some(value.as_str()),
            Some(secret) if OWN_SECRETS.contains(&secret) => None,
            Some(secret) => secrets.of_tenant(id, secret),
        };
        match value {
            Some(value) => drop(values.insert(name.clone(), Value::from(value))),
            None => faults.add(
                &format!("{path}.{name}"),
                format!(
                    "there is no such secret; set it with: npx wrangler secret put {}, or for npm start in .dev.vars",
                    binding(id, "<NAME>")
                ),
            ),
        }
    }
    values
}

/// Returns the values as JSON in ASCII without control characters: JSON escapes them, and everything else that is not
/// ASCII is escaped here.
fn line(values: Map<String, Value>) -> String {
    ascii_json(&Value::Object(values).to_string())
}
