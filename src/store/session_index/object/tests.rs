use super::memory::Memory;
use serde_json::{Value, json};

use super::*;
use crate::session::id::Handle;
use crate::store::session_index::read_count;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const HOUR: u64 = 3_600_000;

#[derive(Default)]
struct Directory {
    tables: Memory,
    object: DirectoryObject,
}

impl Directory {
    fn send(&mut self, command: &Value, now: UnixMillis) -> (Value, Vec<String>) {
        let command = command.to_string();
        let outcome = self.object.command(&mut self.tables, "t", &command, now);
        let outcome = outcome.unwrap();
        let surplus = outcome.surplus.into_iter().map(|one| {
            assert_eq!(one.object, format!("t/{}", one.session));
            assert_eq!(one.command, "end");
            one.session
        });
        (
            serde_json::from_str(&outcome.answer).unwrap(),
            surplus.collect(),
        )
    }

    fn list_in(&mut self, session: &str, created: u64, until: u64) -> Vec<String> {
        let command = json!({
            "do": "list-in", "session": session, "user": "u", "created": created,
            "until": until, "most": 2, "end": "end",
        });
        self.send(&command, NOW).1
    }

    fn page(&mut self, after: Option<&str>, now: UnixMillis) -> (Vec<String>, Option<String>) {
        let command = json!({ "do": "list", "users": ["u"], "after": after, "limit": 2 });
        let (answer, _) = self.send(&command, now);
        let sessions = answer["sessions"].as_array().unwrap();
        let name = |one: &Value| one[0].as_str().unwrap().to_owned();
        (
            sessions.iter().map(name).collect(),
            answer["next"].as_str().map(str::to_owned),
        )
    }
}

fn later(ms: u64) -> UnixMillis {
    UnixMillis(NOW.0 + ms)
}

#[test]
fn epochs_increase_whatever_the_clock_says() {
    let mut directory = Directory::default();
    let revoke = json!({ "do": "revoke", "subjects": ["t"], "until": NOW.0 / 1000 + 60 });
    let points: Vec<u64> = [NOW, NOW, UnixMillis(NOW.0 - 5_000), later(5)]
        .into_iter()
        .map(|now| directory.send(&revoke, now).0["epoch"].as_u64().unwrap())
        .collect();
    assert_eq!(points, [NOW.0, NOW.0 + 1, NOW.0 + 2, NOW.0 + 5]);
    let feed = directory
        .send(&json!({ "do": "feed", "since": NOW.0 }), NOW)
        .0;
    assert_eq!(
        feed,
        json!({ "epoch": NOW.0 + 5, "revoked": [["t", NOW.0 + 5]] })
    );
}

#[test]
fn expired_entries_are_deleted_hourly_and_epochs_still_increase() {
    let mut directory = Directory::default();
    let seconds = NOW.0 / 1000;
    let revoke = |subject: &str, until: u64| json!({ "do": "revoke", "subjects": [subject], "until": until });
    directory.send(&revoke("short", seconds + 60), NOW);
    directory.send(&revoke("long", seconds + 9_000), NOW);
    // The longer of two times counts.
    directory.send(&revoke("long", seconds + 60), NOW);
    let known = |directory: &mut Directory, now| {
        let feed = directory.send(&json!({ "do": "feed", "since": 0 }), now).0;
        let subjects = feed["revoked"].as_array().unwrap().clone();
        (subjects.len(), feed["epoch"].as_u64().unwrap())
    };
    assert_eq!(known(&mut directory, later(HOUR - 1)), (2, NOW.0 + 2));
    assert_eq!(known(&mut directory, later(HOUR)), (1, NOW.0 + 2));
    assert_eq!(known(&mut directory, later(3 * HOUR)), (0, NOW.0 + 2));
    let (answer, _) = directory.send(&revoke("t", seconds), NOW);
    assert_eq!(answer["epoch"], NOW.0 + 3);
}

#[test]
fn surplus_sessions_are_the_oldest_and_expired_ones_do_not_count() {
    let mut directory = Directory::default();
    let (past, future) = (NOW.0 / 1000, NOW.0 / 1000 + 60);
    assert!(directory.list_in("over", 1, past).is_empty());
    assert!(directory.list_in("b", 5, future).is_empty());
    assert!(directory.list_in("a", 5, future).is_empty());
    // A repeated listing keeps its position.
    assert!(directory.list_in("b", 5, future).is_empty());
    assert_eq!(directory.list_in("c", 9, future), ["b"]);
    // A surplus session stays listed until its object reports the end.
    assert_eq!(directory.list_in("d", 9, future), ["b", "a"]);
    directory.send(&json!({ "do": "list-out", "session": "b" }), NOW);
    assert_eq!(directory.list_in("d", 9, future), ["a"]);
}

#[test]
fn ended_session_does_not_count_once_announced() {
    let mut directory = Directory::default();
    let future = NOW.0 / 1000 + 60;
    let handle = Handle([1; 16]);
    let (ended, subject) = (handle.to_text(), Subject::Session(handle).to_text());
    directory.list_in("a", 1, future);
    directory.list_in(&ended, 2, future);
    let revoke = json!({ "do": "revoke", "subjects": [subject], "until": future });
    directory.send(&revoke, NOW);
    assert_eq!(directory.list_in("b", 3, future), [""; 0]);
    assert_eq!(directory.page(None, NOW).0, ["a", "b"]);
}

#[test]
fn pages_skip_expired_entries_and_miss_none() {
    let mut directory = Directory::default();
    let (soon, late) = (NOW.0 / 1000 + 60, NOW.0 / 1000 + 600);
    for (at, until) in [soon, late, soon, soon, late, soon, late]
        .into_iter()
        .enumerate()
    {
        let command = json!({
            "do": "list-in", "session": format!("s{at}"), "user": "u", "created": at / 2,
            "until": until, "most": null, "end": "",
        });
        directory.send(&command, NOW);
    }
    let (first, next) = directory.page(None, later(61_000));
    assert_eq!(
        (first, next.as_deref()),
        (vec!["s1".to_owned(), "s4".to_owned()], Some("2:s4"))
    );
    let (second, next) = directory.page(next.as_deref(), later(61_000));
    assert_eq!((second, next), (vec!["s6".to_owned()], None));
}

#[test]
fn live_sessions_are_counted_at_most_every_ten_seconds() {
    let mut directory = Directory::default();
    let (soon, late) = (NOW.0 / 1000 + 15, NOW.0 / 1000 + 600);
    let count = |directory: &mut Directory, ms| {
        let (answer, _) = directory.send(&json!({ "do": "count" }), later(ms));
        read_count(answer.to_string().as_bytes()).unwrap()
    };
    assert_eq!(count(&mut directory, 0), 0);
    for (session, until) in [("a", soon), ("b", late), ("c", late)] {
        directory.list_in(session, 1, until);
    }
    assert_eq!(count(&mut directory, 9_999), 0);
    assert_eq!(count(&mut directory, 10_000), 3);
    directory.send(&json!({ "do": "list-out", "session": "c" }), NOW);
    assert_eq!(count(&mut directory, 20_000), 1);
}

#[test]
fn malformed_command_changes_nothing() {
    let mut tables = Memory::default();
    for text in [
        "",
        "{}",
        "[]",
        r#"{"do":"x"}"#,
        r#"{"do":"revoke"}"#,
        r#"{"do":"list-in"}"#,
    ] {
        let refused = DirectoryObject::default().command(&mut tables, "t", text, NOW);
        assert!(matches!(refused, Err(Failure::Unknown(_))), "{text}");
    }
    assert_eq!(tables.last(), Ok(0));
}
