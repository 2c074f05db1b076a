//! Defines log lines: one JSON object each, with fields that cannot contain a secret.
//!
//! [`LogValue`] restricts the values: codes from the source, numbers, public handles, tenants, and names marked
//! [`ConfigName`]. Cookies, session ids, keys, header values, session data and other external text are not among them:
//!
//! ```compile_fail
//! use vestibule::telemetry::log::{Event, Level};
//! let cookie = String::from("opaque");
//! Event::new(Level::Info, "request").with("cookie", cookie.as_str());
//! ```

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::session::id::Handle;
use crate::tenant_id::TenantId;

/// Severity of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Normal event.
    #[default]
    Info,
    /// Problem; the request was still served.
    Warn,
    /// Problem that an operator must solve.
    Error,
}

impl Level {
    /// Parses a level in a line or query.
    #[must_use]
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "info" => Some(Self::Info),
            "warn" => Some(Self::Warn),
            "error" => Some(Self::Error),
            _ => None,
        }
    }

    /// Returns the name of the level in a line.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Value allowed in a line.
pub(crate) trait LogValue {
    /// Converts the value to JSON.
    fn to_json(self) -> Value;
}

/// Name from the configuration or a standard: an origin's, a provider's, a header's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConfigName<'a>(pub &'a str);

/// Faults of settings: our own sentences, with names from the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults<'a>(pub &'a str);

/// Platform's message about a failure: it contains a status, never a key or value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detail<'a>(pub &'a str);

macro_rules! log_value {
    ($($type:ty),*) => {$(
        impl LogValue for $type {
            fn to_json(self) -> Value {
                self.into()
            }
        }
    )*};
}
log_value!(&'static str, bool, u16, u32, u64);

impl LogValue for ConfigName<'_> {
    fn to_json(self) -> Value {
        self.0.into()
    }
}

impl LogValue for Faults<'_> {
    fn to_json(self) -> Value {
        self.0.into()
    }
}

impl LogValue for Detail<'_> {
    fn to_json(self) -> Value {
        self.0.into()
    }
}

impl LogValue for &TenantId {
    fn to_json(self) -> Value {
        self.as_str().into()
    }
}

impl LogValue for Handle {
    fn to_json(self) -> Value {
        self.to_text().into()
    }
}

/// Log event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    level: Level,
    name: &'static str,
    fields: Map<String, Value>,
}

impl Event {
    /// Creates an event.
    #[must_use]
    pub(crate) fn new(level: Level, name: &'static str) -> Self {
        let mut fields = Map::new();
        fields.insert("level".to_owned(), level.as_str().into());
        fields.insert("event".to_owned(), name.into());
        Self {
            level,
            name,
            fields,
        }
    }

    /// Adds a code, number, or configured name.
    #[must_use]
    pub(crate) fn with(mut self, key: &'static str, value: impl LogValue) -> Self {
        self.fields.insert(key.to_owned(), value.to_json());
        self
    }

    /// Adds the tenant.
    #[must_use]
    pub(crate) fn of(self, tenant: &TenantId) -> Self {
        self.with("tenant", tenant)
    }

    /// Adds the session's public handle.
    #[must_use]
    pub(crate) fn about(self, handle: Handle) -> Self {
        self.with("handle", handle)
    }

    /// Adds the trace id unless it is empty.
    #[must_use]
    pub(crate) fn during(mut self, trace_id: &str) -> Self {
        if !trace_id.is_empty() {
            self.fields.insert("trace_id".to_owned(), trace_id.into());
        }
        self
    }

    /// Returns the level.
    #[must_use]
    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// Returns the event's name.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the text of a field, or an empty text.
    #[must_use]
    pub(crate) fn text(&self, field: &str) -> &str {
        let value = self.fields.get(field).and_then(Value::as_str);
        value.unwrap_or_default()
    }

    /// Formats the line, with the member names that log programs look for.
    #[must_use]
    pub(crate) fn to_line(&self, timestamp: &str, service: &str) -> String {
        let message = self.name.replace('_', " ");
        let common = [
            ("timestamp", timestamp),
            ("service", service),
            ("message", &message),
        ];
        let mut line = self.fields.clone();
        for (name, value) in common {
            line.insert(name.to_owned(), value.into());
        }
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Returns the line as a JSON object.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        Value::Object(self.fields.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn line_has_the_members_that_log_programs_look_for() {
        let event = Event::new(Level::Warn, "kv_write_failed")
            .with("at", 1_795_960_828_123_u64)
            .during("0af7651916cd43dd8448eb211c80319c");
        let line: Value =
            serde_json::from_str(&event.to_line("2026-11-29T14:00:28.123Z", "chat")).unwrap();
        assert_eq!(
            line,
            json!({
                "timestamp": "2026-11-29T14:00:28.123Z",
                "service": "chat",
                "level": "warn",
                "message": "kv write failed",
                "event": "kv_write_failed",
                "at": 1_795_960_828_123_u64,
                "trace_id": "0af7651916cd43dd8448eb211c80319c",
            })
        );
        // The console has them anyway.
        assert_eq!(event.to_json().get("service"), None);
    }
}
