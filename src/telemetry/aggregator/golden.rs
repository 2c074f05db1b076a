//! Checks batches of isolates, and stored figures, against those of earlier releases.

use super::tests::{NOW, batch, requests};
use super::*;
use crate::golden;

#[test]
fn golden_batches_are_written_and_added_up() {
    let written: Value = serde_json::from_str(&batch(10).command("a", 1)).unwrap();
    golden::check_written("telemetry-batch.json", &written);
    let mut kept = Collection::default();
    let answer = kept.apply(&written.to_string(), NOW).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    golden::check_written("telemetry-answer.json", &answer);
    let texts = kept.take_unkept().into_iter();
    let texts = texts.map(|(owner, text)| (owner, serde_json::from_str(&text).unwrap()));
    golden::check_written("telemetry-kept.json", &Value::Object(texts.collect()));
    for (release, batch) in golden::of_releases("telemetry-batch.json") {
        let mut collection = Collection::default();
        collection.apply(&batch.to_string(), NOW).unwrap();
        assert_eq!(requests(&collection), 11, "{release}");
        let mut restored = Collection::default();
        let kept = golden::of("telemetry-kept.json", &release);
        for text in kept.as_object().unwrap().values() {
            restored.restore(&text.to_string());
        }
        assert_eq!(restored.series, collection.series, "{release}");
    }
}

/// A batch of a later release may hold an unknown metric; the others count.
#[test]
fn additions_of_a_later_release_are_ignored() {
    let mut later: Value = serde_json::from_str(&batch(10).command("a", 1)).unwrap();
    let counters = later["series"][0].as_array_mut().unwrap();
    counters.push(json!(["vestibule_new_total", "acme", 1]));
    let gauges = later["gauges"].as_array_mut().unwrap();
    gauges.push(json!(["vestibule_new", "acme", 1]));
    later["new"] = json!(1);
    let mut collection = Collection::default();
    collection.apply(&later.to_string(), NOW).unwrap();
    assert_eq!(requests(&collection), 11);
}
