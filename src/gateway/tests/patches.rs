//! Tests merge patches of JSON responses: which responses they change, and what the origin is asked for.

use super::*;
use serde_json::json;

const JSON: &str = "content-type\napplication/json";

fn world() -> World {
    let patches = json!({
        "/settings": { "ui": { "name": "Acme", "logo": null } },
        "/caf%C3%A9 x": { "a": 1 },
    });
    World::new(&json!({ "RESPONSES": patches.to_string() }))
}

impl World {
    /// Requests a path, and handles the origin's response.
    fn fetch(&mut self, target: &str, status: u16, headers: &str, body: &str) -> Edits {
        let forward = forwarded(self.get(target));
        self.receive(&forward, status, headers, body)
    }

    fn receive(&mut self, forward: &Forward, status: u16, headers: &str, body: &str) -> Edits {
        self.io.body = Some(body.as_bytes().to_vec());
        let mut answers = Answers::default();
        loop {
            match self.gateway.handle_response(
                &forward.response_context,
                status,
                headers,
                self.now,
                &answers,
            ) {
                ResponseAction::Await(needs) => self.perform(&needs, &mut answers),
                ResponseAction::Edited(edits) => break edits,
                ResponseAction::Untouched => break Edits::default(),
                ResponseAction::Replaced(answer) => panic!("replaced: {answer:?}"),
            }
        }
    }

    fn logged(&mut self) -> Vec<String> {
        let events = self.gateway.recorder.take_events();
        let events = events.iter().map(crate::telemetry::log::Event::to_json);
        events
            .filter(|event| event["event"] == "response_not_patched")
            .map(|event| event["reason"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

#[test]
fn json_of_the_path_is_patched_and_described_anew() {
    let mut world = world();
    world.exchange("");
    let headers = format!("{JSON}\ncontent-length\n40\netag\n\"1\"\nlast-modified\nx\nx-own\n1");
    let body = r#"{"ui":{"name":"Bot","logo":"/l","theme":"dark"},"n":[1]}"#;
    for target in ["/settings", "/settings?language=de", "/%73ettings"] {
        let edits = world.fetch(target, 200, &headers, body);
        let patched: Value = serde_json::from_str(&edits.body).unwrap();
        assert_eq!(
            patched,
            json!({ "ui": { "name": "Acme", "theme": "dark" }, "n": [1] })
        );
        assert_eq!(edits.remove, ["content-length", "etag", "last-modified"]);
    }
    let edits = world.fetch("/caf%C3%A9%20x", 200, JSON, "{}");
    assert_eq!(edits.body, r#"{"a":1}"#);
    assert!(world.logged().is_empty());
}

#[test]
fn other_responses_pass_unchanged() {
    let mut world = world();
    world.exchange("");
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(256 * 1024));
    for (target, status, headers, body, reason) in [
        ("/settings/", 200, JSON, "{}", None),
        ("/settings2", 200, JSON, "{}", None),
        ("/settings", 404, JSON, "{}", None),
        ("/settings", 304, "", "", None),
        (
            "/settings",
            200,
            "content-type\ntext/html",
            "{}",
            Some("not_json"),
        ),
        (
            "/settings",
            200,
            "content-type\napplication/jsonl",
            "{}",
            Some("not_json"),
        ),
        ("/settings", 200, "", "{}", Some("not_json")),
        ("/settings", 200, JSON, "[1]", Some("not_json")),
        ("/settings", 200, JSON, "{\"a\":", Some("not_json")),
        ("/settings", 200, JSON, &large, Some("too_large")),
        (
            "/settings",
            200,
            "content-type\napplication/json\ncontent-length\n262145",
            "{}",
            Some("too_large"),
        ),
    ] {
        world.wait(61);
        let edits = world.fetch(target, status, headers, body);
        assert!(edits.is_empty(), "{target} {status} {headers}: {edits:?}");
        let reasons: Vec<_> = reason.into_iter().collect();
        assert_eq!(world.logged(), reasons, "{target} {status} {headers}");
    }
    world.fetch("/settings", 200, "", "{}");
    assert!(world.logged().is_empty(), "once a minute");
}

#[test]
fn other_media_types_of_json_are_patched() {
    for media_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/hal+json",
    ] {
        let headers = format!("content-type\n{media_type}");
        let edits = world().fetch("/settings", 200, &headers, "{}");
        assert_eq!(edits.body, r#"{"ui":{"name":"Acme"}}"#, "{media_type}");
    }
}

#[test]
fn origin_is_asked_for_the_whole_without_a_coding() {
    let mut world = world();
    let asks = [
        ("accept", "*/*"),
        ("accept-encoding", "gzip, zstd"),
        ("if-none-match", "\"1\""),
        ("if-modified-since", "x"),
        ("range", "bytes=0-1"),
    ];
    for (method, target, kept, is_whole) in [
        ("GET", "/settings", "+----", true),
        ("HEAD", "/settings", "+----", true),
        ("POST", "/settings", "+++++", false),
        ("GET", "/other", "+++++", false),
    ] {
        let forward = forwarded(world.send(method, target, &asks, &mut Answers::default()));
        assert_eq!(forward.headers.kept, kept, "{method} {target}");
        let own = forward.headers.own;
        assert_eq!(
            own.ends_with("\naccept-encoding\nidentity\n"),
            is_whole,
            "{own}"
        );
    }
}

#[test]
fn response_to_head_has_the_headers_of_get() {
    let mut world = world();
    world.exchange("");
    let forward = forwarded(world.send("HEAD", "/settings", &[], &mut Answers::default()));
    let headers = format!("{JSON}\ncontent-length\n40\netag\n\"1\"");
    let edits = world.receive(&forward, 200, &headers, "");
    assert_eq!((edits.remove.len(), edits.body.as_str()), (2, ""));
    assert!(world.logged().is_empty());
}

#[test]
fn patched_response_still_changes_the_session() {
    let mut world = world();
    world.exchange("");
    let headers = format!("{JSON}\nx-session-patch\n{{\"draft\":1}}");
    let edits = world.fetch("/settings", 200, &headers, "{}");
    assert_eq!(edits.body, r#"{"ui":{"name":"Acme"}}"#);
    world.take_cookie(&edits.append);
    assert_eq!(
        header_value(&world.visit(), "x-session-data"),
        Some(r#"{"draft":1}"#)
    );
}

#[test]
fn patched_path_is_never_answered_by_a_cached_decision() {
    let mut world = world();
    world.exchange("");
    world.now.0 += 10;
    assert_eq!(forwarded(world.get("/settings")).repeat, None);
    let repeat = forwarded(world.get("/other")).repeat.unwrap();
    assert!(!repeat.any_target);
}

#[test]
fn public_path_is_patched_for_all_alike() {
    let patches = json!({ "/public/settings": { "a": 1 } });
    let settings = json!({ "RESPONSES": patches.to_string(), "CACHE": "/public/*" });
    let mut world = World::new(&settings);
    let forward = forwarded(world.get("/public/settings"));
    assert!(forward.shared && forward.handle_response);
    let headers = format!("{JSON}\ncache-control\npublic");
    let edits = world.receive(&forward, 200, &headers, "{}");
    assert_eq!((edits.body.as_str(), edits.append.len()), (r#"{"a":1}"#, 0));
}
