//! Tests that a cached decision equals a new one.

use proptest::prelude::*;

use super::past::{TOKEN, past, replay, settings};
use super::*;
use crate::gateway::{CachePolicy, IGNORED_HEADERS, NEGOTIATION_HEADERS};
use crate::telemetry::labels::RequestLabels;
use crate::tenant::Tenant;
use serde_json::json;

fn repeated(settings: &Value) -> Option<CachePolicy> {
    let mut world = World::new(settings);
    world.exchange("");
    world.visit().repeat
}

fn policy_of(method: &str, target: &str, headers: &[(&str, &str)]) -> Option<CachePolicy> {
    let mut world = World::new(&json!({}));
    world.exchange("");
    forwarded(world.send(method, target, headers, &mut Answers::default())).repeat
}

#[test]
fn decision_is_reusable_until_the_second_ends() {
    let mut world = World::new(&json!({}));
    assert_eq!(world.exchange("").repeat, None, "a new session");
    world.now.0 += 300;
    let repeat = world.visit().repeat.unwrap();
    assert_eq!(repeat.until, UnixMillis(1_700_000_001_000));
    assert!(repeat.any_target);
}

#[test]
fn decisions_of_a_limited_tenant_are_not_cached() {
    for limit in ["REQUESTS_PER_SECOND", "MAX_IN_FLIGHT"] {
        assert_eq!(repeated(&json!({ (limit): "100" })), None, "{limit}");
    }
}

#[test]
fn decision_is_reusable_while_revocations_are_fresh() {
    let mut world = World::new(&json!({ "SESSION_CACHE": "2s" }));
    world.now.0 += 400;
    let polled = world.now.0;
    world.exchange("x-session-patch\n{\"a\":1}");
    // The revocation list gets too old before the second ends.
    world.now.0 += 1_700;
    // One request gets the background work, and its decision is not cached.
    let repeat = (0..3).find_map(|_| world.visit().repeat).unwrap();
    assert_eq!(repeat.until, UnixMillis(polled + 2_000));
}

#[test]
fn only_plain_requests_are_cached() {
    for (method, target, headers) in [
        ("POST", "/", [("accept", "*/*")]),
        (
            "GET",
            "/socket.io/?EIO=4&transport=polling",
            [("accept", "*/*")],
        ),
        (
            "GET",
            "/",
            [(
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            )],
        ),
    ] {
        assert_eq!(
            policy_of(method, target, &headers),
            None,
            "{method} {target}"
        );
    }
    let many: Vec<_> = (0..32).map(|at| format!("x-{at}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(policy_of("GET", "/", &many), None);
    assert_ne!(policy_of("GET", "/any?a=b", &[("accept", "*/*")]), None);
}

#[test]
fn decisions_by_path_are_cached_per_url() {
    for settings in [
        json!({ "VAULT": "access_token" }),
        json!({ "ROUTES": "/items/{id}" }),
        json!({ "PROOF": "true", "ORIGIN_KEY": "A".repeat(43) }),
    ] {
        let repeat = repeated(&settings);
        assert!(
            repeat.is_some_and(|repeat| !repeat.any_target),
            "{settings}"
        );
    }
}

#[test]
fn vault_cookies_with_a_path_are_cached_per_url() {
    let mut world = World::new(&json!({ "VAULT": "access_token" }));
    world.exchange("set-cookie\naccess_token=1; Path=/a");
    world.gateway.reload(tenant_of(&json!({})));
    world.wait(1);
    let repeat = (0..3).find_map(|_| world.visit().repeat).unwrap();
    assert!(!repeat.any_target);
}

#[test]
fn relevant_response_changes_the_state() {
    for (status, headers, changes_state) in [
        (200, "cache-control\nmax-age=600", false),
        (302, "location\nhttp://a:1/", false),
        (200, "set-cookie\ncsrf=1", false),
        (404, "", false),
        (200, "x-session-patch\n{\"a\":1}", true),
        (200, "x-session-destroy\n1", true),
        (
            200,
            "endpoint-load-metrics\nTEXT application_utilization=0.5",
            true,
        ),
        (502, "", true),
    ] {
        let mut world = World::new(&json!({ "CONSISTENCY": "eventual" }));
        world.exchange("");
        let forward = world.visit();
        let mut answers = Answers::default();
        while let ResponseAction::Await(needs) = world.gateway.handle_response(
            &forward.response_context,
            status,
            headers,
            world.now,
            &answers,
        ) {
            world.perform(&needs, &mut answers);
        }
        assert_eq!(
            world.gateway.has_changed_state(),
            changes_state,
            "{status} {headers}"
        );
    }
}

#[test]
fn login_exceptions_and_assets_are_cached_per_url() {
    for document in [
        json!({ "login": { "mode": "off", "exceptions": [{ "path": "/admin/*", "mode": "required" }] } }),
        json!({ "assets": { "/logo.svg": "https://files.example/logo.svg" } }),
    ] {
        let mut world = World::new(&json!({}));
        world.gateway.reload(tenant_of(&document));
        world.exchange("");
        let repeat = world.visit().repeat;
        assert!(
            repeat.is_some_and(|repeat| !repeat.any_target),
            "{document}"
        );
    }
}

#[test]
fn nothing_is_cached_while_an_origin_is_ejected() {
    let mut world = World::new(&json!({}));
    world.exchange("");
    world.now.0 += 10;
    let home = world.visit().origin.to_string();
    let away = ["a", "b", "c"]
        .into_iter()
        .find(|name| *name != home)
        .unwrap();
    world
        .gateway
        .balancer
        .health
        .mark_unreachable(away, world.now);
    assert_eq!(world.visit().repeat, None);
    world.wait(60);
    world.visit();
    assert!((0..3).any(|_| world.visit().repeat.is_some()));
}

#[test]
fn large_decisions_are_not_cached() {
    let long = "x".repeat(9_000);
    assert_eq!(policy_of("GET", "/", &[("x-long", &long)]), None);
}

#[test]
fn response_handling_is_not_cached() {
    assert_eq!(repeated(&json!({ "STREAMS": "revocable" })), None);
}

/// Sends forged cookies until they are refused. Returns the time of the first.
fn flood(world: &mut World) -> UnixMillis {
    world.jar = Some("__Host-session=forged".to_owned());
    let began = world.now;
    while matches!(world.get("/"), Step::Forward(_)) {}
    began
}

fn answered(world: &mut World, method: &str, headers: &[(&str, &str)]) -> Answer {
    match world.send(method, "/", headers, &mut Answers::default()) {
        Step::Answer(answer) => answer,
        other => panic!("not answered: {other:?}"),
    }
}

#[test]
fn refusal_of_a_flood_is_cached_until_retry_after_changes() {
    let mut world = World::new(&json!({}));
    let began = flood(&mut world);
    for after_ms in [1, 300, 999, 1_000, 1_001, 5_432, 8_500, 9_999] {
        world.now = UnixMillis(began.0 + after_ms);
        let first = answered(&mut world, "GET", &[]);
        let until = first.cacheable_until.unwrap();
        assert!(world.now < until && until <= UnixMillis(world.now.0 + 1_000));
        world.now = UnixMillis(until.0 - 1);
        let last = answered(&mut world, "GET", &[]);
        assert_eq!((last.status, last.headers), (429, first.headers.clone()));
        assert_eq!(without_trace_id(&last.body), without_trace_id(&first.body));
        world.now = until;
        if until.0 < began.0 + 10_000 {
            let other = answered(&mut world, "GET", &[]);
            assert_ne!(other.headers, first.headers, "{after_ms}");
        } else {
            forwarded(world.get("/"));
        }
    }
}

/// Returns a body without its trace id.
fn without_trace_id(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap();
    assert!(body["trace_id"].take().is_string());
    body
}

#[test]
fn only_plain_floods_are_refused_from_the_cache() {
    let mut world = World::new(&json!({ "LOGIN_MODE": "required" }));
    let forged = Some("__Host-session=forged".to_owned());
    world.jar.clone_from(&forged);
    assert_eq!(
        answered(&mut world, "GET", &[]).cacheable_until,
        None,
        "401"
    );
    for _ in 0..300 {
        world.jar.clone_from(&forged);
        world.get("/");
    }
    assert_ne!(answered(&mut world, "GET", &[]).cacheable_until, None);
    assert_eq!(answered(&mut world, "POST", &[]).cacheable_until, None);
    let me = world.get("/_session/me");
    assert!(
        matches!(
            me,
            Step::Answer(Answer {
                status: 429,
                cacheable_until: None,
                ..
            })
        ),
        "{me:?}"
    );
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traced = answered(&mut world, "GET", &[("traceparent", trace)]);
    assert_eq!(traced.cacheable_until, None);
}

#[test]
fn refusal_keeps_the_state_and_reserved_paths_may_change_it() {
    let mut world = World::new(&json!({ "LOGIN_MODE": "required" }));
    world.get("/");
    assert!(!world.gateway.has_changed_state());
    world.get("/_session/nothing");
    assert!(!world.gateway.has_changed_state());
    let mut world = World::new(&json!({}));
    world.exchange("");
    world.get("/_session/me");
    assert!(world.gateway.has_changed_state());
}

/// Generates requests of other clients within a second, which differ from the visitor's by their cookies.
fn other_request() -> impl Strategy<
    Value = (
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
    ),
> {
    prop::sample::select(vec![
        ("GET", "/", &[] as &[_]),
        ("GET", "/", &[("cookie", "__Host-session=forged")]),
        (
            "GET",
            "/",
            &[("cookie", "__Host-session=a; __Host-session=b")],
        ),
        ("GET", "/a/../b", &[]),
        (
            "GET",
            "/",
            &[
                ("upgrade", "websocket"),
                ("origin", "https://other.example"),
            ],
        ),
        ("POST", "/", &[("sec-fetch-mode", "navigate")]),
        ("GET", "/_session/nothing", &[]),
    ])
}

/// Generates header values that differ for a person, but not for the gateway.
fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "text/html",
        "navigate",
        "no-cache",
        "https://elsewhere.example/",
        "W/\"1\"",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// After any past, and whatever the ignored headers say, the cached decision equals a new one.
    #[test]
    fn cached_decision_equals_a_new_one(
        settings in settings(),
        pasts in prop::collection::vec(past(), 0..7),
        method in prop::sample::select(vec!["GET", "HEAD"]),
        names in prop::sample::subsequence([&IGNORED_HEADERS[..], &NEGOTIATION_HEADERS].concat(), 0..8),
        values in prop::collection::vec((value(), value()), 8),
        target in prop::sample::select(vec!["/", "/chat", "/api/v1/files?name=a%20b", "/_nuxt/x.js"]),
        later in 0u64..1_000,
        other_requests in prop::collection::vec(other_request(), 0..4),
    ) {
        let mut settings = settings;
        settings["ADMIN_TOKEN"] = json!(TOKEN);
        let mut world = World::new(&settings);
        for past in &pasts {
            replay(&mut world, past, &mut Vec::new());
        }
        let first: Vec<_> = names.iter().zip(&values).map(|(name, (value, _))| (*name, value.as_str())).collect();
        let second: Vec<_> = names.iter().zip(&values).map(|(name, (_, value))| (*name, value.as_str())).collect();
        let Step::Forward(before) = world.send(method, "/chat", &first, &mut Answers::default()) else {
            return Ok(());
        };
        let Some(repeat) = before.repeat else { return Ok(()) };
        prop_assert!(world.now < repeat.until);
        prop_assert!(!before.handle_response && !before.run_background && !before.revocable);
        let labels = world.gateway.recorder.take_labels();
        let target = if repeat.any_target { target } else { "/chat" };
        world.now.0 = (world.now.0 + later).min(repeat.until.0 - 1);
        let jar = world.jar.take();
        for (method, target, headers) in other_requests {
            let packed = world.packed(method, target, headers);
            let step = world.gateway.admit(&Request::parse(&packed).unwrap(), Asker::Visitor, world.now, &Answers::default());
            let changes_state = match step {
                Step::Forward(_) => false,
                Step::Answer(_) => world.gateway.has_changed_state(),
                _ => true,
            };
            if changes_state {
                return Ok(());
            }
        }
        world.jar = jar;

        // The new decision needs no I/O.
        let packed = world.packed(method, target, &second);
        let request = Request::parse(&packed).unwrap();
        let step = world.gateway.admit(&request, Asker::Visitor, world.now, &Answers::default());
        let Step::Forward(after) = step else {
            return Err(TestCaseError::fail(format!("{step:?}")));
        };
        prop_assert_eq!(&after.url, &before.url.replace("/chat", target));
        prop_assert_eq!(&after.headers.kept, &before.headers.kept);
        prop_assert_eq!(without_trace(&after.headers.own), without_trace(&before.headers.own));
        prop_assert_eq!(&after.origin, &before.origin);
        prop_assert_eq!(&after.pauses, &before.pauses);
        prop_assert_eq!(&after.sid_suffix, &before.sid_suffix);
        prop_assert_eq!(after.first_byte_ms, before.first_byte_ms);
        prop_assert!(!after.handle_response);
        // Background reads may be due a second later.
        if !after.run_background {
            prop_assert_eq!(metric(&world.gateway.recorder.take_labels()), metric(&labels));
        }
    }
}

fn metric(labels: &RequestLabels) -> String {
    let mut text = String::new();
    labels.push_labels(&mut text);
    text
}

fn without_trace(own: &str) -> Vec<&str> {
    own.split('\n')
        .filter(|line| !line.starts_with("00-"))
        .collect()
}

#[test]
fn each_reused_decision_has_its_own_trace() {
    let mut gateway = gateway(&json!({}), 1);
    let (one, seed) = gateway.draw_trace();
    let (other, _) = gateway.draw_trace();
    assert_ne!(one.id(), other.id());
    // The edge derives both ids from the seed.
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(one.id(), &hex[..32]);
    assert_eq!(one.span.to_hex(), hex[32..]);
}

/// Returns the tenant of the other tests with the settings of this document, too.
fn tenant_of(document: &Value) -> Tenant {
    let mut document = document.clone();
    document["id"] = json!("default");
    document["hosts"] = json!(["chat.example"]);
    deployment(&json!({})).tenant_of(&document).unwrap()
}
