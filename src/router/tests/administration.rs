//! Tests the admin API for tenants' documents.

use super::*;
use serde_json::json;

const TOKEN: &str = "an-admin-token-for-tests";

fn administer(world: &mut World, method: &str, route: &str, token: &str, body: &str) -> Answer {
    let route = format!("/tenants{route}");
    let json = [("content-type", "application/json")];
    ask(world, method, &route, token, &json, body)
}

fn ask(
    world: &mut World,
    method: &str,
    route: &str,
    token: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let url = format!("https://anywhere.example/_session/admin{route}");
    let bearer = format!("Bearer {token}");
    world.io.body = Some(body.as_bytes().to_vec());
    let mut all = vec![("authorization", bearer.as_str())];
    all.extend(headers);
    match world.request(method, &url, &all) {
        Step::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn world() -> World {
    World::with(&json!({ "ADMIN_TOKEN": TOKEN }))
}

fn document(marker: &str) -> String {
    json!({
        "id": "acme",
        "hosts": ["acme.example"],
        "origins": [{ "url": "http://a" }],
        "env": { "MARKER": marker },
    })
    .to_string()
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let named = answer.headers.iter().find(|(other, _)| *other == name);
    named.map_or("", |(_, value)| value.as_str())
}

fn get(world: &mut World, route: &str) -> Answer {
    administer(world, "GET", route, TOKEN, "")
}

fn put(world: &mut World, text: &str) -> Answer {
    administer(world, "PUT", "/acme", TOKEN, text)
}

/// Returns the versions and whether each is in force, newest first.
fn versions(world: &mut World) -> Vec<(String, bool)> {
    let answer = get(world, "/acme/history");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let versions = body["versions"].as_array().unwrap();
    let one = |version: &Value| {
        let name = version["version"].as_str().unwrap().to_owned();
        let at = version["at"].as_u64().unwrap();
        assert_eq!(name.parse::<u64>().unwrap() / 1000, at);
        (name, version["current"].as_bool().unwrap())
    };
    versions.iter().map(one).collect()
}

#[test]
fn only_the_deployments_admin_api_manages_tenants() {
    let mut world = World::with(&json!({
        "ADMIN_TOKEN": TOKEN,
        "ACME__ADMIN_TOKEN": "a-token-of-acme-alone",
    }));
    let document = |id: &str, host: &str| {
        json!({ "id": id, "hosts": [host], "origins": [{ "url": "http://a" }] }).to_string()
    };
    for token in ["", "wrong", "a-token-of-acme-alone"] {
        assert_eq!(
            administer(&mut world, "GET", "", token, "").status,
            401,
            "{token}"
        );
    }
    let acme = document("acme", "acme.example");
    assert_eq!(
        administer(&mut world, "PUT", "/acme", TOKEN, &acme).status,
        204
    );
    assert!(world.events().contains("audit_tenant_put"));
    forwarded(world.get("https://acme.example/", &[]));
    assert_eq!(
        administer(&mut world, "GET", "", TOKEN, "").body,
        r#"{"tenants":["acme"]}"#
    );
    assert_eq!(administer(&mut world, "GET", "/acme", TOKEN, "").body, acme);

    for (route, body, text) in [
        ("/b", document("b", "acme.example"), "belongs to acme"),
        ("/b", document("c", "c.example"), "not that of the path"),
        (
            "/b",
            r#"{"id":"b","colour":1}"#.to_owned(),
            "colour: is not known",
        ),
    ] {
        let answer = administer(&mut world, "PUT", route, TOKEN, &body);
        assert!(
            answer.status >= 400 && answer.body.contains(text),
            "{answer:?}"
        );
    }
    let validated = administer(&mut world, "POST", "/validate", TOKEN, r#"{"id":"b"}"#);
    let faults: Value = serde_json::from_str(&validated.body).unwrap();
    assert_eq!(faults["faults"][0]["path"], "origins");

    let moved = document("acme", "new.example");
    assert_eq!(
        administer(&mut world, "PUT", "/acme", TOKEN, &moved).status,
        204
    );
    assert!(!world.io.documents.contains_key("host:acme.example"));
    assert_eq!(
        administer(&mut world, "DELETE", "/acme", TOKEN, "").status,
        204
    );
    let mut left = world.io.documents.keys();
    assert!(left.all(|key| key.starts_with("history:acme:")));
    assert_eq!(
        administer(&mut world, "GET", "/acme", TOKEN, "").status,
        404
    );
}

#[test]
fn wrong_admin_token_is_rejected() {
    let mut world = World::with(&json!({ "ADMIN_TOKEN": "short" }));
    for token in ["short", ""] {
        let answer = administer(&mut world, "GET", "", token, "");
        assert_eq!(answer.status, 401, "{token}");
    }
}

#[test]
fn stale_if_match_is_rejected() {
    let mut world = world();
    let change = |world: &mut World, method: &str, tag: &str, text: &str| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        let answer = ask(world, method, "/tenants/acme", TOKEN, &headers, text);
        (answer.status, header(&answer, "etag").to_owned())
    };
    assert_eq!(change(&mut world, "PUT", "*", &document("0")).0, 412);
    let made = put(&mut world, &document("1"));
    let first = header(&made, "etag").to_owned();
    assert!(first.len() == 34 && first.starts_with('"'), "{first}");
    assert_eq!(header(&get(&mut world, "/acme"), "etag"), first);
    let (status, second) = change(&mut world, "PUT", &first, &document("2"));
    assert_eq!(status, 204);
    assert_ne!(first, second);
    for tag in [first.as_str(), "\"x\"", "", &format!("W/{second}")] {
        assert_eq!(
            change(&mut world, "PUT", tag, &document("3")).0,
            412,
            "{tag}"
        );
        assert_eq!(change(&mut world, "DELETE", tag, "").0, 412, "{tag}");
    }
    assert_eq!(get(&mut world, "/acme").body, document("2"));
    let either = format!("{first}, {second}");
    assert_eq!(change(&mut world, "PUT", &either, &document("4")).0, 204);
    assert_eq!(change(&mut world, "DELETE", "*", "").0, 204);
}

#[test]
fn document_history_can_be_restored() {
    let mut world = world();
    assert_eq!(get(&mut world, "/acme/history").status, 404);
    put(&mut world, &document("1"));
    world.wait(5);
    put(&mut world, &document("2"));
    put(&mut world, &document("2"));
    let kept = versions(&mut world);
    let current: Vec<bool> = kept.iter().map(|(_, current)| *current).collect();
    assert_eq!(current, [true, false], "the very same text adds nothing");
    let old = get(&mut world, &format!("/acme/history/{}", kept[1].0));
    assert_eq!((old.status, old.body), (200, document("1")));

    // A change in the same millisecond, and one by a clock that is behind.
    put(&mut world, &document("3"));
    world.now.0 -= 3_000;
    put(&mut world, &document("1"));
    let names: Vec<String> = versions(&mut world)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names.len(), 4);
    assert!(
        names.is_sorted_by(|newer, older| newer > older),
        "{names:?}"
    );
    assert_eq!(
        get(&mut world, &format!("/acme/history/{}", names[0])).body,
        document("1")
    );
    for route in ["x", "1", "0000000000000001", "000000000000000x", ""] {
        let answer = get(&mut world, &format!("/acme/history/{route}"));
        assert_eq!(answer.status, 404, "{route}");
    }
    let answer = administer(&mut world, "PUT", "/acme/history", TOKEN, "{}");
    assert_eq!(answer.status, 405);
    assert_eq!(get(&mut world, "/acme/past").status, 404);
    assert_eq!(get(&mut world, "").body, r#"{"tenants":["acme"]}"#);
}

#[test]
fn externally_stored_document_enters_the_history_when_replaced() {
    for delete in [false, true] {
        let mut world = world();
        world.put(&serde_json::from_str(&document("by hand")).unwrap());
        assert_eq!(versions(&mut world), []);
        if delete {
            administer(&mut world, "DELETE", "/acme", TOKEN, "");
        } else {
            put(&mut world, &document("1"));
        }
        let kept = versions(&mut world);
        let (oldest, is_current) = kept.last().unwrap();
        assert!(!is_current);
        let old = get(&mut world, &format!("/acme/history/{oldest}")).body;
        let old: Value = serde_json::from_str(&old).unwrap();
        assert_eq!(old["env"]["MARKER"], "by hand");
        assert_eq!(kept.len(), if delete { 1 } else { 2 });
    }
}

#[test]
fn deleted_document_can_be_restored_and_history_is_limited() {
    let mut world = world();
    for number in 0..30 {
        put(&mut world, &document(&number.to_string()));
        world.wait(1);
    }
    administer(&mut world, "DELETE", "/acme", TOKEN, "");
    let kept = versions(&mut world);
    assert_eq!(kept.len(), 20);
    assert!(kept.iter().all(|(_, current)| !current), "it is deleted");
    let newest = get(&mut world, &format!("/acme/history/{}", kept[0].0));
    assert_eq!(newest.body, document("29"));
    let oldest = get(&mut world, &format!("/acme/history/{}", kept[19].0));
    assert_eq!(oldest.body, document("10"));
    assert_eq!(put(&mut world, &newest.body).status, 204);
    forwarded(world.get("https://acme.example/", &[]));
}

fn preview(world: &mut World, page: &str, document: &str) -> Answer {
    let mut body = format!("page={page}&document=");
    crate::encoding::push_percent_encoded(&mut body, document);
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-mode", "navigate"),
    ];
    ask(world, "POST", "/preview", TOKEN, &form, &body)
}

#[test]
fn pages_are_previewed_for_frames_of_the_console() {
    let mut world = world();
    let document = json!({
        "id": "acme",
        "hosts": ["acme.example"],
        "origins": [{ "url": "http://a" }],
        "branding": { "title": "Acme <Chat>", "colors": { "accent": "#123456" }, "locale": "en" },
    })
    .to_string();
    for (page, heading) in [
        ("sign-in", "Sign in"),
        ("sign-out", "Sign out?"),
        ("problem", "Chat server unreachable"),
        ("waiting", "Please wait a moment"),
    ] {
        let answer = preview(&mut world, page, &document);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(
            answer.body.contains(&format!("<h1>{heading}</h1>")),
            "{page}"
        );
        assert!(answer.body.contains("Acme &lt;Chat&gt;") && answer.body.contains("#123456"));
        let policy = header(&answer, "content-security-policy");
        assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
        for unwanted in ["refresh", "retry-after", "x-frame-options", "set-cookie"] {
            assert_eq!(header(&answer, unwanted), "", "{page}");
        }
    }
    assert!(world.io.documents.is_empty(), "nothing is stored");
}

#[test]
fn preview_of_an_invalid_document_reports_its_faults() {
    let mut world = world();
    let wrong = r#"{"id":"acme","colour":1,"origins":[{"url":"ftp://<x>"}]}"#;
    let answer = preview(&mut world, "sign-in", wrong);
    assert_eq!(answer.status, 400);
    for fault in ["colour: is not known", "origins[0].url"] {
        assert!(answer.body.contains(fault), "{}", answer.body);
    }
    let policy = header(&answer, "content-security-policy");
    assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
    for text in ["", "{", "[]", r#"{"id":1,"id":2}"#] {
        assert_eq!(preview(&mut world, "sign-in", text).status, 400, "{text}");
    }
    let good = document("1");
    assert_eq!(preview(&mut world, "front", &good).status, 422);
    let large = good.replace("\"1\"", &format!("\"{}\"", "x".repeat(70_000)));
    assert_eq!(preview(&mut world, "sign-in", &large).status, 413);
    let json = [("content-type", "application/json")];
    assert_eq!(
        ask(&mut world, "POST", "/preview", TOKEN, &json, &good).status,
        415
    );
    assert_eq!(
        ask(&mut world, "GET", "/preview", TOKEN, &[], "").status,
        405
    );
    assert_eq!(
        ask(&mut world, "POST", "/preview", "wrong", &[], "").status,
        401
    );
}
