//! Tests login exceptions that name groups: who may enter, and who may stay.

use super::openings::SOCKET;
use super::*;
use crate::gateway::Revalidation;
use serde_json::json;

const OPS: &str = r#"x-session-identify
{"user":"ada","groups":["staff","ops"]}"#;
const STAFF: &str = r#"x-session-identify
{"user":"ada","groups":["staff"]}"#;

fn world_with(exceptions: &Value, more: &Value) -> World {
    let mut settings = more.clone();
    settings["LOGIN_EXCEPTIONS"] = json!(exceptions.to_string());
    World::new(&settings)
}

fn admin() -> Value {
    json!([{ "path": "/admin/*", "mode": "required", "groups": ["ops", "sre"] }])
}

/// Returns the problem's code, or nothing for a forwarded request.
fn refusal(step: Step) -> String {
    match step {
        Step::Forward(_) => String::new(),
        step => refused(step).1,
    }
}

fn navigate(world: &mut World, target: &str, language: &str) -> Answer {
    let headers = [
        ("sec-fetch-mode", "navigate"),
        ("accept", "text/html"),
        ("accept-language", language),
    ];
    match world.send("GET", target, &headers, &mut Answers::default()) {
        Step::Answer(answer) => answer,
        step => panic!("{step:?}"),
    }
}

#[test]
fn path_with_groups_admits_members_of_one_of_them_only() {
    under_both(|consistency| {
        let mut world = world_with(&admin(), &json!({ "CONSISTENCY": consistency }));
        assert_eq!(refusal(world.get("/admin/")), "no_session", "a guest");
        assert_eq!(navigate(&mut world, "/admin/", "en").status, 303);
        assert_eq!(refusal(world.get("/")), "");
        world.exchange(STAFF);
        assert_eq!(
            refused(world.get("/admin/")),
            (403, "group_required".to_owned())
        );
        assert_eq!(refusal(world.get("/")), "");
        world.exchange(OPS);
        assert_eq!(refusal(world.get("/admin/")), "");
        world.exchange(STAFF);
        world.move_to_another_isolate();
        world.wait(61);
        assert_eq!(refusal(world.get("/admin/")), "group_required");
    });
}

#[test]
fn page_offers_another_sign_in_if_there_is_one() {
    let methods = json!({ "LOGIN_METHODS": r#"{"password":true}"#, "ATTEMPT_OBJECTS": true });
    let link = "/_session/login?return_to=/admin/a%3fb";
    for (more, language, text, has_link) in [
        (&methods, "en", "No access for this account", true),
        (&methods, "zh", "此账号无权访问", true),
        (&json!({}), "en", "No access for this account", false),
    ] {
        let mut world = world_with(&admin(), more);
        world.exchange(STAFF);
        let page = navigate(&mut world, "/admin/a?b", language);
        assert_eq!(page.status, 403);
        assert!(page.body.contains(text), "{}", page.body);
        assert_eq!(page.body.contains(link), has_link, "{}", page.body);
    }
}

#[test]
fn first_match_decides_and_other_readings_add_their_groups() {
    let exceptions = json!([
        { "path": "/admin/help", "mode": "off" },
        { "path": "/admin/*", "methods": ["DELETE"], "mode": "required", "groups": ["root"] },
        { "path": "/admin/*", "mode": "required", "groups": ["ops"] },
        { "path": "/*", "mode": "required" },
    ]);
    let mut world = world_with(&exceptions, &json!({ "LOGIN_MODE": "off" }));
    world.send("GET", "/admin/help", &[], &mut Answers::default());
    let forward = forwarded(world.get("/admin/help"));
    world.answer(&forward, OPS);
    for (method, target, headers, code) in [
        ("GET", "/admin/x", &[][..], ""),
        ("DELETE", "/admin/x", &[], "group_required"),
        (
            "GET",
            "/admin/x",
            &[("x-http-method-override", "delete")],
            "group_required",
        ),
        ("GET", "/other", &[], ""),
    ] {
        let step = world.send(method, target, headers, &mut Answers::default());
        assert_eq!(refusal(step), code, "{method} {target} {headers:?}");
    }
    let forward = forwarded(world.get("/other"));
    world.answer(&forward, STAFF);
    for target in ["/admin/x", "/%61dmin/x", "//admin/x", "/admin%2fx"] {
        assert_eq!(refusal(world.get(target)), "group_required", "{target}");
    }
    for target in ["/admin/help", "/other", "/adminx"] {
        assert_eq!(refusal(world.get(target)), "", "{target}");
    }
}

#[test]
fn exception_with_groups_is_not_lost_behind_another_reading() {
    let exceptions = json!([
        { "path": "/admin/*", "methods": ["DELETE"], "mode": "required", "groups": ["root"] },
        { "path": "/*", "mode": "required", "groups": ["staff"] },
    ]);
    let mut world = world_with(&json!([]), &json!({}));
    world.exchange(STAFF);
    world.settings["LOGIN_EXCEPTIONS"] = json!(exceptions.to_string());
    let changed = deployment(&world.settings).tenant.unwrap();
    world.gateway.reload(changed);
    for (target, headers, code) in [
        ("/%61dmin/x", &[][..], ""),
        (
            "/%61dmin/x",
            &[("x-http-method-override", "DELETE")],
            "group_required",
        ),
        (
            "/admin/x",
            &[("x-method-override", "delete, x")],
            "group_required",
        ),
        (
            "/admin/x",
            &[("x-method-override", "x,DELETE")],
            "group_required",
        ),
        ("/other", &[("x-method-override", "delete, x")], ""),
    ] {
        let step = world.send("POST", target, headers, &mut Answers::default());
        assert_eq!(refusal(step), code, "{target} {headers:?}");
    }
}

#[test]
fn exception_for_get_covers_head() {
    let exceptions = json!([
        { "path": "/private", "methods": ["GET"], "mode": "required" },
        { "path": "/private", "methods": ["HEAD"], "mode": "off" },
    ]);
    let mut world = world_with(&exceptions, &json!({}));
    let step = world.send("HEAD", "/private", &[], &mut Answers::default());
    assert_eq!(refusal(step), "no_session");
    let step = world.send("POST", "/private", &[], &mut Answers::default());
    assert_eq!(refusal(step), "");
}

/// Opens a socket that is followed, at `/ws`.
fn follow(world: &mut World) -> Forward {
    let forward = forwarded(world.send("GET", "/ws", &SOCKET, &mut Answers::default()));
    assert!(forward.revocable);
    forward
}

fn rule_of_ws(mode: &str, groups: &Value) -> Value {
    json!([{ "path": "/ws", "mode": mode, "groups": groups }])
}

#[test]
fn open_socket_ends_with_the_group() {
    under_both(|consistency| {
        let more = json!({ "CONSISTENCY": consistency, "STREAMS": "revocable" });
        let mut world = world_with(&rule_of_ws("required", &json!(["ops"])), &more);
        world.exchange(OPS);
        let socket = follow(&mut world);
        world.wait(70);
        assert!(matches!(
            world.revalidate(&socket),
            Revalidation::Continue(_)
        ));
        world.exchange(STAFF);
        world.wait(70);
        assert_eq!(
            world.revalidate(&socket),
            Revalidation::Over("group_required")
        );
    });
}

#[test]
fn open_socket_ends_with_a_changed_rule() {
    for (identity, mode, groups, reason) in [
        (OPS, "required", json!(["ops"]), None),
        (OPS, "required", json!(["root"]), Some("group_required")),
        (OPS, "required", json!([]), None),
        ("", "optional", json!([]), None),
        ("", "required", json!(["ops"]), Some("no_session")),
        (
            "x-session-patch\n{\"a\":1}",
            "required",
            json!([]),
            Some("no_session"),
        ),
    ] {
        let mut world = World::new(&json!({ "STREAMS": "revocable" }));
        world.exchange(identity);
        let socket = follow(&mut world);
        world.settings["LOGIN_EXCEPTIONS"] = json!(rule_of_ws(mode, &groups).to_string());
        let tenant = deployment(&world.settings).tenant.unwrap();
        world.gateway.reload(tenant);
        match (world.revalidate(&socket), reason) {
            (Revalidation::Continue(_), None) => {}
            (Revalidation::Over(given), Some(reason)) => assert_eq!(given, reason),
            (other, _) => panic!("{identity} {mode} {groups}: {other:?}"),
        }
    }
}

#[test]
fn open_connection_keeps_the_methods_it_was_admitted_with() {
    let exceptions = json!([{ "path": "/ws", "methods": ["DELETE"], "mode": "required" }]);
    let more = json!({ "STREAMS": "revocable" });
    for (overriding, is_over) in [(None, false), (Some("delete"), true)] {
        let mut world = world_with(&json!([{ "path": "/x", "mode": "off" }]), &more);
        world.exchange("");
        let headers = overriding.map(|method| ("x-http-method-override", method));
        let headers: Vec<_> = SOCKET.into_iter().chain(headers).collect();
        let socket = forwarded(world.send("GET", "/ws", &headers, &mut Answers::default()));
        world.settings["LOGIN_EXCEPTIONS"] = json!(exceptions.to_string());
        world
            .gateway
            .reload(deployment(&world.settings).tenant.unwrap());
        let is_closed = matches!(world.revalidate(&socket), Revalidation::Over(_));
        assert_eq!(is_closed, is_over, "{overriding:?}");
    }
}
