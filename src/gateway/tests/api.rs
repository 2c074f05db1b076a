//! Tests the session API for origins.

use super::*;
use serde_json::json;

const KEY: &str = "an-origin-key-for-tests";

fn recorded(consistency: &str) -> (World, String) {
    let mut world = World::new(&json!({ "CONSISTENCY": consistency, "ORIGIN_KEY": KEY }));
    let forward = world.exchange("x-session-patch\n{\"a\":1}");
    let path = format!(
        "/_session/api/sessions/{}",
        header_value(&forward, "x-session-id").unwrap()
    );
    (world, path)
}

fn read(world: &mut World, path: &str) -> Value {
    match world.call("GET", path, Some(KEY), &Value::Null) {
        Step::Answer(answer) if answer.status == 200 => serde_json::from_str(&answer.body).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn patch(world: &mut World, path: &str, if_match: Option<&str>, body: &Value) -> (u16, String) {
    world.io.body = Some(body.to_string().into_bytes());
    let authorization = format!("Bearer {KEY}");
    let mut headers = vec![
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
    ];
    headers.extend(if_match.map(|version| ("if-match", version)));
    refused(world.send("PATCH", path, &headers, &mut Answers::default()))
}

#[test]
fn origin_reads_and_changes_a_session() {
    under_both(|consistency| {
        let (mut world, path) = recorded(consistency);
        let before = read(&mut world, &path);
        assert_eq!(before["data"], json!({ "a": 1 }));
        assert_eq!(before["version"], 1);
        let change = json!({ "patch": { "b": 2 }, "ttl": 600 });
        assert_eq!(patch(&mut world, &path, Some("\"1\""), &change).0, 200);
        let after = read(&mut world, &path);
        assert_eq!(
            (&after["data"], &after["version"]),
            (&json!({ "a": 1, "b": 2 }), &json!(2))
        );
        assert_eq!(
            header_value(&world.visit(), "x-session-data"),
            Some(r#"{"a":1,"b":2}"#)
        );
    });
}

#[test]
fn change_to_an_old_version_is_rejected() {
    under_both(|consistency| {
        let (mut world, path) = recorded(consistency);
        let change = json!({ "patch": { "b": 2 } });
        assert_eq!(patch(&mut world, &path, Some("\"1\""), &change).0, 200);
        let refused = patch(
            &mut world,
            &path,
            Some("\"1\""),
            &json!({ "patch": { "b": 3 } }),
        );
        assert_eq!(refused, (412, "version_changed".to_owned()));
        assert_eq!(read(&mut world, &path)["data"]["b"], 2);
    });
}

#[test]
fn eventual_consistency_requires_if_match() {
    let change = json!({ "patch": { "b": 2 } });
    let (mut world, path) = recorded("eventual");
    let refused = patch(&mut world, &path, None, &change);
    assert_eq!(refused, (428, "version_required".to_owned()));
    let (mut world, path) = recorded("strong");
    assert_eq!(patch(&mut world, &path, None, &change).0, 200);
}

#[test]
fn invalid_change_is_rejected() {
    let (mut world, path) = recorded("strong");
    let many: serde_json::Map<_, _> = (0..10_000)
        .map(|number| (format!("k{number}"), json!(number)))
        .collect();
    for (body, status) in [
        (json!({ "ttl": 0 }), 422),
        (json!({ "ttl": -5 }), 422),
        (json!({ "ttl": 30 }), 422),
        (json!({ "ttl": 59 }), 422),
        (json!({ "ttl": 60.5 }), 422),
        (json!({ "ttl": "60" }), 422),
        (json!({ "ttl": 1e12 }), 422),
        (json!({ "ttl": null }), 422),
        (json!({ "patch": [] }), 422),
        (json!({ "patch": { "a\u{0}": 1 } }), 422),
        (json!({ "patch": { "x".repeat(513): 1 } }), 422),
        (json!({ "id": "x" }), 422),
        (json!({ "created": 1 }), 422),
        (json!({ "patch": { "a": "x".repeat(64 * 1024) } }), 413),
        (json!({ "patch": many }), 413),
    ] {
        assert_eq!(
            patch(&mut world, &path, None, &body).0,
            status,
            "{body:.60}"
        );
    }
    assert_eq!(patch(&mut world, &path, Some("1"), &json!({})).0, 422);
    assert_eq!(read(&mut world, &path)["version"], 1);
    assert_eq!(patch(&mut world, &path, None, &json!({ "ttl": 60 })).0, 200);
}

#[test]
fn api_requires_the_origin_key() {
    let (mut world, path) = recorded("strong");
    for key in [None, Some("another-key-altogether"), Some("")] {
        let step = world.call("GET", &path, key, &Value::Null);
        assert_eq!(refused(step), (401, "api_key".to_owned()));
    }
    let mut closed = World::new(&json!({}));
    let step = closed.call("GET", &path, Some(""), &Value::Null);
    assert_eq!(refused(step).0, 401);
}

#[test]
fn origin_ends_a_session() {
    under_both(|consistency| {
        let (mut world, path) = recorded(consistency);
        for _ in 0..2 {
            let step = world.call("DELETE", &path, Some(KEY), &Value::Null);
            assert_eq!(refused(step).0, 204);
        }
        let step = world.call("GET", &path, Some(KEY), &Value::Null);
        assert_eq!(refused(step).0, 404);
        assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
    });
}

#[test]
fn lease_is_exclusive_and_fences_off_a_late_holder() {
    let (mut world, path) = recorded("strong");
    let lease = format!("{path}/lease");
    let take = |world: &mut World, body: &Value| {
        let Step::Answer(answer) = world.call("POST", &lease, Some(KEY), body) else {
            panic!("no answer");
        };
        let token = serde_json::from_str::<Value>(&answer.body).unwrap()["token"].as_u64();
        (answer.status, token)
    };
    let (status, first) = take(&mut world, &json!({ "seconds": 10 }));
    assert_eq!(status, 200);
    assert_eq!(take(&mut world, &json!({})).0, 409);
    assert_eq!(
        take(&mut world, &json!({ "seconds": 20, "token": first })),
        (200, first)
    );
    let held = json!({ "patch": { "b": 1 }, "lease": first });
    assert_eq!(patch(&mut world, &path, None, &held).0, 200);
    world.wait(21);
    let (status, second) = take(&mut world, &json!({}));
    assert_eq!(status, 200);
    assert!(second > first);
    let late = json!({ "patch": { "b": 2 }, "lease": first });
    assert_eq!(
        patch(&mut world, &path, None, &late),
        (409, "leased".to_owned())
    );
    let token = json!({ "token": second });
    assert_eq!(
        refused(world.call("DELETE", &lease, Some(KEY), &token)).0,
        204
    );
    assert_eq!(take(&mut world, &json!({})).0, 200);
    let (mut alone, path) = recorded("eventual");
    let step = alone.call("POST", &format!("{path}/lease"), Some(KEY), &json!({}));
    assert_eq!(refused(step), (409, "needs_objects".to_owned()));
}
