//! Log lines: one JSON object each, made of fields that cannot hold a secret.
//!
//! An event carries reason codes, names from the configuration and public handles. Cookies,
//! session ids, keys, header values and session data have no way in.

use serde_json::{Map, Value};

use crate::session::id::Handle;
use crate::tenant_id::TenantId;

/// How urgent an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the record.
    Info,
    /// Something did not go as it should; the request was still served.
    Warn,
    /// Somebody must act.
    Error,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    level: Level,
    fields: Map<String, Value>,
}

impl Event {
    /// An event of this name.
    #[must_use]
    pub fn new(level: Level, name: &'static str) -> Self {
        let mut fields = Map::new();
        let level_name = match level {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        fields.insert("level".to_owned(), level_name.into());
        fields.insert("event".to_owned(), name.into());
        Self { level, fields }
    }

    /// Adds a code or a name from the configuration.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.to_owned(), value.into());
        self
    }

    /// Adds the tenant.
    #[must_use]
    pub fn of(self, tenant: &TenantId) -> Self {
        self.with("tenant", tenant.as_str())
    }

    /// Adds the session's public handle.
    #[must_use]
    pub fn about(self, handle: Handle) -> Self {
        self.with("handle", handle.to_text())
    }

    /// How urgent it is.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The line.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(&self.fields).unwrap_or_default()
    }
}
