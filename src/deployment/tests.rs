use super::*;
use serde_json::json;

use crate::clock::Seconds;
use crate::session::lifetime::Lifetime;

fn read(changes: &Value) -> Result<Deployment, Vec<String>> {
    let mut bindings = json!({
        "SESSION_KEYS": crate::encoding::base64url(&[7; 32]),
        "ORIGINS": "http://127.0.0.1:8000",
        "SESSIONS": true,
        "SESSION_OBJECTS": true,
        "DIRECTORY_OBJECTS": true,
        "POOL_OBJECTS": true,
    });
    for (name, value) in changes.as_object().unwrap() {
        bindings[name] = value.clone();
    }
    Deployment::from_bindings(&bindings.to_string()).map_err(|error| error.0)
}

#[test]
fn minimal_settings_are_accepted() {
    let deployment = read(&json!({})).unwrap();
    assert_eq!(deployment.prefix, "/_session");
    let tenant = deployment.tenant.unwrap();
    assert_eq!(tenant.id.as_str(), "default");
    assert_eq!(
        tenant.lifetime,
        Lifetime {
            idle: Seconds(28_800),
            absolute: Seconds(604_800),
            remember: Seconds(2_592_000),
        }
    );
}

#[test]
fn every_invalid_variable_is_reported_by_name() {
    let wrong = json!({
        "SESSION_KEYS": "", "TENANT": "A", "LOGIN_MODE": "x", "SESSION_IDLE": "5",
        "SESSION_CACHE": "x", "MAX_DATA": "1e9", "STREAMS": "x", "ALLOWED_ORIGINS": "shop.example", "PREFIX": "/",
        "CONSISTENCY": "x", "FAIL": "x", "MAX_PER_USER": "-1",
        "CANARY": "v2", "RELEASES": "v2: x", "STRICT_PINS": "x", "OVERLOAD_LOAD": "x", "OVERLOAD_IN_FLIGHT": "x",
        "OVERLOAD_FIRST_BYTE": "x", "OVERLOAD_QUEUE": "10001", "OVERLOAD_QUEUE_TIMEOUT": "x", "ORIGINS": "http://a,ftp://b;weight=0;colour=red",
        "NEW_SESSIONS_PER_MINUTE": "x", "HANDSHAKE_TIMEOUT": "x", "STREAM_KEEP_ALIVE": "x", "PIN_IDLE": "x",
    });
    let faults = read(&wrong).err().unwrap();
    for name in wrong.as_object().unwrap().keys() {
        let reported = faults.iter().filter(|fault| fault.contains(name.as_str()));
        assert!(reported.count() >= 1, "{name}: {faults:#?}");
    }
    assert!(
        faults
            .iter()
            .any(|fault| fault.starts_with("ORIGINS[1].colour")),
        "{faults:#?}"
    );
    assert_eq!(faults.len(), 27, "{faults:#?}");
}

#[test]
fn waiting_time_of_newcomers_is_bounded() {
    for (timeout, is_valid) in [("2s", false), ("3s", true), ("1h", true), ("2h", false)] {
        let read = read(&json!({ "OVERLOAD_QUEUE_TIMEOUT": timeout }));
        assert_eq!(read.is_ok(), is_valid, "{timeout}");
    }
}

#[test]
fn paths_of_origins_are_read_from_the_variable() {
    let tenant = read(&json!({
        "ORIGINS": "w=http://w, a=http://a;paths= /api+/v1/ +/api;weight=2,b=http://b;paths=/v1+/api",
    }));
    let pools = tenant.unwrap().tenant.unwrap().pools;
    let names = |path| {
        let pool = pools.at(path).unwrap_or(&pools.default);
        pool.iter()
            .map(|origin| origin.name.to_string())
            .collect::<String>()
    };
    assert_eq!(["/", "/api", "/v1/x"].map(names), ["w", "ab", "ab"]);
}

#[test]
fn contradictory_paths_are_reported_with_their_origin() {
    for (origins, fault) in [
        ("a=http://a;paths=/api", "ORIGINS: all have paths"),
        (
            "w=http://w,a=http://a;paths=/api+/v1,b=http://b;paths=/v1",
            "ORIGINS[2].paths: /v1 belongs to other origins",
        ),
        (
            "w=http://w,a=http://a;paths=/_session/x",
            "ORIGINS[1].paths: /_session/x is reserved",
        ),
        (
            "w=http://w,a=http://a;paths=/_SESSION",
            "ORIGINS[1].paths: /_SESSION is reserved",
        ),
        (
            "w=http://w,a=http://a;paths=/v1+api",
            "ORIGINS[1].paths[1]: \"api\" is no beginning of paths",
        ),
        ("w=http://w,a=http://a;paths=/", "ORIGINS[1].paths[0]"),
        (
            "w=http://w,a=http://a;paths=/api;capacity=5",
            "ORIGINS[1].capacity: it limits new sessions",
        ),
        (
            "w=http://w,a=http://a;paths=/api;release=v2",
            "ORIGINS[1].release: no origin without paths",
        ),
    ] {
        let faults = read(&json!({ "ORIGINS": origins, "RELEASES": "v2: 10%" })).err();
        let faults = faults.unwrap();
        assert!(
            faults.len() == 1 && faults[0].starts_with(fault),
            "{origins}: {faults:#?}"
        );
    }
    let most: Vec<String> = (0..33).map(|at| format!("/{at}")).collect();
    let origins = format!("w=http://w,a=http://a;paths={}", most.join("+"));
    let faults = read(&json!({ "ORIGINS": origins })).err().unwrap();
    assert!(
        faults[0].starts_with("ORIGINS[1].paths: use up to 32"),
        "{faults:?}"
    );
}

#[test]
fn public_cache_path_that_requires_login_is_rejected() {
    for mode in ["off", "optional"] {
        assert!(read(&json!({ "CACHE": "/public/*", "LOGIN_MODE": mode })).is_ok());
    }
    let required = json!({ "CACHE": "/public/*, /logo.png", "LOGIN_MODE": "required" });
    let faults = read(&required).err().unwrap();
    let reported = |at: usize| faults[at].starts_with(&format!("CACHE[{at}]: signing in"));
    assert!(
        faults.len() == 2 && reported(0) && reported(1),
        "{faults:?}"
    );
    assert!(read(&json!({ "CACHE": "public" })).is_err());
}

#[test]
fn former_variable_is_rejected_with_its_new_name() {
    assert!(read(&json!({ "STREAMS": "revocable" })).is_ok());
    for value in ["watched", "pass-through"] {
        let faults = read(&json!({ "LIVE": value })).err().unwrap();
        assert!(
            faults.len() == 1 && faults[0].contains("STREAMS=revocable"),
            "{faults:?}"
        );
    }
}

#[test]
fn short_api_keys_are_rejected() {
    for name in ["ORIGIN_KEY", "ADMIN_TOKEN"] {
        let faults = read(&json!({ name: "short" })).err().unwrap();
        assert!(faults[0].starts_with(name), "{faults:?}");
    }
}

#[test]
fn missing_namespace_is_reported() {
    let faults = Deployment::from_bindings("{}").err().unwrap().0;
    assert!(
        faults
            .iter()
            .any(|fault| fault.contains("kv namespace create")),
        "{faults:?}"
    );
}

#[test]
fn document_service_requires_https_or_loopback() {
    for (url, is_good) in [
        ("https://tenants.example/v1", true),
        ("http://127.0.0.1:9000/", true),
        ("http://localhost:9000", true),
        ("http://[::1]:9000", true),
        ("http://tenants.example/v1", false),
        ("http://10.0.0.1/", false),
        ("http://127.0.0.1.evil.example/", false),
        ("https://user:pass@tenants.example/", false),
        ("https://tenants.example/?a=b", false),
        ("https://tenants.example/#a", false),
        ("ftp://tenants.example/", false),
        ("tenants.example", false),
    ] {
        let faults = read(&json!({ "TENANTS_URL": url })).err();
        let reported = faults
            .iter()
            .flatten()
            .any(|f| f.starts_with("TENANTS_URL"));
        assert_eq!(!reported, is_good, "{url}: {faults:?}");
    }
    let faults = read(&json!({ "TENANTS_TOKEN": "two words" }))
        .err()
        .unwrap();
    assert!(faults[0].starts_with("TENANTS_TOKEN"), "{faults:?}");
}

#[test]
fn impossible_console_host_is_rejected() {
    for (host, is_good) in [
        ("console.example.com", true),
        ("localhost", true),
        ("Console.example.com", false),
        ("console.example.com:8443", false),
        ("https://console.example.com", false),
        ("console.example.com/", false),
        ("*.example.com", false),
    ] {
        let faults = read(&json!({ "CONSOLE_HOST": host })).err();
        let reported = faults
            .iter()
            .flatten()
            .any(|f| f.starts_with("CONSOLE_HOST"));
        assert_eq!(!reported, is_good, "{host}: {faults:?}");
    }
}

#[test]
fn impossible_buckets_and_service_names_are_rejected() {
    for (name, value, is_good) in [
        ("METRICS_BUCKETS", "0.1,0.3,0.5,1,3", true),
        ("METRICS_BUCKETS", "1,0.5", false),
        ("METRICS_BUCKETS", "0.1s", false),
        ("SERVICE_NAME", "front-door.eu_1", true),
        ("SERVICE_NAME", "front door", false),
        ("SERVICE_NAME", "a\"b", false),
        ("SERVICE_NAME", &"a".repeat(65), false),
    ] {
        let read = read(&json!({ name: value }));
        let service = read.as_ref().map(|deployment| deployment.service.clone());
        match (name, service) {
            ("SERVICE_NAME", Ok(service)) => assert_eq!(service, value),
            (_, Ok(service)) => assert_eq!(service, DEFAULT_SERVICE),
            (_, Err(_)) => {}
        }
        let faults = read.err();
        let mut told = faults.iter().flatten();
        assert_eq!(
            !told.any(|f| f.starts_with(name)),
            is_good,
            "{value}: {faults:?}"
        );
    }
}

#[test]
fn missing_objects_are_reported_with_strong_consistency_only() {
    let read_without = |consistency: &str| {
        let bindings = json!({
            "SESSION_KEYS": crate::encoding::base64url(&[7; 32]),
            "ORIGINS": "http://127.0.0.1:8000",
            "SESSIONS": true,
            "CONSISTENCY": consistency,
        });
        Deployment::from_bindings(&bindings.to_string())
    };
    assert_eq!(
        read_without("strong").err().map(|error| error.0.len()),
        Some(3)
    );
    assert!(read_without("eventual").is_ok());
}

#[test]
fn impossible_lifetimes_are_rejected() {
    for changes in [
        json!({ "SESSION_ABSOLUTE": "59s" }),
        json!({ "SESSION_ABSOLUTE": "401d" }),
        json!({ "SESSION_IDLE": "0s" }),
        json!({ "SESSION_IDLE": "8d" }),
        json!({ "SESSION_REMEMBER": "1s" }),
    ] {
        assert!(read(&changes).is_err(), "{changes}");
    }
}

#[test]
fn groups_that_guests_could_not_have_or_sessions_not_keep_are_refused() {
    let many: Vec<String> = (0..65).map(|at| format!("g{at}")).collect();
    let long: Vec<String> = (0..40)
        .map(|at| format!("{at}-{}", "x".repeat(110)))
        .collect();
    for (exception, path) in [
        (
            json!({ "mode": "optional", "groups": ["ops"] }),
            "LOGIN_EXCEPTIONS[0].groups",
        ),
        (
            json!({ "mode": "off", "groups": ["ops"] }),
            "LOGIN_EXCEPTIONS[0].groups",
        ),
        (
            json!({ "mode": "required", "groups": ["a,b"] }),
            "LOGIN_EXCEPTIONS[0].groups[0]",
        ),
        (
            json!({ "mode": "required", "groups": [" ops"] }),
            "LOGIN_EXCEPTIONS[0].groups[0]",
        ),
        (
            json!({ "mode": "required", "groups": many }),
            "LOGIN_EXCEPTIONS",
        ),
        (
            json!({ "mode": "required", "groups": long }),
            "LOGIN_EXCEPTIONS",
        ),
    ] {
        let mut exception = exception;
        exception["path"] = json!("/admin/*");
        let settings = json!({ "LOGIN_EXCEPTIONS": json!([exception]).to_string() });
        let faults = read(&settings).err().unwrap();
        let begins = |fault: &String| fault.starts_with(&format!("{path}: "));
        assert!(faults.iter().any(begins), "{faults:?}");
    }
}

#[test]
fn patches_of_other_things_than_responses_of_the_origin_are_refused() {
    let large = "x".repeat(17_000);
    let many: Vec<(String, Value)> = (0..17).map(|at| (format!("/{at}"), json!({}))).collect();
    for (patches, path) in [
        (json!({ "settings": {} }), "RESPONSES.settings"),
        (json!({ "/a?b": {} }), "RESPONSES./a?b"),
        (json!({ "/_session/me": {} }), "RESPONSES./_session/me"),
        (json!({ "/a/../b": {} }), "RESPONSES./a/../b"),
        (json!({ "/a": [] }), "RESPONSES./a"),
        (json!({ "/a": { "a": large } }), "RESPONSES./a"),
        (Value::Object(many.into_iter().collect()), "RESPONSES"),
    ] {
        let faults = read(&json!({ "RESPONSES": patches.to_string() }))
            .err()
            .unwrap();
        let begins = |fault: &String| fault.starts_with(&format!("{path}: "));
        assert!(faults.iter().any(begins), "{faults:?}");
    }
}
