//! Checks the settings of an embedded Vestibule.

use core::fmt;

use serde_json::{Map, Value};

use crate::deployment::{Deployment, Misconfigured};

/// URL of the origin that represents the handler. Nothing is ever sent there (RFC 6761 section 6.4).
pub const HANDLER_URL: &str = "http://handler.invalid";

/// Checked settings: those of the Worker (`docs/reference/settings.md`), without `ORIGINS`.
///
/// ```
/// use serde_json::json;
/// use vestibule::Config;
///
/// let bindings = json!({
///     "SESSIONS": true,
///     "SESSION_KEYS": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
///     "SESSION_IDLE": "30m",
/// });
/// let config = Config::from_bindings(bindings.as_object().cloned().unwrap_or_default())?;
/// assert_eq!(config.prefix(), "/_session");
///
/// let Err(misconfigured) = Config::from_bindings(Default::default()) else { panic!() };
/// assert!(misconfigured.to_string().contains("SESSION_KEYS"));
/// # Ok::<(), vestibule::Misconfigured>(())
/// ```
pub struct Config(Deployment);

impl Config {
    /// Checks bindings: variables and secrets as text, and any value for every other binding (a namespace, a class of
    /// Durable Objects).
    ///
    /// `CONSISTENCY` defaults to `strong` with `SESSION_OBJECTS` bound, else to `eventual`.
    ///
    /// # Errors
    /// Returns every fault, each with its fix.
    pub fn from_bindings(mut bindings: Map<String, Value>) -> Result<Self, Misconfigured> {
        let mut faults = Vec::new();
        let own = bindings.insert(
            "ORIGINS".to_owned(),
            format!("handler={HANDLER_URL}").into(),
        );
        if own.is_some() {
            let fault = "ORIGINS: an embedded Vestibule sends requests nowhere; remove it. The handler can.";
            faults.push(fault.to_owned());
        }
        if requests_revocable_streams(&bindings) {
            let fault = "STREAMS: an embedded Vestibule follows no open stream or socket, so revocable is not offered; remove it, or deploy Vestibule as a Worker of its own.";
            faults.push(fault.to_owned());
        }
        if !bindings.contains_key("CONSISTENCY") && !bindings.contains_key("SESSION_OBJECTS") {
            bindings.insert("CONSISTENCY".to_owned(), "eventual".into());
        }
        match Deployment::from_bindings(&Value::Object(bindings).to_string()) {
            Ok(deployment) if faults.is_empty() => Ok(Self(Deployment {
                follows_streams: false,
                ..deployment
            })),
            Ok(_) => Err(Misconfigured(faults)),
            Err(Misconfigured(others)) => {
                faults.extend(others);
                Err(Misconfigured(faults))
            }
        }
    }

    /// Returns the prefix of the paths that Vestibule serves itself.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// Returns the deployment.
    pub(crate) fn into_deployment(self) -> Deployment {
        self.0
    }
}

/// Returns whether the settings request that open streams and sockets end with their session.
fn requests_revocable_streams(bindings: &Map<String, Value>) -> bool {
    let streams = bindings.get("STREAMS").and_then(Value::as_str);
    streams.is_some_and(|streams| streams.trim() == "revocable")
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Consistency, Streams};

    fn consistency(bound: &[&str]) -> Result<Consistency, Misconfigured> {
        let key = crate::encoding::base64url(&[7; 32]);
        let mut bindings = Map::from_iter([("SESSION_KEYS".to_owned(), Value::from(key))]);
        bindings.extend(
            bound
                .iter()
                .map(|name| ((*name).to_owned(), Value::from(true))),
        );
        let deployment = Config::from_bindings(bindings)?.into_deployment();
        Ok(deployment.tenant.unwrap().consistency)
    }

    #[test]
    fn consistency_follows_from_the_bindings() {
        let objects = [
            "SESSIONS",
            "SESSION_OBJECTS",
            "DIRECTORY_OBJECTS",
            "POOL_OBJECTS",
        ];
        assert_eq!(consistency(&["SESSIONS"]), Ok(Consistency::Eventual));
        assert_eq!(consistency(&objects), Ok(Consistency::Strong));
    }

    #[test]
    fn revocable_streams_are_refused_with_all_other_faults() {
        let bindings = Map::from_iter([("STREAMS".to_owned(), Value::from(" revocable"))]);
        let faults = Config::from_bindings(bindings).unwrap_err().to_string();
        for name in ["STREAMS: ", "SESSION_KEYS", "SESSIONS"] {
            assert!(faults.contains(name), "{faults}");
        }
    }

    /// Other Workers that read the same documents may follow streams.
    #[test]
    fn revocable_streams_of_a_document_are_passed_through() {
        let key = crate::encoding::base64url(&[7; 32]);
        let mut bindings = Map::from_iter([("SESSION_KEYS".to_owned(), Value::from(key))]);
        for name in ["SESSIONS", "TENANTS"] {
            bindings.insert(name.to_owned(), Value::from(true));
        }
        let deployment = Config::from_bindings(bindings).unwrap().into_deployment();
        let document = serde_json::json!({
            "id": "acme",
            "hosts": ["acme.example"],
            "session": { "streams": "revocable" },
        });
        let tenant = deployment.tenant_of(&document).unwrap();
        assert_eq!(tenant.streams, Streams::PassThrough);
    }

    #[test]
    fn origins_setting_is_rejected() {
        let faults = consistency(&["SESSIONS", "ORIGINS"]).unwrap_err();
        assert!(faults.to_string().starts_with("ORIGINS"), "{faults}");
    }
}
