//! Origins that are gone, slow or wrong.

use super::*;

#[test]
fn an_origin_that_is_gone_is_replaced_and_the_new_place_remembered() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Lost);
    let again = forwarded(world.ask("GET", "/", &[], &mut answers));
    assert_eq!(again.origin, home, "one lost connection proves nothing");
    answers.add_failure(&home, Failure::Lost);
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
fn a_request_that_may_have_been_processed_is_not_sent_twice() {
    for (method, failure, expected) in [
        ("POST", Failure::Lost, Some((502, "origin_unreachable"))),
        ("POST", Failure::Cut, Some((502, "origin_unreachable"))),
        ("POST", Failure::Unsent, None),
        ("GET", Failure::TimedOut, Some((504, "origin_timeout"))),
        ("GET", Failure::Lost, None),
    ] {
        let mut world = World::new(&json!({}));
        let home = world.exchange("").origin;
        let mut answers = Answers::default();
        answers.add_failure(&home, failure);
        let step = world.ask(method, "/", &[], &mut answers);
        match expected {
            None => drop(forwarded(step)),
            Some((status, code)) => assert_eq!(refused(step), (status, code.to_owned())),
        }
    }
}

#[test]
fn an_origin_that_is_gone_is_passed_over_for_a_while() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Unsent);
    world.ask("POST", "/", &[], &mut answers);
    assert_ne!(world.visit().origin, home);
    world.wait(5);
    assert_eq!(world.visit().origin, home);
}

#[test]
fn a_client_that_gives_up_its_uploads_casts_no_suspicion() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    for _ in 0..10 {
        let mut answers = Answers::default();
        answers.add_failure(&home, Failure::Cut);
        world.ask("POST", "/", &[], &mut answers);
    }
    assert_eq!(world.visit().origin, home);
}

#[test]
fn when_every_origin_fails_the_visitor_is_told_after_three_tries() {
    let mut world = World::new(&json!({}));
    let mut answers = Answers::default();
    let mut tried = Vec::new();
    for _ in 0..3 {
        let forward = forwarded(world.ask("GET", "/", &[], &mut answers));
        answers.add_failure(&forward.origin, Failure::Lost);
        tried.push(forward.origin);
    }
    let step = world.ask("GET", "/", &[], &mut answers);
    assert_eq!(refused(step), (502, "origin_unreachable".to_owned()));
    tried.dedup();
    assert!(tried.len() >= 2, "{tried:?}");
}

#[test]
fn what_an_origin_answers_wrongly_becomes_a_502() {
    let mut world = World::new(&json!({}));
    let forward = world.visit();
    for status in [0, 42, 100, 199, 600, 999] {
        let settled =
            world
                .gateway
                .settle(&forward.ticket, status, "", world.now, &Answers::default());
        let Settled::Replaced(answer) = settled else {
            panic!("{settled:?}")
        };
        assert_eq!(
            (answer.status, code(&answer).as_str()),
            (502, "origin_protocol")
        );
    }
}
