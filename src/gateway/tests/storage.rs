//! Storage that fails, is behind, or holds rubbish.

use super::*;
use crate::simulation::outside::Silent;

const NO_READS: Silent = Silent {
    reads: true,
    writes: false,
    objects: false,
    directory: false,
};
const NO_WRITES: Silent = Silent {
    reads: false,
    writes: true,
    objects: true,
    directory: false,
};
const NOTHING: Silent = Silent {
    reads: true,
    writes: true,
    objects: true,
    directory: true,
};

fn world(consistency: &str) -> World {
    World::new(&json!({ "CONSISTENCY": consistency }))
}

#[test]
fn signing_out_waits_for_storage_and_says_when_it_failed() {
    under_both(|consistency| {
        let mut world = world(consistency);
        world.exchange("x-session-patch\n{\"a\":1}");
        let cookie = world.jar.clone();
        world.outside.silent = NO_WRITES;
        let step = world.call("POST", "/_session/logout", None, &Value::Null);
        assert_eq!(refused(step), (503, "store_unavailable".to_owned()));
        assert_eq!(world.jar, cookie, "nobody is told to be signed out");
        world.move_to_another_isolate();
        world.outside.silent = Silent::default();
        let step = world.call("POST", "/_session/logout", None, &Value::Null);
        assert_eq!(refused(step).0, 204);
        assert_eq!(world.jar, None);
        world.jar = cookie;
        world.move_to_another_isolate();
        assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
    });
}

#[test]
fn signing_out_is_not_reported_before_everybody_can_hear_of_it() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    let cookie = world.jar.clone();
    world.outside.silent.directory = true;
    let step = world.call("POST", "/_session/logout", None, &Value::Null);
    assert_eq!(refused(step), (503, "store_unavailable".to_owned()));
    world.jar = cookie;
    world.outside.silent.directory = false;
    let step = world.call("POST", "/_session/logout", None, &Value::Null);
    assert_eq!(refused(step).0, 204);
}

#[test]
fn storage_that_does_not_answer_ends_no_session() {
    under_both(|consistency| {
        let mut world = world(consistency);
        world.exchange("x-session-patch\n{\"a\":1}");
        world.move_to_another_isolate();
        world.outside.silent = NOTHING;
        let step = world.get("/");
        let Step::Answer(answer) = &step else {
            panic!("{step:?}")
        };
        assert!(answer.headers.iter().all(|(name, _)| *name != "set-cookie"));
        assert_eq!(refused(step), (503, "store_unavailable".to_owned()));
        world.outside.silent = Silent::default();
        world.wait(2);
        assert_eq!(told(&world.visit(), "x-session-data"), Some(r#"{"a":1}"#));
    });
}

#[test]
fn a_namespace_that_does_not_answer_goes_unnoticed_where_there_are_objects() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    world.move_to_another_isolate();
    world.outside.silent = NO_READS;
    let forward = world.visit();
    assert_eq!(told(&forward, "x-session-state"), Some("active"));
    assert_eq!(told(&forward, "x-session-data"), Some(r#"{"a":1}"#));
}

#[test]
fn a_tenant_that_prefers_grace_serves_what_it_knew_marked_and_for_a_while() {
    under_both(|consistency| {
        let mut world = World::new(&json!({
            "CONSISTENCY": consistency, "FAIL": "grace", "FAIL_GRACE": "10m",
        }));
        world.exchange("x-session-patch\n{\"a\":1}");
        world.outside.silent = NOTHING;
        world.wait(9 * 60);
        let forward = world.visit();
        assert_eq!(told(&forward, "x-session-state"), Some("degraded"));
        assert_eq!(told(&forward, "x-session-data"), Some(r#"{"a":1}"#));
        world.wait(2 * 60);
        assert_eq!(
            refused(world.get("/")),
            (503, "store_unavailable".to_owned())
        );
    });
}

#[test]
fn storage_that_is_behind_is_asked_again_and_then_the_origin_is_told() {
    let mut world = world("eventual");
    world.exchange("x-session-patch\n{\"a\":1}");
    let behind = world.outside.namespace.clone();
    world.exchange("x-session-patch\n{\"a\":2}");
    world.outside.namespace = behind;
    world.outside.reads = 0;
    world.move_to_another_isolate();
    let forward = world.visit();
    assert_eq!(told(&forward, "x-session-state"), Some("degraded"));
    assert_eq!(told(&forward, "x-session-data"), Some(r#"{"a":1}"#));
    assert_eq!(world.outside.reads, 4);
}

#[test]
fn a_namespace_that_is_behind_is_passed_over_for_the_object() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    world.outside.holds_back = true;
    world.exchange("x-session-patch\n{\"a\":2}");
    world.outside.reads = 0;
    world.outside.calls = 0;
    world.move_to_another_isolate();
    let forward = world.visit();
    assert_eq!(told(&forward, "x-session-state"), Some("active"));
    assert_eq!(told(&forward, "x-session-data"), Some(r#"{"a":2}"#));
    assert_eq!((world.outside.reads, world.outside.calls), (1, 1));
}

#[test]
fn what_a_browser_has_seen_once_it_sees_everywhere() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    world.outside.holds_back = true;
    let cookie = world.jar.clone();
    // Another window of the same browser changes the session, and this one sees it.
    world.exchange("x-session-patch\n{\"a\":2}");
    world.jar = cookie;
    let seen = world.exchange("");
    assert_eq!(told(&seen, "x-session-data"), Some(r#"{"a":2}"#));
    world.move_to_another_isolate();
    assert_eq!(told(&world.visit(), "x-session-data"), Some(r#"{"a":2}"#));
}

#[test]
fn a_record_that_is_gone_is_never_adopted() {
    under_both(|consistency| {
        let mut world = world(consistency);
        world.exchange("x-session-patch\n{\"a\":1}");
        world.outside.namespace.clear();
        world.outside.rows.clear();
        world.wait(61);
        world.move_to_another_isolate();
        assert_eq!(refused(world.get("/")), (401, "session_unknown".to_owned()));
        assert!(world.records().is_empty());
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
    });
}

#[test]
fn that_there_is_nothing_is_remembered_for_a_moment_only() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    let (namespace, rows) = (world.outside.namespace.clone(), world.outside.rows.clone());
    world.outside.namespace.clear();
    world.outside.rows.clear();
    world.move_to_another_isolate();
    let cookie = world.jar.clone();
    for _ in 0..10 {
        world.jar.clone_from(&cookie);
        assert_eq!(refused(world.get("/")).0, 401);
    }
    assert_eq!(world.outside.reads, 1);
    world.outside.namespace = namespace;
    world.outside.rows = rows;
    world.wait(5);
    world.jar = cookie;
    world.visit();
}

#[test]
fn an_unreadable_record_is_set_aside_and_not_overwritten() {
    let mut world = world("eventual");
    world.exchange("x-session-patch\n{\"a\":1}");
    let key = world.records().keys().next().unwrap().clone();
    world
        .outside
        .namespace
        .insert(key.clone(), b"rubbish".to_vec());
    world.move_to_another_isolate();
    assert_eq!(refused(world.get("/")), (401, "session_corrupt".to_owned()));
    assert_eq!(world.outside.namespace[&key], b"rubbish");
    assert_eq!(world.outside.namespace[&format!("q:{key}")], b"rubbish");
}

#[test]
fn an_unreadable_record_is_set_aside_and_shown_anew_by_its_object() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    let key = world.records().keys().next().unwrap().clone();
    let good = world.outside.namespace[&key].clone();
    world
        .outside
        .namespace
        .insert(key.clone(), b"rubbish".to_vec());
    world.move_to_another_isolate();
    assert_eq!(told(&world.visit(), "x-session-data"), Some(r#"{"a":1}"#));
    assert_eq!(world.outside.namespace[&key], good);
    assert_eq!(world.outside.namespace[&format!("q:{key}")], b"rubbish");
}

#[test]
fn a_record_of_a_newer_release_is_left_alone() {
    under_both(|consistency| {
        let mut world = world(consistency);
        world.exchange("x-session-patch\n{\"a\":1}");
        let key = world.records().keys().next().unwrap().clone();
        world.outside.namespace.get_mut(&key).unwrap()[0] += 1;
        let before = world.records();
        world.move_to_another_isolate();
        assert_eq!(refused(world.get("/")), (503, "schema_newer".to_owned()));
        assert_eq!(world.records(), before);
    });
}

#[test]
fn what_is_still_on_its_way_to_storage_counts() {
    let mut world = world("eventual");
    world.outside.silent.writes = true;
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
    let mut world = world("eventual");
    let first = world.exchange("x-session-patch\n{\"a\":1}");
    let arriving = core::mem::take(&mut world.outside.namespace);
    world.move_to_another_isolate();
    let early = world.visit();
    assert_eq!(told(&early, "x-session-state"), Some("degraded"));
    assert_eq!(told(&early, "x-session-id"), told(&first, "x-session-id"));
    assert_eq!(early.origin, first.origin);
    world.answer(&early, "x-session-patch\n{\"b\":2}");
    assert!(
        world.records().is_empty(),
        "nothing is written over what is on its way"
    );
    world.outside.namespace = arriving;
    assert_eq!(told(&world.visit(), "x-session-data"), Some(r#"{"a":1}"#));
}

#[test]
fn a_change_that_cannot_be_kept_is_not_reported_as_done() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    let forward = world.visit();
    world.outside.silent.objects = true;
    let mut answers = Answers::default();
    let replaced = loop {
        let settled = world.gateway.handle_response(
            &forward.response_context,
            200,
            "x-session-patch\n{\"a\":2}",
            world.now,
            &answers,
        );
        match settled {
            ResponseAction::Await(needs) => world.satisfy(&needs, &mut answers),
            ResponseAction::Replaced(answer) => break answer,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        (replaced.status, code(&replaced).as_str()),
        (503, "store_unavailable")
    );
}

#[test]
fn a_copy_is_used_for_a_minute_while_it_is_read_anew_beside_the_request() {
    under_both(|consistency| {
        let mut world = world(consistency);
        world.exchange("x-session-patch\n{\"a\":1}");
        world.move_to_another_isolate();
        world.visit();
        world.outside.reads = 0;
        for _ in 0..11 {
            world.wait(5);
            let forward = world.visit();
            assert_eq!(world.outside.reads, 0, "no request waits for it");
            if forward.run_background {
                world.keep_up(&forward);
            }
            assert!(world.outside.reads <= 1);
            world.outside.reads = 0;
        }
        world.wait(61);
        world.visit();
        assert_eq!(world.outside.reads, 1, "too old to be used");
    });
}

#[test]
fn a_session_from_before_there_was_an_object_for_it_goes_on() {
    let mut world = world("eventual");
    let before = world.exchange("x-session-patch\n{\"a\":1}");
    world.settings = json!({});
    world.move_to_another_isolate();
    let after = world.exchange("x-session-patch\n{\"b\":2}");
    assert_eq!(told(&after, "x-session-id"), told(&before, "x-session-id"));
    world.move_to_another_isolate();
    assert_eq!(
        told(&world.visit(), "x-session-data"),
        Some(r#"{"a":1,"b":2}"#)
    );
}
