//! Checks that rooms depend on each other downward only: no cycle between the modules at the root of `src/`, and fixed
//! limits for the lowest. Reads the sources without their tests, so what only a test uses does not count.

mod graph;
mod source;

use std::path::Path;

use graph::Graph;

/// Rooms that all others may depend on. They depend on no room outside this list.
const BASE: [&str; 13] = [
    "clock",
    "encoding",
    "flat_map",
    "keys",
    "message",
    "policy",
    "rule",
    "secrets",
    "shared_text",
    "sorted",
    "span_id",
    "split",
    "tenant_id",
];

/// Other rooms that the lower rooms may depend on. A further entry must point downward, with a reason.
const ALLOWED: [(&str, &[&str]); 13] = [
    // Requests to the platform. Nearly every room returns them.
    ("effect", &[]),
    // Sessions, without HTTP or storage.
    ("session", &[]),
    // HTTP, without any policy.
    ("http", &[]),
    ("cookie", &["http", "session"]),
    ("balancer", &["session"]),
    // Receives events and calls no other room.
    ("telemetry", &["effect", "session"]),
    // Storage, without HTTP.
    ("store", &["effect", "session"]),
    (
        "session_object",
        &["effect", "session", "auth", "store", "telemetry"],
    ),
    // Pages and problems for people.
    ("response", &["http"]),
    // Sign-in. Forms and return URLs are HTTP.
    ("auth", &["effect", "http", "session"]),
    // Tenant documents and the tenants built from them, without the code that applies them. A group in a document keeps
    // to the rule for names in sessions.
    (
        "config",
        &["response", "http", "balancer", "auth", "session"],
    ),
    (
        "tenant",
        &[
            "config", "cookie", "http", "response", "balancer", "session", "auth",
        ],
    ),
    // Requests to origins and their responses.
    (
        "upstream",
        &[
            "cookie", "config", "effect", "http", "balancer", "session", "tenant",
        ],
    ),
];

/// Builds the graph of this crate's rooms.
fn graph() -> Result<Graph, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Graph::read(&|path| std::fs::read_to_string(root.join(path)).ok())
}

#[test]
fn rooms_have_no_cycles() {
    let graph = graph().unwrap();
    assert!(
        graph.depends_on("gateway", "session"),
        "the sources were read"
    );
    if let Some(cycle) = graph.cycle() {
        panic!("rooms know each other in a circle: {cycle}");
    }
}

#[test]
fn base_rooms_depend_only_on_allowed_rooms() {
    let graph = graph().unwrap();
    let lowest = BASE.iter().map(|room| (*room, [].as_slice()));
    let allowed = lowest.chain(ALLOWED);
    let forbidden: Vec<String> = allowed
        .flat_map(|(room, more)| graph.forbidden(room, &[&BASE, more].concat()))
        .collect();
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}

#[test]
fn gateway_does_not_depend_on_api() {
    let graph = graph().unwrap();
    assert!(graph.depends_on("api", "gateway"), "the sources were read");
    assert!(!graph.depends_on("gateway", "api"));
}

#[test]
fn no_room_depends_on_worker() {
    let graph = graph().unwrap();
    assert!(
        graph.depends_on("worker", "router"),
        "the sources were read"
    );
    let knowing = graph.dependents("worker");
    assert!(knowing.is_empty(), "{knowing:?}");
}

#[test]
fn every_path_names_its_room() {
    let unknown_roots = graph().unwrap().unknown_roots();
    assert!(unknown_roots.is_empty(), "{}", unknown_roots.join("\n"));
}
