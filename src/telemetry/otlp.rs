//! Exports traces in the OpenTelemetry protocol: OTLP/HTTP with JSON
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).
//!
//! A Worker's clock stops while it computes. So steps that only compute (cookie check, cache lookup, choice of an
//! origin, serialisation) have spans without duration, with the result as an attribute. Steps that wait have their true
//! duration.

use serde_json::Value;

use crate::encoding;
use crate::encoding::json;
use crate::span_id::SpanId;

/// Parents of stages.
pub(crate) const LOOKUP: &str = "session lookup";
pub(crate) const SIGN_IN: &str = "sign in";

/// Stage in which a session is serialised; its result is the number of bytes.
pub(crate) const SERIALISED: &str = "serialise";

/// Stage after the origin's response.
const WRITE_BACK: &str = "write-back";

/// `SPAN_KIND_…`
const INTERNAL: u32 = 1;
const SERVER: u32 = 2;
const CLIENT: u32 = 3;

/// `STATUS_CODE_ERROR`
const ERROR: u32 = 2;

/// Export with the number of its spans.
pub(crate) struct Export {
    /// Body of the request.
    pub body: String,
    /// Number of spans in it.
    pub spans: u64,
}

/// Answered request. Times are in milliseconds since 1970.
#[derive(Debug)]
pub(crate) struct Request {
    /// Status of the response.
    pub status: u16,
    /// Time of arrival.
    pub begun: u64,
    /// Time of the response.
    pub ended: u64,
    /// Wait for an origin, if the request was forwarded.
    pub origin: Option<Wait>,
    /// `http` or `https`.
    pub scheme: String,
    /// Members of its log line: a JSON object without the braces.
    pub members: String,
    /// Other waits.
    pub stages: Vec<Stage>,
}

/// Wait for an origin.
#[derive(Debug)]
pub(crate) struct Wait {
    /// Time when the request was sent to it.
    pub sent: u64,
    /// Time of its response, or of giving up.
    pub ended: u64,
    /// Whether the origin responded.
    pub is_answered: bool,
}

/// Wait of a request.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Name.
    pub name: String,
    /// Begin.
    pub begun: u64,
    /// End.
    pub ended: u64,
    /// Result: `error`, or another word.
    pub result: String,
    /// Parent: [`LOOKUP`], [`SIGN_IN`], or empty.
    pub parent: String,
}

/// Span below that of the request.
struct Span<'a> {
    parent: SpanId,
    kind: u32,
    name: &'a str,
    /// Begin and end.
    times: (u64, u64),
    is_error: bool,
    attributes: Vec<Value>,
}

/// Returns the URL for traces at a collector (`OTEL_EXPORTER_OTLP_ENDPOINT`).
#[must_use]
pub(crate) fn traces_url(endpoint: &str) -> String {
    format!("{}/v1/traces", endpoint.trim_end_matches('/'))
}

/// Parses percent-encoded `name=value` pairs, separated by commas (`OTEL_EXPORTER_OTLP_HEADERS`,
/// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>). Keeps a value with invalid escapes unchanged.
#[must_use]
pub(crate) fn headers(setting: &str) -> Vec<(String, String)> {
    let pairs = setting.split(',').filter_map(|pair| pair.split_once('='));
    let read = |(name, value): (&str, &str)| {
        let value = value.trim();
        let value = encoding::from_percent_encoded(value).unwrap_or_else(|| value.to_owned());
        (name.trim().to_owned(), value)
    };
    pairs.map(read).collect()
}

/// Builds an export of requests.
#[must_use]
pub(crate) fn export(requests: &[Request], service: &str) -> Export {
    let spans: Vec<Value> = requests
        .iter()
        .flat_map(|request| TracedRequest::of(request).spans())
        .collect();
    let count = spans.len() as u64;
    let version = env!("CARGO_PKG_VERSION");
    // The project's own JSON builder would copy the spans at each nesting level.
    let body = serde_json::json!({
        "resourceSpans": [{
            "resource": { "attributes": [
                attribute("service.name", service),
                attribute("service.version", version),
            ] },
            "scopeSpans": [{ "scope": { "name": "vestibule", "version": version }, "spans": spans }],
        }],
    });
    Export {
        body: body.to_string(),
        spans: count,
    }
}

/// Request with the parsed members of its log line.
struct TracedRequest<'r> {
    request: &'r Request,
    members: Option<Value>,
}

impl<'r> TracedRequest<'r> {
    fn of(request: &'r Request) -> Self {
        let members = serde_json::from_str(&format!("{{{}}}", request.members)).ok();
        Self { request, members }
    }

    fn member(&self, name: &str) -> &str {
        let member = self.members.as_ref().and_then(|members| members.get(name));
        member.and_then(Value::as_str).unwrap_or_default()
    }

    fn spans(&self) -> Vec<Value> {
        let Some(own) = SpanId::parse(self.member("span_id")) else {
            return Vec::new();
        };
        let Request { begun, ended, .. } = *self.request;
        let stages = &self.request.stages;
        // Work after the response belongs to the request, too.
        let ends = stages.iter().map(|stage| stage.ended);
        let mut spans = Spans {
            all: vec![self.root(own, ends.fold(ended, u64::max))],
            traced: self,
            own,
            last: 1,
        };
        if let Some(wait) = &self.request.origin {
            spans.add_origin(wait);
        }
        let session = self.member("session");
        let until = stages_of(stages, LOOKUP).map(|stage| stage.ended);
        let lookup = spans.add(&Span {
            parent: own,
            kind: INTERNAL,
            name: LOOKUP,
            times: (begun, until.fold(begun, u64::max)),
            is_error: false,
            attributes: vec![attribute("vestibule.session", session)],
        });
        spans.add_instant(lookup, "cookie", ("vestibule.session", session));
        if matches!(session, "hit" | "stale" | "miss" | "object") {
            spans.add_instant(lookup, "cache", ("vestibule.cache", session));
        }
        let origin = self.member("origin");
        if !origin.is_empty() {
            spans.add_instant(own, "choose origin", ("vestibule.origin", origin));
        }
        let method = self.member("sign_in");
        let sign_in = (!method.is_empty()).then(|| {
            let from = stages_of(stages, SIGN_IN).map(|stage| stage.begun).min();
            let from = from.unwrap_or(begun);
            let until = stages_of(stages, SIGN_IN).map(|stage| stage.ended);
            let result = self.member("sign_in_result");
            spans.add(&Span {
                parent: own,
                kind: INTERNAL,
                name: SIGN_IN,
                times: (from, until.fold(from, u64::max)),
                is_error: result == "failed",
                attributes: vec![
                    attribute("vestibule.sign_in.method", method),
                    attribute("vestibule.sign_in.result", result),
                ],
            })
        });
        for stage in stages {
            let parent = match stage.parent.as_str() {
                LOOKUP if stage.precedes_response() => lookup,
                SIGN_IN if stage.precedes_response() => sign_in.unwrap_or(own),
                _ => own,
            };
            spans.add_stage(parent, stage);
        }
        spans.all
    }

    fn root(&self, own: SpanId, ended: u64) -> Value {
        let mut attributes = vec![
            attribute("http.request.method", self.member("method")),
            number(
                "http.response.status_code",
                &self.request.status.to_string(),
            ),
            attribute("url.scheme", &self.request.scheme),
        ];
        for (key, name) in [
            ("vestibule.tenant", "tenant"),
            ("vestibule.handle", "handle"),
            ("vestibule.origin", "origin"),
            ("vestibule.release", "release"),
            ("vestibule.session", "session"),
            ("vestibule.state", "state"),
            ("error.type", "reason"),
        ] {
            let value = self.member(name);
            if !value.is_empty() {
                attributes.push(attribute(key, value));
            }
        }
        json!({
            "traceId": self.member("trace_id"),
            "spanId": own.to_hex(),
            "parentSpanId": self.member("parent_id"),
            "name": self.member("method"),
            "kind": SERVER,
            "startTimeUnixNano": nanos(self.request.begun),
            "endTimeUnixNano": nanos(ended),
            "attributes": attributes,
            "status": status(self.request.status >= 500),
        })
    }

    /// Builds a child span of the request.
    fn child(&self, id: SpanId, span: &Span<'_>) -> Value {
        let (begun, ended) = span.times;
        let begun = begun.max(self.request.begun);
        json!({
            "traceId": self.member("trace_id"),
            "spanId": id.to_hex(),
            "parentSpanId": span.parent.to_hex(),
            "name": span.name,
            "kind": span.kind,
            "startTimeUnixNano": nanos(begun),
            "endTimeUnixNano": nanos(ended.max(begun)),
            "attributes": span.attributes,
            "status": status(span.is_error),
        })
    }
}

/// Builds the spans of a request.
struct Spans<'t, 'r> {
    traced: &'t TracedRequest<'r>,
    /// Id of the request's span.
    own: SpanId,
    /// Number of the last span; the origin's is the first.
    last: u64,
    all: Vec<Value>,
}

impl Spans<'_, '_> {
    /// Adds a span, and returns its id.
    fn add(&mut self, span: &Span<'_>) -> SpanId {
        self.last += 1;
        let id = self.own.of_stage(self.last);
        self.all.push(self.traced.child(id, span));
        id
    }

    /// Adds the wait for an origin. The origin received the id of this span as its parent.
    fn add_origin(&mut self, wait: &Wait) {
        let span = Span {
            parent: self.own,
            kind: CLIENT,
            name: "origin",
            times: (wait.sent, wait.ended),
            is_error: !wait.is_answered,
            attributes: vec![attribute("vestibule.origin", self.traced.member("origin"))],
        };
        let id = self.own.of_stage(1);
        self.all.push(self.traced.child(id, &span));
    }

    /// Adds a step without duration, with its result.
    fn add_instant(&mut self, parent: SpanId, name: &str, (key, value): (&str, &str)) {
        let begun = self.traced.request.begun;
        self.add(&Span {
            parent,
            kind: INTERNAL,
            name,
            times: (begun, begun),
            is_error: false,
            attributes: vec![attribute(key, value)],
        });
    }

    /// Adds a wait, or a serialisation.
    fn add_stage(&mut self, parent: SpanId, stage: &Stage) {
        let is_serialised = stage.name == SERIALISED;
        self.add(&Span {
            parent,
            kind: if is_serialised { INTERNAL } else { CLIENT },
            name: if is_serialised {
                "serialise session"
            } else {
                &stage.name
            },
            times: (stage.begun, stage.ended),
            is_error: stage.result == "error",
            attributes: vec![if is_serialised {
                number("vestibule.bytes", &stage.result)
            } else {
                attribute("vestibule.result", &stage.result)
            }],
        });
    }
}

impl Stage {
    fn precedes_response(&self) -> bool {
        self.name != WRITE_BACK
    }
}

/// Returns the stages of this parent that precede the response.
fn stages_of<'s>(stages: &'s [Stage], parent: &'static str) -> impl Iterator<Item = &'s Stage> {
    let is_part = move |stage: &&Stage| stage.parent == parent && stage.precedes_response();
    stages.iter().filter(is_part)
}

fn status(is_error: bool) -> Value {
    if is_error {
        json!({ "code": ERROR })
    } else {
        json!({})
    }
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": json!({ "stringValue": value }) })
}

/// Builds an attribute with a whole number, which is text in JSON.
fn number(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": json!({ "intValue": value }) })
}

/// Formats nanoseconds as text, because JSON lacks 64-bit numbers.
fn nanos(ms: u64) -> String {
    format!("{ms}000000")
}

#[cfg(test)]
#[path = "otlp/tests.rs"]
mod tests;
