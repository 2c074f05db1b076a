//! Tests a thousand tenants in one isolate, which has room for a quarter of their gateways. Browsers, origins and
//! operators act in random order; no data of one tenant ever appears at another.

mod call;
mod credentials;
mod foreign_credentials;
mod isolate;
mod leak_check;
mod reserved_paths;
mod tenants;
mod visits;

use serde_json::json;

use call::Call;
use isolate::Isolate;
use tenants::{PLAIN_HOSTS, TestTenant, plain_host};
use visits::{BROWSERS, Scene, Visits, answered, body, forwarded, session};

use crate::router::MAX_GATEWAYS;

const TENANTS: usize = 1_000;

/// Creates an isolate in which every tenant was visited once.
fn inhabited(seed: u64) -> (Isolate, Visits) {
    let mut isolate = Isolate::new(TENANTS, seed);
    let mut visits = Visits::default();
    for at in 0..TENANTS {
        let browser = isolate.random.below(BROWSERS);
        visits.talk(&mut isolate, Scene { browser, at });
    }
    (isolate, visits)
}

/// Returns the status and problem code for a request to a host that may belong to no tenant.
fn refusal(
    isolate: &mut Isolate,
    tenant: Option<usize>,
    host: &str,
    cookie: &str,
) -> (u16, String) {
    let call = Call::to("GET", format!("https://{host}/")).with("cookie", cookie);
    let answer = answered(isolate.ask(tenant, &call, &mut |_| {}));
    let code = body(&answer)["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answer.status, code)
}

fn unknown() -> (u16, String) {
    (421, "unknown_host".to_owned())
}

#[test]
fn thousand_tenants_are_isolated() {
    let (mut isolate, mut visits) = inhabited(1);
    for turn in 0..2_500 {
        if turn % 2 == 0 {
            visits.random_visit(&mut isolate);
        } else {
            visits.repeat_visit(&mut isolate);
        }
    }
    assert!(isolate.router.gateways.iter().count() <= MAX_GATEWAYS);
    for (what, times) in &visits.done {
        assert!(*times >= 20, "{what}: only {times} times");
    }
    assert_eq!(visits.done.len(), 12, "{:?}", visits.done);
    assert!(isolate.leaks.looked > 50_000, "{}", isolate.leaks.looked);
    for check in isolate.router.health_checks() {
        let line = format!("{check:?}");
        let marked: Vec<_> = line
            .match_indices("zq")
            .map(|(at, _)| &line[at..at + 8])
            .collect();
        assert!(marked.iter().all(|mark| *mark == marked[0]), "{line}");
    }
}

#[test]
fn unclaimed_host_is_unknown_among_a_thousand_tenants() {
    let (mut isolate, visits) = inhabited(2);
    for _ in 0..200 {
        let at = isolate.random.below(TENANTS);
        let cookies: Vec<String> = (0..BROWSERS)
            .map(|browser| visits.cookie(Scene { browser, at }))
            .collect();
        let cookie = cookies.into_iter().find(|cookie| !cookie.is_empty());
        let cookie = session(&cookie.unwrap_or_default());
        let mark = isolate.tenants[at].mark.clone();
        for host in [
            format!("{mark}.example.evil.test"),
            format!("evil{mark}.example"),
            format!("evil-{mark}.example"),
            mark.clone(),
            format!("{mark}.example.."),
            format!("o0.{mark}.internal:8000"),
            format!("t-{mark}"),
            "[::1]".to_owned(),
            "example".to_owned(),
        ] {
            assert_eq!(
                refusal(&mut isolate, None, &host, &cookie),
                unknown(),
                "{host}"
            );
        }
    }
}

#[test]
fn deleted_tenant_leaves_nothing_to_its_successor() {
    let (mut isolate, mut visits) = inhabited(3);
    let gone: Vec<usize> = (1..TENANTS).step_by(PLAIN_HOSTS).collect();
    let mut former = Vec::new();
    for at in &gone {
        let TestTenant { id, hosts, .. } = &isolate.tenants[*at];
        let (id, host) = (id.clone(), hosts[0].clone());
        let url = format!("https://{host}/public/x");
        forwarded(isolate.ask(Some(*at), &Call::to("GET", url), &mut |_| {}));
        // Host bindings may outlast the document for a while.
        let key = format!("tenant:{id}");
        let document = isolate.io.documents.remove(&key).unwrap();
        isolate.now.0 += 61_000;
        assert_eq!(refusal(&mut isolate, Some(*at), &host, ""), unknown());
        isolate.io.documents.insert(key, document);
        assert_eq!(isolate.operate("DELETE", &id, ""), 204);
        let mut cookies = (0..BROWSERS).map(|browser| visits.cookie(Scene { browser, at: *at }));
        former.push(cookies.rfind(|cookie| !cookie.is_empty()).unwrap());
    }
    visits.out_of_order.clone_from(&gone);
    isolate.now.0 += 61_000;
    for (at, cookie) in gone.iter().zip(&former) {
        for host in isolate.tenants[*at].hosts.clone() {
            // A name below a shared suffix now belongs to the suffix's tenant.
            if !host.contains("suffix") {
                let refused = refusal(&mut isolate, None, &host, &session(cookie));
                assert_eq!(refused, unknown(), "{host}");
            }
        }
    }
    for _ in 0..500 {
        visits.repeat_visit(&mut isolate);
    }
    for (at, cookie) in gone.iter().zip(&former) {
        let heir = (at + 1) % TENANTS;
        let mut document = isolate.tenants[heir].document.clone();
        document["hosts"]
            .as_array_mut()
            .unwrap()
            .push(json!(plain_host(*at)));
        let id = isolate.tenants[heir].id.clone();
        assert_eq!(isolate.operate("PUT", &id, &document.to_string()), 204);
        isolate.now.0 += 61_000;
        let url = format!("https://{}/public/x", plain_host(*at));
        let call = Call::to("GET", url).with("cookie", &session(cookie));
        let forward = forwarded(isolate.ask(Some(heir), &call, &mut |_| {}));
        assert_eq!(forward.headers.value("x-session-state"), Some("new"));
        assert_eq!(forward.headers.value("x-session-data"), None);
    }
}

#[test]
fn invalid_document_changes_no_tenant() {
    let (mut isolate, mut visits) = inhabited(4);
    let known: Vec<(usize, usize)> = visits.of.keys().copied().collect();
    let mut broken: Vec<Scene> = known
        .into_iter()
        .map(|(browser, at)| Scene { browser, at })
        .filter(|scene| scene.at % 40 == 0)
        .collect();
    // Only a visit that stored data shows whether the session is found again.
    broken.retain(|scene| !visits.of[&(scene.browser, scene.at)].data.is_empty());
    assert!(broken.len() > 10);
    broken.sort_by_key(|scene| (scene.at, scene.browser));
    for scene in &broken {
        visits.own(&mut isolate, *scene);
        let TestTenant { id, hosts, .. } = &isolate.tenants[scene.at];
        let another = isolate.tenants[scene.at + 1].document.to_string();
        let text = match isolate.random.below(4) {
            0 => "{".to_owned(),
            1 => another,
            2 => json!({ "id": id, "hosts": hosts, "origins": [] }).to_string(),
            _ => json!({ "id": id, "hosts": hosts, "origins": [{ "url": "http://a" }], "env": { "A": "secret:NONE" } }).to_string(),
        };
        let key = format!("tenant:{id}");
        isolate.store_document(&key, &text);
        isolate.now.0 += 61_000;
        isolate.log.clear();
        let (_, visit) = visits.own(&mut isolate, *scene);
        assert!(!visit.data.is_empty());
        assert!(
            isolate.log.contains("tenant_document_broken"),
            "{}",
            isolate.log
        );
    }
    visits.out_of_order = broken.iter().map(|scene| scene.at).collect();
    for _ in 0..800 {
        visits.repeat_visit(&mut isolate);
    }
    // An evicted tenant is unavailable, and after the repair serves its old sessions.
    for scene in &broken {
        let TestTenant {
            hosts,
            id,
            document,
            ..
        } = &isolate.tenants[scene.at];
        let (host, id, document) = (hosts[0].clone(), id.clone(), document.to_string());
        let is_let_go = !isolate
            .router
            .gateways
            .iter()
            .any(|(other, _)| other.as_str() == id);
        if is_let_go {
            let refused = refusal(&mut isolate, Some(scene.at), &host, "");
            assert_eq!(refused, (503, "tenant_misconfigured".to_owned()));
        }
        isolate.store_document(&format!("tenant:{id}"), &document);
        isolate.now.0 += 10_000;
        let (_, visit) = visits.own(&mut isolate, *scene);
        assert!(!visit.data.is_empty());
    }
}
