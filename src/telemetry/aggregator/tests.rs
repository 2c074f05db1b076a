use serde_json::{Value, json};

use super::*;
use crate::telemetry::batch::{Batch, RequestCount};
use crate::telemetry::histogram::Histogram;
use crate::telemetry::log::Level;
use crate::telemetry::metric::BOUNDS;

pub(super) const NOW: UnixMillis = UnixMillis(1_763_740_000_000);

fn later(ms: u64) -> UnixMillis {
    UnixMillis(NOW.0 + ms)
}

/// Adds requests of one kind. All have equal durations in the gateway and at the origin, given as bucket and sum.
fn add_requests(batch: &mut Batch, labels: &str, count: u64, durations: [(usize, u64); 2]) {
    let histograms = durations.map(|(bucket, sum_ms)| {
        let mut histogram = Histogram::default();
        (0..count).for_each(|_| histogram.observe(BOUNDS[bucket].into()));
        histogram.sum_ms = sum_ms;
        histogram
    });
    batch.add_requests(&RequestCount::with(labels, count, histograms).unwrap());
}

pub(super) fn batch(requests: u32) -> Batch {
    let mut batch = Batch::default();
    let acme = "acme\ta\t\thit\tactive\t\t_other\tGET\t200";
    add_requests(&mut batch, acme, requests.into(), [(0, 0), (1, 9)]);
    let globex = "globex\tb\t\tmiss\tactive\t\t_other\tGET\t503";
    add_requests(&mut batch, globex, 1, [(1, 2), (1, 9)]);
    batch.see_session("acme\tAAAAAAAAAAAAAAAAAAAAAA", 1.0);
    batch.count(metric::STORAGE, "kv_read\tok", 2);
    batch.set_gauge(metric::ORIGIN_IN_FLIGHT, "acme\ta".to_owned(), Milli::of(3));
    batch.show(json!({ "level": "warn", "tenant": "acme", "event": "x" }));
    batch
}

fn answer_to(collection: &mut Collection, command: Command, now: UnixMillis) -> Value {
    serde_json::from_str(&collection.apply(command, now)).unwrap()
}

fn of(tenant: &str) -> Query {
    Query {
        tenant: Some(tenant.to_owned()),
        ..Query::default()
    }
}

pub(super) fn requests(collection: &Collection) -> u64 {
    let all = collection.series.counters(metric::REQUESTS);
    all.map(|(_, by)| by).sum()
}

#[test]
fn batches_of_several_isolates_add_up_and_one_sent_twice_counts_once() {
    let mut collection = Collection::default();
    for (isolate, number) in [("a", 2), ("b", 1), ("a", 2), ("a", 1), ("a", 1)] {
        collection.apply(batch(10).into_command(isolate, number), NOW);
    }
    assert_eq!(requests(&collection), 33);
    let page = collection.page(&Query::default(), later(5));
    assert!(page.contains("\nvestibule_origin_in_flight{tenant=\"acme\",origin=\"a\"} 6\n"));
    assert!(page.contains("\nvestibule_telemetry_isolates 2\n"));
    assert!(page.contains("\nvestibule_sessions_active{tenant=\"acme\"} 1\n"));
    assert!(page.starts_with("# Scope: the whole deployment, as 2 isolates"));
    assert!(page.contains("the last batch came 5 ms ago"));
}

#[test]
fn tenant_sees_only_its_own_figures() {
    let mut collection = Collection::default();
    collection.apply(batch(10).into_command("a", 1), NOW);
    let page = collection.page(&of("acme"), NOW);
    assert!(page.contains("acme") && !page.contains("globex"));
    assert!(!page.contains("kv_read"));
    let shown = answer_to(&mut collection, Command::Overview(of("acme")), NOW);
    assert_eq!(shown["totals"]["requests"], 10);
    assert_eq!(shown["tenants"].as_array().unwrap().len(), 1);
    let lines = answer_to(&mut collection, Command::Lines(of("globex")), NOW);
    assert_eq!(lines["lines"], json!([]));
}

#[test]
fn overview_has_totals_and_their_growth() {
    let mut collection = Collection::default();
    for number in 1..=4 {
        collection.apply(batch(10).into_command("a", number), later(number * 5_000));
    }
    let shown = answer_to(
        &mut collection,
        Command::Overview(Query::default()),
        later(21_000),
    );
    assert_eq!(shown["totals"]["requests"], 44);
    assert_eq!(shown["totals"]["errors"], 4);
    assert_eq!(shown["totals"]["kv_reads"], 8);
    assert_eq!(shown["totals"]["cache_hits"], 40);
    assert_eq!(shown["statuses"], json!({ "200": 40, "503": 4 }));
    assert_eq!(shown["latency"]["origin"]["count"], 44);
    assert_eq!(shown["freshness_ms"], 1_000);
    let grew: Vec<_> = shown["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["requests"].as_u64().unwrap())
        .collect();
    assert_eq!(grew, [11, 22, 33, 44]);
}

#[test]
fn overview_has_requests_and_connections_of_each_origin() {
    let mut collection = Collection::default();
    for (number, isolate) in [(1, "a"), (1, "b")] {
        let mut batch = batch(10);
        for (labels, open) in [
            ("acme\ta\twebsocket", 2),
            ("acme\ta\tsse", 1),
            ("acme\tb\tpassed_through", 4),
            ("globex\ta\twebsocket", 9),
        ] {
            let open = Milli::of(open);
            batch.set_gauge(metric::ORIGIN_CONNECTIONS, labels.to_owned(), open);
        }
        collection.apply(batch.into_command(isolate, number), NOW);
    }
    let shown = answer_to(&mut collection, Command::Overview(of("acme")), NOW);
    let figures = |name: &str| {
        let mut origins = shown["origins"].as_array().unwrap().iter();
        let found = origins.find(|one| one["name"] == name).unwrap();
        ["requests", "sockets", "streams", "passed_through"]
            .map(|member| found[member].as_u64().unwrap())
    };
    assert_eq!(figures("a"), [20, 4, 2, 0]);
    assert_eq!(figures("b"), [0, 0, 0, 8]);
    assert_eq!(shown["totals"]["streams_active"], 6);
    let mut tenants = shown["origins"].as_array().unwrap().iter();
    assert!(tenants.all(|one| one["tenant"] == "acme"));
}

#[test]
fn overview_has_the_busiest_sessions_of_the_last_hour() {
    let mut collection = Collection::default();
    for (isolate, number, minutes) in [("a", 1, 0), ("b", 1, 10), ("b", 1, 10), ("a", 2, 50)] {
        let mut batch = batch(1);
        batch.see_session("acme\tAAAAAAAAAAAAAAAAAAAAAA\t101", 2.0);
        batch.see_session("globex\tBAAAAAAAAAAAAAAAAAAAAA", 4.0);
        collection.apply(batch.into_command(isolate, number), later(minutes * 60_000));
    }
    let mut busiest = |minutes: u64| {
        let query = Command::Overview(of("acme"));
        answer_to(&mut collection, query, later(minutes * 60_000))["busiest"].clone()
    };
    let acme = |requests: u64, sockets: u64| {
        json!([{
            "tenant": "acme",
            "handle": "AAAAAAAAAAAAAAAAAAAAAA",
            "requests": requests,
            "sockets": sockets,
        }])
    };
    assert_eq!(busiest(50), acme(9, 6));
    assert_eq!(busiest(80), acme(3, 2));
    assert_eq!(busiest(120), json!([]));
}

#[test]
fn only_new_batches_are_counted() {
    let mut collection = Collection::default();
    for number in [1, 2, 2, 1] {
        let command = batch(1).into_command("a", number);
        collection.apply(command, NOW);
    }
    for asks in [Command::Page, Command::Overview, Command::Lines] {
        collection.apply(asks(Query::default()), NOW);
    }
    assert_eq!(collection.batches(), 2);
}

#[test]
fn stored_state_is_restored() {
    let mut collection = Collection::default();
    collection.apply(batch(10).into_command("a", 1), NOW);
    let kept = collection.unkept();
    let owners: Vec<_> = kept.iter().map(|(owner, _)| owner.as_str()).collect();
    assert_eq!(owners, ["", "acme", "globex"]);
    collection.mark_kept();
    assert!(collection.unkept().is_empty());
    let mut next = Collection::default();
    for (_, text) in &kept {
        next.restore(text);
    }
    next.restore("rubbish");
    assert_eq!(next.series, collection.series);
}

/// Two settings of the bounds side by side, or one that changed: the object's own counts.
#[test]
fn histograms_have_the_objects_bounds_whatever_isolates_send() {
    let mut before = Collection::default();
    before.apply(batch(10).into_command("a", 1), NOW);
    let mut collection = Collection::within(Bounds::parse("0.003,0.3").unwrap());
    for (_, text) in &before.unkept() {
        collection.restore(text);
    }
    collection.apply(batch(10).into_command("a", 2), NOW);
    let page = collection.page(&Query::default(), NOW);
    let labels = "tenant=\"acme\",method=\"GET\",status=\"200\",route=\"_other\"";
    let own: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("http_server") && line.contains(labels))
        .map(|line| line.split_once("_seconds_").unwrap().1)
        .collect();
    let line = |part: &str, le: &str, value: &str| format!("{part}{{{labels}{le}}} {value}");
    // Those of at most 5 ms may have taken 4.
    assert_eq!(
        own,
        [
            line("bucket", ",le=\"0.003\"", "0"),
            line("bucket", ",le=\"0.3\"", "20"),
            line("bucket", ",le=\"+Inf\"", "20"),
            line("sum", "", "0.018"),
            line("count", "", "20"),
        ]
    );
    // The others keep theirs.
    assert!(page.contains(
        "http_request_duration_seconds_bucket{tenant=\"acme\",part=\"edge\",le=\"7.5\"} 20\n"
    ));
}

#[test]
fn memory_is_added_up_and_the_most_of_an_isolate_is_kept_apart() {
    let mut collection = Collection::default();
    for (isolate, bytes) in [("a", 65_536), ("b", 3 * 65_536)] {
        let mut batch = Batch::default();
        for name in [metric::WASM_MEMORY, metric::WASM_MEMORY_MAX] {
            batch.set_gauge(name, "core".to_owned(), Milli::of(bytes));
        }
        collection.apply(batch.into_command(isolate, 1), NOW);
    }
    let page = collection.page(&Query::default(), NOW);
    assert!(page.contains("\nvestibule_wasm_memory_bytes{module=\"core\"} 262144\n"));
    assert!(page.contains("\nvestibule_wasm_memory_max_bytes{module=\"core\"} 196608\n"));
    assert!(!collection.page(&of("acme"), NOW).contains("memory"));
}

#[test]
fn gauges_of_gone_isolates_expire_and_sessions_go_idle_after_five_minutes() {
    let mut collection = Collection::default();
    collection.apply(batch(10).into_command("a", 1), NOW);
    let gone = collection.gauges(later(GAUGES_COUNT_MS + 60_000));
    let idle: Vec<_> = gone.iter().filter(|(_, _, value)| value.0 > 0).collect();
    assert!(idle.is_empty(), "{idle:?}");
}

#[test]
fn log_lines_are_returned_once_from_the_cursor() {
    let mut collection = Collection::default();
    collection.apply(batch(10).into_command("a", 1), NOW);
    let command = |after: &Value| {
        Command::Lines(Query {
            after: after.as_u64().unwrap(),
            level: Level::Warn,
            ..Query::default()
        })
    };
    let first = answer_to(&mut collection, command(&json!(0)), NOW);
    assert_eq!(first["lines"].as_array().unwrap().len(), 1);
    let second = answer_to(&mut collection, command(&first["next"]), NOW);
    assert_eq!(second["lines"], json!([]));
    let answer = collection.apply(batch(1).into_command("a", 2), NOW);
    assert_eq!(answer, r#"{"watched":true}"#);
    for number in 3..1_500 {
        collection.apply(batch(1).into_command("a", number), NOW);
    }
    let third = answer_to(&mut collection, command(&second["next"]), NOW);
    assert_eq!(third["lines"].as_array().unwrap().len(), 200);
    assert_eq!(third["dropped"], 498);
    assert_eq!(third["lines"][0]["seq"], 500);
    let answer = collection.apply(batch(1).into_command("a", 1_500), later(20_000));
    assert_eq!(answer, r#"{"watched":false}"#);
}

#[test]
fn malformed_command_is_refused() {
    for bad in ["", "{}", r#"{"do":"x"}"#, r#"{"do":"add","isolate":"a"}"#] {
        assert!(Command::parse(bad).is_err(), "{bad}");
    }
}
