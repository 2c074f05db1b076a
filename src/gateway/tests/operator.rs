//! Tests how operators see sessions and origins.

use super::*;
use serde_json::json;

const TOKEN: &str = "an-admin-token-for-tests";

fn world(consistency: &str) -> World {
    World::new(&json!({ "CONSISTENCY": consistency, "ADMIN_TOKEN": TOKEN }))
}

fn shown(world: &mut World, route: &str) -> Value {
    let jar = world.jar.take();
    let path = format!("/_session/admin/{route}");
    let step = world.call("GET", &path, Some(TOKEN), &Value::Null);
    world.jar = jar;
    match step {
        Step::Answer(answer) if answer.status == 200 => serde_json::from_str(&answer.body).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn session_is_shown_redacted_and_logged() {
    under_both(|consistency| {
        let mut world = world(consistency);
        let who =
            "x-session-identify\n{\"user\":\"ada\",\"email\":\"a@b.example\",\"groups\":[\"x\"]}";
        let data =
            "x-session-patch\n{\"theme\":\"dark\",\"github\":{\"access_token\":\"hunter2\"}}";
        world.exchange(&format!("{who}\n{data}"));
        let forward = world.visit();
        let handle = header_value(&forward, "x-session-id").unwrap();
        world.gateway.recorder.take_events();
        let view = shown(&mut world, &format!("sessions/{handle}"));
        assert_eq!(
            view["data"],
            json!({ "theme": "dark", "github": { "access_token": "•••" } })
        );
        assert_eq!(view["redacted"], json!(["github.access_token"]));
        for (name, expected) in [
            ("handle", json!(handle)),
            ("user", json!("ada")),
            ("email", json!("a@b.example")),
            ("name", Value::Null),
            ("groups", json!(["x"])),
            ("origin", json!(forward.origin)),
            ("pinned", json!(false)),
            ("version", json!(1)),
            ("vault", json!([])),
            ("tokens", Value::Null),
            ("absolute_expires", json!(1_700_000_000 + 604_800)),
        ] {
            assert_eq!(view[name], expected, "{name}");
        }
        let lines: String = world
            .gateway
            .recorder
            .take_events()
            .iter()
            .map(|event| event.to_json().to_string())
            .collect();
        assert!(lines.contains("audit_session_viewed"), "{lines}");

        world.exchange("x-session-destroy\n1");
        let gone = format!("/_session/admin/sessions/{handle}");
        world.jar = None;
        let step = world.call("GET", &gone, Some(TOKEN), &Value::Null);
        assert_eq!(refused(step).0, 404);
        let step = world.call("GET", &gone, None, &Value::Null);
        assert_eq!(refused(step), (404, "not_found".to_owned()));
    });
}

#[test]
fn sessions_are_listed_by_origin() {
    under_both(|consistency| {
        let mut world = world(consistency);
        let mut expected: HashMap<String, usize> = HashMap::new();
        for number in 0..12 {
            world.jar = None;
            let forward =
                world.exchange(&format!("x-session-identify\n{{\"user\":\"u{number}\"}}"));
            *expected.entry(forward.origin.to_string()).or_default() += 1;
        }
        for origin in ["a", "b", "c", "nobody"] {
            let mut found = 0;
            let mut after = String::new();
            loop {
                let page = format!("sessions?origin={origin}&limit=5{after}");
                let page = shown(&mut world, &page);
                let sessions = page["sessions"].as_array().unwrap();
                assert!(sessions.iter().all(|session| session["origin"] == origin));
                found += sessions.len();
                match page["next"].as_str() {
                    Some(next) => after = format!("&after={next}"),
                    None => break,
                }
            }
            assert_eq!(
                found,
                expected.get(origin).copied().unwrap_or_default(),
                "{origin}"
            );
        }
    });
}
