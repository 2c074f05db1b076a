//! Tests files that tenants serve instead of their chat servers'.

use super::*;
use crate::effect::asset::{Asset, FileMetadata, Trouble};
use serde_json::json;

const LOGO: &str = "https://cdn.example/acme/logo?v=1";

fn acme() -> World {
    let mut world = World::new();
    world.tenant(
        "acme",
        &json!({ "assets": {
            "/logo": LOGO,
            "/logo?theme=dark": "kv:dark.svg",
            "/public/custom.css": "kv:style.css",
        }}),
    );
    world.has(LOGO, "image/png", "light");
    world.has("asset:acme:dark.svg", "", "dark");
    world.has("asset:acme:style.css", "text/css", "style");
    world
}

impl World {
    fn has(&mut self, source: &str, media_type: &str, hash: &str) {
        self.io.has_asset(source, media_type, hash);
    }

    fn fails(&mut self, source: &str, trouble: Trouble) {
        let missing = Asset::Missing(trouble);
        self.io.assets.insert(source.to_owned(), missing);
    }

    /// Returns the ETag of the file served at a path.
    fn shown(&mut self, path: &str) -> String {
        match self.get(&format!("https://acme.example{path}"), &[]) {
            Step::Asset(answer) => header(&answer, "etag").unwrap().to_owned(),
            other => panic!("not shown: {other:?}"),
        }
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut headers = answer.headers.iter();
    headers
        .find(|(other, _)| *other == name)
        .map(|(_, value)| value.as_str())
}

#[test]
fn entry_with_the_same_query_wins() {
    let mut world = acme();
    for (path, file) in [
        ("/logo", "\"light\""),
        ("/logo?", "\"light\""),
        ("/logo?theme=light", "\"light\""),
        ("/logo?theme=dark", "\"dark\""),
        ("/logo?theme=dark&x", "\"light\""),
        ("/public/custom.css?v=2", "\"style\""),
    ] {
        assert_eq!(world.shown(path), file, "{path}");
    }
}

#[test]
fn names_with_spaces_and_other_letters_are_replaced_in_every_spelling() {
    let mut world = World::new();
    world.tenant(
        "acme",
        &json!({ "assets": {
            "/avatars/My%20Assistant": "kv:a",
            "/avatars/Caf\u{e9} 2": "kv:b",
            "/avatars/100%25": "kv:c",
        }}),
    );
    for name in ["a", "b", "c"] {
        world.has(&format!("asset:acme:{name}"), "image/png", name);
    }
    for (path, file) in [
        ("/avatars/My%20Assistant", "\"a\""),
        ("/avatars/My%20Assistant?v=1", "\"a\""),
        ("/avatars/%4dy%20Assistant", "\"a\""),
        ("/avatars/My Assistant", "\"a\""),
        ("/avatars/Caf%C3%A9%202", "\"b\""),
        ("/avatars/caf%C3%A9/../Caf%c3%a9%202", "\"b\""),
        ("/avatars/100%25", "\"c\""),
    ] {
        if path.contains(' ') {
            // No request line has a space.
            assert_eq!(
                refused(world.get(&format!("https://acme.example{path}"), &[])).0,
                400
            );
        } else {
            assert_eq!(world.shown(path), file, "{path}");
        }
    }
    for path in [
        "/avatars/My+Assistant",
        "/avatars/my%20assistant",
        "/avatars/My%2520Assistant",
        "/avatars%2fMy%20Assistant",
        "/avatars/My%20Assistant%2f",
        "/avatars/My%20Assistant%20",
        "/avatars/Cafe%CC%81%202",
        "/avatars/Caf%E9%202",
        "/avatars/100%2525",
    ] {
        let forward = forwarded(world.get(&format!("https://acme.example{path}"), &[]));
        assert_eq!(forward.url, format!("http://acme.internal{path}"));
    }
    for path in [
        "/avatars/%2e%2e%2fMy%20Assistant",
        "/avatars/x%2f../My%20Assistant",
        "/avatars/%00",
    ] {
        let step = world.get(&format!("https://acme.example{path}"), &[]);
        assert_eq!(refused(step), (400, "bad_path".to_owned()), "{path}");
    }
}

#[test]
fn same_path_in_two_spellings_is_a_fault() {
    for (one, other) in [
        ("/a%20b", "/a b"),
        ("/logo", "/%6cogo"),
        ("/a b?x", "/a%20b?x"),
    ] {
        let mut world = World::new();
        world.tenant(
            "acme",
            &json!({ "assets": { (one): "kv:a", (other): "kv:b" } }),
        );
        let step = world.get("https://acme.example/", &[]);
        assert_eq!(refused(step).1, "tenant_misconfigured", "{one} {other}");
    }
}

#[test]
fn other_paths_go_to_the_server() {
    let mut world = acme();
    for path in [
        "/Logo",
        "/logo/",
        "//logo",
        "/logo;x",
        "/public%2fcustom.css",
        "/logo%3ftheme=dark",
        "/",
    ] {
        let forward = forwarded(world.get(&format!("https://acme.example{path}"), &[]));
        assert_eq!(forward.url, format!("http://acme.internal{path}"));
    }
}

#[test]
fn path_of_an_asset_returns_the_file() {
    let mut world = acme();
    for path in [
        "/public/../logo",
        "/public/%2e%2e/logo",
        "/./logo",
        "/%6cogo",
    ] {
        let step = world.get(&format!("https://acme.example{path}"), &[]);
        assert!(matches!(step, Step::Asset(_)), "{path}: {step:?}");
    }
}

#[test]
fn only_get_and_head_return_the_file() {
    let mut world = acme();
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        forwarded(world.request(method, "https://acme.example/logo", &[]));
    }
    let handshake = [
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("origin", "https://acme.example"),
    ];
    forwarded(world.get("https://acme.example/logo", &handshake));
    let Step::Answer(answer) = world.request("HEAD", "https://acme.example/logo", &[]) else {
        panic!()
    };
    assert_eq!(
        (answer.status, header(&answer, "content-length")),
        (200, Some("3"))
    );
}

#[test]
fn file_is_public_and_begins_no_session() {
    let mut world = acme();
    world.tenant(
        "acme",
        &json!({ "login": { "mode": "required" }, "assets": { "/logo": LOGO } }),
    );
    let forged = [("cookie", "__Host-session=forged; __Host-session=twice")];
    let Step::Asset(answer) = world.get("https://acme.example/logo", &forged) else {
        panic!()
    };
    assert_eq!(header(&answer, "set-cookie"), None);
    assert_eq!(
        header(&answer, "cache-control"),
        Some("public, max-age=300")
    );
    assert!(header(&answer, "content-security-policy").is_some());
    assert_eq!(world.io.reads, 0);
}

#[test]
fn matching_etag_gets_304() {
    let mut world = acme();
    for (known, status) in [
        ("\"light\"", 304),
        ("\"x\", W/\"light\"", 304),
        ("*", 304),
        ("\"dark\"", 200),
        ("light", 200),
    ] {
        let headers = [("if-none-match", known)];
        let status_given = match world.get("https://acme.example/logo", &headers) {
            Step::Answer(answer) | Step::Asset(answer) => answer.status,
            other => panic!("{other:?}"),
        };
        assert_eq!(status_given, status, "{known}");
    }
}

#[test]
fn missing_media_type_follows_the_file_extension() {
    let mut world = acme();
    for (path, source, media_type, expected) in [
        ("/logo", "https://c.example/a", "image/png", "image/png"),
        (
            "/logo",
            "https://c.example/a.svg?b.png",
            "",
            "image/svg+xml",
        ),
        (
            "/a.css",
            "https://c.example/a",
            "",
            "text/css; charset=utf-8",
        ),
        (
            "/a.woff2",
            "https://c.example/a",
            "application/octet-stream",
            "font/woff2",
        ),
        ("/a", "https://c.example/a", "", "application/octet-stream"),
        (
            "/a.PNG",
            "https://c.example/a",
            "text/css\nset-cookie\na=b",
            "image/png",
        ),
        ("/a.html", "kv:a.html", "", "application/octet-stream"),
    ] {
        world.tenant("acme", &json!({ "assets": { path: source } }));
        world.wait(61);
        world.has(&source.replace("kv:", "asset:acme:"), media_type, "x");
        let Step::Asset(answer) = world.get(&format!("https://acme.example{path}"), &[]) else {
            panic!()
        };
        assert_eq!(header(&answer, "content-type"), Some(expected), "{source}");
    }
}

#[test]
fn unavailable_file_falls_back_to_the_server_and_is_logged_once_a_minute() {
    let mut world = acme();
    world.fails(LOGO, Trouble::Status(500));
    for _ in 0..3 {
        forwarded(world.get("https://acme.example/logo?q=1", &[]));
    }
    let log = world.events();
    assert_eq!(log.matches("asset_unavailable").count(), 1, "{log}");
    assert!(log.contains(r#""path":"/logo""#) && log.contains("status 500"));
    assert!(!log.contains("cdn.example") && !log.contains("q=1"));
    world.wait(60);
    forwarded(world.get("https://acme.example/logo", &[]));
    assert!(world.events().contains("asset_unavailable"));
}

#[test]
fn stale_file_is_served_and_the_failure_logged() {
    let mut world = acme();
    let metadata = FileMetadata {
        hash: "old".to_owned(),
        trouble: Some(Trouble::NoAnswer),
        ..FileMetadata::default()
    };
    let sources = &mut world.io.assets;
    sources.insert(LOGO.to_owned(), Asset::Available(metadata));
    assert_eq!(world.shown("/logo"), "\"old\"");
    assert!(world.events().contains("no answer"));
}

#[test]
fn web_page_is_never_served_as_a_file() {
    let mut world = acme();
    world.fails(LOGO, Trouble::Page);
    let step = world.get("https://acme.example/logo", &[]);
    assert_eq!(refused(step), (502, "asset_is_page".to_owned()));
}

#[test]
fn each_tenant_gets_its_own_file() {
    let mut world = acme();
    world.tenant("globex", &json!({ "assets": { "/logo": "kv:dark.svg" } }));
    world.tenant("plain", &json!({}));
    world.has("asset:globex:dark.svg", "image/png", "globex");
    let Step::Asset(answer) = world.get("https://globex.example/logo", &[]) else {
        panic!()
    };
    assert_eq!(header(&answer, "etag"), Some("\"globex\""));
    assert_eq!(world.shown("/logo?theme=dark"), "\"dark\"");
    forwarded(world.get("https://plain.example/logo", &[]));
}

#[test]
fn document_change_applies_to_files_too() {
    let mut world = acme();
    world.shown("/logo");
    world.tenant("acme", &json!({}));
    world.wait(10);
    world.shown("/logo");
    forwarded(world.get("https://acme.example/", &[]));
    forwarded(world.get("https://acme.example/logo", &[]));
}
