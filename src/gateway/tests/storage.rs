//! Storage that fails, is behind, or holds rubbish.

use super::*;

#[test]
fn signing_out_waits_for_storage_and_says_when_it_failed() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    world.weather = Weather::WritesFail;
    let step = world.ask("POST", "/_session/logout", &[], &mut Answers::default());
    assert_eq!(refused(step), (503, "store_unavailable".to_owned()));
    world.move_to_another_isolate(&json!({}));
    world.weather = Weather::Fine;
    let step = world.ask("POST", "/_session/logout", &[], &mut Answers::default());
    assert_eq!(refused(step).0, 204);
    assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
}

#[test]
fn storage_that_does_not_answer_ends_no_session() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    world.move_to_another_isolate(&json!({}));
    world.weather = Weather::ReadsFail;
    let step = world.get("/");
    let Step::Answer(answer) = &step else {
        panic!("{step:?}")
    };
    assert!(answer.headers.iter().all(|(name, _)| *name != "set-cookie"));
    assert_eq!(refused(step), (503, "store_unavailable".to_owned()));
    world.weather = Weather::Fine;
    assert_eq!(told(&world.visit(), "x-session-data"), Some(r#"{"a":1}"#));
}

#[test]
fn storage_that_is_behind_is_asked_again_and_then_the_origin_is_told() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    let behind = world.storage.clone();
    world.exchange("x-session-patch\n{\"a\":2}");
    world.storage = behind;
    world.reads = 0;
    world.move_to_another_isolate(&json!({}));
    let forward = world.visit();
    assert_eq!(told(&forward, "x-session-state"), Some("degraded"));
    assert_eq!(told(&forward, "x-session-data"), Some(r#"{"a":1}"#));
    assert_eq!(world.reads, 4);
}

#[test]
fn a_record_that_is_gone_is_never_adopted() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    world.storage.clear();
    world.wait(61);
    world.move_to_another_isolate(&json!({}));
    assert_eq!(refused(world.get("/")), (401, "session_unknown".to_owned()));
    assert!(world.storage.is_empty());
    // A person opening the page just starts anew.
    let step = world.ask(
        "GET",
        "/",
        &[("sec-fetch-mode", "navigate")],
        &mut Answers::default(),
    );
    let Step::Forward(forward) = step else {
        panic!("{step:?}")
    };
    assert_eq!(told(&forward, "x-session-state"), Some("new"));
}

#[test]
fn an_unreadable_record_is_set_aside_and_not_overwritten() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    let key = world.storage.keys().next().unwrap().clone();
    world.storage.insert(key.clone(), b"rubbish".to_vec());
    world.move_to_another_isolate(&json!({}));
    assert_eq!(refused(world.get("/")), (401, "session_corrupt".to_owned()));
    world.store();
    assert_eq!(world.storage[&key], b"rubbish");
    assert_eq!(world.storage[&format!("q:{key}")], b"rubbish");
}

#[test]
fn a_record_of_a_newer_release_is_left_alone() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    let key = world.storage.keys().next().unwrap().clone();
    world.storage.get_mut(&key).unwrap()[0] = 2;
    let before = world.storage.clone();
    world.move_to_another_isolate(&json!({}));
    assert_eq!(refused(world.get("/")), (503, "schema_newer".to_owned()));
    world.store();
    assert_eq!(world.storage, before);
}

#[test]
fn what_is_still_on_its_way_to_storage_counts() {
    let mut world = World::new(&json!({}));
    world.weather = Weather::WritesFail;
    world.exchange("x-session-patch\n{\"a\":1}");
    world.wait(10);
    world.exchange("x-session-patch\n{\"b\":2}");
    assert_eq!(
        told(&world.visit(), "x-session-data"),
        Some(r#"{"a":1,"b":2}"#)
    );
}

#[test]
fn a_record_that_has_not_arrived_yet_is_waited_for_and_ends_no_session() {
    let mut world = World::new(&json!({}));
    let first = world.exchange("x-session-patch\n{\"a\":1}");
    let arriving = core::mem::take(&mut world.storage);
    world.move_to_another_isolate(&json!({}));
    let early = world.visit();
    assert_eq!(told(&early, "x-session-state"), Some("degraded"));
    assert_eq!(told(&early, "x-session-id"), told(&first, "x-session-id"));
    assert_eq!(early.origin, first.origin);
    world.answer(&early, "x-session-patch\n{\"b\":2}");
    assert!(
        world.storage.is_empty(),
        "nothing is written over what is on its way"
    );
    world.storage = arriving;
    assert_eq!(told(&world.visit(), "x-session-data"), Some(r#"{"a":1}"#));
}
