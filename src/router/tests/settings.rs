//! Tests settings that differ by tenant: keys, environments, sign-in rules.

use super::*;
use serde_json::json;

#[test]
fn misspelt_variable_is_logged_once_with_the_name_that_is_meant() {
    let mut world = World::with(&json!({ "SESION_IDLE": "1h" }));
    let events = world.events();
    for part in ["unknown_variable", "SESION_IDLE", "SESSION_IDLE"] {
        assert!(events.contains(part), "{events}");
    }
    assert_eq!(world.events(), "");
}

#[test]
fn variables_are_the_defaults_of_every_tenant_member_by_member() {
    let mut world = World::with(&json!({
        "ENV": r#"{"MODEL":"small","REGION":"eu"}"#,
        "LOGIN_EXCEPTIONS": r#"[{"path":"/admin/*","mode":"required"}]"#,
    }));
    world.tenant("acme", &json!({ "env": { "MODEL": "large" } }));
    let forward = forwarded(world.get("https://acme.example/", &[]));
    let env = forward.headers.value("x-session-env").unwrap();
    assert_eq!(env, r#"{"MODEL":"large","REGION":"eu"}"#);
    let step = world.get("https://acme.example/admin/users", &[]);
    assert_eq!(refused(step).0, 401);
}

#[test]
fn removing_own_keys_ends_a_tenants_sessions() {
    let own = json!({ "ACME__SESSION_KEYS": base64url(&[9; 32]) });
    let mut world = World::with(&own);
    world.tenant("acme", &json!({}));
    let forward = forwarded(world.get("https://acme.example/", &[]));
    let cookie = world.handle_response(&forward, "x-session-patch\n{\"a\":1}");
    let kept = forwarded(world.get("https://acme.example/", &[("cookie", &cookie)]));
    assert_eq!(kept.headers.value("x-session-state"), Some("active"));
    let io = core::mem::take(&mut world.io);
    let mut without = World::new();
    without.io = io;
    let kept = refused(without.get("https://acme.example/", &[("cookie", &cookie)]));
    assert_eq!(
        kept,
        (503, "key_unknown".to_owned()),
        "it may be on its way"
    );
    without.wait(3_601);
    let lost = forwarded(without.get("https://acme.example/", &[("cookie", &cookie)]));
    assert_eq!(lost.headers.value("x-session-state"), Some("new"));
}

#[test]
fn origins_get_env_and_mapped_headers() {
    let secrets = json!({
        "ACME__API_KEY": "s3cr3t",
        "ACME__SESSION_KEYS": base64url(&[9; 32]),
        "GLOBEX__API_KEY": "other",
    });
    let mut world = World::with(&secrets);
    let env = json!({ "MODEL": "größer", "API_KEY": "secret:API_KEY" });
    let headers = json!({ "X-WEBAUTH-USER": "user", "X-Forwarded-Groups": "groups" });
    world.tenant("acme", &json!({ "env": env, "headers": headers }));
    let claims = [("x-webauth-user", "root"), ("x-session-env", "{}")];
    let guest = forwarded(world.get("https://acme.example/", &claims));
    assert_eq!(
        guest.headers.value("x-session-env"),
        Some(r#"{"API_KEY":"s3cr3t","MODEL":"gr\u00f6\u00dfer"}"#)
    );
    assert!(
        guest.headers.kept.chars().all(|mark| mark == '-'),
        "clients cannot set it"
    );
    assert!(!guest.headers.own.contains("x-webauth-user"));
    let identity = "x-session-identify\n{\"user\":\"u1\",\"groups\":[\"a\",\"b\"]}";
    let cookie = world.handle_response(&guest, identity);
    let user = forwarded(world.get("https://acme.example/", &[("cookie", &cookie)]));
    let own: Vec<&str> = user.headers.own.lines().collect();
    assert!(
        own.ends_with(&["x-forwarded-groups", "a,b", "x-webauth-user", "u1"]),
        "{own:?}"
    );

    // No name of a secret reaches another tenant's secrets.
    for stolen in [
        "secret:SESSION_KEYS",
        "secret:GLOBEX__API_KEY",
        "secret:NONE",
        "secret:_API_KEY",
        "secret:",
    ] {
        world.tenant("globex", &json!({ "env": { "A": stolen } }));
        world.tenant("acme", &json!({ "env": { "A": stolen } }));
        world.wait(61);
        world.events();
        forwarded(world.get("https://acme.example/", &[]));
        assert!(
            world.events().contains("there is no such secret"),
            "{stolen}"
        );
    }
}

#[test]
fn groups_of_the_user_select_values_of_env() {
    let mut world = World::with(&json!({ "ACME__API_KEY": "s3cr3t" }));
    let rules = json!([
        { "groups": ["staff", "admins"], "env": { "MODEL": "large", "KEY": "secret:API_KEY" } },
        { "groups": ["admins"], "env": { "MODEL": "largest" } },
    ]);
    let env = json!({ "MODEL": "small", "REGION": "eu" });
    world.tenant("acme", &json!({ "env": env, "env_rules": rules }));
    let mut env_of = |identity: &str| {
        let guest = forwarded(world.get("https://acme.example/", &[]));
        let cookie = world.handle_response(&guest, &format!("x-session-identify\n{identity}"));
        let user = forwarded(world.get("https://acme.example/", &[("cookie", &cookie)]));
        let env = |forward: Forward| forward.headers.value("x-session-env").unwrap().to_owned();
        assert_eq!(env(guest), r#"{"MODEL":"small","REGION":"eu"}"#);
        env(user)
    };
    for (groups, expected) in [
        ("", r#"{"MODEL":"small","REGION":"eu"}"#),
        (r#""others""#, r#"{"MODEL":"small","REGION":"eu"}"#),
        (
            r#""staff""#,
            r#"{"KEY":"s3cr3t","MODEL":"large","REGION":"eu"}"#,
        ),
        (
            r#""x","admins""#,
            r#"{"KEY":"s3cr3t","MODEL":"largest","REGION":"eu"}"#,
        ),
    ] {
        let env = env_of(&format!(
            r#"{{"user":"u{}","groups":[{groups}]}}"#,
            groups.len()
        ));
        assert_eq!(env, expected, "{groups}");
    }
    let stolen = json!([{ "groups": ["staff"], "env": { "A": "secret:ADMIN_TOKEN" } }]);
    world.tenant("globex", &json!({ "env_rules": stolen }));
    world.get("https://globex.example/", &[]);
    let log = world.events();
    assert!(
        log.contains("env_rules[0].env.A: there is no such secret"),
        "{log}"
    );
}

#[test]
fn requests_are_labelled_with_the_first_route_that_matches() {
    let mut world = World::new();
    let routes = json!(["/", "/items/{id}", "/items/new", "/files/*"]);
    world.tenant("acme", &json!({ "telemetry": { "routes": routes } }));
    world.tenant("plain", &json!({}));
    for (url, route) in [
        ("https://acme.example/", "/"),
        ("https://acme.example/?items/1", "/"),
        ("https://acme.example/items/1", "/items/{id}"),
        ("https://acme.example/items/new", "/items/{id}"),
        ("https://acme.example/x/../items/1", "/items/{id}"),
        ("https://acme.example/files/a/b", "/files/*"),
        ("https://acme.example/items", "_other"),
        ("https://plain.example/items/1", "_other"),
        ("https://acme.example/_session/me", "_session"),
        ("https://acme.example/_session/healthz", "_session"),
        ("https://acme.example/_session/admin/metrics", "_session"),
        ("https://acme.example/%5fsession/me", "_none"),
        ("https://nobody.example/items/1", "_none"),
    ] {
        world.get(url, &[]);
        let labels = world.router.labels();
        assert_eq!(labels.route.as_str(), route, "{url}");
    }
}

#[test]
fn login_exceptions_apply_by_path() {
    let mut world = World::new();
    let exceptions = json!([
        { "path": "/public/*", "mode": "off" },
        { "path": "/hook", "methods": ["POST"], "mode": "off" },
    ]);
    world.tenant(
        "closed",
        &json!({ "login": { "mode": "required", "exceptions": exceptions } }),
    );
    let exceptions = json!([{ "path": "/admin/*", "mode": "required" }]);
    world.tenant(
        "open",
        &json!({ "login": { "mode": "off", "exceptions": exceptions } }),
    );
    for (url, is_open) in [
        ("https://closed.example/", false),
        ("https://closed.example/public/logo.png", true),
        ("https://closed.example/public/a%20b", true),
        ("https://closed.example/public/%2e%2e/secret", false),
        ("https://closed.example/public/../secret", false),
        ("https://closed.example/secret/../public/x", true),
        ("https://closed.example/public/a%2fb", true),
        ("https://closed.example/publicity", false),
        ("https://closed.example/hook", false),
        ("https://open.example/", true),
        ("https://open.example/admin/x", false),
        ("https://open.example/%61dmin/x", false),
        ("https://open.example//admin/x", false),
        ("https://open.example/admin;v=1/x", false),
        ("https://open.example/admin%2f", false),
        ("https://open.example/admin%2fx", false),
        ("https://open.example/x/../admin/", false),
    ] {
        match world.get(url, &[]) {
            Step::Forward(_) => assert!(is_open, "{url}"),
            step => {
                assert_eq!(refused(step), (401, "no_session".to_owned()), "{url}");
                assert!(!is_open, "{url}");
            }
        }
    }
}
