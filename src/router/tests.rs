//! Tests several tenants in one isolate.

mod administration;
mod allocations;
mod assets;
mod console;
mod memory;
mod selection;
mod settings;
mod thousand;
mod world;
mod write_behind;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use proptest::prelude::*;
use serde_json::{Value, json};

use world::{World, forwarded, refused};

use super::Router;
use crate::clock::UnixMillis;
use crate::deployment::Deployment;
use crate::effect::{Answers, Found, Need};
use crate::encoding::base64url;
use crate::gateway::{Forward, ResponseAction, Step};
use crate::response::Answer;
use crate::simulation::fake_io::{FakeIo, KEY};

#[test]
fn each_host_finds_its_tenant_and_unknown_hosts_none() {
    let mut world = World::new();
    world.tenant("acme", &json!({}));
    world.tenant(
        "globex",
        &json!({ "hosts": ["*.globex.example", "globex.example"] }),
    );
    for (host, origin) in [
        ("acme.example", "http://acme.internal/x"),
        ("ACME.example:8787", "http://acme.internal/x"),
        ("globex.example", "http://globex.internal/x"),
        ("a.b.globex.example", "http://globex.internal/x"),
    ] {
        let forward = forwarded(world.get(&format!("https://{host}/x"), &[]));
        assert_eq!(forward.url, origin, "{host}");
    }
    for host in ["b.acme.example", "example", "evilacme.example", "[::1]"] {
        let step = world.get(&format!("https://{host}/"), &[]);
        assert_eq!(refused(step), (421, "unknown_host".to_owned()), "{host}");
    }
}

#[test]
fn unknown_host_and_liveness_change_no_state() {
    let mut world = World::new();
    world.tenant("acme", &json!({}));
    world.get("https://acme.example/", &[]);
    for (url, teaches) in [
        ("https://acme.example/_session/healthz", false),
        ("https://acme.example/_session/me", true),
        ("https://nobody.example/", false),
        ("https://acme.example/_session/admin/sessions", true),
        ("https://acme.example/a/%2e%2e/b", false),
    ] {
        world.get(url, &[]);
        assert_eq!(world.router.has_changed_state(), teaches, "{url}");
    }
}

#[test]
fn exact_host_wins_over_the_longest_suffix() {
    let mut world = World::new();
    world.tenant("wide", &json!({ "hosts": ["*.example"] }));
    world.tenant("near", &json!({ "hosts": ["*.chat.example"] }));
    world.tenant("exact", &json!({ "hosts": ["a.chat.example"] }));
    for (host, tenant) in [
        ("x.example", "wide"),
        ("b.chat.example", "near"),
        ("a.chat.example", "exact"),
    ] {
        let forward = forwarded(world.get(&format!("https://{host}/"), &[]));
        assert_eq!(forward.headers.value("x-session-tenant"), Some(tenant));
    }
}

#[test]
fn host_not_listed_in_its_document_is_unknown() {
    let mut world = World::new();
    world.tenant("acme", &json!({}));
    world.store_document("host:stolen.example", "acme");
    let step = world.get("https://stolen.example/", &[]);
    assert_eq!(refused(step), (421, "unknown_host".to_owned()));
    // A document whose id differs from its key belongs to no tenant.
    world.store_document("host:b.example", "b");
    world.store_document(
        "tenant:b",
        r#"{"id":"acme","hosts":["b.example"],"origins":[{"url":"http://b"}]}"#,
    );
    let step = world.get("https://b.example/", &[]);
    assert_eq!(refused(step), (503, "tenant_misconfigured".to_owned()));
}

#[test]
fn document_is_fresh_for_ten_seconds_then_refreshed_in_the_background() {
    let mut world = World::new();
    world.tenant("acme", &json!({}));
    forwarded(world.get("https://acme.example/", &[]));
    let first = world.asked;
    for _ in 0..9 {
        world.wait(1);
        forwarded(world.get("https://acme.example/", &[]));
    }
    assert_eq!(world.asked, first);
    world.wait(1);
    world.tenant(
        "acme",
        &json!({ "origins": [{ "url": "http://new.internal" }] }),
    );
    let old = forwarded(world.get("https://acme.example/", &[]));
    assert_eq!(old.url, "http://acme.internal/", "no request waits");
    let new = forwarded(world.get("https://acme.example/", &[]));
    assert_eq!(new.url, "http://new.internal/");
    assert_eq!(world.asked, first + 1);
}

#[test]
fn invalid_document_is_logged_and_changes_nothing() {
    let mut world = World::new();
    world.tenant("acme", &json!({}));
    forwarded(world.get("https://acme.example/", &[]));
    for broken in [
        "{",
        r#"{"id":"acme","hosts":["acme.example"],"origins":[{"url":"ftp://x"}]}"#,
    ] {
        world.store_document("tenant:acme", broken);
        world.wait(61);
        let forward = forwarded(world.get("https://acme.example/", &[]));
        assert_eq!(forward.url, "http://acme.internal/");
        let log = world.events();
        assert!(log.contains("tenant_document_broken"), "{log}");
    }
    world
        .io
        .documents
        .insert("tenant:acme".to_owned(), Found::Unavailable);
    world.wait(61);
    forwarded(world.get("https://acme.example/", &[]));
}

#[test]
fn stored_document_with_a_former_name_is_served_with_a_warning() {
    let mut world = World::new();
    world.tenant("acme", &json!({ "session": { "live": "watched" } }));
    let forward = forwarded(world.get("https://acme.example/", &[]));
    assert!(forward.revocable);
    let logged = world.events();
    assert!(logged.contains("tenant_document_outdated"), "{logged}");
    world.tenant("acme", &json!({ "session": { "streams": "revocable" } }));
    world.wait(61);
    assert!(forwarded(world.get("https://acme.example/", &[])).revocable);
    let logged = world.events();
    assert!(!logged.contains("tenant_document_outdated"), "{logged}");
}

#[test]
fn deleted_tenant_is_gone_within_a_minute_and_an_added_one_found() {
    let mut world = World::new();
    world.tenant("acme", &json!({}));
    forwarded(world.get("https://acme.example/", &[]));
    world.io.documents.clear();
    world.wait(61);
    let step = world.get("https://acme.example/", &[]);
    assert_eq!(refused(step), (421, "unknown_host".to_owned()));
    world.tenant("acme", &json!({}));
    world.wait(61);
    forwarded(world.get("https://acme.example/", &[]));
}

#[test]
fn unknown_suffix_is_read_once_a_minute() {
    let mut world = World::new();
    for number in 0..50 {
        let step = world.get(&format!("https://h{number}.a.b.c.d.e.f.g.example/"), &[]);
        assert_eq!(refused(step).0, 421);
    }
    // Fifty full names, and each of the eight suffixes once.
    assert_eq!(world.asked, 50 + 8);
    world.wait(59);
    refused(world.get("https://h1.a.b.c.d.e.f.g.example/", &[]));
    assert_eq!(world.asked, 50 + 8);
    world.wait(2);
    refused(world.get("https://h1.a.b.c.d.e.f.g.example/", &[]));
    assert_eq!(world.asked, 50 + 8 + 9);
}

#[test]
fn unavailable_registry_is_not_an_unknown_host() {
    let mut world = World::new();
    world.tenant("acme", &json!({}));
    world.tenant("wide", &json!({ "hosts": ["*.example"] }));
    let key = "host:acme.example".to_owned();
    world.io.documents.insert(key, Found::Unavailable);
    let step = world.get("https://acme.example/", &[]);
    assert_eq!(refused(step), (503, "tenants_unavailable".to_owned()));
}

#[test]
fn cookie_and_response_context_of_another_tenant_are_rejected() {
    let mut world = World::new();
    world.tenant("acme", &json!({}));
    world.tenant("globex", &json!({}));
    let forward = forwarded(world.get("https://acme.example/", &[]));
    let cookie = world.handle_response(&forward, "x-session-patch\n{\"secret\":1}");
    let again = forwarded(world.get("https://acme.example/", &[("cookie", &cookie)]));
    assert_eq!(
        again.headers.value("x-session-data"),
        Some(r#"{"secret":1}"#)
    );
    let elsewhere = forwarded(world.get("https://globex.example/", &[("cookie", &cookie)]));
    assert_eq!(elsewhere.headers.value("x-session-state"), Some("new"));
    assert_eq!(elsewhere.headers.value("x-session-data"), None);
    assert_ne!(
        elsewhere.headers.value("x-session-id"),
        again.headers.value("x-session-id")
    );
}

#[test]
fn tenants_beyond_the_limit_are_evicted_and_reloaded() {
    let mut world = World::new();
    for number in 0..300 {
        world.tenant(&format!("t{number}"), &json!({}));
    }
    for round in 0..2 {
        for number in 0..300 {
            let forward = forwarded(world.get(&format!("https://t{number}.example/"), &[]));
            assert_eq!(
                forward.url,
                format!("http://t{number}.internal/"),
                "{round}"
            );
        }
    }
    assert!(world.router.gateways.iter().count() <= super::MAX_GATEWAYS);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// Fifty tenants have documents of their own; clients visit them in any order and send all their cookies to each.
    /// No tenant ever receives another's data.
    #[test]
    fn tenants_are_isolated(seed: u64) {
        let mut random = ChaCha20Rng::seed_from_u64(seed);
        let mut below = |most: u32| {
            use chacha20::rand_core::Rng as _;
            random.next_u32() % most
        };
        let mut world = World::new();
        for number in 0..50 {
            let idle = format!("{}m", 1 + below(59));
            world.tenant(&format!("t{number}"), &json!({
                "env": { "MARK": format!("mark-{number}.") },
                "session": { "idle": idle },
            }));
        }
        let mut cookies: Vec<(u32, String)> = Vec::new();
        for _ in 0..400 {
            let at = below(50);
            let url = format!("https://t{at}.example/");
            let which = usize::try_from(below(1 + u32::try_from(cookies.len()).unwrap())).unwrap();
            let (owner, cookie) = cookies.get(which).cloned().unwrap_or((999, "session=x".to_owned()));
            let cookie_header = [("cookie", cookie.as_str())];
            let forward = match world.get(&url, &cookie_header) {
                Step::Forward(forward) => forward,
                Step::Answer(_) => continue,
                other => panic!("{other:?}"),
            };
            let mark = format!("mark-{at}.");
            let base = format!("http://t{at}.internal");
            prop_assert!(forward.url.starts_with(&base));
            let headers = &forward.headers.own;
            prop_assert!(headers.contains(&mark));
            prop_assert_eq!(headers.matches("mark-").count(), headers.matches(&mark).count());
            if owner != at {
                prop_assert_eq!(forward.headers.value("x-session-data"), None);
            }
            if below(3) == 0 && owner != at {
                let patch = format!("x-session-patch\n{{\"own\":\"{mark}\"}}");
                cookies.push((at, world.handle_response(&forward, &patch)));
            }
            world.wait(u64::from(below(20)));
        }
    }
}
