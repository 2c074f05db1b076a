//! Rooms know each other downward: no circle between the modules at the top of `src/`, and the lowest know only what
//! they may. Works on the sources, so what only a test knows does not count.

mod graph;
mod source;

use std::path::Path;

use graph::Graph;

/// What everybody builds on, and may know. They know nobody else.
const BASE: [&str; 11] = [
    "clock",
    "encoding",
    "flat_map",
    "keys",
    "message",
    "policy",
    "rule",
    "secrets",
    "sorted",
    "span_id",
    "tenant_id",
];

/// What the lowest rooms may know beside those. A name more is a door more: let it lead down, and say why.
const MAY_KNOW: [(&str, &[&str]); 13] = [
    // What the outside is asked for. Nearly everybody asks, so it knows nobody.
    ("effect", &[]),
    // Neither HTTP nor storage.
    ("session", &[]),
    // HTTP, and nothing of what it is about.
    ("http", &[]),
    ("cookie", &["http", "session"]),
    ("balancer", &["session"]),
    // It is told what happens, and asks nobody.
    ("telemetry", &["effect", "session"]),
    // No HTTP.
    ("store", &["effect", "session"]),
    (
        "session_object",
        &["effect", "session", "auth", "store", "telemetry"],
    ),
    // What goes to people.
    ("response", &["http"]),
    // Who is believed: forms and ways back are HTTP.
    ("auth", &["effect", "http", "session"]),
    // What is written of a tenant, and what becomes of it; nobody who acts upon it.
    ("config", &["response", "http", "balancer", "auth"]),
    (
        "tenant",
        &["config", "http", "response", "balancer", "session", "auth"],
    ),
    // What goes to origins.
    (
        "upstream",
        &[
            "cookie", "config", "effect", "http", "balancer", "session", "tenant",
        ],
    ),
];

/// The graph of this crate's rooms.
fn graph() -> Result<Graph, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Graph::read(&|path| std::fs::read_to_string(root.join(path)).ok())
}

#[test]
fn rooms_have_no_cycles() {
    let graph = graph().unwrap();
    assert!(graph.knows("gateway", "session"), "the sources were read");
    if let Some(circle) = graph.circle() {
        panic!("rooms know each other in a circle: {circle}");
    }
}

#[test]
fn base_rooms_depend_only_on_allowed_rooms() {
    let graph = graph().unwrap();
    let lowest = BASE.iter().map(|room| (*room, [].as_slice()));
    let may_know = lowest.chain(MAY_KNOW);
    let trespasses: Vec<String> = may_know
        .flat_map(|(room, more)| graph.trespasses(room, &[&BASE, more].concat()))
        .collect();
    assert!(trespasses.is_empty(), "{}", trespasses.join("\n"));
}

#[test]
fn gateway_does_not_depend_on_api() {
    let graph = graph().unwrap();
    assert!(graph.knows("api", "gateway"), "the sources were read");
    assert!(!graph.knows("gateway", "api"));
}

#[test]
fn no_room_depends_on_worker() {
    let graph = graph().unwrap();
    assert!(graph.knows("worker", "router"), "the sources were read");
    let knowing = graph.who_knows("worker");
    assert!(knowing.is_empty(), "{knowing:?}");
}

#[test]
fn every_path_names_its_room() {
    let nameless = graph().unwrap().nameless();
    assert!(nameless.is_empty(), "{}", nameless.join("\n"));
}
