//! Tests operators' console sessions with KV alone.

use serde_json::json;

use super::World;
use crate::gateway::Step;
use crate::response::Answer;

const TOKEN: &str = "operators-know-this-token";
const URL: &str = "https://console.example/_session/admin/";

fn world() -> World {
    let mut world =
        World::with(&json!({ "ADMIN_TOKEN": TOKEN, "CONSOLE_HOST": "console.example" }));
    world.tenant("acme", &json!({}));
    world
}

fn answered(step: Step) -> Answer {
    match step {
        Step::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn signed_in(world: &mut World) -> String {
    world.io.body = Some(json!({ "token": TOKEN }).to_string().into_bytes());
    let headers = [("content-type", "application/json")];
    let answer = answered(world.request("POST", &format!("{URL}sign-in"), &headers));
    assert_eq!(answer.status, 204, "{}", answer.body);
    let (_, line) = answer
        .headers
        .iter()
        .find(|(name, _)| *name == "set-cookie")
        .unwrap();
    line.split(';').next().unwrap().to_owned()
}

fn whoami(world: &mut World, cookie: &str) -> u16 {
    answered(world.get(&format!("{URL}whoami"), &[("cookie", cookie)])).status
}

#[test]
fn console_sign_out_ends_copies_of_the_cookie() {
    let mut world = world();
    let (one, other) = (signed_in(&mut world), signed_in(&mut world));
    assert_ne!(one, other);
    assert_eq!(whoami(&mut world, &one), 200);
    let url = format!("{URL}sign-out");
    let cookie = [("cookie", one.as_str())];
    assert_eq!(answered(world.request("POST", &url, &cookie)).status, 204);
    assert_eq!(
        (whoami(&mut world, &one), whoami(&mut world, &other)),
        (401, 200)
    );
}

#[test]
fn failed_console_sign_out_is_reported_and_unknown_revocations_are_rejected() {
    let mut world = world();
    let cookie = signed_in(&mut world);
    let url = format!("{URL}sign-out");
    world.io.silent.writes = true;
    let answer = answered(world.request("POST", &url, &[("cookie", &cookie)]));
    assert_eq!(answer.status, 503);
    assert!(answer.headers.iter().all(|(name, _)| *name != "set-cookie"));
    world.io.silent.reads = true;
    assert_eq!(whoami(&mut world, &cookie), 503);
}

const FILES: &str = "https://console.example/_session/console/";

/// Requests a console file. Returns whether its content is sent, with the answer's headers.
fn file(world: &mut World, name: &str, headers: &[(&str, &str)]) -> (bool, Answer) {
    let built = ["console.js", "console.css"];
    if built.contains(&name) {
        world.io.has_asset(name, "", "hash");
    }
    match world.get(&format!("{FILES}{name}"), headers) {
        Step::Asset(answer) => (true, answer),
        Step::Answer(answer) => (false, answer),
        other => panic!("{other:?}"),
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut headers = answer.headers.iter();
    let found = headers.find(|(other, _)| *other == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn console_file_is_compressed_if_accepted() {
    let mut world = world();
    for (accepted, coding) in [
        (&[][..], None),
        (&[("accept-encoding", "br")], None),
        (&[("accept-encoding", "gzip;q=0")], None),
        (&[("accept-encoding", "gzip, deflate")], Some("gzip")),
    ] {
        let (is_sent, answer) = file(&mut world, "console.js", accepted);
        assert!(is_sent);
        assert_eq!(header(&answer, "content-encoding"), coding, "{accepted:?}");
        assert_eq!(header(&answer, "etag"), Some("\"hash\""));
        assert_eq!(header(&answer, "cache-control"), Some("no-cache"));
        let media_type = header(&answer, "content-type");
        assert_eq!(media_type, Some("text/javascript; charset=utf-8"));
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }
}

#[test]
fn console_file_with_matching_etag_gets_304() {
    let mut world = world();
    for (known, status) in [("\"hash\"", 304), ("W/\"hash\"", 304), ("\"other\"", 200)] {
        let headers = [("if-none-match", known), ("accept-encoding", "gzip")];
        let (is_sent, answer) = file(&mut world, "console.css", &headers);
        assert_eq!((is_sent, answer.status), (status == 200, status), "{known}");
        assert!(header(&answer, "content-security-policy").is_some());
        let coding = header(&answer, "content-encoding");
        assert_eq!(coding.is_some(), is_sent);
    }
}

#[test]
fn other_paths_are_no_console_files() {
    let mut world = world();
    for name in ["console.js.bin", "none", "../console.js", "asset:acme:logo"] {
        let answer = answered(world.get(&format!("{FILES}{name}"), &[]));
        assert_eq!(answer.status, 404, "{name}");
    }
    // A file missing from the build.
    assert_eq!(
        answered(world.get(&format!("{FILES}index.html"), &[])).status,
        404
    );
}
