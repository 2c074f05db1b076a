//! Checks commands to a tenant's pool object, and its answers, against those of earlier releases.

use super::super::cluster_view::{ClusterView, LocalView};
use serde_json::json;

use super::*;
use crate::balancer::origin_lists::{ListView, Phase};
use crate::golden;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// Returns commands of isolates, of an operator's drain, of a health check, one that only reads, and those of newcomers
/// who wait.
fn commands() -> Value {
    let view = |under_way, reported, ejected_until| LocalView {
        origin: "blue",
        under_way,
        held: 6,
        reported,
        ejected_until: UnixMillis(ejected_until),
    };
    let gather = |isolate, view| -> Value {
        serde_json::from_str(&ClusterView::command(isolate, &[view], Value::Null)).unwrap()
    };
    let wait = |arrived, room| -> Value {
        let ask = Ask {
            arrival: Arrival {
                at: UnixMillis(arrived),
                id: 7,
            },
            room,
            places: 2,
            timeout: Seconds(60),
        };
        serde_json::from_str(&ClusterView::turn_command(&ask)).unwrap()
    };
    json!([
        gather(255, view(3, Some(970), NOW.0 + 5_000)),
        gather(u64::MAX, view(4, None, 0)),
        { "do": "drain", "origin": "green", "drained": true },
        { "do": "checked", "origin": "red", "ready": false },
        { "do": "drain", "origin": "green", "drained": false },
        { "do": "tell" },
        wait(NOW.0 - 3, 0),
        wait(NOW.0 - 2, 0),
        wait(NOW.0 - 1, 0),
        wait(NOW.0 - 3, 1),
    ])
}

/// Returns the object's responses and the drains it stores.
fn answers(commands: &Value) -> Value {
    let mut aggregate = PoolAggregate::default();
    let mut drained = "[]".to_owned();
    let answer = |command: &Value| {
        let result = aggregate
            .apply(&command.to_string(), Some(&drained), NOW)
            .unwrap();
        if let Some(changed) = &result.drained {
            drained.clone_from(changed);
        }
        let answer: Value = serde_json::from_str(&result.answer).unwrap();
        let kept: Value = serde_json::from_str(&drained).unwrap();
        json!({ "answer": answer, "kept": kept })
    };
    commands.as_array().unwrap().iter().map(answer).collect()
}

#[test]
fn golden_commands_are_written_and_read() {
    golden::check_written("pool-commands.json", &commands());
    golden::check_written("pool-answers.json", &answers(&commands()));
    for (release, commands) in golden::of_releases("pool-commands.json") {
        let answers = answers(&commands);
        let golden = golden::of("pool-answers.json", &release);
        assert_eq!(as_of(&golden, answers.clone()), golden, "{release}");
        let mut shared = ClusterView::default();
        assert!(shared.learn(answers[3]["answer"].to_string().as_bytes(), NOW));
        assert_eq!(shared.under_way("blue", NOW), 7);
        assert_eq!(shared.reported("blue", NOW), Some(970));
        assert!(shared.is_drained("green") && shared.is_ejected("red", NOW));
    }
}

/// Returns answers with the members, and as many elements for each origin, as an earlier release gave.
fn as_of(golden: &Value, mut answers: Value) -> Value {
    let origins = |answer: &Value| answer["answer"]["origins"].as_array().unwrap().clone();
    for (answer, golden) in answers
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .zip(golden.as_array().unwrap())
    {
        let mut known = origins(answer);
        for (origin, golden) in known.iter_mut().zip(origins(golden)) {
            let length = golden.as_array().unwrap().len();
            origin.as_array_mut().unwrap().truncate(length);
        }
        let members = answer["answer"].as_object_mut().unwrap();
        members.insert("origins".into(), known.into());
        members.retain(|name, _| !golden["answer"][name].is_null());
    }
    answers
}

/// A later release may report more about an origin.
#[test]
fn additions_of_a_later_release_are_ignored() {
    let later = json!([{
        "do": "gather",
        "isolate": "1",
        "origins": [["blue", 3, null, 0, 2, { "new": 1 }]],
        "new": 1,
    }]);
    let answer = &answers(&later)[0]["answer"];
    assert_eq!(answer["origins"], json!([["blue", 0, null, 0, 0]]));
    let mut shared = ClusterView::default();
    let answer = br#"{"origins":[["blue",7,null,0,5,"new"]],"drained":[],"new":1}"#;
    assert!(shared.learn(answer, NOW));
    assert_eq!(shared.under_way("blue", NOW), 7);
}

const LIST: &str = "discover:https://list.example/servers";

/// Returns the answer to a command of an isolate that uses a list, and the list as it is stored.
fn listed(command: &Value, stored: Option<&str>) -> (Value, Option<String>) {
    let server = |name: &str, entry: Value| (name.to_owned(), entry);
    let a = server("a:1", json!({ "url": "http://a:1", "weight": 2 }));
    let b = server("b:1", json!({ "url": "http://b:1" }));
    let c = server("c", json!({ "name": "c", "url": "https://c" }));
    let later = UnixMillis(NOW.0 + 30_000);
    let mut aggregate = PoolAggregate::default();
    aggregate.load_lists(stored, NOW);
    let command = command.to_string();
    let mut kept = None;
    if stored.is_none() {
        aggregate.apply(&command, None, NOW).unwrap();
        aggregate.learn_list(LIST, Ok(vec![a.clone(), b]), NOW);
        (_, kept) = aggregate.learn_list(LIST, Ok(vec![a, c]), later);
        aggregate.learn_list(LIST, Err("deadline".to_owned()), later);
    }
    let answer = aggregate.apply(&command, None, later).unwrap().answer;
    (serde_json::from_str(&answer).unwrap(), kept)
}

#[test]
fn golden_lists_are_written_and_read() {
    let wanted = json!({ "sources": [LIST], "refresh": 30, "drain": 600, "resolver": "https://dns.example" });
    let command = ClusterView::command(255, &[], wanted);
    let command: Value = serde_json::from_str(&command).unwrap();
    let (answer, kept) = listed(&command, None);
    let kept: Value = serde_json::from_str(&kept.unwrap()).unwrap();
    let written = json!({ "command": command, "answer": answer, "kept": kept });
    golden::check_written("pool-lists.json", &written);
    for (release, golden) in golden::of_releases("pool-lists.json") {
        let (answer, _) = listed(&golden["command"], None);
        assert_eq!(answer, golden["answer"], "{release}");
        let (answer, _) = listed(&golden["command"], Some(&golden["kept"].to_string()));
        assert_eq!(
            answer["lists"][0][3], golden["answer"]["lists"][0][3],
            "{release}"
        );
        let mut shared = ClusterView::default();
        assert!(shared.learn(golden["answer"].to_string().as_bytes(), NOW));
        let list = ListView::of(shared.lists(), LIST).unwrap();
        let servers = list.servers();
        let names: Vec<&str> = servers.iter().map(|server| server.name).collect();
        assert_eq!(names, ["a:1", "b:1", "c"], "{release}");
        let phases: Vec<Phase> = servers.iter().map(|server| server.phase).collect();
        assert_eq!(
            phases,
            [Phase::Listed, Phase::Draining, Phase::Listed],
            "{release}"
        );
        assert_eq!(
            (list.error(), list.read()),
            ("deadline", UnixMillis(NOW.0 + 30_000))
        );
    }
}
