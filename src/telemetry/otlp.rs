//! Traces as the OpenTelemetry protocol has them: OTLP/HTTP with JSON
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).
//!
//! A Worker's clock stands still while it computes. So what only computes (looking at the cookie, into the
//! cache, choosing an origin) has a span without a length, which says what came of it; what waits has its true
//! length.

use serde_json::{Value, json};

use crate::span_id::SpanId;

/// `SPAN_KIND_…`
const INTERNAL: u32 = 1;
const SERVER: u32 = 2;
const CLIENT: u32 = 3;

/// `STATUS_CODE_ERROR`
const ERROR: u32 = 2;

/// One span of an export, and how many it has.
pub struct Export {
    /// The body of the request.
    pub body: String,
    /// How many spans are in it.
    pub spans: u64,
}

/// Makes an export of requests that were answered: for each
///
/// * `j`, status, when it began and when the answer went out, when it was sent to the origin and when that answered
///   (or nothing), in milliseconds since 1970, the scheme, and whether the origin answered: `ok` or `error`,
/// * `m` and the members of its log line,
/// * for each stage that waited `s`, its name, begin, end, and what came of it.
#[must_use]
pub fn export(journeys: &str) -> Export {
    let mut spans = Vec::new();
    let mut journey = None;
    for line in journeys.lines() {
        let (letter, rest) = line.split_once('\t').unwrap_or_default();
        match letter {
            "j" => {
                spans.extend(journey.take().map(Journey::spans));
                journey = Journey::begin(rest);
            }
            "m" => {
                if let Some(journey) = &mut journey {
                    journey.members = serde_json::from_str(&format!("{{{rest}}}")).ok();
                }
            }
            "s" => {
                if let Some(journey) = &mut journey {
                    journey.stages.extend(Stage::read(rest));
                }
            }
            _ => {}
        }
    }
    spans.extend(journey.map(Journey::spans));
    let spans: Vec<Value> = spans.into_iter().flatten().collect();
    let count = spans.len() as u64;
    let version = env!("CARGO_PKG_VERSION");
    let body = json!({
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

struct Stage<'a> {
    name: &'a str,
    begun: u64,
    ended: u64,
    result: &'a str,
}

impl<'a> Stage<'a> {
    fn read(fields: &'a str) -> Option<Self> {
        let mut fields = fields.split('\t');
        Some(Self {
            name: fields.next()?,
            begun: fields.next()?.parse().ok()?,
            ended: fields.next()?.parse().ok()?,
            result: fields.next()?,
        })
    }
}

struct Journey<'a> {
    status: u16,
    begun: u64,
    ended: u64,
    /// Sent, answered.
    origin: Option<(u64, u64)>,
    scheme: &'a str,
    result: &'a str,
    members: Option<Value>,
    stages: Vec<Stage<'a>>,
}

impl<'a> Journey<'a> {
    fn begin(fields: &'a str) -> Option<Self> {
        let mut fields = fields.split('\t');
        let status = fields.next()?.parse().ok()?;
        let mut number = || fields.next()?.parse().ok();
        let (begun, ended): (u64, u64) = (number()?, number()?);
        let (sent, answered): (Option<u64>, Option<u64>) = (number(), number());
        Some(Self {
            status,
            begun,
            ended,
            origin: sent.zip(answered),
            scheme: fields.next()?,
            result: fields.next()?,
            members: None,
            stages: Vec::new(),
        })
    }

    fn member(&self, name: &str) -> &str {
        let member = self.members.as_ref().and_then(|members| members.get(name));
        member.and_then(Value::as_str).unwrap_or_default()
    }

    fn spans(self) -> Vec<Value> {
        let Some(own) = SpanId::parse(self.member("span_id")) else {
            return Vec::new();
        };
        // What goes on after the answer belongs to the request too.
        let ends = self.stages.iter().map(|stage| stage.ended);
        let ended = ends.fold(self.ended, u64::max);
        let mut spans = vec![self.root(own, ended)];
        // That of the origin is the one the origin was told of.
        if let Some((sent, answered)) = self.origin {
            let attributes = [attribute("vestibule.origin", self.member("origin"))];
            let stage = Stage {
                name: "origin",
                begun: sent,
                ended: answered,
                result: self.result,
            };
            spans.push(self.child(own, 1, CLIENT, &stage, &attributes));
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
            let attributes = [attribute(key, value)];
            let stage = Stage {
                name,
                begun: self.begun,
                ended: self.begun,
                result: "ok",
            };
            spans.push(self.child(own, number, INTERNAL, &stage, &attributes));
        }
        for stage in &self.stages {
            number += 1;
            let attributes = [attribute("vestibule.result", stage.result)];
            spans.push(self.child(own, number, CLIENT, stage, &attributes));
        }
        spans
    }

    fn root(&self, own: SpanId, ended: u64) -> Value {
        let mut attributes = vec![
            attribute("http.request.method", self.member("method")),
            json!({ "key": "http.response.status_code", "value": { "intValue": self.status.to_string() } }),
            attribute("url.scheme", self.scheme),
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
            "startTimeUnixNano": nanos(self.begun),
            "endTimeUnixNano": nanos(ended),
            "attributes": attributes,
            "status": status(self.status >= 500),
        })
    }

    fn child(
        &self,
        own: SpanId,
        number: u64,
        kind: u32,
        stage: &Stage<'_>,
        attributes: &[Value],
    ) -> Value {
        let begun = stage.begun.max(self.begun);
        json!({
            "traceId": self.member("trace_id"),
            "spanId": own.of_stage(number).to_hex(),
            "parentSpanId": own.to_hex(),
            "name": stage.name,
            "kind": kind,
            "startTimeUnixNano": nanos(begun),
            "endTimeUnixNano": nanos(stage.ended.max(begun)),
            "attributes": attributes,
            "status": status(stage.result == "error"),
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
    json!({ "key": key, "value": { "stringValue": value } })
}

/// 64-bit numbers are text in JSON.
fn nanos(ms: u64) -> String {
    format!("{ms}000000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_span_with_one_for_each_stage() {
        let exported = export(concat!(
            "j\t503\t1000\t1050\t1010\t1040\thttps\tok\n",
            "m\t\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"00000000000000a0\",\"parent_id\":\"b7ad6b7169203331\",\"method\":\"GET\",\"session\":\"miss\",\"origin\":\"a\",\"tenant\":\"acme\"\n",
            "s\tkv\t1001\t1010\tok\n",
            "s\twrite-back\t1050\t1080\tok\n",
            "j\trubbish\nm\t\nj\t200\t1000\t1000\t\t\thttp\terror\nm\t\"span_id\":\"zz\"",
        ));
        let body: Value = serde_json::from_str(&exported.body).unwrap();
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
            .as_array()
            .unwrap();
        assert_eq!((exported.spans, spans.len()), (7, 7));
        let told: Vec<_> = spans
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
            told,
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
