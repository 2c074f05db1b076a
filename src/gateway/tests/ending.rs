//! Tests how operators end sessions, and visitors their own.

use super::revocation::{ADMIN, settle_down, sign_in, world};
use super::*;

#[test]
fn operator_ends_one_session_or_all_of_a_user_or_tenant() {
    under_both(|consistency| {
        let mut world = world(consistency);
        let mut jars = Vec::new();
        for user in ["u1", "u1", "u2", "u3"] {
            let forward = sign_in(&mut world, user);
            jars.push((
                world.jar.clone(),
                header_value(&forward, "x-session-id").unwrap().to_owned(),
            ));
            // With KV alone revocation epochs are times.
            world.wait(1);
        }
        let live = |world: &mut World| -> Vec<bool> {
            settle_down(world, consistency);
            world.move_to_another_isolate();
            jars.iter()
                .map(|(jar, _)| {
                    world.jar.clone_from(jar);
                    matches!(world.get("/"), Step::Forward(_))
                })
                .collect()
        };
        let one = format!("/_session/admin/sessions/{}", jars[0].1);
        for token in [None, Some("another-token-altogether")] {
            let unheard = world.call("DELETE", &one, token, &Value::Null);
            assert_eq!(refused(unheard), (404, "not_found".to_owned()), "{token:?}");
        }
        assert_eq!(live(&mut world), [true, true, true, true]);
        assert_eq!(
            refused(world.call("DELETE", &one, Some(ADMIN), &Value::Null)).0,
            204
        );
        assert_eq!(live(&mut world), [false, true, true, true]);
        let users = "/_session/admin/sessions?user=u2";
        assert_eq!(
            refused(world.call("DELETE", users, Some(ADMIN), &Value::Null)).0,
            204
        );
        assert_eq!(live(&mut world), [false, true, false, true]);
        let all = "/_session/admin/sessions?all=true";
        assert_eq!(
            refused(world.call("DELETE", all, Some(ADMIN), &Value::Null)).0,
            204
        );
        assert_eq!(live(&mut world), [false; 4]);
        assert_eq!(
            refused(world.call("DELETE", all, Some(ADMIN), &Value::Null)).0,
            204
        );
        let no_user = world.call(
            "DELETE",
            "/_session/admin/sessions",
            Some(ADMIN),
            &Value::Null,
        );
        assert_eq!(refused(no_user).0, 422);
    });
}

#[test]
fn revocation_cost_is_constant() {
    let cost = |sessions: usize| {
        let mut world = world("strong");
        for _ in 0..sessions {
            sign_in(&mut world, "u1");
        }
        world.io.calls = 0;
        world.io.puts = 0;
        let step = world.call(
            "DELETE",
            "/_session/admin/sessions?user=u1",
            Some(ADMIN),
            &Value::Null,
        );
        assert_eq!(refused(step).0, 204);
        (world.io.calls, world.io.puts)
    };
    assert_eq!(cost(1), (0, 0));
    assert_eq!(cost(50), (0, 0));
}

#[test]
fn visitor_lists_own_sessions_and_ends_one() {
    under_both(|consistency| {
        let mut world = world(consistency);
        let laptop = sign_in(&mut world, "u1");
        let jar = world.jar.clone();
        world.wait(1);
        sign_in(&mut world, "u2");
        world.wait(1);
        sign_in(&mut world, "u1");
        let Step::Answer(answer) = world.call("GET", "/_session/sessions", None, &Value::Null)
        else {
            panic!("no answer");
        };
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let sessions = body["sessions"].as_array().unwrap();
        assert_eq!(sessions.len(), 2, "{body}");
        assert_eq!(
            sessions.iter().filter(|one| one["current"] == true).count(),
            1
        );
        let laptop = header_value(&laptop, "x-session-id").unwrap();
        let path = format!("/_session/sessions/{laptop}");
        let mine = world.jar.clone();
        assert_eq!(
            refused(world.call("DELETE", &path, None, &Value::Null)).0,
            204
        );
        assert_eq!(world.jar, mine);
        settle_down(&mut world, consistency);
        world.move_to_another_isolate();
        world.visit();
        world.jar = jar;
        assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
    });
}

#[test]
fn session_of_another_user_cannot_be_ended() {
    under_both(|consistency| {
        let mut world = world(consistency);
        let victim = sign_in(&mut world, "u1");
        let jar = world.jar.clone();
        let path = format!(
            "/_session/sessions/{}",
            header_value(&victim, "x-session-id").unwrap()
        );
        sign_in(&mut world, "u2");
        assert_eq!(
            refused(world.call("DELETE", &path, None, &Value::Null)).0,
            404
        );
        world.jar = None;
        assert_eq!(
            refused(world.call("DELETE", &path, None, &Value::Null)).0,
            401
        );
        world.jar = jar;
        world.visit();
    });
}
