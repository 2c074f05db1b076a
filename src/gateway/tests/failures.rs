//! Tests requests that an origin did not answer, and their effect on the origin.

use super::*;
use crate::telemetry::log::Event;
use serde_json::json;

#[test]
fn unreachable_origin_is_replaced_and_the_pin_stored() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    world.kill(&home);
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Lost, world.now);
    let again = forwarded(world.send("GET", "/", &[], &mut answers));
    assert_eq!(again.origin, home, "one lost connection proves nothing");
    answers.add_failure(&home, Failure::Lost, world.now);
    let moved = forwarded(world.send("GET", "/", &[], &mut answers));
    assert_ne!(moved.origin, home);
    assert_eq!(header_value(&moved, "x-session-state"), Some("takeover"));
    world.answer(&moved, "");
    world.wait(60);
    world.move_to_another_isolate();
    let later = world.visit();
    assert_eq!(later.origin, moved.origin);
    assert_eq!(header_value(&later, "x-session-state"), Some("active"));
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
        let step = world.send(method, "/", &[], &mut answers);
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
    world.send("POST", "/", &[], &mut answers);
    assert_ne!(world.visit().origin, home);
    world.wait(5);
    assert_eq!(world.visit().origin, home);
}

/// Failures of requests, by method.
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
                    match world.send(method, "/", &[], &mut answers) {
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
            let probes = u64::try_from(world.io.probes).unwrap();
            assert!(probes <= seconds + 1, "{probes} in {seconds} s");
            assert_eq!(
                world.gateway.balancer.health.ejected_until(&home),
                UnixMillis(0)
            );
        }
    }
}

#[test]
fn conversation_leaves_a_killed_server_at_the_first_safe_request() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    let attack = |world: &mut World| {
        let mut answers = Answers::default();
        for _ in 0..2 {
            answers.add_failure(&home, Failure::Lost, world.now);
        }
        world.send("GET", "/attack", &[], &mut answers)
    };
    assert_eq!(refused(attack(&mut world)).0, 502);
    world.kill(&home);
    world.now.0 += 1;
    let began = world.now;
    let mut answers = Answers::default();
    for _ in 0..2 {
        answers.add_failure(&home, Failure::Lost, world.now);
    }
    let moved = forwarded(world.send("GET", "/", &[], &mut answers));
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
    let step = world.send("POST", "/", &[], &mut answers);
    assert_eq!(refused(step), (502, "origin_unreachable".to_owned()));
    let next = world.send("POST", "/", &[], &mut Answers::default());
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
        world.io.probed.insert(home.to_string(), Verdict::Silent);
        for turn in 0..10 {
            let mut answers = Answers::default();
            answers.add_failure(&home, Failure::TimedOut, world.now);
            let headers = [("cf-connecting-ip", addresses[turn % 2])];
            let step = world.send("GET", "/", &headers, &mut answers);
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
        // The same deployment with a server that responds.
        let mut elsewhere = World::new(&settings);
        let mut begin = |now| {
            elsewhere.now = now;
            elsewhere.jar = None;
            elsewhere.exchange("");
            elsewhere.jar.take().unwrap()
        };
        let sessions = [begin(world.now), begin(world.now)];
        world.io.probed.insert("a".to_owned(), Verdict::Silent);
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
            let step = world.send("GET", "/", &[("cookie", &cookie)], &mut answers);
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
        let forward = forwarded(world.send("GET", "/", &[], &mut answers));
        answers.add_failure(&forward.origin, Failure::Lost, world.now);
        tried.push(forward.origin);
    }
    let step = world.send("GET", "/", &[], &mut answers);
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

/// Returns how often the log says that an origin is several processes, after `sessions` sessions were rejected
/// `rejections` times each with `status`.
fn reported_processes(target: &str, status: u16, sessions: usize, rejections: usize) -> usize {
    let mut world = World::new(&json!({ "ORIGINS": "a=http://a:1" }));
    for _ in 0..sessions {
        world.jar = None;
        world.exchange("");
        for _ in 0..rejections {
            let forward = forwarded(world.get(target));
            let context = &forward.response_context;
            let answers = Answers::default();
            world
                .gateway
                .handle_response(context, status, "", world.now, &answers);
        }
    }
    let events = world.gateway.recorder.take_events();
    let named = |event: &&Event| event.name() == "origin_is_several_processes";
    events.iter().filter(named).count()
}

#[test]
fn origin_of_several_processes_is_reported_once_and_a_restarted_one_is_not() {
    const POLL: &str = "/socket.io/?EIO=4&transport=polling&sid=x1";
    assert_eq!(reported_processes(POLL, 400, 3, 12), 1);
    assert_eq!(
        reported_processes(POLL, 400, 50, 8),
        0,
        "restarted, with four tabs"
    );
    assert_eq!(reported_processes(POLL, 200, 3, 12), 0);
    let handshake = "/socket.io/?EIO=4&transport=polling";
    assert_eq!(reported_processes(handshake, 400, 3, 12), 0);
    assert_eq!(reported_processes("/?sid=x1", 400, 3, 12), 0);
}
