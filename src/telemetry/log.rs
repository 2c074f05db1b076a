//! Log lines: one JSON object each, made of fields that cannot hold a secret.
//!
//! What may stand in a line is said by types ([`LogValue`]): codes that are in the source, numbers, public
//! handles, tenants, and what is explicitly [`ConfigName`] in the configuration. Cookies, session ids, keys,
//! header values and session data are none of these, and text from outside is not either:
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

/// How urgent an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// For the record.
    #[default]
    Info,
    /// Something did not go as it should; the request was still served.
    Warn,
    /// Somebody must act.
    Error,
}

impl Level {
    /// Returns the level of a name: that of a line, or one that was given in a query.
    #[must_use]
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "info" => Some(Self::Info),
            "warn" => Some(Self::Warn),
            "error" => Some(Self::Error),
            _ => None,
        }
    }

    /// What it is called in a line.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What may stand in a line.
pub(crate) trait LogValue {
    /// As it stands there.
    fn to_json(self) -> Value;
}

/// A name from the configuration or of the standard: an origin's, a provider's, a header's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConfigName<'a>(pub &'a str);

/// What is wrong with settings: sentences of ours, with names from the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults<'a>(pub &'a str);

/// The platform's message about something that failed: it holds a status, never a key or a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detail<'a>(pub &'a str);

macro_rules! tellable {
    ($($type:ty),*) => {$(
        impl LogValue for $type {
            fn to_json(self) -> Value {
                self.into()
            }
        }
    )*};
}
tellable!(&'static str, bool, u16, u32, u64);

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

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    level: Level,
    name: &'static str,
    fields: Map<String, Value>,
}

impl Event {
    /// An event of this name.
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

    /// Adds a code, a number, or a name from the configuration.
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

    /// Adds the trace it belongs to, if it belongs to one.
    #[must_use]
    pub(crate) fn during(mut self, trace_id: &str) -> Self {
        if !trace_id.is_empty() {
            self.fields.insert("trace_id".to_owned(), trace_id.into());
        }
        self
    }

    /// How urgent it is.
    #[must_use]
    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// What happened.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// What a field says, if it is text.
    #[must_use]
    pub(crate) fn text(&self, field: &str) -> &str {
        let value = self.fields.get(field).and_then(Value::as_str);
        value.unwrap_or_default()
    }

    /// The line.
    #[must_use]
    pub(crate) fn to_line(&self) -> String {
        serde_json::to_string(&self.fields).unwrap_or_default()
    }

    /// The line as the object it is.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        Value::Object(self.fields.clone())
    }
}
