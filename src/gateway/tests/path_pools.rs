//! Tests that requests go to the pool of their path, and that conversations stay in the default pool.

use super::*;
use serde_json::json;

use crate::http::path::PathClass;
use crate::http::request::Location;

const PATHS: &str = "w=http://w:1,x=http://x:1,a=http://a:1;paths=/api+/v1,b=http://b:1;paths=/v1/+/api,\
    s=http://s:1;paths=/socket.io";

fn world(changes: &Value) -> World {
    let mut settings = json!({ "ORIGINS": PATHS, "ADMIN_TOKEN": past::TOKEN });
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    World::new(&settings)
}

fn origin(world: &mut World, target: &str) -> String {
    forwarded(world.get(target)).origin.to_string()
}

/// Begins sessions until one has its API requests at this origin.
fn begin_at(world: &mut World, wanted: &str) {
    loop {
        world.jar = None;
        world.exchange("");
        if origin(world, "/api") == wanted {
            return;
        }
    }
}

fn explained(world: &mut World, target: &str) -> Value {
    let mut headers = json!({});
    if let Some(cookie) = &world.jar {
        headers["Cookie"] = json!(cookie);
    }
    let question = json!({ "url": format!("https://chat.example{target}"), "headers": headers });
    let jar = world.jar.take();
    let path = "/_session/admin/explain";
    let step = world.call("POST", path, Some(past::TOKEN), &question);
    world.jar = jar;
    match step {
        Step::Answer(answer) => serde_json::from_str(&answer.body).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_path_goes_to_its_pool_and_a_session_stays_at_one_origin_of_each() {
    let mut world = world(&json!({}));
    let mut seen: HashMap<String, usize> = HashMap::new();
    for _ in 0..60 {
        world.jar = None;
        let home = world.exchange("").origin;
        let api = origin(&mut world, "/api");
        for (target, expected) in [
            ("/chat", home.as_str()),
            ("/apis", &home),
            ("/api/1?a=/v1", &api),
            ("/v1/chat-messages", &api),
            ("/socket.io/?EIO=4", "s"),
        ] {
            let forward = forwarded(world.get(target));
            assert_eq!(forward.origin, expected, "{target}");
            assert_eq!(header_value(&forward, "x-session-state"), Some("active"));
            let path = target.split('?').next().unwrap();
            assert_eq!(explained(&mut world, path)["choice"]["origin"], expected);
        }
        *seen.entry(home.to_string()).or_default() += 1;
        *seen.entry(api).or_default() += 1;
    }
    for name in ["w", "x", "a", "b"] {
        assert!(seen.get(name).is_some_and(|times| *times > 10), "{seen:?}");
    }
    assert_eq!(world.io.puts, 0);
}

#[test]
fn failed_origin_of_a_path_moves_its_requests_and_no_conversation() {
    let mut world = world(&json!({}));
    begin_at(&mut world, "a");
    let home = world.visit().origin.to_string();
    let record = world.io.puts;
    world.kill("a");
    let mut answers = Answers::default();
    answers.add_failure("a", Failure::Unsent, world.now);
    let moved = forwarded(world.send("GET", "/api", &[], &mut answers));
    assert_eq!(moved.origin, "b");
    assert_eq!(header_value(&moved, "x-session-state"), Some("active"));
    world.answer(&moved, "");
    assert_eq!(origin(&mut world, "/v1"), "b");
    assert_eq!(explained(&mut world, "/api")["choice"]["origin"], "b");
    let there = world.visit();
    assert_eq!(
        (there.origin.to_string(), there.handle_response),
        (home, false),
        "the conversation stays, without a pin"
    );
    assert_eq!(world.io.puts, record, "nothing is stored");
    world.io.probed.clear();
    world.gateway.recovered("a", world.now);
    world.wait(120);
    assert_eq!(origin(&mut world, "/api"), "a", "and requests return");
}

#[test]
fn failed_origin_of_the_conversation_moves_no_request_of_other_paths() {
    let mut world = world(&json!({}));
    let home = world.exchange("").origin;
    let api = origin(&mut world, "/api");
    world.kill(&home);
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Unsent, world.now);
    let moved = forwarded(world.send("GET", "/", &[], &mut answers));
    assert_ne!(moved.origin, home);
    assert_eq!(header_value(&moved, "x-session-state"), Some("takeover"));
    world.answer(&moved, "");
    assert_eq!(origin(&mut world, "/api"), api);
    assert_eq!(world.visit().origin, moved.origin);
}

/// Ejects an origin by gateway errors.
fn eject(world: &mut World, name: &str) {
    world.io.probed.insert(name.to_owned(), Verdict::Faulty);
    for _ in 0..5 {
        world.fail(name);
        world.probe();
    }
    assert!(world.gateway.balancer.health.is_ejected(name, world.now));
}

#[test]
fn panic_threshold_counts_each_pool_for_itself() {
    let mut world = world(&json!({}));
    begin_at(&mut world, "a");
    let home = world.visit().origin.to_string();
    for name in ["w", "x", "s"] {
        eject(&mut world, name);
    }
    assert_eq!(world.visit().origin, home, "all of its pool failed");
    eject(&mut world, "a");
    assert_eq!(origin(&mut world, "/api"), "b", "only half of its pool did");
    eject(&mut world, "b");
    assert_eq!(origin(&mut world, "/api"), "a");
}

#[test]
fn drained_origin_of_a_path_gets_no_more_requests() {
    let mut world = world(&json!({}));
    begin_at(&mut world, "a");
    let home = world.visit().origin.to_string();
    let settings = PATHS.replace("a:1;", "a:1;state=drain;");
    world.settings["ORIGINS"] = json!(settings);
    world.move_to_another_isolate();
    assert_eq!(origin(&mut world, "/api"), "b");
    let explanation = explained(&mut world, "/api");
    let drained = &explanation["origins"][0];
    assert_eq!(
        (&drained["name"], &drained["usable"]),
        (&json!("a"), &json!(false))
    );
    assert_eq!(world.visit().origin, home);
    world.settings["ORIGINS"] = json!(settings.replace("b:1;", "b:1;state=drain;"));
    world.move_to_another_isolate();
    assert_eq!(origin(&mut world, "/api"), "a", "no other is left");
}

#[test]
fn added_origin_of_a_path_gets_later_sessions_only() {
    let mut world = world(&json!({ "ORIGINS": "w=http://w:1,a=http://a:1;paths=/api" }));
    let mut old = Vec::new();
    for _ in 0..20 {
        world.jar = None;
        world.exchange("");
        old.push(world.jar.clone());
    }
    world.wait(60);
    world.settings["ORIGINS"] = json!(
        "w=http://w:1,a=http://a:1;paths=/api,b=http://b:1;paths=/api;since=2023-11-14T22:14:00Z"
    );
    world.move_to_another_isolate();
    for jar in old {
        world.jar = jar;
        assert_eq!(origin(&mut world, "/api"), "a");
    }
    begin_at(&mut world, "b");
}

#[test]
fn requests_of_a_path_go_to_the_release_of_the_conversation() {
    let origins = "w=http://w:1,w2=http://x:1;release=v2,a=http://a:1;paths=/api,\
        a2=http://b:1;paths=/api;release=v2";
    let mut world = world(&json!({ "ORIGINS": origins, "RELEASES": "v2: 50" }));
    let mut seen = [0, 0];
    for _ in 0..40 {
        world.jar = None;
        let home = world.exchange("").origin;
        let expected = home.replace('w', "a");
        assert_eq!(origin(&mut world, "/api"), expected);
        seen[usize::from(home == "w2")] += 1;
    }
    assert!(seen.iter().all(|times| *times > 5), "{seen:?}");
    // The release of a path has no usable origin: the usual one answers.
    world.settings["ORIGINS"] = json!(origins.replace("b:1;", "b:1;state=down;"));
    world.move_to_another_isolate();
    assert_eq!(origin(&mut world, "/api"), "a");
}

#[test]
fn full_default_pool_refuses_its_own_visitors_only() {
    let origins = "w=http://w:1;capacity=1,a=http://a:1;paths=/api";
    let mut world = world(&json!({ "ORIGINS": origins }));
    world.busy("w", 1);
    assert_eq!(refused(world.get("/")), (503, "overloaded".to_owned()));
    assert_eq!(origin(&mut world, "/api"), "a");
    world.jar = None;
    world.busy("w", 0);
    for _ in 0..50 {
        world.jar = None;
        assert_eq!(origin(&mut world, "/api"), "a");
    }
    world.jar = None;
    assert_eq!(
        origin(&mut world, "/"),
        "w",
        "requests to others do not fill it"
    );
}

#[test]
fn overload_limits_concern_the_default_pool() {
    let origins = "w=http://w:1,a=http://a:1;paths=/api";
    let mut world = world(&json!({ "ORIGINS": origins, "OVERLOAD_IN_FLIGHT": "1" }));
    world.busy("a", 5);
    let a = world.gateway.tenant.pools.named("a").unwrap();
    assert!(world.gateway.balancer.takes_new(a, world.now));
    world.exchange("");
    assert_eq!(origin(&mut world, "/api"), "a");
}

#[test]
fn path_that_others_read_as_another_pools_is_refused() {
    let mut world = world(&json!({}));
    world.exchange("");
    for target in [
        "/x/..%2fapi/1",
        "/api%2f1",
        "/%61pi",
        "/api;x/1",
        "//api",
        "/v1%2f..%2fapi%2f",
    ] {
        let location = format!("https://chat.example{target}");
        let class = world.gateway.classify(&Location::parse(&location).unwrap());
        assert_eq!(class, PathClass::Ambiguous, "{target}");
        assert_eq!(refused(world.get(target)).0, 400, "{target}");
    }
    for (target, expected) in [("/x/../api/1", "a"), ("/api/a%20b;c", "a"), ("/a%2fb", "w")] {
        let pools = [["a", "b"], ["w", "x"]];
        let own = pools
            .into_iter()
            .find(|pool| pool.contains(&expected))
            .unwrap();
        let sent = crate::http::canonical::canonical(
            &Location::parse(&format!("https://chat.example{target}")).unwrap(),
        );
        let sent = sent.unwrap();
        let target = sent
            .as_deref()
            .and_then(|url| url.strip_prefix("https://chat.example"))
            .unwrap_or(target);
        assert!(
            own.contains(&origin(&mut world, target).as_str()),
            "{target}"
        );
    }
}

#[test]
fn links_to_origins_of_any_pool_become_public() {
    let mut world = world(&json!({}));
    let forward = world.exchange("");
    for name in ["w", "a", "s"] {
        let location = format!("location\nhttp://{name}:1/next");
        let edits = world.answer(&forward, &location);
        let sent = ("location", "https://chat.example/next".to_owned());
        assert!(edits.append.contains(&sent), "{edits:?}");
    }
}

#[test]
fn origins_of_all_pools_are_checked_and_measured() {
    let world = world(&json!({
        "ORIGINS": "w=http://w:1;health=/up,a=http://a:1;paths=/api;health=/ready",
    }));
    let balancer = &world.gateway.balancer;
    let checks: Vec<String> = balancer.health_checks().map(|check| check.url).collect();
    assert_eq!(checks, ["http://w:1/up", "http://a:1/ready"]);
    let measured = balancer.gauges(world.now);
    assert!(measured.iter().any(|(_, labels, _)| labels == "default\ta"));
    let described =
        balancer.describe_origin(world.gateway.tenant.pools.named("a").unwrap(), world.now);
    assert_eq!(described["paths"], json!(["/api"]));
}
