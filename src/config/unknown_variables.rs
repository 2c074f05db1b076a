//! Finds variables that are probably misspelt: unknown names that are close to a known one. Other variables may belong to
//! somebody else's code in the same Worker.

use super::parse::nearest;
use super::variables;
use crate::secrets::Secrets;

/// Settings that no document has, and bindings.
const OTHERS: [&str; 25] = [
    "ADMIN_TOKEN",
    "ANALYTICS",
    "ATTEMPT_OBJECTS",
    "CONSOLE_HOST",
    "DECISIONS",
    "DIRECTORY_OBJECTS",
    "METRICS_BUCKETS",
    "NEW_SESSION_LIMITER",
    "ORIGIN_KEY",
    "ORIGIN_SERVICES",
    "OTLP_ENDPOINT",
    "OTLP_HEADERS",
    "POOL_OBJECTS",
    "PREFIX",
    "SERVICE_NAME",
    "SESSIONS",
    "SESSION_KEYS",
    "SESSION_OBJECTS",
    "TELEMETRY_EVERY",
    "TELEMETRY_OBJECTS",
    "TENANTS",
    "TENANTS_DB",
    "TENANTS_TOKEN",
    "TENANTS_URL",
    "TENANT_BY",
];

/// Returns the unknown variables, each with the known name that is probably meant. Secrets of tenants (`<ID>__NAME`) are
/// skipped: their names are free.
#[must_use]
pub(crate) fn find(secrets: &Secrets) -> Vec<(String, &'static str)> {
    let known: Vec<&str> = variables::names().chain(OTHERS).collect();
    let unknown = secrets
        .names()
        .filter(|name| !name.contains("__") && !known.contains(name));
    unknown
        .filter_map(|name| Some((name.to_owned(), nearest(name, &known)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value};

    fn found(names: &[&str]) -> Vec<(String, &'static str)> {
        let bindings = names
            .iter()
            .map(|name| ((*name).to_owned(), Value::from("x")));
        find(&Secrets::new(bindings.collect::<Map<String, Value>>()))
    }

    #[test]
    fn misspelt_variables_are_found_with_the_name_that_is_meant() {
        for (name, meant) in [
            ("SESION_IDLE", "SESSION_IDLE"),
            ("ORIGIN", "ORIGINS"),
            ("session_idle", "SESSION_IDLE"),
            ("ADMIN_TOKENS", "ADMIN_TOKEN"),
            ("CONSISTENCE", "CONSISTENCY"),
        ] {
            assert_eq!(found(&[name]), [(name.to_owned(), meant)]);
        }
    }

    #[test]
    fn known_and_unrelated_variables_are_not_reported() {
        assert_eq!(
            found(&[
                "SESSION_IDLE",
                "SESSION_KEYS",
                "DECISIONS",
                "ACME__ORIGIN_KEI"
            ]),
            []
        );
        assert_eq!(
            found(&["MY_DATABASE", "STRIPE_SECRET", "ENVIRONMENT", "DB"]),
            []
        );
    }
}
