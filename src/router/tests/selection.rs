//! Tests tenants that share a host and are selected by path or header.

use super::*;
use crate::gateway::{IGNORED_HEADERS, NEGOTIATION_HEADERS};
use crate::http::qualifier::TenantBy;
use crate::store::namespaces::Namespaces;
use crate::tenant_id::TenantId;
use serde_json::json;

/// Returns the tenant that a request reaches, or the problem.
fn reached(world: &mut World, url: &str, headers: &[(&str, &str)]) -> String {
    match world.get(url, headers) {
        Step::Forward(forward) => forward
            .headers
            .value("x-session-tenant")
            .unwrap()
            .to_owned(),
        step => refused(step).1,
    }
}

fn by_path() -> World {
    let mut world = World::with(&json!({ "TENANT_BY": "path", "ADMIN_TOKEN": TOKEN }));
    world.tenant("front", &json!({ "hosts": ["chat.example"] }));
    world.tenant("acme", &json!({ "hosts": ["chat.example/acme"] }));
    world.tenant(
        "globex",
        &json!({ "hosts": ["chat.example/globex", "*.example/globex"] }),
    );
    world
}

const TOKEN: &str = "an-admin-token-for-tests";

#[test]
fn first_segment_selects_a_tenant_and_stays_in_the_path() {
    let mut world = by_path();
    for (url, tenant) in [
        ("https://chat.example/acme/x?y", "acme"),
        ("https://chat.example/acme", "acme"),
        ("https://chat.example/x/../acme/", "acme"),
        ("https://chat.example/globex/", "globex"),
        ("https://other.example/globex/", "globex"),
        ("https://chat.example/", "front"),
        ("https://chat.example/Acme/", "front"),
        ("https://chat.example/%61cme/private", "bad_path"),
        ("https://chat.example//acme/private", "bad_path"),
        ("https://chat.example/acme;x/private", "bad_path"),
        ("https://chat.example/%61cme/_session/callback", "bad_path"),
        ("https://chat.example/acme/..%2fglobex/", "bad_path"),
        ("https://chat.example/files/a%20b", "front"),
        ("https://chat.example/acme.js", "front"),
        ("https://chat.example/x/acme/", "front"),
        ("https://other.example/acme/", "unknown_host"),
    ] {
        assert_eq!(reached(&mut world, url, &[]), tenant, "{url}");
    }
    let forward = forwarded(world.get("https://chat.example/acme/x?y", &[]));
    assert_eq!(forward.url, "http://acme.internal/acme/x?y");
}

#[test]
fn header_selects_a_tenant() {
    let mut world = World::with(&json!({ "TENANT_BY": "path,header:X-Plan,header:X-Region" }));
    world.tenant("front", &json!({ "hosts": ["chat.example"] }));
    world.tenant("gold", &json!({ "hosts": ["chat.example;gold;"] }));
    world.tenant("europe", &json!({ "hosts": ["chat.example;gold;eu"] }));
    world.tenant("acme", &json!({ "hosts": ["chat.example/acme;gold;"] }));
    for (path, plan, region, tenant) in [
        ("/", "", "", "front"),
        ("/", "gold", "", "gold"),
        ("/", "Gold", "eu", "europe"),
        ("/", "silver", "", "front"),
        ("/", "gold, gold", "", "front"),
        ("/acme/", "gold", "", "acme"),
        ("/acme/", "", "", "front"),
        ("/acme/", "gold", "eu", "europe"),
    ] {
        let url = format!("https://chat.example{path}");
        let headers = [("x-plan", plan), ("x-region", region)];
        assert_eq!(
            reached(&mut world, &url, &headers),
            tenant,
            "{path} {plan} {region}"
        );
    }
}

#[test]
fn header_that_equal_requests_may_differ_in_selects_no_tenant() {
    for name in IGNORED_HEADERS.iter().chain(&NEGOTIATION_HEADERS) {
        assert_eq!(TenantBy::parse(&format!("header:{name}")), None, "{name}");
    }
}

#[test]
fn decision_for_one_path_is_not_repeated_for_another() {
    let mut world = by_path();
    for (url, holds) in [
        ("https://chat.example/", false),
        ("https://chat.example/acme/", false),
    ] {
        let first = forwarded(world.get(url, &[]));
        let cookie = world.handle_response(&first, "");
        let again = forwarded(world.get(url, &[("cookie", &cookie)]));
        assert_eq!(again.repeat.unwrap().any_target, holds, "{url}");
    }
    let mut world = World::new();
    world.tenant("acme", &json!({}));
    let first = forwarded(world.get("https://acme.example/", &[]));
    let cookie = world.handle_response(&first, "");
    let again = forwarded(world.get("https://acme.example/", &[("cookie", &cookie)]));
    assert!(again.repeat.unwrap().any_target);
}

#[test]
fn tenants_of_one_host_have_a_cookie_each_that_no_origin_gets() {
    let mut world = by_path();
    let mut jar = String::from("theirs=1");
    for path in ["/", "/acme/", "/globex/"] {
        let url = format!("https://chat.example{path}");
        let forward = forwarded(world.get(&url, &[("cookie", &jar)]));
        assert_eq!(forward.headers.value("x-session-state"), Some("new"));
        let patch = format!("x-session-patch\n{{\"own\":\"{path}\"}}");
        let cookie = world.handle_response(&forward, &patch);
        jar = format!("{jar}; {cookie}");
    }
    for (path, name) in [("/", "front"), ("/acme/", "acme"), ("/globex/", "globex")] {
        assert!(jar.contains(&format!("; __Host-session.{name}=")), "{jar}");
        let url = format!("https://chat.example{path}");
        let forward = forwarded(world.get(&url, &[("cookie", &jar)]));
        let data = format!(r#"{{"own":"{path}"}}"#);
        assert_eq!(forward.headers.value("x-session-data"), Some(&*data));
        assert_eq!(forward.headers.value("cookie"), Some("theirs=1"));
    }
}

#[test]
fn reserved_paths_are_below_the_path_of_the_tenant() {
    let mut world = by_path();
    let login = json!({ "mode": "required", "methods": { "password": true } });
    world.tenant(
        "acme",
        &json!({ "hosts": ["chat.example/acme"], "login": login }),
    );
    let page = [("accept", "text/html")];
    let Step::Answer(answer) = world.get("https://chat.example/acme/x", &page) else {
        panic!("not redirected")
    };
    let location = answer.headers.iter().find(|(name, _)| *name == "location");
    let (_, location) = location.unwrap();
    assert_eq!(location, "/acme/_session/login?return_to=/acme/x");
    let url = "https://chat.example/acme/_session/signed-out";
    let Step::Answer(answer) = world.get(url, &page) else {
        panic!("not answered")
    };
    assert!(answer.body.contains(r#"href="/acme/""#), "{}", answer.body);
    let Step::Answer(answer) = world.get("https://chat.example/acme/_session/login", &page) else {
        panic!("not answered")
    };
    assert!(answer.body.contains(r#"value="/acme/""#), "{}", answer.body);
    let Step::Answer(answer) = world.get("https://chat.example/_session/me", &[]) else {
        panic!("not answered")
    };
    assert!(
        answer.body.contains(r#""tenant":"front""#),
        "{}",
        answer.body
    );

    // A document with another path takes effect like any other change.
    world.tenant("acme", &json!({ "hosts": ["chat.example/two"] }));
    world.io.documents.remove("host:chat.example/acme");
    world.wait(61);
    let Step::Answer(answer) = world.get("https://chat.example/two/_session/me", &[]) else {
        panic!("not answered")
    };
    assert!(
        answer.body.contains(r#""tenant":"acme""#),
        "{}",
        answer.body
    );
    assert_eq!(
        reached(&mut world, "https://chat.example/acme/", &[]),
        "front"
    );
}

#[test]
fn operator_names_a_tenant_below_a_path() {
    let mut world = by_path();
    let bearer = format!("Bearer {TOKEN}");
    let url = "https://chat.example/_session/admin/sessions?tenant=acme";
    let Step::Answer(answer) = world.get(url, &[("authorization", &bearer)]) else {
        panic!("not answered")
    };
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn admin_api_is_not_below_the_path_of_a_tenant() {
    let mut world = World::with(&json!({ "TENANT_BY": "path", "ACME__ADMIN_TOKEN": TOKEN }));
    world.tenant("acme", &json!({ "hosts": ["chat.example/acme"] }));
    for token in [TOKEN, "another-token-altogether"] {
        let bearer = format!("Bearer {token}");
        for method in ["GET", "DELETE"] {
            let url = "https://chat.example/acme/_session/admin/sessions?all=true";
            let step = world.request(method, url, &[("authorization", &bearer)]);
            assert_eq!(refused(step), (404, "not_found".to_owned()), "{token}");
        }
    }
}

#[test]
fn proxy_with_many_tenants_is_not_limited() {
    let mut world = by_path();
    let client = [("cf-connecting-ip", "192.0.2.1")];
    for number in 0..200 {
        let host = format!("chat.example/t{number}");
        world.tenant(&format!("t{number}"), &json!({ "hosts": [host] }));
    }
    let visit_all = |world: &mut World| {
        for number in 0..200 {
            let url = format!("https://chat.example/t{number}/");
            assert_eq!(reached(world, &url, &client), format!("t{number}"));
        }
        let url = "https://chat.example/static/x.css";
        assert_eq!(reached(world, url, &client), "front");
    };
    visit_all(&mut world);
    for _ in 0..2 {
        world.wait(61);
        let mut last = String::new();
        for number in 0..130 {
            let url = format!("https://chat.example/none{number}/");
            last = reached(&mut world, &url, &client);
        }
        assert_eq!(last, "too_many_requests");
        visit_all(&mut world);
    }
}

#[test]
fn binding_that_names_no_tenant_selects_no_other_one() {
    let mut world = by_path();
    world.store_document("host:chat.example/acme", "acme\n");
    assert_eq!(
        reached(&mut world, "https://chat.example/acme/", &[]),
        "acme"
    );
    world.store_document("host:chat.example/globex", "Globex!");
    for _ in 0..3 {
        let tenant = reached(&mut world, "https://chat.example/globex/", &[]);
        assert_eq!(tenant, "tenant_misconfigured");
    }
    let events = world.events();
    assert_eq!(events.matches("tenant_binding_broken").count(), 1);
    assert!(events.contains("chat.example/globex"), "{events}");
    world.wait(61);
    world.store_document("host:chat.example/globex", "globex");
    assert_eq!(
        reached(&mut world, "https://chat.example/globex/", &[]),
        "globex"
    );
}

#[test]
fn responses_vary_by_the_headers_that_select() {
    let varies = |headers: &[(&'static str, String)], by: &str| {
        let mut vary = headers.iter().filter(|(name, _)| *name == "vary");
        vary.any(|(_, value)| value == by)
    };
    for (by, vary, expected) in [
        ("header:X-Plan,header:X-Region", "x-plan, x-region", true),
        ("path", "x-plan, x-region", false),
    ] {
        let mut world = World::with(&json!({ "TENANT_BY": by }));
        let files = json!({ "/logo": "kv:logo" });
        world.tenant("acme", &json!({ "assets": files }));
        let patches = json!({ "/settings": { "a": 1 } });
        world.tenant("globex", &json!({ "responses": patches }));
        match world.get("https://acme.example/logo", &[]) {
            Step::Asset(answer) => assert_eq!(varies(&answer.headers, vary), expected),
            Step::Forward(_) => {}
            step => panic!("{step:?}"),
        }
        let step = world.get("https://acme.example/_session/none", &[]);
        let Step::Answer(answer) = step else {
            panic!("not answered")
        };
        assert_eq!(varies(&answer.headers, vary), expected, "{by}");
        for (status, expected) in [(200, expected), (101, false)] {
            let forward = forwarded(world.get("https://acme.example/", &[]));
            let context = &forward.response_context;
            let headers = "cache-control\npublic, max-age=60";
            let now = world.now;
            let answers = Answers::default();
            let action = world
                .router
                .handle_response(context, status, headers, now, &answers);
            let ResponseAction::Edited(edits) = action else {
                panic!("{action:?}")
            };
            assert_eq!(varies(&edits.append, vary), expected, "{by} {status}");
        }
    }
}

#[test]
fn explanation_considers_path_and_headers_of_the_request_in_question() {
    let mut world =
        World::with(&json!({ "TENANT_BY": "path,header:X-Plan", "ADMIN_TOKEN": TOKEN }));
    world.tenant("front", &json!({ "hosts": ["chat.example"] }));
    world.tenant("gold", &json!({ "hosts": ["chat.example/acme;gold"] }));
    let mut explain = |tenant: &str, url: &str, headers: Value| {
        let question = json!({ "url": url, "headers": headers }).to_string();
        world.io.body = Some(question.into_bytes());
        let bearer = format!("Bearer {TOKEN}");
        let url = format!("https://chat.example/_session/admin/explain?tenant={tenant}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let Step::Answer(answer) = world.request("POST", &url, &headers) else {
            panic!("not answered")
        };
        let explanation: Value = serde_json::from_str(&answer.body).unwrap();
        let problem = explanation["outcome"]["problem"].clone();
        let because = explanation["tenant"]["because"].as_str().unwrap();
        (problem, because.to_owned())
    };
    let below = "https://chat.example/acme/x";
    let gold = json!({ "X-Plan": "gold" });
    let (problem, because) = explain("front", below, gold.clone());
    assert_eq!(problem, Value::Null);
    assert!(
        because.contains("such as chat.example/acme;gold"),
        "{because}"
    );
    let (problem, because) = explain("gold", below, gold.clone());
    assert_eq!(problem, Value::Null, "{because}");
    let (problem, _) = explain("gold", below, json!({}));
    assert_eq!(problem, "unknown_host");
    let (problem, because) = explain("front", "https://chat.example/", json!({}));
    assert_eq!(problem, Value::Null);
    assert_eq!(because, "chat.example is listed by name.");
    let hidden = "https://chat.example/%61cme/x";
    assert_eq!(explain("front", hidden, gold).0, "bad_path");
}

#[test]
fn readiness_is_that_of_the_tenants_own_namespace() {
    let mut world = by_path();
    reached(&mut world, "https://chat.example/acme/", &[]);
    let packed = "GET\nhttps://chat.example/acme/_session/readyz";
    let step = world.router.admit(packed, world.now, &Answers::default());
    let Step::Await(needs) = step else {
        panic!("{step:?}")
    };
    let namespaces = Namespaces::of(&[TenantId::parse("acme").unwrap()]);
    let Need::Read { key, .. } = &needs[0] else {
        panic!("{needs:?}")
    };
    assert_eq!(namespaces.binding(key), Some("ACME__SESSIONS"));
}

#[test]
fn invented_paths_cost_bounded_reads() {
    let mut world = by_path();
    let client = [("cf-connecting-ip", "192.0.2.1")];
    assert_eq!(
        reached(&mut world, "https://chat.example/acme/", &client),
        "acme"
    );
    let before = world.asked;
    for _ in 0..3 {
        assert_eq!(
            reached(&mut world, "https://chat.example/none/", &client),
            "front"
        );
    }
    let what = "host and suffix, each with the path and without, and a document";
    assert_eq!(world.asked, before + 5, "{what}");
    let mut refusals = 0;
    for number in 0..200 {
        let url = format!("https://chat.example/p{number}/");
        let tenant = reached(&mut world, &url, &client);
        assert!(
            ["front", "too_many_requests"].contains(&tenant.as_str()),
            "{tenant}"
        );
        refusals += usize::from(tenant != "front");
    }
    assert!((75..90).contains(&refusals), "{refusals}");
    assert_eq!(world.events().matches("tenant_lookups_limited").count(), 1);
    assert_eq!(
        reached(&mut world, "https://chat.example/acme/", &client),
        "acme"
    );
    let other = [("cf-connecting-ip", "198.51.100.1")];
    assert_eq!(
        reached(&mut world, "https://chat.example/q/", &other),
        "front"
    );
}

#[test]
fn hosts_that_no_request_can_have_are_faults() {
    let faults = |by: &str, hosts: Value| {
        let mut world = World::with(&json!({ "TENANT_BY": by }));
        world.tenant("acme", &json!({ "hosts": hosts }));
        world.store_document("host:chat.example", "acme");
        reached(&mut world, "https://chat.example/", &[]);
        world.events()
    };
    for (by, hosts, fault) in [
        (
            "host",
            json!(["chat.example/acme"]),
            "hosts[0]: a path selects no tenant",
        ),
        (
            "path",
            json!(["a.example/a", "chat.example;x"]),
            "hosts: give all hosts the same path",
        ),
        (
            "path",
            json!(["chat.example;x"]),
            "hosts[0]: give one value for each header",
        ),
        (
            "header:x-a",
            json!(["chat.example;a;b"]),
            "hosts[0]: give one value for each header",
        ),
        ("path", json!(["chat.example/a/b"]), "hosts[0]: "),
    ] {
        let log = faults(by, hosts);
        assert!(log.contains(fault), "{log}");
    }
}
