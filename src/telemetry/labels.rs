//! Defines the fields recorded for one request in its log line, metrics and trace.
//!
//! Gathered on the way in, and handed along with the decision as two texts: the labels it is counted
//! under, and the members of its log line. Neither can hold more than what has a field here.

use core::fmt::Write as _;

use crate::effect::Seed;
use crate::policy::LogLevel;
use crate::session::id::Handle;

/// Where the session was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// There was no cookie, or it was not asked for.
    #[default]
    None,
    /// The cookie was forged.
    Forged,
    /// In the cookie: nothing is stored.
    Guest,
    /// In this isolate.
    Hit,
    /// In this isolate, older than it should be, while it is read again.
    Stale,
    /// In KV.
    Miss,
    /// In the session's object.
    Object,
    /// It is over.
    Over,
}

impl Lookup {
    /// The label's value.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Forged => "forged",
            Self::Guest => "guest",
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Object => "object",
            Self::Over => "over",
        }
    }
}

/// The methods that are counted by their names (RFC 9110 section 9, RFC 5789); whatever a client makes up
/// is one more.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE",
];

/// A method as a label, by OpenTelemetry's convention.
#[must_use]
pub(crate) fn method_label(method: &str) -> &'static str {
    let known = METHODS.iter().find(|known| **known == method);
    known.copied().unwrap_or("_OTHER")
}

/// What is known of the request under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestLabels {
    /// Whose visitor.
    pub tenant: String,
    /// Its trace, as hex.
    pub trace_id: String,
    /// Our span of it, as hex.
    pub span_id: String,
    /// The client's span, if it said so.
    pub parent_id: String,
    /// What it wants done.
    pub method: &'static str,
    /// The session's public handle.
    pub handle: Option<Handle>,
    /// Where the session was found.
    pub lookup: Lookup,
    /// How the origin is to take the session: as of the header `X-Session-State`.
    pub state: &'static str,
    /// The origin.
    pub origin: String,
    /// Its release.
    pub release: String,
    /// Why it was answered here: a problem's code.
    pub reason: &'static str,
    /// What its ids were made of, if its trace begins here.
    pub seed: Seed,
    /// From which level on the log has lines.
    pub level: LogLevel,
    /// Its spans are exported.
    pub sampled: bool,
    /// They are if it fails.
    pub exported: bool,
    /// The client gets `Server-Timing`.
    pub timed: bool,
    /// An operator's: counted for nobody, so that looking at figures does not change them.
    pub is_operators: bool,
}

impl RequestLabels {
    /// The labels it is counted under: tenant, origin, release, lookup, state, reason, method.
    #[must_use]
    pub(crate) fn labels(&self) -> String {
        [
            if self.is_operators { "" } else { &self.tenant },
            &self.origin,
            &self.release,
            self.lookup.as_str(),
            self.state,
            self.reason,
            self.method,
        ]
        .join("\t")
    }

    /// What is to be done with it: `l` logged, `w` logged if it fails, `x` exported, `e` exported if it fails,
    /// `m` the client is told what took how long, `q` quiet: an operator who looks, or somebody who asks whether we
    /// live, is no news to who looks at the console.
    #[must_use]
    pub(crate) fn flags(&self) -> String {
        let is_nobodys = self.tenant.is_empty() || self.is_operators;
        let letters = [
            (self.level <= LogLevel::Info, 'l'),
            (self.level <= LogLevel::Warn, 'w'),
            (self.sampled, 'x'),
            (self.exported, 'e'),
            (self.timed, 'm'),
            (is_nobodys && self.reason.is_empty(), 'q'),
        ];
        letters
            .into_iter()
            .filter_map(|(is_set, letter)| is_set.then_some(letter))
            .collect()
    }

    /// The members of its log line, without the braces.
    #[must_use]
    pub(crate) fn members(&self) -> String {
        let mut text = String::with_capacity(256);
        // None of these can hold what JSON escapes, but a release can.
        for (name, value) in [
            ("tenant", self.tenant.as_str()),
            ("trace_id", &self.trace_id),
            ("span_id", &self.span_id),
            ("parent_id", &self.parent_id),
            ("method", self.method),
            ("session", self.lookup.as_str()),
            ("state", self.state),
            ("origin", &self.origin),
            ("reason", self.reason),
        ] {
            if !value.is_empty() {
                for part in ["\"", name, "\":\"", value, "\","] {
                    text.push_str(part);
                }
            }
        }
        if !self.release.is_empty() {
            let release = serde_json::json!(self.release);
            let _ = write!(text, "\"release\":{release},");
        }
        if let Some(handle) = self.handle {
            let _ = write!(text, "\"handle\":\"{}\",", handle.to_text());
        }
        text.pop();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_form_a_json_object() {
        let labels = RequestLabels {
            tenant: "acme".to_owned(),
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            method: method_label("BREW"),
            lookup: Lookup::Hit,
            release: "a\"b".to_owned(),
            ..RequestLabels::default()
        };
        let line: serde_json::Value =
            serde_json::from_str(&format!("{{{}}}", labels.members())).unwrap();
        assert_eq!(
            line,
            serde_json::json!({
                "tenant": "acme",
                "trace_id": "0af7651916cd43dd8448eb211c80319c",
                "method": "_OTHER",
                "session": "hit",
                "release": "a\"b",
            })
        );
        assert_eq!(labels.labels(), "acme\t\ta\"b\thit\t\t\t_OTHER");
        assert_eq!(labels.flags(), "lw");
    }
}
