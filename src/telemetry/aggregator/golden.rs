//! Checks the messages of the telemetry object, and stored figures, against those of earlier releases.

use serde_json::{Value, json};

use super::tests::{NOW, batch, requests};
use super::*;
use crate::golden;
use crate::telemetry::log::Level;

fn parse(command: &Value) -> Command {
    Command::parse(&command.to_string()).unwrap()
}

#[test]
fn golden_queries_are_written_and_understood() {
    let query = Query {
        after: 7,
        level: Level::Warn,
        scope: Scope::Isolate,
        tenant: Some("acme".to_owned()),
    };
    let commands = [
        ("page", Command::Page(Query::default())),
        ("page of a tenant", Command::Page(query.clone())),
        ("overview", Command::Overview(Query::default())),
        ("overview of a tenant", Command::Overview(query.clone())),
        ("lines", Command::Lines(Query::default())),
        ("lines of a tenant", Command::Lines(query)),
    ];
    golden::check(
        "telemetry-queries.json",
        &commands,
        |command| serde_json::from_str(&command.to_text()).unwrap(),
        |text| Command::parse(&text.to_string()).ok(),
    );
}

#[test]
fn golden_batches_are_written_and_added_up() {
    let command = batch(10).into_command("a", 1);
    let written: Value = serde_json::from_str(&command.to_text()).unwrap();
    golden::check_written("telemetry-batch.json", &written);
    assert_eq!(parse(&written), command);
    let mut kept = Collection::default();
    let answer: Value = serde_json::from_str(&kept.apply(command, NOW)).unwrap();
    golden::check_written("telemetry-answer.json", &answer);
    let texts = kept.unkept().into_iter();
    let texts = texts.map(|(owner, text)| (owner, serde_json::from_str(&text).unwrap()));
    golden::check_written("telemetry-kept.json", &Value::Object(texts.collect()));
    for (release, batch) in golden::of_releases("telemetry-batch.json") {
        let mut collection = Collection::default();
        collection.apply(parse(&batch), NOW);
        assert_eq!(requests(&collection), 11, "{release}");
        let mut restored = Collection::default();
        let kept = golden::of("telemetry-kept.json", &release);
        for text in kept.as_object().unwrap().values() {
            restored.restore(&text.to_string());
        }
        assert_eq!(restored.series, collection.series, "{release}");
    }
}

/// A batch of a later release may contain an unknown metric; the other metrics count.
#[test]
fn additions_of_a_later_release_are_ignored() {
    let command = batch(10).into_command("a", 1);
    let mut later: Value = serde_json::from_str(&command.to_text()).unwrap();
    let counters = later["series"][0].as_array_mut().unwrap();
    counters.push(json!(["vestibule_new_total", "acme", 1]));
    let histograms = later["series"][1].as_array_mut().unwrap();
    histograms.push(json!([
        "vestibule_new_duration_seconds",
        "acme",
        1,
        [1, 0],
        [5]
    ]));
    let gauges = later["gauges"].as_array_mut().unwrap();
    gauges.push(json!(["vestibule_new", "acme", 1]));
    later["new"] = json!(1);
    assert_eq!(parse(&later), command);
    let query = json!({ "do": "lines", "after": 1, "new": 1, "scope": "new" });
    let expected = Query {
        after: 1,
        ..Query::default()
    };
    assert_eq!(parse(&query), Command::Lines(expected));
}
