//! Tests origins that drain, fail or are full.

use super::*;
use crate::telemetry::gauge::Milli;
use serde_json::json;

pub(super) fn placed(world: &mut World, count: usize) -> HashMap<String, usize> {
    let mut places: HashMap<String, usize> = HashMap::new();
    for _ in 0..count {
        world.jar = None;
        *places.entry(world.visit().origin.to_string()).or_default() += 1;
    }
    places
}

#[test]
fn draining_origin_keeps_its_sessions_and_gets_no_new_ones() {
    let mut world = World::new(&json!({}));
    while world.exchange("").origin != "b" {
        world.jar = None;
    }
    let old = world.jar.clone();
    world.settings = json!({ "ORIGINS": "a=http://a:1,b=http://b:1;state=drain,c=http://c:1" });
    world.move_to_another_isolate();
    world.jar.clone_from(&old);
    let staying = world.exchange("");
    assert_eq!(staying.origin, "b");
    assert_eq!(header_value(&staying, "x-session-state"), Some("active"));
    let places = placed(&mut world, 200);
    assert!(!places.contains_key("b"), "{places:?}");
    assert!(places["a"] > 60 && places["c"] > 60, "{places:?}");
}

#[test]
fn small_origin_takes_all_new_sessions_when_others_drain() {
    let mut world = World::new(&json!({
        "ORIGINS": "a=http://a:1;weight=50;state=drain,b=http://b:1,c=http://c:1;weight=50;state=drain",
    }));
    let places = placed(&mut world, 100);
    assert_eq!(places["b"], 100, "{places:?}");
}

#[test]
fn down_origin_loses_its_sessions_and_the_next_gets_takeover() {
    let mut world = World::new(&json!({}));
    while world.exchange("").origin != "b" {
        world.jar = None;
    }
    world.settings = json!({ "ORIGINS": "a=http://a:1,b=http://b:1;state=down,c=http://c:1" });
    world.move_to_another_isolate();
    let moved = world.exchange("");
    assert_ne!(moved.origin, "b");
    assert_eq!(header_value(&moved, "x-session-state"), Some("takeover"));
    let later = world.visit();
    assert_eq!(later.origin, moved.origin);
    assert_eq!(header_value(&later, "x-session-state"), Some("active"));
}

#[test]
fn new_sessions_prefer_the_less_busy_origin_without_storage() {
    let mut world = World::new(&json!({ "ORIGINS": "a=http://a:1,b=http://b:1" }));
    world.busy("a", 50);
    world.busy("b", 0);
    let mut places: HashMap<String, usize> = HashMap::new();
    for _ in 0..400 {
        world.jar = None;
        *places.entry(world.visit().origin.to_string()).or_default() += 1;
        world.busy("a", 50);
        world.busy("b", 0);
    }
    assert_eq!(places.get("a"), None, "{places:?}");
    // Without requests under way, new sessions are spread all the same.
    world.busy("a", 0);
    world.busy("b", 0);
    let even = placed(&mut world, 400);
    assert!(even["a"].abs_diff(even["b"]) < 20, "{even:?}");
    assert_eq!(world.io.puts, 0);
    world.move_to_another_isolate();
    let mut stays = 0;
    for _ in 0..20 {
        let first = world.exchange("").origin;
        world.busy("a", 50);
        world.busy("b", 0);
        stays += usize::from(world.visit().origin == first);
    }
    assert_eq!(stays, 20, "those that have begun stay");
}

#[test]
fn new_sessions_go_where_fewer_sockets_are_open() {
    let mut world = World::new(&json!({ "ORIGINS": "a=http://a:1,b=http://b:1" }));
    world.sockets("a", 60);
    let places = placed(&mut world, 40);
    assert_eq!(places.get("a"), None, "{places:?}");
    // An hour later most of them are closed, by the gateway's estimate.
    world.wait(3_600);
    let places = placed(&mut world, 200);
    assert!(places["a"] > 60, "{places:?}");
}

#[test]
fn followed_sockets_are_counted_and_not_estimated() {
    let settings =
        json!({ "ORIGINS": "a=http://a:1;capacity=5,b=http://b:1", "STREAMS": "revocable" });
    let mut world = World::new(&settings);
    world.sockets("a", 60);
    assert!(placed(&mut world, 4).contains_key("a"));
}

#[test]
fn requests_beyond_the_rate_of_a_tenant_are_refused_until_the_next_second() {
    let mut world = World::new(&json!({ "REQUESTS_PER_SECOND": "3" }));
    for _ in 0..3 {
        world.exchange("");
    }
    let code = "too_many_requests".to_owned();
    assert_eq!(refused(world.get("/")), (429, code.clone()));
    assert_eq!(refused(world.get("/")), (429, code));
    assert_eq!(world.gateway.recorder.take_events().len(), 1);
    world.wait(1);
    world.exchange("");
}

#[test]
fn request_is_not_counted_again_after_its_origin_failed() {
    let mut world = World::new(&json!({ "REQUESTS_PER_SECOND": "2" }));
    let home = world.exchange("").origin;
    world.visit();
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Lost, world.now);
    forwarded(world.send("GET", "/", &[], &mut answers));
    assert_eq!(refused(world.get("/")).0, 429);
}

#[test]
fn requests_beyond_the_number_in_flight_of_a_tenant_are_refused() {
    let mut world = World::new(&json!({ "MAX_IN_FLIGHT": "5" }));
    world.exchange("");
    world.busy("a", 3);
    world.busy("b", 2);
    assert_eq!(refused(world.get("/")), (503, "tenant_busy".to_owned()));
    world.busy("b", 1);
    world.exchange("");
}

#[test]
fn sessions_beyond_the_quota_of_a_tenant_do_not_begin_and_others_go_on() {
    let mut world = World::new(&json!({ "MAX_SESSIONS": "2" }));
    let full = (503, "tenant_full".to_owned());
    // A guest without data is not stored, and does not count.
    let mut jars = Vec::new();
    for _ in 0..5 {
        world.jar = None;
        world.exchange("");
        jars.push(world.jar.take());
    }
    for jar in &jars[..2] {
        world.jar.clone_from(jar);
        world.exchange("x-session-patch\n{\"a\":1}");
    }
    world.jar = None;
    world.exchange("");
    world.wait(20);
    world.jar = None;
    assert_eq!(refused(world.get("/")), full);
    world.jar = None;
    assert_eq!(refused(world.get("/")), full, "the count is known now");
    for jar in &jars {
        world.jar.clone_from(jar);
        world.exchange("");
    }
    world.jar.clone_from(&jars[4]);
    world.exchange("x-session-identify\n{\"user\":\"ada\"}");

    // A session ends, then another.
    for jar in &jars[..2] {
        world.jar.clone_from(jar);
        world.exchange("x-session-destroy\n1");
    }
    world.wait(20);
    world.jar = None;
    world.exchange("");
    let gauge = world.gateway.limits.sessions_gauge(world.now).unwrap();
    assert_eq!(gauge.2, Milli::of(1));

    // If its object does not answer, the tenant admits everyone after a minute.
    world.exchange("x-session-patch\n{\"a\":1}");
    world.wait(20);
    world.jar = None;
    assert_eq!(refused(world.get("/")), full);
    world.io.silent.directory = true;
    world.wait(59);
    assert_eq!(refused(world.get("/")), full);
    world.wait(2);
    world.exchange("");
}

#[test]
fn open_sockets_count_towards_capacity() {
    let mut world = World::new(&json!({ "ORIGINS": "a=http://a:1;capacity=5,b=http://b:1" }));
    world.sockets("a", 5);
    assert_eq!(placed(&mut world, 50).get("a"), None);
}

#[test]
fn full_origin_gets_no_new_session() {
    let mut world = World::new(&json!({
        "ORIGINS": "a=http://a:1;capacity=5,b=http://b:1", "OVERLOAD_LOAD": "90",
    }));
    let old = world.exchange("");
    let cookie = world.jar.clone();
    world.busy("a", 5);
    assert_eq!(placed(&mut world, 50).get("a"), None);
    // An origin reports that it is full.
    world.jar.clone_from(&cookie);
    let mut full = world.visit();
    while full.origin != "b" {
        world.jar = None;
        full = world.exchange("");
    }
    world.answer(&full, "endpoint-load-metrics\nTEXT cpu_utilization=0.95");
    world.jar = None;
    assert_eq!(refused(world.get("/")), (503, "overloaded".to_owned()));
    world.jar = cookie;
    assert_eq!(world.visit().origin, old.origin, "conversations go on");
    world.wait(10);
    world.jar = None;
    world.visit();
}

#[test]
fn canary_gets_a_share_of_new_sessions_and_ramping_moves_none() {
    let origins = "a=http://a:1,b=http://b:1,v2=http://c:1;release=v2";
    let settings = |canary: &str| json!({ "ORIGINS": origins, "CANARY": canary, "CANARY_HEADER": "x-beta: 1" });
    let mut world = World::new(&settings("v2:20"));
    let mut placed = Vec::new();
    for _ in 0..300 {
        world.jar = None;
        let origin = world.exchange("").origin;
        placed.push((world.jar.clone(), origin));
    }
    let canary = placed.iter().filter(|(_, origin)| origin == "v2").count();
    assert!((35..90).contains(&canary), "{canary} of 300");
    for percent in ["v2:0", "v2:100", "v2:50"] {
        world.settings = settings(percent);
        world.move_to_another_isolate();
        for (jar, origin) in &placed {
            world.jar.clone_from(jar);
            assert_eq!(world.visit().origin, *origin, "{percent}");
        }
    }
    world.jar = None;
    world.settings = settings("v2:0");
    world.move_to_another_isolate();
    let beta = world.send("GET", "/", &[("x-beta", "1")], &mut Answers::default());
    assert_eq!(forwarded(beta).origin, "v2");
    // The kill switch moves the canary's sessions, and their next origin sees a takeover.
    world.settings = settings("v2:off");
    world.move_to_another_isolate();
    for (jar, origin) in &placed {
        world.jar.clone_from(jar);
        let now = world.exchange("");
        assert_ne!(now.origin, "v2");
        let state = if origin == "v2" { "takeover" } else { "active" };
        assert_eq!(header_value(&now, "x-session-state"), Some(state));
    }
}

#[test]
fn consecutive_gateway_errors_eject_and_other_errors_do_not() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    world.io.probed.insert(home.to_string(), Verdict::Faulty);
    let answer = |world: &mut World, status: u16| {
        let forward = world.visit();
        let answers = Answers::default();
        let settled = world.gateway.handle_response(
            &forward.response_context,
            status,
            "",
            world.now,
            &answers,
        );
        assert!(matches!(
            settled,
            ResponseAction::Untouched | ResponseAction::Edited(_)
        ));
        world.probe();
        forward.origin
    };
    for _ in 0..10 {
        answer(&mut world, 500);
    }
    for _ in 0..5 {
        assert_eq!(answer(&mut world, 503), home);
    }
    assert_ne!(world.visit().origin, home);
}

#[test]
fn panic_threshold_ignores_ejections_of_most_origins() {
    let mut world = World::new(&json!({}));
    for name in ["a", "b", "c"] {
        world.io.probed.insert(name.to_owned(), Verdict::Faulty);
        for _ in 0..5 {
            world.fail(name);
            world.probe();
        }
        assert!(world.gateway.balancer.health.is_ejected(name, world.now));
    }
    let places = placed(&mut world, 100);
    assert_eq!(places.len(), 3, "{places:?}");
}

#[test]
fn strict_pin_waits_for_its_origin() {
    let mut world = World::new(&json!({ "STRICT_PINS": "true" }));
    let home = world.exchange("").origin;
    world.kill(&home);
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Unsent, world.now);
    let step = world.send("GET", "/", &[], &mut answers);
    assert_eq!(refused(step), (502, "origin_unreachable".to_owned()));
    world.wait(5);
    assert_eq!(world.visit().origin, home);
}

#[test]
fn new_sessions_per_minute_are_limited_per_client() {
    let mut world = World::new(&json!({ "NEW_SESSIONS_PER_MINUTE": "3" }));
    let from = |world: &mut World, address: &str| {
        let headers = [("cf-connecting-ip", address)];
        world.send("GET", "/", &headers, &mut Answers::default())
    };
    let first = forwarded(from(&mut world, "192.0.2.1"));
    world.answer(&first, "");
    let cookie = world.jar.take();
    for _ in 0..2 {
        forwarded(from(&mut world, "192.0.2.1"));
    }
    let refusal = from(&mut world, "192.0.2.1");
    assert_eq!(refused(refusal), (429, "too_many_sessions".to_owned()));
    forwarded(from(&mut world, "192.0.2.2"));
    world.jar = cookie;
    forwarded(from(&mut world, "192.0.2.1"));
    world.jar = None;
    world.wait(60);
    forwarded(from(&mut world, "192.0.2.1"));
}

#[test]
fn platform_limit_rejects_new_sessions_and_keeps_existing_ones() {
    let mut world = World::new(&json!({ "NEW_SESSION_LIMITER": true }));
    let headers = [("cf-connecting-ip", "192.0.2.1")];
    let send = |world: &mut World| world.send("GET", "/", &headers, &mut Answers::default());
    let first = forwarded(send(&mut world));
    world.answer(&first, "");
    world.io.is_limited = true;
    forwarded(send(&mut world));
    world.jar = None;
    assert_eq!(
        refused(send(&mut world)),
        (429, "too_many_sessions".to_owned())
    );
}
