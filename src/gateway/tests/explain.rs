//! Tests that a request does what its explanation says, and that explaining has no effects.

mod predictions;

use super::past::TOKEN;
use super::*;
use serde_json::json;

const EXPLAIN: &str = "/_session/admin/explain";

fn world(changes: &Value) -> World {
    let mut settings = json!({ "ADMIN_TOKEN": TOKEN });
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    World::new(&settings)
}

/// Sends a question as an operator without a cookie; no time passes.
fn explain_any(world: &mut World, question: &Value) -> Answer {
    let (jar, now) = (world.jar.take(), world.now);
    let step = world.call("POST", EXPLAIN, Some(TOKEN), question);
    (world.jar, world.now) = (jar, now);
    match step {
        Step::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn explain(world: &mut World, question: &Value) -> Value {
    let answer = explain_any(world, question);
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// Describes the request that the browser would send.
fn described(world: &World, target: &str, headers: &[(&str, &str)]) -> Value {
    let mut described = serde_json::Map::new();
    for (name, value) in headers {
        described.insert((*name).to_owned(), json!(value));
    }
    if let Some(cookie) = &world.jar {
        described.insert("Cookie".to_owned(), json!(cookie));
    }
    json!({ "method": "GET", "url": format!("https://chat.example{target}"), "headers": described })
}

fn at<'v>(explanation: &'v Value, paths: [&str; 3]) -> [&'v Value; 3] {
    paths.map(|path| explanation.pointer(path).unwrap())
}

#[test]
fn stored_session_is_explained_with_its_sources() {
    under_both(|consistency| {
        let mut world = world(&json!({ "CONSISTENCY": consistency }));
        world.exchange("x-session-identify\n{\"user\":\"ada\"}\nx-session-patch\n{\"a\":1}");
        let forward = world.visit();
        let question = described(&world, "/", &[]);
        let explanation = explain(&mut world, &question);
        assert_eq!(
            at(
                &explanation,
                ["/tenant/id", "/path/territory", "/cookie/verdict"]
            ),
            ["default", "origin", "genuine"]
        );
        let session = &explanation["session"];
        assert_eq!(
            at(session, ["/state", "/source", "/user"]),
            ["live", "isolate", "ada"]
        );
        assert_eq!(session["handle"], public_name(&forward));
        assert_eq!(session["idle_seconds_left"], 28_800);
        assert_eq!(explanation["login"]["rule"], "login.mode");
        assert_eq!(explanation["login"]["admitted"], true);
        assert_eq!(explanation["choice"]["origin"], forward.origin.as_str());
        assert_eq!(
            at(
                &explanation,
                ["/outcome/does", "/outcome/status", "/outcome/problem"]
            ),
            [&json!("forward"), &Value::Null, &Value::Null]
        );
        let score = |name: &str| {
            let origins = explanation["origins"].as_array().unwrap();
            let origin = origins.iter().find(|origin| origin["name"] == name);
            origin.unwrap()["score"].as_f64().unwrap()
        };
        for other in ["a", "b", "c"] {
            assert!(score(&forward.origin) >= score(other));
        }

        world.move_to_another_isolate();
        let source = |world: &mut World| {
            let explanation = explain(world, &question);
            explanation["session"]["source"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(source(&mut world), "namespace");
        assert_eq!(source(&mut world), "namespace", "nothing was learned");
        let name = json!({ "handle": public_name(&forward), "path": "/" });
        let named = explain(&mut world, &name);
        assert_eq!(named["choice"], explanation["choice"]);
        assert_eq!(named["cookie"]["verdict"], "not asked");
        let expected = match consistency {
            "strong" => "object",
            _ => "namespace",
        };
        assert_eq!(named["session"]["source"], expected);
    });
}

fn public_name(forward: &Forward) -> &str {
    header_value(forward, "x-session-id").unwrap()
}

#[test]
fn explaining_has_no_effects() {
    under_both(|consistency| {
        let mut world = world(&json!({ "CONSISTENCY": consistency }));
        world.exchange("x-session-patch\n{\"a\":1}");
        for record in world.io.namespace.values_mut() {
            *record = b"rubbish".to_vec();
        }
        world.io.rows.clear();
        let unreadable = described(&world, "/", &[]);
        world.jar = Some("__Host-session=forged".to_owned());
        let forged = described(&world, "/", &[]);
        world.jar = None;
        let new = described(&world, "/", &[("cf-connecting-ip", "192.0.2.1")]);
        world.move_to_another_isolate();
        world.gateway.recorder.take_events();
        let namespace = world.io.namespace.clone();
        let under_way = |world: &World| {
            ["a", "b", "c"].map(|origin| world.gateway.balancer.load.under_way(origin))
        };
        for (question, state) in [(&unreadable, "unreadable"), (&forged, ""), (&new, "")] {
            let first = explain(&mut world, question);
            assert_eq!(
                first["session"]["state"].as_str().unwrap_or_default(),
                state
            );
            for _ in 0..400 {
                assert_eq!(explain(&mut world, question), first);
            }
        }
        assert_eq!(world.io.namespace, namespace);
        assert_eq!(under_way(&world), [0, 0, 0]);
        assert!(world.gateway.recorder.take_events().is_empty());
        assert!(world.gateway.sessions.writes.is_empty());
        world.jar = Some("__Host-session=forged".to_owned());
        forwarded(world.get("/"));
    });
}

#[test]
fn explained_input_is_never_repeated() {
    let mut world = world(&json!({}));
    world.exchange("x-session-patch\n{\"a\":\"hunter2\"}");
    let cookie = world.jar.clone().unwrap();
    for cookie in [
        cookie.clone(),
        format!("{cookie}; {cookie}"),
        format!("a=1, {cookie}"),
        "__Host-session=hunter2; x=hunter2".to_owned(),
    ] {
        world.jar = Some(cookie.clone());
        let question = described(&world, "/?q=hunter2", &[("authorization", "hunter2")]);
        let explanation = explain_any(&mut world, &question).body;
        let (_, value) = cookie.split_once('=').unwrap();
        assert!(
            !explanation.contains("hunter2") && !explanation.contains(value),
            "{explanation}"
        );
    }
}

#[test]
fn each_step_explains_its_refusal() {
    let mut world = world(&json!({ "LOGIN_MODE": "required" }));
    world.jar = Some("__Host-session=x; __Host-session=y".to_owned());
    let navigation = [("sec-fetch-mode", "navigate")];
    for (target, jar, headers, path_class, verdict, status, problem) in [
        ("/_session/me", None, &[][..], "reserved", None, None, None),
        (
            "/%5fsession",
            None,
            &[],
            "disguised",
            None,
            Some(400),
            Some("bad_path"),
        ),
        (
            "/",
            None,
            &[],
            "origin",
            Some("absent"),
            Some(401),
            Some("no_session"),
        ),
        (
            "/",
            None,
            &navigation,
            "origin",
            Some("absent"),
            Some(303),
            None,
        ),
        (
            "/",
            Some("__Host-session=x"),
            &[],
            "origin",
            Some("forged"),
            Some(401),
            Some("no_session"),
        ),
        (
            "/",
            Some("__Host-session=x; __Host-session=y"),
            &[],
            "origin",
            Some("forged"),
            Some(401),
            Some("no_session"),
        ),
        (
            "/",
            Some("a=b, __Host-session=x"),
            &[],
            "origin",
            Some("absent"),
            Some(401),
            Some("no_session"),
        ),
        (
            "/",
            None,
            &[("upgrade", "websocket")],
            "origin",
            None,
            Some(426),
            Some("upgrade_version"),
        ),
    ] {
        world.jar = jar.map(str::to_owned);
        let question = described(&world, target, headers);
        let explanation = explain(&mut world, &question);
        assert_eq!(explanation["path"]["territory"], path_class, "{target}");
        assert_eq!(explanation["cookie"]["verdict"], json!(verdict), "{target}");
        assert_eq!(
            at(
                &explanation,
                ["/outcome/does", "/outcome/status", "/outcome/problem"]
            ),
            [&json!("answer"), &json!(status), &json!(problem)],
            "{target} {explanation}"
        );
        assert_eq!(explanation["choice"], Value::Null);
    }
}

#[test]
fn end_of_a_session_is_explained() {
    under_both(|consistency| {
        let state = |end: &dyn Fn(&mut World)| {
            let mut world = world(&json!({ "CONSISTENCY": consistency }));
            world.exchange("x-session-identify\n{\"user\":\"ada\"}");
            let handle = public_name(&world.visit()).to_owned();
            let jar = world.jar.clone();
            end(&mut world);
            world.jar = jar;
            let question = described(&world, "/", &[]);
            let explanation = explain(&mut world, &question);
            let named = explain(&mut world, &json!({ "handle": handle }));
            assert_eq!(named["session"]["state"], explanation["session"]["state"]);
            assert_eq!(named["outcome"], explanation["outcome"]);
            assert_eq!(explanation["outcome"]["status"], 401, "{explanation}");
            explanation["session"]["state"].as_str().unwrap().to_owned()
        };
        let end = |world: &mut World| drop(world.exchange("x-session-destroy\n1"));
        assert_eq!(state(&end), "ended");
        let revoke = |world: &mut World| {
            world.wait(1);
            let user = "/_session/admin/sessions?user=ada";
            world.jar = None;
            world.call("DELETE", user, Some(TOKEN), &Value::Null);
        };
        assert_eq!(state(&revoke), "revoked");
        assert_eq!(state(&|world| world.wait(30_000)), "expired");
    });
}

#[test]
fn malformed_question_is_rejected() {
    let mut world = world(&json!({}));
    for question in [
        json!({}),
        json!({ "url": "chat.example" }),
        json!({ "url": "https://chat.example/", "path": "/" }),
        json!({ "url": "https://chat.example/", "method": "G T" }),
        json!({ "url": "https://chat.example/", "headers": [] }),
        json!({ "url": "https://chat.example/", "headers": { "a": "b\nc" } }),
        json!({ "url": "https://chat.example/", "headers": { "a\nb": "c" } }),
        json!({ "url": "https://chat.example/", "headers": { "a": 1 } }),
        json!({ "handle": "x" }),
        json!({ "handle": "AAAAAAAAAAAAAAAAAAAAAA", "path": "x" }),
    ] {
        assert_eq!(explain_any(&mut world, &question).status, 422, "{question}");
    }
    let unknown = json!({ "handle": "AAAAAAAAAAAAAAAAAAAAAA", "method": "GET", "path": "/" });
    let explanation = explain(&mut world, &unknown);
    assert_eq!(explanation["session"]["state"], "unknown");
    let step = world.call("GET", EXPLAIN, Some(TOKEN), &Value::Null);
    assert_eq!(refused(step).0, 405);
    let step = world.call("POST", EXPLAIN, None, &unknown);
    assert_eq!(refused(step).0, 404);
}

#[test]
fn skipped_origin_and_takeover_are_explained() {
    let mut world = world(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    let home = world.visit().origin.to_string();
    world
        .gateway
        .balancer
        .health
        .mark_unreachable(&home, world.now);
    let question = described(&world, "/", &[]);
    let explanation = explain(&mut world, &question);
    assert_eq!(explanation["choice"]["takeover"], true);
    assert_ne!(explanation["choice"]["origin"], home);
    let because = explanation["choice"]["because"].as_str().unwrap();
    assert!(because.starts_with(&format!("{home}, where it belongs")));
    let origins = explanation["origins"].as_array().unwrap();
    let lost = origins
        .iter()
        .find(|origin| origin["name"] == home)
        .unwrap();
    let expected = (&json!(false), &json!(true));
    assert_eq!((&lost["usable"], &lost["ejected"]), expected);
}
