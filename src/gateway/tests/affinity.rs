//! Tests conversations that move to another origin and back.

use super::origins::placed;
use super::*;
use chacha20::rand_core::Rng as _;
use serde_json::json;

/// Creates a conversation that moved because its server was gone, and brings the server back.
fn moved(settings: &Value) -> (World, String, String) {
    let mut world = World::new(settings);
    let home = world.exchange("").origin;
    world.kill(&home);
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Unsent, world.now);
    let moved = forwarded(world.send("GET", "/", &[], &mut answers));
    world.answer(&moved, "");
    world.wait(10);
    let there = world.visit();
    world.run_background(&there);
    assert_eq!(there.origin, moved.origin, "nothing calls it back");
    (world, home.to_string(), moved.origin.to_string())
}

#[test]
fn moved_conversation_returns_after_an_hour_without_use_by_default() {
    for (pin_idle, returns) in [(None, true), (Some("0s"), false)] {
        let mut settings = json!({ "SESSION_IDLE": "8h" });
        if let Some(pin_idle) = pin_idle {
            settings["PIN_IDLE"] = pin_idle.into();
        }
        let (mut world, home, there) = moved(&settings);
        world.wait(3000);
        assert_eq!(world.visit().origin, there);
        world.wait(7 * 3600);
        let expected = if returns { home } else { there };
        assert_eq!(world.visit().origin, expected, "{pin_idle:?}");
    }
}

#[test]
fn moved_conversation_returns_after_pin_idle_only() {
    let settings = json!({ "SESSION_IDLE": "8h", "PIN_IDLE": "30m" });
    let (mut world, home, there) = moved(&settings);
    // In use every twenty minutes for three hours, each time in a new isolate.
    for _ in 0..9 {
        world.wait(20 * 60);
        world.move_to_another_isolate();
        let visit = world.visit();
        assert_eq!(visit.origin, there);
        world.run_background(&visit);
    }
    world.wait(2 * 3600);
    world.move_to_another_isolate();
    let returned = world.visit();
    assert_eq!(returned.origin, home);
    assert_eq!(header_value(&returned, "x-session-state"), Some("takeover"));
    world.answer(&returned, "");
    world.move_to_another_isolate();
    let next = world.visit();
    assert_eq!(next.origin, home);
    assert_eq!(header_value(&next, "x-session-state"), Some("active"));
}

#[test]
fn unreachable_origins_are_probed_once_a_second_without_requests() {
    let mut world = World::new(&json!({ "ORIGINS": "a=http://a:1,b=http://b:1" }));
    for name in ["a", "b"] {
        world.kill(name);
    }
    let begun = world.now;
    let mut attempts = 0;
    // Fifty requests a second for twenty seconds, with every connection refused.
    for _ in 0..1_000 {
        world.jar = None;
        let mut answers = Answers::default();
        loop {
            match world.send("GET", "/", &[], &mut answers) {
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
    // Each origin is tried again whenever its ejection ends.
    assert!(attempts <= 12, "{attempts}");
    let seconds = usize::try_from(world.now.millis_since(begun) / 1_000).unwrap();
    assert!(world.io.probes <= 2 * seconds + 2, "{}", world.io.probes);
    // The first response admits all waiting clients again.
    world.io.probed.clear();
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
    assert_eq!(refused(world.send("GET", "/", &[], &mut answers)).0, 502);
    world.io.probed.clear();
    world.wait(1);
    // The first client is the one that fails everywhere.
    let mut answers = Answers::default();
    for _ in 0..2 {
        let forward = forwarded(world.send("GET", "/", &[], &mut answers));
        answers.add_failure(&forward.origin, Failure::Lost, world.now);
    }
    assert_eq!(refused(world.send("GET", "/", &[], &mut answers)).0, 502);
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
        conversations.push((world.jar.clone(), vec![home.to_string()]));
    }
    // For an hour half of a's responses are errors, and one connection in ten is lost.
    for _ in 0..60 {
        for (jar, places) in &mut conversations {
            world.jar.clone_from(jar);
            let mut answers = Answers::default();
            let mut forward = forwarded(world.send("GET", "/", &[], &mut answers));
            world.now.0 += 1;
            let is_down = random.next_u32() % 10 == 0;
            let found = if is_down {
                Verdict::Dead
            } else {
                Verdict::Faulty
            };
            world.io.probed.insert("a".to_owned(), found);
            while forward.origin == "a" && is_down {
                answers.add_failure("a", Failure::Lost, world.now);
                forward = forwarded(world.send("GET", "/", &[], &mut answers));
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
                    ResponseAction::Await(needs) => world.perform(&needs, &mut answers),
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
            if places.last().is_none_or(|last| forward.origin != *last) {
                places.push(forward.origin.to_string());
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
