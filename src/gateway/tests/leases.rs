//! Leases over the session API and in responses: what they withhold, and how callers wait.

use super::*;
use crate::telemetry::log::Event;

const KEY: &str = "an-origin-key-of-some-length";

/// A session with data, and the path of its lease.
fn recorded() -> (World, String) {
    let mut world = World::new(&json!({ "ORIGIN_KEY": KEY }));
    let forward = world.exchange("x-session-patch\n{\"a\":1}");
    let name = header_value(&forward, "x-session-id").unwrap();
    (world, format!("/_session/api/sessions/{name}"))
}

/// Status, `Retry-After` and body of an answer.
fn ask(world: &mut World, method: &str, path: &str, body: &Value) -> (u16, Option<u64>, Value) {
    let Step::Answer(answer) = world.call(method, path, Some(KEY), body) else {
        panic!("no answer");
    };
    let after = answer
        .headers
        .iter()
        .find(|(name, _)| *name == "retry-after");
    let after = after.and_then(|(_, value)| value.parse().ok());
    let body = serde_json::from_str(&answer.body).unwrap_or_default();
    (answer.status, after, body)
}

fn take(world: &mut World, path: &str, body: &Value) -> u64 {
    let (status, _, answer) = ask(world, "POST", &format!("{path}/lease"), body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["exclusive"],
        body["exclusive"].as_bool().unwrap_or(false)
    );
    answer["token"].as_u64().unwrap()
}

fn data(world: &mut World) -> String {
    header_value(&world.visit(), "x-session-data")
        .unwrap()
        .to_owned()
}

#[test]
fn change_without_the_token_is_refused_and_says_when_to_come_again() {
    let (mut world, path) = recorded();
    let token = take(
        &mut world,
        &path,
        &json!({ "seconds": 20, "exclusive": true }),
    );
    world.wait(5);
    for body in [json!({ "patch": { "a": 2 } }), json!({ "ttl": 600 })] {
        let (status, after, problem) = ask(&mut world, "PATCH", &path, &body);
        assert_eq!((status, after), (409, Some(15)), "{body}");
        assert_eq!(problem["code"], "leased");
    }
    let own = json!({ "patch": { "a": 3 }, "lease": token });
    assert_eq!(ask(&mut world, "PATCH", &path, &own).0, 200);
    assert_eq!(data(&mut world), r#"{"a":3}"#);
    let released = ask(
        &mut world,
        "DELETE",
        &format!("{path}/lease"),
        &json!({ "token": token }),
    );
    assert_eq!(released.0, 204);
    assert_eq!(
        ask(&mut world, "PATCH", &path, &json!({ "patch": { "a": 4 } })).0,
        200
    );
}

#[test]
fn caller_waits_for_a_lease_up_to_its_limit() {
    let (mut world, path) = recorded();
    take(
        &mut world,
        &path,
        &json!({ "seconds": 3, "exclusive": true }),
    );
    let begun = world.now;
    let body = json!({ "patch": { "a": 2 }, "wait": 1 });
    assert_eq!(ask(&mut world, "PATCH", &path, &body).0, 409);
    assert_eq!(world.now.0 - begun.0, 1_000, "not longer than it said");
    let body = json!({ "patch": { "a": 2 }, "wait": 10 });
    assert_eq!(ask(&mut world, "PATCH", &path, &body).0, 200);
    assert_eq!(world.now.0 - begun.0, 3_001, "until the lease ends");
    take(&mut world, &path, &json!({ "seconds": 2 }));
    let begun = world.now;
    take(&mut world, &path, &json!({ "wait": 10 }));
    assert_eq!(world.now.0 - begun.0, 2_001);
    for wait in [json!(11), json!(-1), json!("1")] {
        assert_eq!(
            ask(&mut world, "PATCH", &path, &json!({ "wait": wait })).0,
            422
        );
        let lease = format!("{path}/lease");
        assert_eq!(
            ask(&mut world, "POST", &lease, &json!({ "wait": wait })).0,
            422
        );
    }
}

#[test]
fn late_holder_does_not_wait() {
    let (mut world, path) = recorded();
    let first = take(&mut world, &path, &json!({ "seconds": 1 }));
    world.wait(2);
    take(&mut world, &path, &json!({ "seconds": 3 }));
    let begun = world.now;
    let late = json!({ "patch": { "a": 2 }, "lease": first, "wait": 10 });
    assert_eq!(ask(&mut world, "PATCH", &path, &late).0, 409);
    assert_eq!(world.now, begun);
}

#[test]
fn response_needs_the_token_too() {
    let (mut world, path) = recorded();
    let token = take(&mut world, &path, &json!({ "exclusive": true }));
    world.exchange("x-session-patch\n{\"a\":2}");
    let events = world.gateway.recorder.take_events();
    let lost = |event: &Event| event.name() == "session_change_lost";
    assert!(events.iter().any(lost), "{events:?}");
    assert_eq!(data(&mut world), r#"{"a":1}"#);
    world.exchange(&format!(
        "x-session-patch\n{{\"a\":3}}\nx-session-lease\n{token}"
    ));
    assert_eq!(data(&mut world), r#"{"a":3}"#);
}

#[test]
fn response_waits_and_keeps_what_is_not_guarded() {
    let (mut world, path) = recorded();
    take(
        &mut world,
        &path,
        &json!({ "seconds": 3, "exclusive": true }),
    );
    let before = world.jar.clone();
    let begun = world.now;
    world.exchange("x-session-patch\n{\"a\":2}\nx-session-rotate\n1\nx-session-lease-wait\n5");
    assert_eq!(world.now.0 - begun.0, 3_001);
    assert_ne!(world.jar, before);
    assert_eq!(data(&mut world), r#"{"a":2}"#);
}

#[test]
fn response_that_waits_in_vain_keeps_what_is_not_guarded() {
    let (mut world, path) = recorded();
    take(&mut world, &path, &json!({ "exclusive": true }));
    let before = world.jar.clone();
    world.exchange("x-session-patch\n{\"a\":2}\nx-session-rotate\n1\nx-session-lease-wait\n2");
    assert_ne!(world.jar, before, "the browser gets the rotated id");
    assert_eq!(data(&mut world), r#"{"a":1}"#);
}

#[test]
fn sign_out_passes_a_lease() {
    let (mut world, path) = recorded();
    take(&mut world, &path, &json!({ "exclusive": true }));
    world.exchange("x-session-destroy\n1");
    assert_eq!(ask(&mut world, "GET", &path, &Value::Null).0, 404);
}
