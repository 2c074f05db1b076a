use proptest::prelude::*;
use serde_json::json;

use super::*;

const SOURCE: &str = "discover:https://list.example/";
const NOW: u64 = 1_700_000_000_000;

fn wanted(refresh: u64, drain: u64) -> Value {
    json!({ "sources": [SOURCE], "refresh": refresh, "drain": drain })
}

fn found(names: &[&str]) -> Found {
    let server = |name: &&str| {
        (
            (*name).to_owned(),
            json!({ "url": format!("http://{name}") }),
        )
    };
    names.iter().map(server).collect()
}

fn at(seconds: u64) -> UnixMillis {
    UnixMillis(NOW + seconds * 1_000)
}

/// Returns the servers as `name since-NOW phase`; those that always were here have no time.
fn servers(lists: &OriginLists, now: UnixMillis) -> Vec<String> {
    let state = lists.to_value(now);
    let list = ListView::of(&state, SOURCE).unwrap();
    let describe = |server: ServerView<'_>| {
        let since = server.since.saturating_sub(NOW / 1_000);
        format!("{} {since} {:?}", server.name, server.phase)
    };
    list.servers().into_iter().map(describe).collect()
}

fn known(names: &[&str]) -> OriginLists {
    let mut lists = OriginLists::default();
    assert_eq!(lists.ask(&wanted(30, 600), at(0)), [SOURCE]);
    let change = lists.learn(SOURCE, Ok(found(names)), at(1));
    assert!(change.is_stored);
    lists
}

#[test]
fn first_servers_get_all_sessions_and_later_ones_only_those_that_begin_later() {
    let mut lists = known(&["a", "b"]);
    assert_eq!(servers(&lists, at(1)), ["a 0 Listed", "b 0 Listed"]);
    let change = lists.learn(SOURCE, Ok(found(&["b", "a", "c"])), at(40));
    assert_eq!((change.added, change.removed), (1, 0));
    assert_eq!(
        servers(&lists, at(40)),
        ["a 0 Listed", "b 0 Listed", "c 50 Listed"]
    );
    let change = lists.learn(SOURCE, Ok(found(&["a", "b", "c"])), at(70));
    assert_eq!(change, Change::default());
}

#[test]
fn server_that_leaves_is_drained_then_down_then_forgotten() {
    let mut lists = known(&["a", "b"]);
    let change = lists.learn(SOURCE, Ok(found(&["a"])), at(30));
    assert_eq!((change.added, change.removed), (0, 1));
    assert_eq!(servers(&lists, at(629))[1], "b 0 Draining");
    assert_eq!(servers(&lists, at(630))[1], "b 0 Gone");
    lists.learn(SOURCE, Ok(found(&["a"])), at(4_229));
    assert_eq!(servers(&lists, at(4_229)).len(), 2);
    lists.learn(SOURCE, Ok(found(&["a"])), at(4_230));
    assert_eq!(servers(&lists, at(4_230)), ["a 0 Listed"]);
}

#[test]
fn server_that_returns_keeps_its_sessions_unless_they_have_moved() {
    for (returns, expected) in [(100, "b 0 Listed"), (700, "b 710 Listed")] {
        let mut lists = known(&["a", "b"]);
        lists.learn(SOURCE, Ok(found(&["a"])), at(30));
        let change = lists.learn(SOURCE, Ok(found(&["a", "b"])), at(returns));
        assert_eq!((change.added, change.removed), (1, 0));
        assert_eq!(servers(&lists, at(returns))[1], expected);
    }
}

#[test]
fn servers_that_replace_all_others_get_sessions_at_once() {
    let mut lists = known(&["a"]);
    lists.learn(SOURCE, Ok(found(&["b"])), at(30));
    assert_eq!(servers(&lists, at(30)), ["a 0 Draining", "b 30 Listed"]);
}

#[test]
fn failure_changes_no_server_and_is_reported_once() {
    let mut lists = known(&["a"]);
    let fail = |lists: &mut OriginLists, error: &str, now| {
        lists.learn(SOURCE, Err(error.to_owned()), now).failure
    };
    assert_eq!(fail(&mut lists, "x", at(30)).as_deref(), Some("x"));
    assert_eq!(fail(&mut lists, "x", at(60)), None);
    assert_eq!(fail(&mut lists, "y", at(90)).as_deref(), Some("y"));
    assert_eq!(servers(&lists, at(90)), ["a 0 Listed"]);
    let state = lists.to_value(at(90));
    let list = ListView::of(&state, SOURCE).unwrap();
    assert_eq!((list.error(), list.read()), ("y", at(1)));
    lists.learn(SOURCE, Ok(found(&["a"])), at(120));
    assert_eq!(fail(&mut lists, "y", at(150)).as_deref(), Some("y"));
}

#[test]
fn list_is_read_once_per_interval_and_an_unknown_one_more_often() {
    let mut lists = OriginLists::default();
    let ask = |lists: &mut OriginLists, now| lists.ask(&wanted(30, 0), now).len();
    assert_eq!(ask(&mut lists, at(0)), 1);
    assert_eq!(ask(&mut lists, at(1)), 0);
    assert!(!lists.are_settled());
    assert_eq!(ask(&mut lists, at(2)), 1);
    lists.learn(SOURCE, Err("down".to_owned()), at(3));
    assert!(lists.are_settled(), "nobody waits for a list that fails");
    lists.learn(SOURCE, Ok(found(&["a"])), at(3));
    assert!(lists.are_settled());
    assert_eq!(ask(&mut lists, at(31)), 0);
    assert_eq!(ask(&mut lists, at(32)), 1);
    let other = json!({ "sources": ["srv:x"], "refresh": 30, "drain": 0 });
    lists.ask(&other, at(700));
    assert!(ListView::of(&lists.to_value(at(700)), SOURCE).is_none());
}

#[test]
fn stored_state_survives_a_restart() {
    let mut lists = known(&["a", "b"]);
    lists.learn(SOURCE, Ok(found(&["a", "c"])), at(30));
    let text = lists.to_value(at(30)).to_string();
    let restarted = OriginLists::from_text(Some(&text), at(60));
    assert_eq!(servers(&restarted, at(60)), servers(&lists, at(60)));
    assert_eq!(restarted.to_value(at(30)).to_string(), text);
    for bad in ["", "{}", "[1]", "[[1]]", "[[\"x\",0,\"\",[[1]]]]"] {
        let lists = OriginLists::from_text(Some(bad), at(0));
        assert!(lists.0.iter().all(|list| list.servers.is_empty()), "{bad}");
    }
    assert!(
        OriginLists::from_text(None, at(0))
            .to_value(at(0))
            .is_null()
    );
}

proptest! {
    /// Whatever a list says over time: servers are known once, those listed are exactly the last ones, a server that a
    /// session may be at leaves only by way of its drain, and nobody's first session comes before all isolates know.
    #[test]
    fn changes_keep_the_promises(
        reads in proptest::collection::vec(
            (1_u64..400, proptest::option::weighted(0.8, proptest::collection::btree_set(0_u8..12, 1..8))),
            1..40,
        ),
    ) {
        let mut lists = OriginLists::default();
        lists.ask(&wanted(5, 600), at(0));
        let mut now = 0;
        let mut last: Vec<String> = Vec::new();
        for (later, read) in reads {
            now += later;
            let before = servers(&lists, at(now));
            let Some(read) = read else {
                lists.learn(SOURCE, Err("down".to_owned()), at(now));
                prop_assert_eq!(&servers(&lists, at(now)), &before);
                continue;
            };
            let names: Vec<String> = read.iter().map(|n| format!("s{n:02}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lists.learn(SOURCE, Ok(found(&names)), at(now));
            let state = lists.to_value(at(now));
            let list = ListView::of(&state, SOURCE).unwrap();
            let all = list.servers();
            let mut seen: Vec<&str> = all.iter().map(|server| server.name).collect();
            seen.sort_unstable();
            let count = seen.len();
            seen.dedup();
            prop_assert_eq!(seen.len(), count);
            let mut listed: Vec<&str> = all.iter().filter(|server| server.phase == Phase::Listed).map(|server| server.name).collect();
            listed.sort_unstable();
            prop_assert_eq!(&listed, &names);
            for one in &before {
                let name = one.split(' ').next().unwrap();
                let is_kept = all.iter().any(|server| server.name == name);
                prop_assert!(is_kept || one.ends_with("Gone"), "{one}");
            }
            let continues = last.iter().any(|name| names.contains(&name.as_str()));
            for server in &all {
                let is_new = !before.iter().any(|one| one.starts_with(server.name) && !one.ends_with("Gone"));
                if is_new && continues && server.phase == Phase::Listed {
                    prop_assert!(server.since >= at(now).0 / 1_000 + LEAD_SECONDS);
                }
            }
            let text = state.to_string();
            let restarted = OriginLists::from_text(Some(&text), at(now));
            prop_assert_eq!(servers(&restarted, at(now + 1)), servers(&lists, at(now + 1)));
            last = names.iter().map(|name| (*name).to_owned()).collect();
        }
    }
}

#[test]
fn servers_that_left_are_bounded() {
    let mut lists = known(&["a"]);
    for generation in 0..5_u64 {
        let names: Vec<String> = (0..MAX_SERVERS)
            .map(|n| format!("s{generation}-{n}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        lists.learn(SOURCE, Ok(found(&names)), at(generation + 2));
        let all = servers(&lists, at(generation + 2));
        assert!(all.len() <= MAX_SERVERS + MAX_LEFT);
        let listed = all.iter().filter(|one| one.ends_with("Listed"));
        assert_eq!(listed.count(), MAX_SERVERS);
    }
}
