//! Converts the deployment's variables into a document: the defaults of every tenant.

use serde_json::{Map, Value};

use super::merge::{at, lay_over};
use super::parse::Fault;
use super::release_line;
use crate::encoding::json;
use crate::secrets::Secrets;

/// Format of a variable's text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    List,
    Origins,
    Canary,
    Releases,
    Header,
    Json,
}

/// Variables, each with its format and its path in a document.
const VARIABLES: [(&str, Kind, &str); 56] = [
    ("TENANT", Kind::Text, "id"),
    ("LOGIN_MODE", Kind::Text, "login.mode"),
    ("LOGIN_METHODS", Kind::Json, "login.methods"),
    ("LOGIN_EXCEPTIONS", Kind::Json, "login.exceptions"),
    ("HEADERS", Kind::Json, "headers"),
    ("ENV", Kind::Json, "env"),
    ("ENV_RULES", Kind::Json, "env_rules"),
    ("ASSETS", Kind::Json, "assets"),
    ("RESPONSES", Kind::Json, "responses"),
    ("BRANDING", Kind::Json, "branding"),
    ("VAULT", Kind::List, "vault"),
    ("CACHE", Kind::List, "cache"),
    ("CORS_ORIGINS", Kind::List, "cors.origins"),
    ("EMBED_SITES", Kind::List, "embed"),
    ("SESSION_IDLE", Kind::Text, "session.idle"),
    ("SESSION_ABSOLUTE", Kind::Text, "session.absolute"),
    ("SESSION_REMEMBER", Kind::Text, "session.remember"),
    ("CONSISTENCY", Kind::Text, "session.consistency"),
    ("SESSION_CACHE", Kind::Text, "session.cache"),
    ("MAX_PER_USER", Kind::Number, "session.max_per_user"),
    ("MAX_SESSIONS", Kind::Number, "session.max_sessions"),
    ("MAX_DATA", Kind::Number, "session.max_data"),
    ("FAIL", Kind::Text, "session.fail"),
    ("FAIL_GRACE", Kind::Text, "session.fail_grace"),
    ("STREAMS", Kind::Text, "session.streams"),
    ("PROOF", Kind::Flag, "session.proof"),
    ("ASSERTION", Kind::Flag, "session.assertion"),
    ("ORIGINS", Kind::Origins, "origins"),
    ("ORIGIN_LIST_REFRESH", Kind::Text, "routing.list_refresh"),
    ("ORIGIN_LIST_DRAIN", Kind::Text, "routing.list_drain"),
    ("DNS_RESOLVER", Kind::Text, "routing.dns_resolver"),
    ("OVERLOAD_LOAD", Kind::Number, "routing.overload.load"),
    (
        "OVERLOAD_IN_FLIGHT",
        Kind::Number,
        "routing.overload.in_flight",
    ),
    (
        "OVERLOAD_FIRST_BYTE",
        Kind::Text,
        "routing.overload.first_byte",
    ),
    ("OVERLOAD_QUEUE", Kind::Number, "routing.overload.queue"),
    (
        "OVERLOAD_QUEUE_TIMEOUT",
        Kind::Text,
        "routing.overload.queue_timeout",
    ),
    ("RELEASES", Kind::Releases, "routing.releases"),
    ("CANARY", Kind::Canary, "routing.canary"),
    ("CANARY_HEADER", Kind::Header, "routing.canary.header"),
    (
        "FIRST_BYTE_TIMEOUT",
        Kind::Text,
        "routing.timeouts.first_byte",
    ),
    (
        "HANDSHAKE_TIMEOUT",
        Kind::Text,
        "routing.timeouts.handshake",
    ),
    (
        "IDLE_TIMEOUT_ANSWER",
        Kind::Text,
        "routing.timeouts.idle_answer",
    ),
    (
        "IDLE_TIMEOUT_STREAM",
        Kind::Text,
        "routing.timeouts.idle_stream",
    ),
    (
        "IDLE_TIMEOUT_SOCKET",
        Kind::Text,
        "routing.timeouts.idle_socket",
    ),
    (
        "STREAM_KEEP_ALIVE",
        Kind::Text,
        "routing.timeouts.keep_alive",
    ),
    ("STRICT_PINS", Kind::Flag, "routing.strict_pins"),
    ("PIN_IDLE", Kind::Text, "routing.pin_idle"),
    (
        "NEW_SESSIONS_PER_MINUTE",
        Kind::Number,
        "routing.new_sessions_per_minute",
    ),
    (
        "REQUESTS_PER_SECOND",
        Kind::Number,
        "routing.requests_per_second",
    ),
    ("MAX_IN_FLIGHT", Kind::Number, "routing.max_in_flight"),
    ("ALLOWED_ORIGINS", Kind::List, "routing.allowed_origins"),
    ("LOG_LEVEL", Kind::Text, "telemetry.log"),
    ("TRACE_ONE_IN", Kind::Number, "telemetry.trace_one_in"),
    ("TRACE_CALLERS", Kind::Flag, "telemetry.trace_callers"),
    ("SERVER_TIMING", Kind::Flag, "telemetry.server_timing"),
    ("ROUTES", Kind::List, "telemetry.routes"),
];

/// Iterates over the names of the variables.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().map(|(name, ..)| *name)
}

/// Converts all set variables into a document. A malformed text stays as it is, so that reading the document reports
/// it.
#[must_use]
pub(crate) fn to_document(secrets: &Secrets) -> Value {
    let mut document = json!({});
    for (name, kind, path) in VARIABLES {
        if let Some(text) = secrets.of_deployment(name) {
            lay_over(&mut document, &at(path, parsed(text, kind)));
        }
    }
    document
}

/// Replaces a fault's path by the name of the variable that sets the value.
pub(super) fn named_by_variable(fault: Fault) -> Fault {
    let within = |path: &str| {
        fault.path == path
            || fault
                .path
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    // The longest path names the most specific variable.
    let variable = VARIABLES
        .iter()
        .filter(|(_, _, path)| within(path))
        .max_by_key(|(_, _, path)| path.len());
    match variable {
        Some((name, _, path)) => {
            let rest = fault.path.get(path.len()..).unwrap_or_default();
            Fault {
                path: format!("{name}{rest}"),
                problem: fault.problem,
            }
        }
        None => fault,
    }
}

fn parsed(text: &str, kind: Kind) -> Value {
    let number = |text: &str| {
        text.parse::<u64>()
            .map_or_else(|_| json!(text), |n| json!(n))
    };
    let listed = || {
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
    };
    match kind {
        Kind::Text => json!(text),
        Kind::Json => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Kind::Number => number(text),
        Kind::Flag => text
            .parse::<bool>()
            .map_or_else(|_| json!(text), |is| json!(is)),
        Kind::List => listed().collect(),
        Kind::Origins => listed().map(origin).collect(),
        Kind::Canary => match text.split_once(':') {
            Some((release, "off")) => json!({ "release": release, "off": true }),
            Some((release, share)) => json!({ "release": release, "percent": number(share) }),
            None => json!(text),
        },
        Kind::Releases => release_line::parse(text).unwrap_or_else(|_| json!(text)),
        Kind::Header => match text.split_once(':') {
            Some((name, value)) => json!({ "name": name.trim(), "value": value.trim() }),
            None => json!(text),
        },
    }
}

/// Parses `[name=]http(s)://host[:port][;attribute=value]…`. The URL of a list may contain `=`.
pub(super) fn origin(entry: &str) -> Value {
    let mut parts = entry.split(';').map(str::trim);
    let base = parts.next().unwrap_or_default();
    let mut members = Map::new();
    let url = match base.split_once('=') {
        Some((name, url)) if !name.contains("://") => {
            members.insert("name".to_owned(), json!(name.trim()));
            url.trim()
        }
        _ => base,
    };
    members.insert("url".to_owned(), json!(url));
    for attribute in parts.filter(|part| !part.is_empty()) {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = match name {
            "weight" | "capacity" => parsed(value, Kind::Number),
            "paths" => value
                .split('+')
                .map(str::trim)
                .filter(|path| !path.is_empty())
                .collect(),
            _ => json!(value),
        };
        let name = if name == "health" {
            "health_path"
        } else {
            name
        };
        members.insert(name.to_owned(), value);
    }
    Value::Object(members)
}
