//! Tests access: sign-in rules, cross-site requests and limits, and that events hold no secret.

use super::*;
use serde_json::json;

#[test]
fn cross_site_sign_out_is_rejected() {
    let mut world = World::new(&json!({}));
    for (header, value, status) in [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "https://chat.example", 204),
        ("sec-fetch-site", "same-origin", 204),
    ] {
        let step = world.send(
            "POST",
            "/_session/logout",
            &[(header, value)],
            &mut Answers::default(),
        );
        assert_eq!(refused(step).0, status, "{header}: {value}");
    }
}

#[test]
fn required_sign_in_rejects_guests() {
    let mut world = World::new(&json!({ "LOGIN_MODE": "required" }));
    assert_eq!(refused(world.get("/")), (401, "no_session".to_owned()));
    let step = world.send(
        "GET",
        "/a?b=c%20d",
        &[("sec-fetch-mode", "navigate")],
        &mut Answers::default(),
    );
    let Step::Answer(answer) = step else {
        panic!("{step:?}")
    };
    assert_eq!(answer.status, 303);
    let location = (
        "location",
        "/_session/login?return_to=/a%3fb%3dc%2520d".to_owned(),
    );
    assert!(answer.headers.contains(&location), "{answer:?}");

    world.jar = Some("__Host-session=forged".to_owned());
    let step = world.get("/");
    let Step::Answer(answer) = &step else {
        panic!("{step:?}")
    };
    assert!(
        answer
            .headers
            .iter()
            .any(|(name, value)| *name == "set-cookie" && value.contains("Max-Age=0"))
    );
    assert_eq!(world.io.reads, 0);
}

#[test]
fn forged_cookies_are_limited_per_client() {
    let mut world = World::new(&json!({}));
    world.exchange("");
    let good = world.jar.replace("__Host-session=forged".to_owned());
    let statuses: Vec<bool> = (0..400)
        .map(|_| matches!(world.get("/"), Step::Forward(_)))
        .collect();
    assert_eq!(statuses.iter().filter(|passed| **passed).count(), 300);
    assert_eq!(
        refused(world.get("/")),
        (429, "too_many_forgeries".to_owned())
    );
    world.jar = good;
    world.visit();
}

#[test]
fn events_contain_no_secret() {
    let mut world = World::new(&json!({}));
    world.exchange(
        "x-session-patch\n[\"hunter2\"]\nx-session-ttl\nhunter2\nx-session-rotate\nhunter2",
    );
    let lines: Vec<String> = world
        .gateway
        .recorder
        .take_events()
        .iter()
        .map(|event| event.to_json().to_string())
        .collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let secret = world.jar.unwrap();
    assert!(
        lines
            .iter()
            .all(|line| !line.contains("hunter2") && !line.contains(&secret))
    );
}

#[test]
fn client_that_tries_many_names_is_limited_before_hashing() {
    let methods = json!({ "LOGIN_METHODS": r#"{"password":true}"#, "ATTEMPT_OBJECTS": true });
    let mut world = World::new(&methods);
    let headers = [
        ("content-type", "application/json"),
        ("cf-connecting-ip", "192.0.2.1"),
    ];
    let mut try_name = |number: usize, headers: &[(&str, &str)]| {
        let body = json!({ "username": format!("nobody-{number}"), "password": "guess" });
        world.io.body = Some(body.to_string().into_bytes());
        let mut answers = Answers::default();
        match world.send("POST", "/_session/login", headers, &mut answers) {
            Step::Answer(answer) => answer.status,
            other => panic!("{other:?}"),
        }
    };
    for number in 0..30 {
        assert_eq!(try_name(number, &headers), 503, "no hash is computed here");
    }
    assert_eq!(try_name(30, &headers), 429);
    let elsewhere = [headers[0], ("cf-connecting-ip", "192.0.2.2")];
    assert_eq!(try_name(31, &elsewhere), 503);
}
