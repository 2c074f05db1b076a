//! Decides which service bindings the origins of a tenant may use.
//!
//! Whoever edits a tenant's document chooses its origins, but not what the Worker is bound to. A document reaches
//! only bindings that the operator named for this: in `ORIGIN_SERVICES`, in `ORIGINS`, or with the tenant's own prefix
//! (`ACME__CHAT`). A binding must also be able to send requests, so namespaces and Durable Objects are never reached.

use super::faults::Faults;
use crate::balancer::pool::Origin;
use crate::balancer::service;
use crate::secrets::{Secrets, binding};
use crate::tenant_id::TenantId;

/// Variables whose names of bindings any tenant may use.
const ALLOWED_IN: [&str; 2] = ["ORIGIN_SERVICES", "ORIGINS"];

/// Replaces the name in an origin's base by that of the binding: the tenant's own if there is one.
pub(super) fn resolve(
    origin: &mut Origin,
    place: &str,
    (id, secrets): (&TenantId, &Secrets),
    faults: &mut Faults,
) {
    let Some(name) = service::named(&origin.base) else {
        return;
    };
    let own = binding(id, name);
    // No tenant can name another's binding.
    let is_others = name.contains("__") || name.starts_with('_');
    if !is_others && secrets.is_fetcher(&own) {
        origin.base = service::base(&own).into();
        return;
    }
    let problem = if is_others || !is_allowed(name, secrets) {
        format!(
            "the operator has not named {name} for origins; add it to the variable ORIGIN_SERVICES, or bind the other Worker as {own} for this tenant alone"
        )
    } else if !secrets.has(name) {
        format!(
            "no service binding {name}; add to wrangler.toml: [[services]] with binding = \"{name}\" and service = the name of the other Worker"
        )
    } else if !secrets.is_fetcher(name) {
        format!(
            "the binding {name} is not a service; bind the other Worker in wrangler.toml under [[services]], with a name of its own"
        )
    } else {
        return;
    };
    faults.add(&format!("{place}.url"), problem);
}

fn is_allowed(name: &str, secrets: &Secrets) -> bool {
    let listed = ALLOWED_IN.into_iter().filter_map(|list| {
        let text = secrets.of_deployment(list)?;
        Some(text.split(',').any(|entry| is_of(entry, name)))
    });
    listed.into_iter().any(|is_listed| is_listed)
}

/// Returns whether an entry of a list is this binding, or an origin there: `[name=]service:NAME[;parameters]`.
fn is_of(entry: &str, name: &str) -> bool {
    let (origin, _) = entry.split_once(';').unwrap_or((entry, ""));
    let base = origin
        .split_once('=')
        .map_or(origin, |(_, base)| base)
        .trim();
    base == name || service::named(base) == Some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::balancer::pool::Base;

    /// Returns the base of an origin for `acme`, or the fault.
    fn resolved(name: &str, bindings: &Value) -> Result<String, String> {
        let base = Base::parse(&format!("service:{name}")).unwrap();
        let mut origin = Origin::new(base.to_name(), base);
        let secrets = Secrets::new(bindings.as_object().cloned().unwrap());
        let id = TenantId::parse("acme").unwrap();
        let mut faults = Faults(Vec::new());
        resolve(&mut origin, "origins[0]", (&id, &secrets), &mut faults);
        match faults.0.pop() {
            None => Ok(origin.base.to_string()),
            Some(fault) => Err(fault.to_string()),
        }
    }

    #[test]
    fn operator_names_the_bindings_that_documents_may_use() {
        let bindings = json!({
            "CHAT": {}, "AGENT": {}, "INTERNAL": {}, "ACME__BOT": {}, "BETA__BOT": {},
            "ORIGIN_SERVICES": "CHAT, GONE,SESSIONS",
            "ORIGINS": "a=https://a.example,b=service:AGENT;weight=2",
            "SESSIONS": true, "POOL_OBJECTS": true,
        });
        assert_eq!(resolved("CHAT", &bindings).as_deref(), Ok("service:CHAT"));
        assert_eq!(resolved("AGENT", &bindings).as_deref(), Ok("service:AGENT"));
        assert_eq!(
            resolved("BOT", &bindings).as_deref(),
            Ok("service:ACME__BOT")
        );
        for (name, expected) in [
            ("INTERNAL", "has not named INTERNAL"),
            ("POOL_OBJECTS", "has not named POOL_OBJECTS"),
            ("BETA__BOT", "has not named BETA__BOT"),
            ("ACME__BOT", "has not named ACME__BOT"),
            ("weight", "has not named weight"),
            (
                "GONE",
                "add to wrangler.toml: [[services]] with binding = \"GONE\"",
            ),
            ("SESSIONS", "SESSIONS is not a service"),
        ] {
            let fault = resolved(name, &bindings).unwrap_err();
            assert!(fault.contains(expected), "{name}: {fault}");
        }
    }

    #[test]
    fn text_is_no_binding() {
        let fault = resolved("CHAT", &json!({ "ORIGIN_SERVICES": "CHAT", "CHAT": "x" }));
        assert!(fault.unwrap_err().contains("not a service"));
    }
}
