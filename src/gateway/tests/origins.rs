//! Origins that are gone, slow or wrong.

use super::*;
use chacha20::rand_core::Rng as _;
use serde_json::json;

#[test]
fn unreachable_origin_is_replaced_and_the_pin_stored() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    world.kill(&home);
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Lost, world.now);
    let again = forwarded(world.ask("GET", "/", &[], &mut answers));
    assert_eq!(again.origin, home, "one lost connection proves nothing");
    answers.add_failure(&home, Failure::Lost, world.now);
    let moved = forwarded(world.ask("GET", "/", &[], &mut answers));
    assert_ne!(moved.origin, home);
    assert_eq!(told(&moved, "x-session-state"), Some("takeover"));
    world.answer(&moved, "");
    world.wait(60);
    world.move_to_another_isolate();
    let later = world.visit();
    assert_eq!(later.origin, moved.origin);
    assert_eq!(told(&later, "x-session-state"), Some("active"));
}

#[test]
fn possibly_processed_request_is_not_retried() {
    for (method, failure, expected) in [
        ("POST", Failure::Lost, Some((502, "origin_unreachable"))),
        ("POST", Failure::Cut, Some((502, "origin_unreachable"))),
        ("POST", Failure::Spoilt, Some((400, "broken_body"))),
        ("POST", Failure::Unsent, None),
        ("GET", Failure::TimedOut, Some((504, "origin_timeout"))),
        ("GET", Failure::Lost, None),
    ] {
        let mut world = World::new(&json!({}));
        let home = world.exchange("").origin;
        if failure == Failure::Unsent {
            world.kill(&home);
        }
        let mut answers = Answers::default();
        answers.add_failure(&home, failure, world.now);
        let step = world.ask(method, "/", &[], &mut answers);
        match expected {
            None => drop(forwarded(step)),
            Some((status, code)) => assert_eq!(refused(step), (status, code.to_owned())),
        }
    }
}

#[test]
fn unreachable_origin_is_skipped_for_a_while() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    world.kill(&home);
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Unsent, world.now);
    world.ask("POST", "/", &[], &mut answers);
    assert_ne!(world.visit().origin, home);
    world.wait(5);
    assert_eq!(world.visit().origin, home);
}

/// However a request fails, whatever the method.
const FAILURES: [(&str, Failure); 7] = [
    ("GET", Failure::Lost),
    ("HEAD", Failure::Lost),
    ("POST", Failure::Lost),
    ("POST", Failure::Cut),
    ("POST", Failure::Spoilt),
    ("GET", Failure::Unsent),
    ("GET", Failure::TimedOut),
];

#[test]
fn failures_of_one_client_do_not_eject_a_live_origin() {
    for (method, failure) in FAILURES {
        for origins in [ORIGINS, "a=http://a:1"] {
            let mut world = World::new(&json!({ "ORIGINS": origins }));
            let home = world.exchange("").origin;
            let begun = world.now;
            for _ in 0..100 {
                let mut answers = Answers::default();
                let refusal = loop {
                    match world.ask(method, "/", &[], &mut answers) {
                        Step::Forward(forward) => {
                            assert_eq!(forward.origin, home);
                            answers.add_failure(&home, failure, world.now);
                        }
                        other => break refused(other).0,
                    }
                };
                assert!([400, 502, 504].contains(&refusal), "{refusal}");
                assert!(answers.failures().len() <= 2);
                world.now.0 += 50;
                assert_eq!(world.visit().origin, home, "{method} {failure:?}");
            }
            let seconds = world.now.millis_since(begun) / 1_000;
            let probes = u64::try_from(world.outside.probes).unwrap();
            assert!(probes <= seconds + 1, "{probes} in {seconds} s");
            assert_eq!(
                world.gateway.balancer.health.ejected_until(&home),
                UnixMillis(0)
            );
        }
    }
}

#[test]
fn killed_server_is_left_at_the_first_safe_request() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    let attack = |world: &mut World| {
        let mut answers = Answers::default();
        for _ in 0..2 {
            answers.add_failure(&home, Failure::Lost, world.now);
        }
        world.ask("GET", "/attack", &[], &mut answers)
    };
    assert_eq!(refused(attack(&mut world)).0, 502);
    world.kill(&home);
    world.now.0 += 1;
    let began = world.now;
    let mut answers = Answers::default();
    for _ in 0..2 {
        answers.add_failure(&home, Failure::Lost, world.now);
    }
    let moved = forwarded(world.ask("GET", "/", &[], &mut answers));
    assert_ne!(moved.origin, home);
    let took = world.now.millis_since(began);
    assert!(took <= 1_300, "the next probe's turn, not {took} ms");
}

#[test]
fn after_a_failed_post_the_next_one_goes_elsewhere() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    world.kill(&home);
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Cut, world.now);
    let step = world.ask("POST", "/", &[], &mut answers);
    assert_eq!(refused(step), (502, "origin_unreachable".to_owned()));
    let next = world.ask("POST", "/", &[], &mut Answers::default());
    assert_ne!(forwarded(next).origin, home);
}

#[test]
fn gateway_errors_of_one_path_do_not_eject_while_probes_succeed() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    for _ in 0..200 {
        let forward = world.visit();
        assert_eq!(forward.origin, home);
        let answers = Answers::default();
        world
            .gateway
            .handle_response(&forward.response_context, 503, "", world.now, &answers);
        world.probe();
        world.now.0 += 50;
    }
}

#[test]
fn hanging_server_is_ejected_after_timeouts_of_several_networks() {
    for (addresses, expected) in [
        (["2001:db8::1", "2001:db8::2"], false),
        (["192.0.2.1", "::ffff:192.0.2.1"], false),
        (["192.0.2.1", "2001:db8::2"], true),
    ] {
        let mut world = World::new(&json!({}));
        let home = world.exchange("").origin;
        world.outside.probed.insert(home.clone(), Verdict::Silent);
        for turn in 0..10 {
            let mut answers = Answers::default();
            answers.add_failure(&home, Failure::TimedOut, world.now);
            let headers = [("cf-connecting-ip", addresses[turn % 2])];
            let step = world.ask("GET", "/", &headers, &mut answers);
            assert_eq!(refused(step), (504, "origin_timeout".to_owned()));
        }
        let is_ejected = world.gateway.balancer.health.is_ejected(&home, world.now);
        assert_eq!(is_ejected, expected, "{addresses:?}");
    }
}

#[test]
fn without_client_addresses_older_sessions_distinguish_clients() {
    for (kind, expected) in [
        ("no session", false),
        ("one session", false),
        ("sessions begun meanwhile", false),
        ("two sessions", true),
    ] {
        let settings = json!({ "ORIGINS": "a=http://a:1" });
        let mut world = World::new(&settings);
        // The same deployment, where the server answers.
        let mut elsewhere = World::new(&settings);
        let mut begin = |now| {
            elsewhere.now = now;
            elsewhere.jar = None;
            elsewhere.exchange("");
            elsewhere.jar.take().unwrap()
        };
        let sessions = [begin(world.now), begin(world.now)];
        world.outside.probed.insert("a".to_owned(), Verdict::Silent);
        let mut is_ejected = false;
        for turn in 0..10 {
            world.wait(1);
            let session = match kind {
                "no session" => String::new(),
                "one session" => sessions[0].clone(),
                "two sessions" => sessions[turn % 2].clone(),
                _ => begin(world.now),
            };
            let cookie = format!("a={turn}; {session}");
            let mut answers = Answers::default();
            answers.add_failure("a", Failure::TimedOut, world.now);
            let step = world.ask("GET", "/", &[("cookie", &cookie)], &mut answers);
            assert_eq!(refused(step), (504, "origin_timeout".to_owned()));
            is_ejected |= world.gateway.balancer.health.is_ejected("a", world.now);
        }
        assert_eq!(is_ejected, expected, "{kind}");
    }
}

#[test]
fn probe_requests_the_health_path() {
    let origins = "a=http://a:1;health=/ready,b=http://b:1";
    let mut world = World::new(&json!({ "ORIGINS": origins }));
    for (origin, url) in [("a", "http://a:1/ready"), ("b", "http://b:1/")] {
        let now = world.now;
        world.fail(origin);
        let probes = world.gateway.balancer.take_probes();
        assert_eq!(
            probes,
            [Probe {
                origin: origin.to_owned(),
                url: url.to_owned(),
                begun: now
            }]
        );
    }
}

#[test]
fn request_fails_after_three_attempts() {
    let mut world = World::new(&json!({}));
    for name in ["a", "b", "c"] {
        world.kill(name);
    }
    let mut answers = Answers::default();
    let mut tried = Vec::new();
    for _ in 0..3 {
        let forward = forwarded(world.ask("GET", "/", &[], &mut answers));
        answers.add_failure(&forward.origin, Failure::Lost, world.now);
        tried.push(forward.origin);
    }
    let step = world.ask("GET", "/", &[], &mut answers);
    assert_eq!(refused(step), (502, "origin_unreachable".to_owned()));
    tried.dedup();
    assert!(tried.len() >= 2, "{tried:?}");
}

#[test]
fn malformed_response_becomes_502() {
    let mut world = World::new(&json!({}));
    let forward = world.visit();
    for status in [0, 42, 100, 199, 600, 999] {
        let settled = world.gateway.handle_response(
            &forward.response_context,
            status,
            "",
            world.now,
            &Answers::default(),
        );
        let ResponseAction::Replaced(answer) = settled else {
            panic!("{settled:?}")
        };
        assert_eq!(
            (answer.status, code(&answer).as_str()),
            (502, "origin_protocol")
        );
    }
}

fn placed(world: &mut World, count: usize) -> HashMap<String, usize> {
    let mut places = HashMap::new();
    for _ in 0..count {
        world.jar = None;
        *places.entry(world.visit().origin).or_default() += 1;
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
    assert_eq!(told(&staying, "x-session-state"), Some("active"));
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
    assert_eq!(told(&moved, "x-session-state"), Some("takeover"));
    let later = world.visit();
    assert_eq!(later.origin, moved.origin);
    assert_eq!(told(&later, "x-session-state"), Some("active"));
}

#[test]
fn new_sessions_prefer_the_less_busy_origin_without_storage() {
    let mut world = World::new(&json!({ "ORIGINS": "a=http://a:1,b=http://b:1" }));
    world.gateway.observe("a", 50, 0);
    world.gateway.observe("b", 0, 0);
    let mut places = HashMap::new();
    for _ in 0..400 {
        world.jar = None;
        *places.entry(world.visit().origin).or_default() += 1;
        world.gateway.observe("a", 50, 0);
        world.gateway.observe("b", 0, 0);
    }
    // Both of two draws must hit the busy one.
    let busy: usize = places["a"];
    assert!((60..140).contains(&busy), "{places:?}");
    // Without word of what is under way they are spread all the same.
    world.gateway.observe("a", 0, 0);
    world.gateway.observe("b", 0, 0);
    let even = placed(&mut world, 400);
    assert!(even["a"].abs_diff(even["b"]) < 20, "{even:?}");
    assert_eq!(world.outside.puts, 0);
    world.move_to_another_isolate();
    let mut stays = 0;
    for _ in 0..20 {
        let first = world.exchange("").origin;
        world.gateway.observe("a", 50, 0);
        world.gateway.observe("b", 0, 0);
        stays += usize::from(world.visit().origin == first);
    }
    assert_eq!(stays, 20, "those that have begun stay");
}

#[test]
fn full_origin_gets_no_new_session() {
    let mut world = World::new(&json!({
        "ORIGINS": "a=http://a:1;capacity=5,b=http://b:1", "OVERLOAD_LOAD": "90",
    }));
    let old = world.exchange("");
    let cookie = world.jar.clone();
    world.gateway.observe("a", 5, 0);
    assert_eq!(placed(&mut world, 50).get("a"), None);
    // An origin says of itself that it is full.
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
    let asked = world.ask("GET", "/", &[("x-beta", "1")], &mut Answers::default());
    assert_eq!(forwarded(asked).origin, "v2");
    // The kill switch moves those who were there, and tells where they come to.
    world.settings = settings("v2:off");
    world.move_to_another_isolate();
    for (jar, origin) in &placed {
        world.jar.clone_from(jar);
        let now = world.exchange("");
        assert_ne!(now.origin, "v2");
        let state = if origin == "v2" { "takeover" } else { "active" };
        assert_eq!(told(&now, "x-session-state"), Some(state));
    }
}

#[test]
fn consecutive_gateway_errors_eject_and_other_errors_do_not() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    world.outside.probed.insert(home.clone(), Verdict::Faulty);
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
        world
            .outside
            .probed
            .insert(name.to_owned(), Verdict::Faulty);
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
    let step = world.ask("GET", "/", &[], &mut answers);
    assert_eq!(refused(step), (502, "origin_unreachable".to_owned()));
    world.wait(5);
    assert_eq!(world.visit().origin, home);
}

#[test]
fn new_sessions_per_minute_are_limited_per_client() {
    let mut world = World::new(&json!({ "NEW_SESSIONS_PER_MINUTE": "3" }));
    let from = |world: &mut World, address: &str| {
        let headers = [("cf-connecting-ip", address)];
        world.ask("GET", "/", &headers, &mut Answers::default())
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
    let ask = |world: &mut World| world.ask("GET", "/", &headers, &mut Answers::default());
    let first = forwarded(ask(&mut world));
    world.answer(&first, "");
    world.outside.is_limited = true;
    forwarded(ask(&mut world));
    world.jar = None;
    assert_eq!(
        refused(ask(&mut world)),
        (429, "too_many_sessions".to_owned())
    );
}

/// A conversation whose server is gone, moved, and the server back.
fn moved(settings: &Value) -> (World, String, String) {
    let mut world = World::new(settings);
    let home = world.exchange("").origin;
    world.kill(&home);
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Unsent, world.now);
    let moved = forwarded(world.ask("GET", "/", &[], &mut answers));
    world.answer(&moved, "");
    world.wait(10);
    let there = world.visit();
    world.keep_up(&there);
    assert_eq!(there.origin, moved.origin, "nothing calls it back");
    (world, home, moved.origin)
}

#[test]
fn moved_conversation_stays() {
    let (mut world, _, there) = moved(&json!({ "SESSION_IDLE": "8h" }));
    world.wait(7 * 3600);
    assert_eq!(world.visit().origin, there);
}

#[test]
fn moved_conversation_returns_after_pin_idle_only() {
    let settings = json!({ "SESSION_IDLE": "8h", "PIN_IDLE": "30m" });
    let (mut world, home, there) = moved(&settings);
    // In use: every twenty minutes for three hours, in whatever isolate.
    for _ in 0..9 {
        world.wait(20 * 60);
        world.move_to_another_isolate();
        let visit = world.visit();
        assert_eq!(visit.origin, there);
        world.keep_up(&visit);
    }
    world.wait(2 * 3600);
    world.move_to_another_isolate();
    let returned = world.visit();
    assert_eq!(returned.origin, home);
    assert_eq!(told(&returned, "x-session-state"), Some("takeover"));
    world.answer(&returned, "");
    world.move_to_another_isolate();
    let next = world.visit();
    assert_eq!(next.origin, home);
    assert_eq!(told(&next, "x-session-state"), Some("active"));
}

#[test]
fn unreachable_origins_are_probed_once_a_second_without_requests() {
    let mut world = World::new(&json!({ "ORIGINS": "a=http://a:1,b=http://b:1" }));
    for name in ["a", "b"] {
        world.kill(name);
    }
    let begun = world.now;
    let mut attempts = 0;
    // Fifty requests a second for twenty seconds, all of whose connections are refused.
    for _ in 0..1_000 {
        world.jar = None;
        let mut answers = Answers::default();
        loop {
            match world.ask("GET", "/", &[], &mut answers) {
                Step::Forward(forward) => {
                    attempts += 1;
                    answers.add_failure(&forward.origin, Failure::Lost, world.now);
                }
                step => {
                    assert_eq!(refused(step), (502, "origin_unreachable".to_owned()));
                    break;
                }
            }
        }
        world.now.0 += 20;
    }
    // Each time that one was passed over for long enough it is tried again.
    assert!(attempts <= 12, "{attempts}");
    let seconds = usize::try_from(world.now.millis_since(begun) / 1_000).unwrap();
    assert!(
        world.outside.probes <= 2 * seconds + 2,
        "{}",
        world.outside.probes
    );
    // The first answer opens the door again, to whoever waits for it.
    world.outside.probed.clear();
    world.wait(1);
    let forward = world.visit();
    for _ in 0..20 {
        world.jar = None;
        assert_eq!(world.visit().origin, forward.origin);
    }
}

#[test]
fn failing_client_does_not_block_a_recovered_origin() {
    let mut world = World::new(&json!({ "ORIGINS": "a=http://a:1" }));
    world.exchange("");
    world.kill("a");
    let mut answers = Answers::default();
    for _ in 0..2 {
        answers.add_failure("a", Failure::Lost, world.now);
    }
    assert_eq!(refused(world.ask("GET", "/", &[], &mut answers)).0, 502);
    world.outside.probed.clear();
    world.wait(1);
    // The first to come is the one that fails everywhere.
    let mut answers = Answers::default();
    for _ in 0..2 {
        let forward = forwarded(world.ask("GET", "/", &[], &mut answers));
        answers.add_failure(&forward.origin, Failure::Lost, world.now);
    }
    assert_eq!(refused(world.ask("GET", "/", &[], &mut answers)).0, 502);
    assert_eq!(world.visit().origin, "a");
}

#[test]
fn since_gives_an_added_server_new_sessions_only() {
    let mut world = World::new(&json!({ "ORIGINS": "a=http://a:1,b=http://b:1" }));
    let mut old = Vec::new();
    for _ in 0..50 {
        world.jar = None;
        let home = world.exchange("").origin;
        old.push((world.jar.clone(), home));
    }
    world.wait(60);
    let since = world.now.seconds();
    assert_eq!(UnixSeconds::parse("2023-11-14T22:14:20Z"), Some(since));
    world.settings = json!({
        "ORIGINS": "a=http://a:1,b=http://b:1,c=http://c:1;since=2023-11-14T22:14:20Z,d=http://d:1;since=2023-11-14T22:14:20Z",
    });
    world.move_to_another_isolate();
    for (jar, home) in old {
        world.jar = jar;
        assert_eq!(world.visit().origin, home);
    }
    let places = placed(&mut world, 200);
    assert_eq!(places.len(), 4, "{places:?}");
}

#[test]
fn busiest_of_twenty_origins_stays_near_its_share() {
    let list: Vec<String> = (0..20).map(|n| format!("o{n}=http://h{n}")).collect();
    let mut world = World::new(&json!({ "ORIGINS": list.join(",") }));
    let places = placed(&mut world, 20_000);
    let busiest = *places.values().max().unwrap();
    assert!(busiest * 100 <= 1_000 * 105, "{busiest} instead of 1000");
}

#[test]
fn flapping_origin_does_not_move_conversations_repeatedly() {
    const CONVERSATIONS: usize = 200;
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let mut world = World::new(&json!({}));
    let mut conversations: Vec<(Option<String>, Vec<String>)> = Vec::new();
    for _ in 0..CONVERSATIONS {
        world.jar = None;
        let home = world.exchange("").origin;
        conversations.push((world.jar.clone(), vec![home]));
    }
    // An hour; half of what "a" answers are errors, and one connection in ten is lost.
    for _ in 0..60 {
        for (jar, places) in &mut conversations {
            world.jar.clone_from(jar);
            let mut answers = Answers::default();
            let mut forward = forwarded(world.ask("GET", "/", &[], &mut answers));
            world.now.0 += 1;
            let is_down = random.next_u32() % 10 == 0;
            let found = if is_down {
                Verdict::Dead
            } else {
                Verdict::Faulty
            };
            world.outside.probed.insert("a".to_owned(), found);
            while forward.origin == "a" && is_down {
                answers.add_failure("a", Failure::Lost, world.now);
                forward = forwarded(world.ask("GET", "/", &[], &mut answers));
            }
            let is_bad = forward.origin == "a" && random.next_u32() % 2 == 0;
            let status = if is_bad { 503 } else { 200 };
            let mut answers = Answers::default();
            loop {
                let context = &forward.response_context;
                match world
                    .gateway
                    .handle_response(context, status, "", world.now, &answers)
                {
                    ResponseAction::Await(needs) => world.satisfy(&needs, &mut answers),
                    ResponseAction::Edited(edits) => break world.take_cookie(&edits.append),
                    ResponseAction::Untouched => break,
                    ResponseAction::Replaced(answer) => panic!("replaced: {answer:?}"),
                }
            }
            world.probe();
            if status == 200 {
                world.gateway.recovered(&forward.origin, world.now);
            }
            jar.clone_from(&world.jar);
            if places.last() != Some(&forward.origin) {
                places.push(forward.origin);
            }
        }
        world.wait(60);
    }
    for (_, places) in &conversations {
        let mut once = places.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), places.len(), "back and forth: {places:?}");
        assert!(places.len() <= 2, "{places:?}");
    }
    assert!(conversations.iter().any(|(_, places)| places.len() == 2));
}
