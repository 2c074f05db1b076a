//! Compares formatted texts with the golden files, which the data plane's tests read, too (`tests/wire.test.mjs`).

use super::*;
use crate::clock::UnixMillis;
use crate::gateway::CachePolicy;
use crate::session::id::Handle;
use crate::span_id::{SpanId, TraceId};
use crate::telemetry::labels::{Lookup, Route};
use crate::tenant_id::TenantId;
use crate::upstream::response_headers::Edits;

const DESCRIPTION: &str = include_str!("../../../tests/golden/wire/description.txt");
const FORWARDED: &str = include_str!("../../../tests/golden/wire/forward.txt");
const RESPONDED: &str = include_str!("../../../tests/golden/wire/response.txt");
const EDITED: &str = include_str!("../../../tests/golden/wire/edits.txt");
const PATCHED: &str = include_str!("../../../tests/golden/wire/patched.txt");

fn labels() -> RequestLabels {
    RequestLabels {
        tenant: TenantId::parse("acme"),
        trace_id: TraceId::parse("0af7651916cd43dd8448eb211c80319c").unwrap(),
        span_id: SpanId::parse("b7ad6b7169203331"),
        method: "GET",
        route: Route::Other,
        handle: Some(Handle([7; 16])),
        lookup: Lookup::Hit,
        state: "active",
        origin: Some("blue".into()),
        release: Some("v2".into()),
        sampled: true,
        timed: true,
        ..RequestLabels::default()
    }
}

/// Returns the values of our headers, then the tenant's additional headers.
fn own(set: &[(&str, &str)], known: &[(&str, &str)]) -> String {
    let value = |name: &str| {
        let found = set.iter().find(|(own, _)| *own == name);
        found.map_or("", |(_, value)| value).to_owned()
    };
    let mut lines: Vec<String> = request_headers::FORWARDED_HEADERS
        .iter()
        .map(|name| value(name))
        .collect();
    for (name, value) in known {
        lines.extend([(*name).to_owned(), (*value).to_owned()]);
    }
    lines.join("\n")
}

#[test]
fn forward_decision_matches_the_golden_file() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let forward = Forward {
        visit: None,
        url: "http://127.0.0.1:8000/chat?q=1".to_owned(),
        headers: Outgoing {
            kept: "+-+".into(),
            own: own(
                &[
                    ("x-session-id", "BwcHBwcHBwcHBwcHBwcHBw"),
                    ("x-session-state", "active"),
                    ("x-session-data", "{\"draft\":\"a\\tb\"}"),
                    ("traceparent", trace),
                    ("cookie", "theme=dark"),
                ],
                &[("x-webui-name", "J%C3%BCrgen")],
            ),
            ..Outgoing::default()
        },
        response_context: "acme\tcookie\tc---------\tblue".to_owned(),
        origin: "blue".into(),
        first_byte_ms: 30_000,
        pauses: "15000,0,60000,0".to_owned(),
        handle_response: true,
        run_background: false,
        sid_suffix: ".sig".to_owned(),
        revocable: true,
        shared: false,
        opens: false,
        repeat: Some(CachePolicy {
            until: UnixMillis(1_700_000_001_000),
            any_target: true,
        }),
    };
    assert_eq!(step(&Step::Forward(forward.into()), &labels()), FORWARDED);
}

#[test]
fn response_matches_the_golden_file() {
    let answer = Answer {
        cacheable_until: Some(UnixMillis(1_700_000_001_000)),
        body: "first line\nsecond line\n".to_owned(),
        ..Answer::empty(403)
            .with("content-type", "text/plain; charset=utf-8")
            .with("set-cookie", "a=1; Path=/")
            .with("set-cookie", "b=2; Path=/")
    };
    let labels = RequestLabels {
        reason: "forbidden",
        ..labels()
    };
    assert_eq!(step(&Step::Answer(answer), &labels), RESPONDED);
}

#[test]
fn response_edits_match_the_golden_file() {
    let edits = Edits {
        remove: vec!["x-session-set-data".to_owned(), "set-cookie".to_owned()],
        append: vec![
            ("set-cookie", "a=1; Path=/".to_owned()),
            ("cache-control", "private".to_owned()),
        ],
        body: String::new(),
    };
    assert_eq!(response_action(&ResponseAction::Edited(edits)), EDITED);
}

#[test]
fn patched_response_matches_the_golden_file() {
    let edits = Edits {
        remove: vec!["content-length".to_owned()],
        append: vec![("vary", "Cookie".to_owned())],
        body: r#"{"ui":{"name":"a\nb"}}"#.to_owned(),
    };
    assert_eq!(response_action(&ResponseAction::Edited(edits)), PATCHED);
}

#[test]
fn description_matches_the_golden_file() {
    assert_eq!(description(), DESCRIPTION);
}
