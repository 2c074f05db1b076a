//! Tests tenants that share a host and are selected by path or header.

use super::*;
use crate::gateway::{IGNORED_HEADERS, NEGOTIATION_HEADERS};
use crate::http::qualifier::TenantBy;
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
        ("https://chat.example/%61cme/", "front"),
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
