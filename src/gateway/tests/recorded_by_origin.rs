//! Guests whose record an origin begins by their name, through the session API.

use super::*;

const KEY: &str = "an-origin-key-for-tests";

/// A guest of whom nothing is recorded, with a socket open or without; and where the API has it.
fn guest(consistency: &str, has_socket: bool) -> (World, String) {
    let mut world = World::new(&json!({ "CONSISTENCY": consistency, "ORIGIN_KEY": KEY }));
    let forward = world.exchange("");
    if has_socket {
        world.wait(1);
        world.socket();
    }
    let name = header_value(&forward, "x-session-id").unwrap();
    let path = format!("/_session/api/sessions/{name}");
    assert!(world.records().is_empty());
    (world, path)
}

fn call(world: &mut World, method: &str, path: &str, body: &Value) -> (u16, Value) {
    world.io.body = Some(body.to_string().into_bytes());
    let authorization = format!("Bearer {KEY}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
        ("if-match", "*"),
    ];
    let own = world.jar.take();
    let step = world.send(method, path, &headers, &mut Answers::default());
    world.jar = own;
    match step {
        Step::Answer(answer) => {
            let body = serde_json::from_str(&answer.body).unwrap_or_default();
            (answer.status, body)
        }
        other => panic!("not answered: {other:?}"),
    }
}

/// When the guests of these tests began.
const BEGAN: u64 = 1_700_000_000;

fn patch(world: &mut World, path: &str, data: &Value) -> (u16, Value) {
    call(
        world,
        "PATCH",
        path,
        &json!({ "patch": data, "begin": BEGAN }),
    )
}

#[test]
fn patch_begins_the_record_of_a_guest() {
    let (mut world, path) = guest("strong", true);
    let (status, begun) = patch(&mut world, &path, &json!({ "a": 1 }));
    assert_eq!((status, &begun["data"]), (200, &json!({ "a": 1 })));
    assert_eq!(begun["version"], 1);
    assert_eq!(patch(&mut world, &path, &json!({ "b": 2 })).1["version"], 2);
    assert_eq!(call(&mut world, "GET", &path, &Value::Null).0, 200);
}

#[test]
fn guest_with_an_open_socket_finds_the_record_in_every_isolate() {
    let (mut world, path) = guest("strong", true);
    world.move_to_another_isolate();
    patch(&mut world, &path, &json!({ "a": 1 }));
    world.move_to_another_isolate();
    let before = world.jar.clone();
    let forward = world.exchange("x-session-patch\n{\"b\":2}");
    assert_eq!(header_value(&forward, "x-session-data"), Some(r#"{"a":1}"#));
    assert!(path.ends_with(header_value(&forward, "x-session-id").unwrap()));
    assert_ne!(world.jar, before, "the cookie names the record from now on");
    for isolate in 0..2 {
        let forward = world.exchange("");
        let data = header_value(&forward, "x-session-data");
        assert_eq!(data, Some(r#"{"a":1,"b":2}"#), "{isolate}");
        assert_ne!(header_value(&forward, "x-session-state"), Some("degraded"));
        world.move_to_another_isolate();
    }
}

#[test]
fn record_begun_by_name_becomes_a_users_and_keeps_its_start() {
    let (mut world, path) = guest("strong", true);
    let began = header_value(&world.visit(), "x-session-created").map(str::to_owned);
    world.wait(30);
    patch(&mut world, &path, &json!({ "a": 1 }));
    world.move_to_another_isolate();
    let guests = world.jar.clone();
    world.exchange("x-session-identify\n{\"user\":\"ada\"}");
    world.move_to_another_isolate();
    let forward = world.visit();
    assert_eq!(header_value(&forward, "x-session-user"), Some("ada"));
    assert_eq!(header_value(&forward, "x-session-data"), Some(r#"{"a":1}"#));
    assert_eq!(
        header_value(&forward, "x-session-created"),
        began.as_deref()
    );
    assert_eq!(patch(&mut world, &path, &json!({ "a": 2 })).0, 404);
    // A copy of the guest's cookie is not the user.
    world.jar = guests;
    world.wait(60);
    assert_eq!(refused(world.get("/")).0, 401);
}

#[test]
fn lease_begins_the_record_of_a_guest() {
    let (mut world, path) = guest("strong", true);
    let lease = format!("{path}/lease");
    let (status, taken) = call(
        &mut world,
        "POST",
        &lease,
        &json!({ "seconds": 30, "begin": BEGAN }),
    );
    assert_eq!(status, 200);
    assert_eq!(call(&mut world, "POST", &lease, &json!({})).0, 409);
    let held = json!({ "patch": { "a": 1 }, "lease": taken["token"] });
    assert_eq!(call(&mut world, "PATCH", &path, &held).0, 200);
    assert_eq!(
        header_value(&world.visit(), "x-session-data"),
        Some(r#"{"a":1}"#)
    );
}

#[test]
fn with_kv_alone_the_origin_is_told_that_there_is_no_record() {
    let (mut world, path) = guest("eventual", true);
    let (status, problem) = patch(&mut world, &path, &json!({ "a": 1 }));
    assert_eq!((status, &problem["code"]), (404, &json!("not_recorded")));
    assert!(world.records().is_empty());
}

#[test]
fn nothing_begins_under_the_name_of_a_sign_in_or_of_a_session_that_ended() {
    let (mut world, path) = guest("strong", true);
    for method in ["PATCH", "POST"] {
        let at = if method == "POST" { "/lease" } else { "" };
        let named = format!("{path}.AAAAAAAA{at}");
        assert_eq!(call(&mut world, method, &named, &json!({})).0, 404);
    }
    patch(&mut world, &path, &json!({ "a": 1 }));
    assert_eq!(call(&mut world, "DELETE", &path, &Value::Null).0, 204);
    assert_eq!(patch(&mut world, &path, &json!({ "a": 2 })).0, 404);
    let lease = format!("{path}/lease");
    assert_eq!(call(&mut world, "POST", &lease, &json!({})).0, 404);
    world.move_to_another_isolate();
    assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
}

#[test]
fn late_change_begins_no_session() {
    let (mut world, path) = guest("strong", true);
    let lease = format!("{path}/lease");
    let late = json!({ "patch": { "a": 1 } });
    let (status, problem) = call(&mut world, "PATCH", &path, &late);
    assert_eq!((status, &problem["code"]), (404, &json!("not_recorded")));
    assert_eq!(call(&mut world, "POST", &lease, &json!({})).0, 404);
    let future = json!({ "patch": { "a": 1 }, "begin": BEGAN + 3_600 });
    assert_eq!(call(&mut world, "PATCH", &path, &future).0, 404);
    world.wait(8 * 86_400);
    assert_eq!(patch(&mut world, &path, &json!({ "a": 1 })).0, 404);
    let begins = json!({ "begin": BEGAN });
    assert_eq!(call(&mut world, "POST", &lease, &begins).0, 404);
    assert!(world.io.rows.is_empty());
}

#[test]
fn record_that_begins_anew_is_not_that_of_a_session_that_ran_out() {
    let (mut world, path) = guest("strong", true);
    world.exchange("x-session-patch\n{\"a\":1}");
    world.exchange("x-session-rotate\n1");
    assert_eq!(world.io.rows.len(), 1);
    // As if it had run out long ago: object and namespace have forgotten it.
    world.io.rows.clear();
    world.io.namespace.clear();
    world.move_to_another_isolate();
    for _ in 0..3 {
        assert_eq!(patch(&mut world, &path, &json!({ "late": true })).0, 200);
    }
    assert_eq!(refused(world.get("/")), (401, "session_unknown".to_owned()));
}

#[test]
fn guest_without_a_socket_costs_no_storage() {
    for (has_socket, vars) in [(false, json!({ "ORIGIN_KEY": KEY })), (true, json!({}))] {
        let mut world = World::new(&vars);
        world.exchange("");
        world.wait(1);
        if has_socket {
            world.socket();
        }
        world.move_to_another_isolate();
        let before = (world.io.reads, world.io.calls, world.io.feeds);
        world.visit();
        let after = (world.io.reads, world.io.calls, world.io.feeds);
        assert_eq!(before, after);
    }
}

#[test]
fn guest_with_a_socket_is_served_while_storage_is_silent() {
    let (mut world, _) = guest("strong", true);
    world.move_to_another_isolate();
    world.wait(120);
    world.io.silent.reads = true;
    world.io.silent.objects = true;
    let forward = world.visit();
    assert_eq!(header_value(&forward, "x-session-state"), Some("degraded"));
    assert_eq!(header_value(&forward, "x-session-user"), None);
}
