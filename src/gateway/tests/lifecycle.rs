//! Tests a session from the first visit to its end.

use super::*;
use serde_json::json;

#[test]
fn guest_costs_no_storage_and_keeps_handle_and_origin() {
    let mut world = World::new(&json!({}));
    let first = world.exchange("");
    assert_eq!(header_value(&first, "x-session-state"), Some("new"));
    for _ in 0..20 {
        let next = world.exchange("");
        assert_eq!(header_value(&next, "x-session-state"), Some("active"));
        assert_eq!(
            header_value(&next, "x-session-id"),
            header_value(&first, "x-session-id")
        );
        assert_eq!(next.origin, first.origin);
        assert!(!next.handle_response && !next.run_background);
    }
    let outside = &world.io;
    assert_eq!(
        (outside.reads, outside.calls, outside.feeds, outside.puts),
        (0, 0, 0, 0)
    );
}

#[test]
fn guest_expires_only_when_idle() {
    let mut world = World::new(&json!({ "SESSION_IDLE": "30m" }));
    let first = world.exchange("");
    for _ in 0..10 {
        world.wait(20 * 60);
        let next = world.exchange("");
        assert_eq!(
            header_value(&next, "x-session-id"),
            header_value(&first, "x-session-id")
        );
    }
    world.wait(31 * 60);
    let fresh = world.exchange("");
    assert_ne!(
        header_value(&fresh, "x-session-id"),
        header_value(&first, "x-session-id")
    );
    assert!(world.records().is_empty());
}

#[test]
fn stored_data_is_visible_in_every_isolate() {
    under_both(|consistency| {
        let mut world = World::new(&json!({ "CONSISTENCY": consistency }));
        world.exchange("x-session-patch\n{\"a\":1}");
        assert_eq!(
            header_value(&world.visit(), "x-session-data"),
            Some(r#"{"a":1}"#)
        );
        assert_eq!(world.io.reads, 0, "the isolate that wrote knows");
        world.move_to_another_isolate();
        for _ in 0..100 {
            assert_eq!(
                header_value(&world.visit(), "x-session-data"),
                Some(r#"{"a":1}"#)
            );
        }
        assert_eq!(world.io.reads, 1, "read once, then cached");
        assert!(world.io.feeds <= 2);
    });
}

#[test]
fn parallel_patches_are_all_kept() {
    under_both(|consistency| {
        let mut world = World::new(&json!({ "CONSISTENCY": consistency }));
        world.exchange("");
        let flights: Vec<Forward> = (0..50).map(|_| world.visit()).collect();
        for (number, flight) in flights.iter().enumerate() {
            world.answer(flight, &format!("x-session-patch\n{{\"k{number}\":1}}"));
        }
        world.move_to_another_isolate();
        let data: Value =
            serde_json::from_str(header_value(&world.visit(), "x-session-data").unwrap()).unwrap();
        assert_eq!(data.as_object().unwrap().len(), 50);
    });
}

#[test]
fn parallel_patches_of_isolates_are_all_kept_with_an_object() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"first\":1}");
    let cookie = world.jar.clone();
    let mut flights = Vec::new();
    for number in 0..20 {
        world.jar.clone_from(&cookie);
        world.move_to_another_isolate();
        flights.push((number, world.visit()));
    }
    for (number, flight) in flights {
        world.answer(&flight, &format!("x-session-patch\n{{\"k{number}\":1}}"));
    }
    world.move_to_another_isolate();
    let data: Value =
        serde_json::from_str(header_value(&world.visit(), "x-session-data").unwrap()).unwrap();
    assert_eq!(data.as_object().unwrap().len(), 21);
}

#[test]
fn rotation_changes_only_the_cookie() {
    under_both(|consistency| {
        let mut world = World::new(&json!({ "CONSISTENCY": consistency }));
        let before = world.exchange("x-session-patch\n{\"a\":1}");
        let old = world.jar.clone();
        let in_flight = world.visit();
        world.exchange("x-session-rotate\n1");
        assert_ne!(world.jar, old);
        let after = world.visit();
        for name in ["x-session-id", "x-session-created"] {
            assert_eq!(header_value(&after, name), header_value(&before, name));
        }
        assert_eq!(header_value(&after, "x-session-data"), Some(r#"{"a":1}"#));
        assert_eq!(after.origin, before.origin);

        // A response under way may still change the session, but does not rotate the id again.
        let successor = world.jar.clone();
        world.answer(
            &in_flight,
            "x-session-patch\n{\"b\":2}\nx-session-rotate\n1",
        );
        assert_eq!(
            header_value(&world.visit(), "x-session-data"),
            Some(r#"{"a":1,"b":2}"#)
        );
        let id = |cookie: &Option<String>| cookie.as_ref().unwrap()[43..64].to_owned();
        assert_eq!(id(&world.jar), id(&successor));
    });
}

#[test]
fn parallel_rotations_agree_on_one_id() {
    under_both(|consistency| {
        let mut world = World::new(&json!({ "CONSISTENCY": consistency }));
        world.exchange("x-session-patch\n{\"a\":1}");
        let cookie = world.jar.clone();
        let mut ids = std::collections::BTreeSet::new();
        for _ in 0..50 {
            world.jar.clone_from(&cookie);
            world.exchange("x-session-rotate\n1");
            ids.insert(world.jar.as_ref().unwrap()[43..64].to_owned());
        }
        assert_eq!(ids.len(), 1);
    });
}

#[test]
fn rotated_cookie_works_for_its_grace_period_only() {
    under_both(|consistency| {
        let mut world = World::new(&json!({ "CONSISTENCY": consistency }));
        world.exchange("x-session-patch\n{\"a\":1}");
        let old = world.jar.clone();
        world.exchange("x-session-rotate\n1");
        world.jar = old.clone();
        world.wait(29);
        let late = world.visit();
        assert!(late.handle_response, "the answer carries the new cookie");
        assert_eq!(header_value(&late, "x-session-data"), Some(r#"{"a":1}"#));
        world.jar = old;
        world.wait(2);
        assert_eq!(refused(world.get("/")), (401, "session_rotated".to_owned()));
    });
}

#[test]
fn ended_session_is_not_revived_by_late_responses() {
    under_both(|consistency| {
        let mut world = World::new(&json!({ "CONSISTENCY": consistency }));
        world.exchange("x-session-patch\n{\"a\":1}");
        let old = world.jar.clone();
        world.wait(3_700);
        let in_flight = world.visit();
        assert!(in_flight.run_background);
        world.exchange("x-session-destroy\n1");
        assert_eq!(world.jar, None);
        let tombstone = world.records();
        world.run_background(&in_flight);
        world.answer(&in_flight, "x-session-patch\n{\"b\":2}");
        assert_eq!(world.records(), tombstone);
        for _ in 0..2 {
            world.jar.clone_from(&old);
            assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
            world.move_to_another_isolate();
        }
    });
}

#[test]
fn touch_is_written_once_per_interval_and_keeps_the_session() {
    under_both(|consistency| {
        let mut world = World::new(&json!({ "CONSISTENCY": consistency, "SESSION_IDLE": "80m" }));
        world.exchange("x-session-patch\n{\"a\":1}");
        let before = world.io.puts;
        for _ in 0..60 {
            world.wait(60);
            for _ in 0..5 {
                let forward = world.visit();
                if forward.run_background {
                    world.run_background(&forward);
                }
            }
        }
        let noted = world.io.puts - before;
        assert!((5..=7).contains(&noted), "{noted} in an hour");
        world.wait(79 * 60);
        world.visit();
        world.wait(81 * 60);
        assert_eq!(refused(world.get("/")), (401, "session_expired".to_owned()));
    });
}
