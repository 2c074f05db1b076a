//! Exports traces in the OpenTelemetry protocol: OTLP/HTTP with JSON
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).
//!
//! A Worker's clock stops while it computes. So steps that only compute (cookie check, cache lookup, choice of an
//! origin) have spans without duration, with the result as an attribute. Steps that wait have their true duration.

use serde_json::Value;

use crate::encoding;
use crate::encoding::json;
use crate::span_id::SpanId;

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
pub(crate) fn export(requests: &[Request]) -> Export {
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
                attribute("service.name", "vestibule"),
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
        // Work after the response belongs to the request, too.
        let ends = self.request.stages.iter().map(|stage| stage.ended);
        let mut spans = vec![self.root(own, ends.fold(ended, u64::max))];
        // The origin received the id of this span as its parent.
        if let Some(wait) = &self.request.origin {
            let times = (wait.sent, wait.ended, !wait.is_answered);
            let attributes = [attribute("vestibule.origin", self.member("origin"))];
            spans.push(self.child(own.of_stage(1), own, CLIENT, "origin", times, &attributes));
        }
        let session = self.member("session");
        let mut instants = vec![("cookie", "vestibule.session", session)];
        if matches!(session, "hit" | "stale" | "miss" | "object") {
            instants.push(("cache", "vestibule.cache", session));
        }
        if !self.member("origin").is_empty() {
            instants.push(("choose origin", "vestibule.origin", self.member("origin")));
        }
        let mut number = 1;
        for (name, key, value) in instants {
            number += 1;
            let times = (begun, begun, false);
            let attributes = [attribute(key, value)];
            spans.push(self.child(
                own.of_stage(number),
                own,
                INTERNAL,
                name,
                times,
                &attributes,
            ));
        }
        for stage in &self.request.stages {
            number += 1;
            let times = (stage.begun, stage.ended, stage.result == "error");
            let attributes = [attribute("vestibule.result", &stage.result)];
            spans.push(self.child(
                own.of_stage(number),
                own,
                CLIENT,
                &stage.name,
                times,
                &attributes,
            ));
        }
        spans
    }

    fn root(&self, own: SpanId, ended: u64) -> Value {
        let mut attributes = vec![
            attribute("http.request.method", self.member("method")),
            json!({ "key": "http.response.status_code", "value": json!({ "intValue": self.request.status.to_string() }) }),
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

    /// Builds a child span of the request from its begin, end and error flag.
    fn child(
        &self,
        id: SpanId,
        parent: SpanId,
        kind: u32,
        name: &str,
        (begun, ended, is_error): (u64, u64, bool),
        attributes: &[Value],
    ) -> Value {
        let begun = begun.max(self.request.begun);
        json!({
            "traceId": self.member("trace_id"),
            "spanId": id.to_hex(),
            "parentSpanId": parent.to_hex(),
            "name": name,
            "kind": kind,
            "startTimeUnixNano": nanos(begun),
            "endTimeUnixNano": nanos(ended.max(begun)),
            "attributes": attributes,
            "status": status(is_error),
        })
    }
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

/// Formats nanoseconds as text, because JSON lacks 64-bit numbers.
fn nanos(ms: u64) -> String {
    format!("{ms}000000")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &str, begun: u64, ended: u64) -> Stage {
        let (name, result) = (name.to_owned(), "ok".to_owned());
        Stage {
            name,
            begun,
            ended,
            result,
        }
    }

    fn request(status: u16, members: &str) -> Request {
        Request {
            status,
            begun: 1_000,
            ended: 1_050,
            origin: None,
            scheme: "https".to_owned(),
            members: members.to_owned(),
            stages: Vec::new(),
        }
    }

    #[test]
    fn collector_settings_are_parsed_as_opentelemetry_says() {
        for endpoint in ["https://collector.example", "https://collector.example//"] {
            assert_eq!(traces_url(endpoint), "https://collector.example/v1/traces");
        }
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (setting, expected) in [
            ("", vec![]),
            ("rubbish,,", vec![]),
            (
                "authorization=Bearer%20a=b",
                vec![pair("authorization", "Bearer a=b")],
            ),
            (" a = 1 ,b=2+3", vec![pair("a", "1"), pair("b", "2+3")]),
            ("a=100%zz", vec![pair("a", "100%zz")]),
            ("a=%C3", vec![pair("a", "%C3")]),
        ] {
            assert_eq!(headers(setting), expected, "{setting}");
        }
    }

    #[test]
    fn a_request_is_a_span_with_one_for_each_stage() {
        let members = concat!(
            "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"00000000000000a0\",",
            "\"parent_id\":\"b7ad6b7169203331\",\"method\":\"GET\",\"session\":\"miss\",\"origin\":\"a\",",
            "\"tenant\":\"acme\"",
        );
        let exported = export(&[
            Request {
                origin: Some(Wait {
                    sent: 1_010,
                    ended: 1_040,
                    is_answered: true,
                }),
                stages: vec![stage("kv", 1_001, 1_010), stage("write-back", 1_050, 1_080)],
                ..request(503, members)
            },
            request(200, "\"span_id\":\"zz\""),
            request(200, "rubbish"),
        ]);
        let body: Value = serde_json::from_str(&exported.body).unwrap();
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
            .as_array()
            .unwrap();
        assert_eq!((exported.spans, spans.len()), (7, 7));
        let summaries: Vec<_> = spans
            .iter()
            .map(|span| {
                let text = |name: &str| span[name].as_str().unwrap();
                (
                    text("name"),
                    text("spanId"),
                    text("startTimeUnixNano"),
                    text("endTimeUnixNano"),
                )
            })
            .collect();
        assert_eq!(
            summaries,
            [
                ("GET", "00000000000000a0", "1000000000", "1080000000"),
                ("origin", "00000000000000a1", "1010000000", "1040000000"),
                ("cookie", "00000000000000a2", "1000000000", "1000000000"),
                ("cache", "00000000000000a3", "1000000000", "1000000000"),
                (
                    "choose origin",
                    "00000000000000a4",
                    "1000000000",
                    "1000000000"
                ),
                ("kv", "00000000000000a5", "1001000000", "1010000000"),
                ("write-back", "00000000000000a6", "1050000000", "1080000000"),
            ]
        );
        assert_eq!(spans[0]["parentSpanId"], "b7ad6b7169203331");
        assert_eq!(spans[0]["status"]["code"], 2);
        assert!(
            spans[1..]
                .iter()
                .all(|span| span["parentSpanId"] == "00000000000000a0")
        );
    }
}
