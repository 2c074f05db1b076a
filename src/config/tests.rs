//! Tests documents, valid and invalid, and how layers merge.

use serde_json::{Value, json};

use super::layers::{Layers, Source};
use super::model::Document;
use super::parse::{FromDocument as _, Reader};
use crate::clock::Seconds;

fn least() -> Value {
    json!({ "id": "acme", "origins": [{ "url": "http://a" }] })
}

fn with(changes: &Value) -> Value {
    let mut document = least();
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn faults(document: &Value) -> Vec<String> {
    let read = Reader::read::<Document>(document);
    let faults = read.err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn minimal_document_is_accepted() {
    let document: Document = Reader::read(&least()).unwrap();
    assert_eq!(document.session.idle, Seconds(8 * 3_600));
    assert_eq!(document.origins.0[0].weight.0, 1);
    assert_eq!(document.routing.canary, None);
}

#[test]
fn site_that_may_embed_is_an_origin_as_browsers_write_it() {
    for site in [
        "https://shop.example",
        "https://shop.example:8443",
        "http://localhost:3000",
        "http://shop.localhost",
        "https://[2001:db8::1]",
    ] {
        assert_eq!(
            faults(&with(&json!({ "embed": [site] }))),
            [""; 0],
            "{site}"
        );
    }
    for site in [
        "http://shop.example",
        "https://*.shop.example",
        "https://shop.example/",
        "https://shop.example:443",
        "http://localhost:80",
        "https://",
        "https://shop.example; script-src *",
        "https://shop.example https://evil.example",
        "shop.example",
        "null",
        "*",
    ] {
        let found = faults(&with(&json!({ "embed": [site] })));
        assert_eq!(found.len(), 1, "{site}: {found:?}");
        let start = "embed[0]: use an origin as browsers write it";
        assert!(found[0].starts_with(start), "{site}: {found:?}");
    }
}

#[test]
fn every_fault_is_reported_at_once_with_path_and_fix() {
    let document = with(&json!({
        "hosts": ["acme.example", "Bad Host"],
        "sesion": {},
        "colour": 1,
        "session": { "idle": "8", "cache": 5, "max_data": 99_999, "consistency": "weak", "live": "watched" },
        "login": { "mode": "of", "exceptions": [{ "path": "public", "mode": "off" }, { "path": "/x" }] },
        "routing": { "canary": { "percent": 101 } },
        "headers": { "X-User": "nickname" },
        "env": { "A": 1 },
        "assets": { "/a": "ftp://x/y", "/b": 1 },
    }));
    assert_eq!(
        faults(&document),
        [
            "colour: is not known; there are id, hosts, login, session, origins, routing, headers, vault, env, env_rules, cache, cors, embed, assets, responses, branding, telemetry.",
            "sesion: is not known; perhaps session is meant.",
            "hosts[1]: \"Bad Host\" is not a host; use one such as chat.example.com in lower case, without port, or *.example.com; with TENANT_BY also chat.example.com/acme.",
            "login.mode: use off, optional or required.",
            "login.exceptions[0].path: \"public\" is not a path; use one such as /project/share, or the beginning of paths such as /public/*.",
            "login.exceptions[1].mode: is missing.",
            "session.live: is named streams since release 0.2; write \"streams\": \"revocable\" in place of \"live\": \"watched\".",
            "session.idle: \"8\" is not a duration; write a whole number and a unit, for example 90s, 30m, 8h or 7d.",
            "session.consistency: use strong or eventual.",
            "session.cache: use a text.",
            "session.max_data: use a number, 0 to 16384.",
            "routing.canary.release: is missing.",
            "routing.canary.percent: use a number, 0 to 100.",
            "headers.X-User: use id, user, email, name, groups, access_token or bearer.",
            "env.A: use a text.",
            "assets./a: use a URL such as https://cdn.example/logo.svg, or kv:NAME for a stored file: 1 to 128 letters, digits, ., _ and -.",
            "assets./b: use a text.",
        ]
    );
}

#[test]
fn non_object_document_is_rejected() {
    for nothing in [json!(null), json!([]), json!("acme"), json!(1)] {
        assert_eq!(faults(&nothing), ["The document is not an object."]);
    }
    assert_eq!(
        faults(&json!({})),
        [
            "id: is missing.",
            "origins: list your chat servers, for example http://127.0.0.1:8000."
        ]
    );
}

#[test]
fn tenant_overrides_deployment_and_deployment_overrides_defaults() {
    let layers = Layers {
        deployment: json!({
            "origins": [{ "url": "http://shared" }],
            "session": { "idle": "1h", "cache": "9s" },
            "env": { "A": "1", "B": "2" },
        }),
        tenant: json!({
            "id": "acme",
            "session": { "idle": "2h", "cache": null },
            "env": { "B": "3" },
            "assets": { "/public/a.css": "kv:a.css" },
        }),
    };
    let document = layers.read().unwrap();
    assert_eq!(document.session.idle, Seconds(7_200));
    assert_eq!(document.session.cache, Seconds(9), "null says nothing");
    assert_eq!(document.session.absolute, Seconds(7 * 86_400));
    assert_eq!(document.env.get("A").unwrap(), "1");
    assert_eq!(document.env.get("B").unwrap(), "3");
    let explained = layers.explain();
    let find = |path: &str| {
        let (_, value, source) = explained.iter().find(|(at, ..)| at == path).unwrap();
        (value.clone(), *source)
    };
    assert_eq!(find("session.idle"), (json!("2h"), Source::Tenant));
    assert_eq!(find("session.cache"), (json!("9s"), Source::Deployment));
    assert_eq!(find("session.absolute"), (json!("7d"), Source::Default));
    assert_eq!(find("env.A"), (json!("1"), Source::Deployment));
    assert_eq!(find("origins").1, Source::Deployment);
    assert_eq!(find("assets./public/a.css").1, Source::Tenant);
}

#[test]
fn schema_describes_what_the_parser_accepts() {
    let schema = Document::schema();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], json!(["id", "origins"]));
    let session = &schema["properties"]["session"]["properties"];
    assert_eq!(session["idle"]["default"], "8h");
    assert_eq!(
        session["consistency"]["enum"],
        json!(["strong", "eventual"])
    );
    // Every property has a description.
    fn check(schema: &Value, path: &str) {
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let about = member["description"].as_str().unwrap_or_default();
            assert!(about.ends_with('.'), "{path}.{name}: {about}");
            check(member, &format!("{path}.{name}"));
        }
        if let Some(items) = schema.get("items") {
            check(items, &format!("{path}[]"));
        }
    }
    check(&schema, "");
}

/// `npm run tenants -- schema > www/tenant.schema.json` updates it.
#[test]
fn published_schema_matches_the_types() {
    let published: Value =
        serde_json::from_str(include_str!("../../www/tenant.schema.json")).unwrap();
    assert_eq!(published, super::schema());
}
