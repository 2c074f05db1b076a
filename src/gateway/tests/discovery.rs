//! Tests origins that come from a list, as the pool object reports it.

use super::*;
use crate::balancer::pool_aggregate::PoolAggregate;
use serde_json::json;

const LIST: &str = "discover:https://list.example/";

fn world(origins: &str, names: &[&str]) -> World {
    let settings = json!({ "ORIGINS": origins, "CONSISTENCY": "strong", "SESSION_IDLE": "7d" });
    let mut world = World::new(&settings);
    let mut pool = PoolAggregate::default();
    pool.load_lists(None, world.now);
    world.io.pool = Some(pool);
    list(&mut world, names);
    world
}

/// Lets the list hold these servers, and the isolate learn that.
fn list(world: &mut World, names: &[&str]) {
    let now = world.now;
    let server = |name: &&str| {
        let entry = json!({ "name": name, "url": format!("http://{name}:1") });
        ((*name).to_owned(), entry)
    };
    let pool = world.io.pool.as_mut().unwrap();
    let lists = json!({ "sources": [LIST], "refresh": 30, "drain": 600 });
    let gather = json!({ "do": "gather", "isolate": "0", "origins": [], "lists": lists });
    pool.apply(&gather.to_string(), None, now).unwrap();
    let found: Vec<_> = names.iter().map(server).collect();
    if !found.is_empty() {
        pool.learn_list(LIST, Ok(found), now);
        sync(world);
    }
}

fn sync(world: &mut World) {
    let mut answers = Answers::default();
    let need = world.gateway.balancer.sync_origins(&answers, world.now);
    world.perform(&Vec::from_iter(need), &mut answers);
    world.gateway.balancer.sync_origins(&answers, world.now);
}

/// Begins sessions, and returns their cookies and origins.
fn begin(world: &mut World, count: usize) -> Vec<(Option<String>, String)> {
    let newcomer = |_| {
        world.jar = None;
        let origin = world.exchange("").origin.to_string();
        (world.jar.clone(), origin)
    };
    (0..count).map(newcomer).collect()
}

/// Returns where a session is now.
fn place(world: &mut World, jar: &mut Option<String>) -> (String, String) {
    world.jar.clone_from(jar);
    let forward = world.exchange("");
    jar.clone_from(&world.jar);
    let state = header_value(&forward, "x-session-state").unwrap();
    (forward.origin.to_string(), state.to_owned())
}

#[test]
fn request_waits_for_the_list_and_is_refused_without_servers() {
    let mut world = world(LIST, &[]);
    let unknown = (503, "servers_unknown".to_owned());
    assert_eq!(refused(world.get("/")), unknown);
    let calls = world.io.calls;
    assert_eq!(refused(world.get("/")), unknown);
    assert_eq!(world.io.calls, calls, "asked a moment ago");
    let found = vec![("a".to_owned(), json!({ "url": "http://a:1" }))];
    let pool = world.io.pool.as_mut().unwrap();
    pool.learn_list(LIST, Ok(found), world.now);
    world.wait(2);
    assert_eq!(world.exchange("").origin, "a:1");
}

#[test]
fn list_that_fails_delays_no_request_for_other_servers() {
    let mut world = world(&format!("fixed=http://f:1,{LIST}"), &[]);
    assert_eq!(world.exchange("").origin, "fixed");
    let calls = world.io.calls;
    world.wait(9);
    world.exchange("");
    assert_eq!(world.io.calls, calls);
    world.wait(1);
    world.exchange("");
    assert_eq!(world.io.calls, calls + 1, "the view is too old");
}

#[test]
fn silent_pool_object_delays_but_does_not_end_service() {
    let mut world = world(LIST, &["a"]);
    world.io.pool = None;
    world.wait(60);
    assert_eq!(world.exchange("").origin, "a");
    let mut fresh = World::new(&world.settings);
    assert_eq!(refused(fresh.get("/")).1, "servers_unknown");
}

#[test]
fn sessions_stay_while_servers_come_and_move_when_a_drain_ends() {
    let mut world = world(LIST, &["a", "b"]);
    let mut sessions = begin(&mut world, 40);
    world.wait(30);
    list(&mut world, &["a", "b", "c"]);
    sessions.extend(begin(&mut world, 40));
    assert!(
        sessions.iter().all(|(_, origin)| origin != "c"),
        "too early"
    );
    world.wait(11);
    sync(&mut world);
    let later = begin(&mut world, 40);
    assert!(later.iter().any(|(_, origin)| origin == "c"));
    sessions.extend(later);
    for (jar, origin) in &mut sessions {
        assert_eq!(
            place(&mut world, jar),
            (origin.clone(), "active".to_owned())
        );
    }
    list(&mut world, &["b", "c"]);
    assert!(
        begin(&mut world, 40)
            .iter()
            .all(|(_, origin)| origin != "a")
    );
    for (jar, origin) in &mut sessions {
        assert_eq!(place(&mut world, jar).0, *origin);
    }
    world.wait(601);
    sync(&mut world);
    let mut moved = 0;
    for (jar, origin) in &mut sessions {
        let (now, state) = place(&mut world, jar);
        if origin == "a" {
            moved += 1;
            assert!(now != "a" && state == "takeover", "{now} {state}");
            assert_eq!(place(&mut world, jar), (now, "active".to_owned()));
        } else {
            assert_eq!((&now, state.as_str()), (&*origin, "active"));
        }
    }
    assert!(moved > 10);
}

#[test]
fn isolate_with_an_old_view_asks_before_it_decides() {
    let mut world = world(LIST, &["a"]);
    world.exchange("");
    let mut other = gateway(&world.settings, 9);
    world.wait(30);
    list(&mut world, &["a", "b"]);
    world.wait(11);
    sync(&mut world);
    let mut sessions = begin(&mut world, 30);
    assert!(sessions.iter().any(|(_, origin)| origin == "b"));
    core::mem::swap(&mut world.gateway, &mut other);
    for (jar, origin) in &mut sessions {
        assert_eq!(place(&mut world, jar).0, *origin);
    }
    // The first isolate was idle meanwhile.
    list(&mut world, &["a", "b", "c"]);
    world.wait(11);
    sync(&mut world);
    let mut sessions = begin(&mut world, 30);
    assert!(sessions.iter().any(|(_, origin)| origin == "c"));
    core::mem::swap(&mut world.gateway, &mut other);
    for (jar, origin) in &mut sessions {
        assert_eq!(place(&mut world, jar).0, *origin);
    }
}

#[test]
fn session_older_than_all_servers_stays_where_it_is() {
    let mut world = world(LIST, &["a"]);
    let mut sessions = begin(&mut world, 30);
    world.wait(30);
    list(&mut world, &["b"]);
    // The drain is over, and "a" is forgotten.
    world.wait(5_000);
    list(&mut world, &["b"]);
    for (jar, _) in &mut sessions {
        assert_eq!(place(&mut world, jar).0, "b");
    }
    list(&mut world, &["b", "c", "d"]);
    world.wait(60);
    sync(&mut world);
    for (jar, _) in &mut sessions {
        assert_eq!(place(&mut world, jar).0, "b");
    }
}

#[test]
fn settings_of_the_entry_hold_unless_a_server_has_its_own() {
    let origins =
        format!("fixed=http://f:1,{LIST};weight=5;capacity=7;health=/ready;since=2020-01-01");
    let mut world = world(&origins, &["a"]);
    let found = vec![
        (
            "a".to_owned(),
            json!({ "name": "a", "url": "http://a:1", "weight": 2 }),
        ),
        (
            "fixed".to_owned(),
            json!({ "name": "fixed", "url": "http://evil:1" }),
        ),
    ];
    let pool = world.io.pool.as_mut().unwrap();
    pool.learn_list(LIST, Ok(found), world.now);
    sync(&mut world);
    let pools = &world.gateway.balancer.pools;
    let a = pools.named("a").unwrap();
    assert_eq!((a.weight, a.capacity), (2, Some(7)));
    assert_eq!(a.health_path.as_deref(), Some("/ready"));
    assert!(a.since > UnixSeconds(1_500_000_000));
    assert_eq!(pools.named("fixed").unwrap().base, "http://f:1");
    assert_eq!(pools.origins().count(), 2);
    assert_eq!(world.gateway.balancer.health_checks().count(), 1);
}

#[test]
fn answer_of_an_earlier_release_takes_no_server_away() {
    let mut world = world(LIST, &["a"]);
    let answer = br#"{"origins":[],"drained":[]}"#;
    assert!(world.gateway.balancer.learn(answer, world.now));
    assert_eq!(world.exchange("").origin, "a");
}
