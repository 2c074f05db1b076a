//! Defines the fields recorded for one request in its log line, metrics and trace.
//!
//! The gateway fills them before it forwards a request. The decision carries them as two texts: the metric labels, and
//! the members of the log line. Neither contains anything without a field here.

use core::fmt::Write as _;
use std::rc::Rc;

use crate::effect::Seed;
use crate::policy::LogLevel;
use crate::session::id::Handle;
use crate::shared_text::SharedText;
use crate::span_id::{SpanId, TraceId};
use crate::tenant_id::TenantId;

/// Place where the session was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// No cookie, or no lookup.
    #[default]
    None,
    /// Forged cookie.
    Forged,
    /// Cookie of a key that is not listed here, for which a listed one vouches.
    KeyUnknown,
    /// Guest without a stored record.
    Guest,
    /// Isolate's cache.
    Hit,
    /// Isolate's cache, with a stale copy that is being read again.
    Stale,
    /// KV.
    Miss,
    /// Session's object.
    Object,
    /// The session is over.
    Over,
}

impl Lookup {
    /// Returns the label value.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Forged => "forged",
            Self::KeyUnknown => "key_unknown",
            Self::Guest => "guest",
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Object => "object",
            Self::Over => "over",
        }
    }
}

/// Route of a request: a label with few values, whatever paths clients request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Route {
    /// Refused before the path was known.
    #[default]
    None,
    /// Reserved path.
    Reserved,
    /// Path that matches no pattern of the tenant.
    Other,
    /// Path that matches this pattern of the tenant.
    Pattern(Rc<str>),
}

impl Route {
    /// Returns the label's value.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::None => "_none",
            Self::Reserved => "_session",
            Self::Other => "_other",
            Self::Pattern(pattern) => pattern,
        }
    }
}

/// Methods counted by name (RFC 9110 section 9, RFC 5789); all others share one label.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE",
];

/// Label of all other methods.
const OTHER_METHOD: &str = "_OTHER";

/// Returns the label of a method, by OpenTelemetry's convention.
#[must_use]
pub(crate) fn method_label(method: &str) -> &'static str {
    let known = METHODS.iter().find(|known| **known == method);
    known.copied().unwrap_or(OTHER_METHOD)
}

/// Labels of the request in progress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestLabels {
    /// Tenant.
    pub tenant: Option<TenantId>,
    /// Trace id.
    pub trace_id: TraceId,
    /// Our span id.
    pub span_id: Option<SpanId>,
    /// Client's span id, if it sent one.
    pub parent_id: Option<SpanId>,
    /// Method.
    pub method: &'static str,
    /// Route of its path.
    pub route: Route,
    /// Public handle of the session.
    pub handle: Option<Handle>,
    /// Place where the session was found.
    pub lookup: Lookup,
    /// Value of `X-Session-State`.
    pub state: &'static str,
    /// Origin.
    pub origin: Option<SharedText>,
    /// Release of the origin.
    pub release: Option<SharedText>,
    /// Problem code, if the gateway answered.
    pub reason: &'static str,
    /// Method and result of the sign-in, if the request is one.
    pub sign_in: Option<(String, &'static str)>,
    /// Seed of the span ids, if the trace begins here.
    pub seed: Seed,
    /// Minimum level of log lines.
    pub level: LogLevel,
    /// Whether the spans are exported.
    pub sampled: bool,
    /// Whether the spans are exported if the request fails.
    pub exported: bool,
    /// Whether the client gets `Server-Timing`.
    pub timed: bool,
    /// Whether an operator sent it: counted for no tenant, so that viewing metrics does not change them.
    pub is_operators: bool,
}

impl RequestLabels {
    /// Appends the three lines that a decision carries: flags, metric labels, members of the log line. Nothing is made
    /// up in between, because every request has them.
    pub(crate) fn push_lines(&self, text: &mut String) {
        self.push_flags(text);
        text.push('\n');
        self.push_labels(text);
        text.push('\n');
        self.push_members(text);
        text.push('\n');
    }

    /// Appends the metric labels: tenant, origin, release, lookup, state, reason, route, method.
    pub(crate) fn push_labels(&self, text: &mut String) {
        for label in [
            if self.is_operators { "" } else { self.tenant() },
            self.origin.as_deref().unwrap_or_default(),
            self.release.as_deref().unwrap_or_default(),
            self.lookup.as_str(),
            self.state,
            self.reason,
            self.route.as_str(),
        ] {
            text.push_str(label);
            text.push('\t');
        }
        text.push_str(match self.method {
            // What is no request of HTTP has none.
            "" => OTHER_METHOD,
            method => method,
        });
    }

    /// Appends the reporting flags: `l` logged, `w` logged if it fails, `x` exported, `e` exported if it fails, `m`
    /// with `Server-Timing`. `q` hides operators' requests and liveness checks from the console.
    pub(crate) fn push_flags(&self, text: &mut String) {
        let is_nobodys = self.tenant.is_none() || self.is_operators;
        for (is_set, letter) in [
            (self.level <= LogLevel::Info, "l"),
            (self.level <= LogLevel::Warn, "w"),
            (self.sampled, "x"),
            (self.exported, "e"),
            (self.timed, "m"),
            (is_nobodys && self.reason.is_empty(), "q"),
        ] {
            if is_set {
                text.push_str(letter);
            }
        }
    }

    /// Appends the members of the log line, without the braces.
    fn push_members(&self, text: &mut String) {
        let route = match &self.route {
            // Most requests: the member would only lengthen their lines.
            Route::Other | Route::None => "",
            route => route.as_str(),
        };
        let (sign_in, result) = match &self.sign_in {
            Some((method, result)) => (method.as_str(), *result),
            None => ("", ""),
        };
        let mut digits = [[0; 16]; 2];
        let [span, parent] = &mut digits;
        for (name, value) in [
            ("tenant", self.tenant()),
            ("trace_id", self.trace_id.as_str()),
            ("span_id", SpanId::hex_of(self.span_id, span)),
            ("parent_id", SpanId::hex_of(self.parent_id, parent)),
            ("method", self.method),
            ("route", route),
            ("session", self.lookup.as_str()),
            ("state", self.state),
            ("origin", self.origin.as_deref().unwrap_or_default()),
            ("reason", self.reason),
            ("sign_in", sign_in),
            ("sign_in_result", result),
        ] {
            push_member(text, name, value);
        }
        if let Some(release) = &self.release {
            // Only this can contain characters that JSON escapes.
            let release = serde_json::json!(release.as_str());
            let _ = write!(text, "\"release\":{release},");
        }
        if let Some(handle) = self.handle {
            push_member(text, "handle", &handle.to_text());
        }
        text.pop();
    }

    fn tenant(&self) -> &str {
        self.tenant.as_ref().map_or("", TenantId::as_str)
    }
}

/// Appends a member of a JSON object and a comma; nothing for an empty value.
fn push_member(text: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        for part in ["\"", name, "\":\"", value, "\","] {
            text.push_str(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_form_a_json_object() {
        let labels = RequestLabels {
            tenant: TenantId::parse("acme"),
            trace_id: TraceId::parse("0af7651916cd43dd8448eb211c80319c").unwrap(),
            method: method_label("BREW"),
            lookup: Lookup::Hit,
            release: Some("a\"b".into()),
            route: Route::Pattern("/items/{id}".into()),
            sign_in: Some(("password".to_owned(), "refused")),
            ..RequestLabels::default()
        };
        let mut text = String::new();
        labels.push_lines(&mut text);
        let [flags, metric, members] = text.trim_end().split('\n').collect::<Vec<_>>()[..] else {
            panic!("{text}");
        };
        let line: serde_json::Value = serde_json::from_str(&format!("{{{members}}}")).unwrap();
        assert_eq!(
            line,
            serde_json::json!({
                "tenant": "acme",
                "trace_id": "0af7651916cd43dd8448eb211c80319c",
                "method": "_OTHER",
                "route": "/items/{id}",
                "session": "hit",
                "sign_in": "password",
                "sign_in_result": "refused",
                "release": "a\"b",
            })
        );
        assert_eq!(metric, "acme\t\ta\"b\thit\t\t\t/items/{id}\t_OTHER");
        assert_eq!(flags, "lw");
    }
}
