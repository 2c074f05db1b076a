//! Tests storage that fails, is behind, or holds invalid data.

use super::*;
use crate::simulation::fake_io::Silent;
use serde_json::json;

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
fn sign_out_waits_for_storage_and_reports_failure() {
    under_both(|consistency| {
        let mut world = world(consistency);
        world.exchange("x-session-patch\n{\"a\":1}");
        let cookie = world.jar.clone();
        world.io.silent = NO_WRITES;
        let step = world.call("POST", "/_session/logout", None, &Value::Null);
        assert_eq!(refused(step), (503, "store_unavailable".to_owned()));
        assert_eq!(world.jar, cookie, "no sign-out is confirmed");
        world.move_to_another_isolate();
        world.io.silent = Silent::default();
        let step = world.call("POST", "/_session/logout", None, &Value::Null);
        assert_eq!(refused(step).0, 204);
        assert_eq!(world.jar, None);
        world.jar = cookie;
        world.move_to_another_isolate();
        assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
    });
}

#[test]
fn sign_out_is_confirmed_after_the_announcement() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    let cookie = world.jar.clone();
    world.io.silent.directory = true;
    let step = world.call("POST", "/_session/logout", None, &Value::Null);
    assert_eq!(refused(step), (503, "store_unavailable".to_owned()));
    // A second sign-out, which finds the session ended, is not confirmed either.
    world.jar.clone_from(&cookie);
    let step = world.call("POST", "/_session/logout", None, &Value::Null);
    assert_eq!(refused(step), (503, "store_unavailable".to_owned()));
    world.jar = cookie;
    world.io.silent.directory = false;
    let step = world.call("POST", "/_session/logout", None, &Value::Null);
    assert_eq!(refused(step).0, 204);
}

#[test]
fn storage_failure_ends_no_session() {
    under_both(|consistency| {
        let mut world = world(consistency);
        world.exchange("x-session-patch\n{\"a\":1}");
        world.move_to_another_isolate();
        world.io.silent = NOTHING;
        let step = world.get("/");
        let Step::Answer(answer) = &step else {
            panic!("{step:?}")
        };
        assert!(answer.headers.iter().all(|(name, _)| *name != "set-cookie"));
        assert_eq!(refused(step), (503, "store_unavailable".to_owned()));
        world.io.silent = Silent::default();
        world.wait(2);
        assert_eq!(
            header_value(&world.visit(), "x-session-data"),
            Some(r#"{"a":1}"#)
        );
    });
}

#[test]
fn kv_failure_is_invisible_with_objects() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    world.move_to_another_isolate();
    world.io.silent = NO_READS;
    let forward = world.visit();
    assert_eq!(header_value(&forward, "x-session-state"), Some("active"));
    assert_eq!(header_value(&forward, "x-session-data"), Some(r#"{"a":1}"#));
}

#[test]
fn grace_mode_serves_cached_sessions_as_degraded_for_a_while() {
    under_both(|consistency| {
        let mut world = World::new(&json!({
            "CONSISTENCY": consistency, "FAIL": "grace", "FAIL_GRACE": "10m",
        }));
        world.exchange("x-session-patch\n{\"a\":1}");
        world.io.silent = NOTHING;
        world.wait(9 * 60);
        let forward = world.visit();
        assert_eq!(header_value(&forward, "x-session-state"), Some("degraded"));
        assert_eq!(header_value(&forward, "x-session-data"), Some(r#"{"a":1}"#));
        world.wait(2 * 60);
        assert_eq!(
            refused(world.get("/")),
            (503, "store_unavailable".to_owned())
        );
    });
}

#[test]
fn stale_kv_is_retried_then_degraded() {
    let mut world = world("eventual");
    world.exchange("x-session-patch\n{\"a\":1}");
    let behind = world.io.namespace.clone();
    world.exchange("x-session-patch\n{\"a\":2}");
    world.io.namespace = behind;
    world.io.reads = 0;
    world.move_to_another_isolate();
    let forward = world.visit();
    assert_eq!(header_value(&forward, "x-session-state"), Some("degraded"));
    assert_eq!(header_value(&forward, "x-session-data"), Some(r#"{"a":1}"#));
    assert_eq!(world.io.reads, 4);
}

#[test]
fn stale_kv_falls_back_to_the_object() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    world.io.holds_back = true;
    world.exchange("x-session-patch\n{\"a\":2}");
    world.io.reads = 0;
    world.io.calls = 0;
    world.move_to_another_isolate();
    let forward = world.visit();
    assert_eq!(header_value(&forward, "x-session-state"), Some("active"));
    assert_eq!(header_value(&forward, "x-session-data"), Some(r#"{"a":2}"#));
    assert_eq!((world.io.reads, world.io.calls), (1, 1));
}

#[test]
fn browser_reads_its_writes_everywhere() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    world.io.holds_back = true;
    let cookie = world.jar.clone();
    // Another window of the same browser changes the session, and this one sees it.
    world.exchange("x-session-patch\n{\"a\":2}");
    world.jar = cookie;
    let seen = world.exchange("");
    assert_eq!(header_value(&seen, "x-session-data"), Some(r#"{"a":2}"#));
    world.move_to_another_isolate();
    assert_eq!(
        header_value(&world.visit(), "x-session-data"),
        Some(r#"{"a":2}"#)
    );
}

#[test]
fn missing_record_is_never_recreated() {
    under_both(|consistency| {
        let mut world = world(consistency);
        world.exchange("x-session-patch\n{\"a\":1}");
        world.io.namespace.clear();
        world.io.rows.clear();
        world.wait(61);
        world.move_to_another_isolate();
        assert_eq!(refused(world.get("/")), (401, "session_unknown".to_owned()));
        assert!(world.records().is_empty());
        // A navigation just starts a new session.
        let step = world.send(
            "GET",
            "/",
            &[("sec-fetch-mode", "navigate")],
            &mut Answers::default(),
        );
        let Step::Forward(forward) = step else {
            panic!("{step:?}")
        };
        assert_eq!(header_value(&forward, "x-session-state"), Some("new"));
    });
}

#[test]
fn absence_is_cached_briefly() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    let (namespace, rows) = (world.io.namespace.clone(), world.io.rows.clone());
    world.io.namespace.clear();
    world.io.rows.clear();
    world.move_to_another_isolate();
    let cookie = world.jar.clone();
    for _ in 0..10 {
        world.jar.clone_from(&cookie);
        assert_eq!(refused(world.get("/")).0, 401);
    }
    assert_eq!(world.io.reads, 1);
    world.io.namespace = namespace;
    world.io.rows = rows;
    world.wait(5);
    world.jar = cookie;
    world.visit();
}

#[test]
fn unreadable_record_is_quarantined_not_overwritten() {
    let mut world = world("eventual");
    world.exchange("x-session-patch\n{\"a\":1}");
    let key = world.records().keys().next().unwrap().clone();
    world.io.namespace.insert(key.clone(), b"rubbish".to_vec());
    world.move_to_another_isolate();
    assert_eq!(refused(world.get("/")), (401, "session_corrupt".to_owned()));
    assert_eq!(world.io.namespace[&key], b"rubbish");
    assert_eq!(world.io.namespace[&format!("q:{key}")], b"rubbish");
}

#[test]
fn unreadable_record_is_restored_by_its_object() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    let key = world.records().keys().next().unwrap().clone();
    let good = world.io.namespace[&key].clone();
    world.io.namespace.insert(key.clone(), b"rubbish".to_vec());
    world.move_to_another_isolate();
    assert_eq!(
        header_value(&world.visit(), "x-session-data"),
        Some(r#"{"a":1}"#)
    );
    assert_eq!(world.io.namespace[&key], good);
    assert_eq!(world.io.namespace[&format!("q:{key}")], b"rubbish");
}

#[test]
fn newer_record_is_left_unchanged() {
    under_both(|consistency| {
        let mut world = world(consistency);
        world.exchange("x-session-patch\n{\"a\":1}");
        let key = world.records().keys().next().unwrap().clone();
        world.io.namespace.get_mut(&key).unwrap()[0] += 1;
        let before = world.records();
        world.move_to_another_isolate();
        assert_eq!(refused(world.get("/")), (503, "schema_newer".to_owned()));
        assert_eq!(world.records(), before);
    });
}

#[test]
fn pending_write_is_visible() {
    let mut world = world("eventual");
    world.io.silent.writes = true;
    world.exchange("x-session-patch\n{\"a\":1}");
    world.wait(10);
    world.exchange("x-session-patch\n{\"b\":2}");
    assert_eq!(
        header_value(&world.visit(), "x-session-data"),
        Some(r#"{"a":1,"b":2}"#)
    );
}

#[test]
fn record_not_yet_visible_is_awaited() {
    let mut world = world("eventual");
    let first = world.exchange("x-session-patch\n{\"a\":1}");
    let arriving = core::mem::take(&mut world.io.namespace);
    world.move_to_another_isolate();
    let early = world.visit();
    assert_eq!(header_value(&early, "x-session-state"), Some("degraded"));
    assert_eq!(
        header_value(&early, "x-session-id"),
        header_value(&first, "x-session-id")
    );
    assert_eq!(early.origin, first.origin);
    world.answer(&early, "x-session-patch\n{\"b\":2}");
    assert!(
        world.records().is_empty(),
        "nothing is written over what is on its way"
    );
    world.io.namespace = arriving;
    assert_eq!(
        header_value(&world.visit(), "x-session-data"),
        Some(r#"{"a":1}"#)
    );
}

#[test]
fn unstorable_change_gets_503() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    let forward = world.visit();
    world.io.silent.objects = true;
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
            ResponseAction::Await(needs) => world.perform(&needs, &mut answers),
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
fn stale_copy_is_used_while_refreshed_in_the_background() {
    under_both(|consistency| {
        let mut world = world(consistency);
        world.exchange("x-session-patch\n{\"a\":1}");
        world.move_to_another_isolate();
        world.visit();
        world.io.reads = 0;
        for _ in 0..11 {
            world.wait(5);
            let forward = world.visit();
            assert_eq!(world.io.reads, 0, "no request waits for it");
            if forward.run_background {
                world.run_background(&forward);
            }
            assert!(world.io.reads <= 1);
            world.io.reads = 0;
        }
        world.wait(61);
        world.visit();
        assert_eq!(world.io.reads, 1, "too old to be used");
    });
}

#[test]
fn session_known_to_kv_alone_continues_with_an_object() {
    let mut world = world("eventual");
    let before = world.exchange("x-session-patch\n{\"a\":1}");
    world.settings = json!({});
    world.move_to_another_isolate();
    let after = world.exchange("x-session-patch\n{\"b\":2}");
    assert_eq!(
        header_value(&after, "x-session-id"),
        header_value(&before, "x-session-id")
    );
    world.move_to_another_isolate();
    assert_eq!(
        header_value(&world.visit(), "x-session-data"),
        Some(r#"{"a":1,"b":2}"#)
    );
}
