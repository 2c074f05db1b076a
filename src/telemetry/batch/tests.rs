use serde_json::json;

use super::*;

#[test]
fn merged_batches_add_up() {
    let mut batch = Batch::default();
    batch.count(metric::EVENTS, "\tkv_write_failed", 1);
    batch.observe(metric::STORAGE_DURATION, "kv_write", 7);
    batch.set_gauge(metric::ISOLATES, String::new(), Milli::of(1));
    batch.see_session("acme\tAAAAAAAAAAAAAAAAAAAAAA", 1.0);
    let mut other = Batch::default();
    other.count(metric::EVENTS, "\tkv_write_failed", 2);
    other.observe(metric::STORAGE_DURATION, "kv_write", 5);
    other.set_gauge(metric::ISOLATES, String::new(), Milli::of(2));
    other.see_session("acme\tBAAAAAAAAAAAAAAAAAAAAA", 1.0);
    for _ in 0..=MAX_LINES {
        other.show(json!({ "level": "warn" }));
    }
    batch.merge(other);
    let mut counted = batch.series.counters(metric::EVENTS);
    assert_eq!(counted.next(), Some(("\tkv_write_failed", 3)));
    let mut durations = batch.series.histograms(metric::STORAGE_DURATION);
    let (_, duration) = durations.next().unwrap();
    assert_eq!(
        (duration.sum_ms, duration.counts()[1], duration.counts()[2]),
        (12, 1, 1)
    );
    assert_eq!(
        batch.gauges,
        [(metric::ISOLATES, String::new(), Milli::of(2))]
    );
    assert_eq!(batch.seen.get("acme").unwrap().count(), 2);
    assert_eq!(batch.lines.len(), MAX_LINES);
    let mut dropped = batch.series.counters(metric::LINES_DROPPED);
    assert_eq!(dropped.next(), Some(("", 1)));
}

#[test]
fn data_planes_counts_become_series() {
    let mut batch = Batch::default();
    for (labels, durations) in [
        (
            "acme\ta\tv2\thit\tactive\t\t/items/{id}\tGET\t200",
            &[0.0, 10.0, 10.0, 0.0, 12.0, 6.0, 4.0, 8.0, 4.0] as &[f64],
        ),
        (
            "acme\t\t\tforged\t\tno-session\t_other\tGET\t401",
            &[0.0, -1.0, -1.0, 0.0, -1.0, -1.0],
        ),
        (
            "acme\ta\t\tnone\tnew\t\t_other\tPOST\t299",
            &[0.0, 4.0, 4.0],
        ),
    ] {
        batch.add_requests(&RequestCount::read(labels, durations, &Bounds::default()).unwrap());
    }
    for handle in [
        "AAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAA",
        "BAAAAAAAAAAAAAAAAAAAAA",
    ] {
        batch.see_session(&format!("acme\t{handle}"), 1.0);
    }
    batch.add_number("vestibule_storage_operations_total\tkv_read\tok", 4.0);
    batch.add_number("vestibule_writes_lost_total", 2.0);
    let connections = |origin, kind| [metric::ORIGIN_CONNECTIONS, "acme", origin, kind].join("\t");
    batch.add_number(&connections("a", "sse"), 3.0);
    batch.add_number(&connections("a", "sse"), 2.0);
    batch.add_number(&connections("b", "sse"), 4.0);
    batch.add_number(&connections("b", "passed_through"), 9.0);
    batch.show_line("{\"level\":\"info\"}");
    batch.set_gauge(metric::ISOLATES, String::new(), Milli::of(1));
    let series = &batch.series;
    let counted = |name: &str| series.counters(name).collect::<Vec<_>>();
    assert_eq!(
        counted(metric::REQUESTS),
        [
            ("acme\tGET\t200", 3),
            ("acme\tGET\t401", 2),
            ("acme\tPOST\t2xx", 1)
        ]
    );
    assert_eq!(
        counted(metric::ORIGIN_REQUESTS),
        [("acme\ta\t\t2xx", 1), ("acme\ta\tv2\t2xx", 3)]
    );
    assert_eq!(counted(metric::REFUSED), [("acme\tno-session", 2)]);
    assert_eq!(counted(metric::SESSIONS_CREATED), [("acme\tguest", 1)]);
    assert_eq!(counted(metric::STORAGE), [("kv_read\tok", 4)]);
    assert_eq!(counted(metric::WRITES_LOST), [("", 2)]);
    let durations: Vec<_> = series.histograms(metric::DURATION).collect();
    assert_eq!(
        durations
            .iter()
            .map(|(labels, one)| (*labels, one.count(), one.sum_ms))
            .collect::<Vec<_>>(),
        [("acme\tedge", 6, 4), ("acme\torigin", 4, 34)]
    );
    let whole: Vec<_> = series.histograms(metric::SERVER_DURATION).collect();
    assert_eq!(
        whole
            .iter()
            .map(|(labels, one)| (*labels, one.count(), one.sum_ms, one.bounds().len()))
            .collect::<Vec<_>>(),
        [
            ("acme\tGET\t200\t/items/{id}", 3, 34, 11),
            ("acme\tGET\t401\t_other", 2, 0, 11),
            ("acme\tPOST\t2xx\t_other", 1, 4, 11),
        ]
    );
    assert_eq!(batch.seen.get("acme").unwrap().count(), 2);
    let command = batch.into_command("ab", 7).to_text();
    let command: Value = serde_json::from_str(&command).unwrap();
    assert_eq!(command["number"], 7);
    assert_eq!(
        command["gauges"],
        json!([
            [metric::ORIGIN_CONNECTIONS, "acme\ta\tsse", 2_000],
            [metric::ORIGIN_CONNECTIONS, "acme\tb\tsse", 4_000],
            [metric::ORIGIN_CONNECTIONS, "acme\tb\tpassed_through", 9_000],
            [metric::ISOLATES, "", 1_000],
            [metric::STREAMS_ACTIVE, "acme\tsse", 6_000],
        ])
    );
    assert_eq!(command["lines"], json!([{ "level": "info" }]));
}

#[test]
fn batch_has_the_busiest_sessions_with_requests_and_sockets() {
    let session = |name: &str| format!("acme\t{name}AAAAAAAAAAAAAAAAAAAAA");
    let mut batch = Batch::default();
    batch.see_session(&session("B"), 7.0);
    for one in 0..100 {
        let other = format!("globex\t{one:0>22}");
        batch.see_session(&other, 1.0);
    }
    let mut other = Batch::default();
    other.see_session(&format!("{}\t101", session("B")), 2.0);
    other.see_session(&format!("{}\t101", session("A")), 1.0);
    batch.merge(other);
    let Command::Add(delivery) = batch.into_command("a", 1) else {
        panic!("a batch");
    };
    let (own, others) = delivery.busiest.split_at(2);
    assert_eq!(own, [(session("A"), 1, 1), (session("B"), 9, 2)]);
    assert_eq!(others.len(), MAX_SESSIONS.tenant);
    assert_eq!(delivery.seen["globex"].len(), 1);
}

#[test]
fn unknown_counts_are_left_out() {
    let bounds = Bounds::default();
    assert!(RequestCount::read("a\tb\tc\td\te\tf\tg\th", &[0.0; 3], &bounds).is_none());
    assert!(RequestCount::read("a\tb\tc\td\te\tf\tg\th\ti", &[0.0; 4], &bounds).is_none());
    let mut batch = Batch::default();
    batch.add_number("vestibule_unheard_of_total", 1.0);
    batch.add_number("vestibule_storage_operations_total\tkv_read", 1.0);
    batch.add_number(metric::STREAMS_ACTIVE, 1.0);
    batch.add_number("vestibule_http_request_duration_seconds\tacme\tedge", 1.0);
    batch.see_session("acme", 1.0);
    batch.see_session("acme\tshort", 1.0);
    batch.see_session("acme\t101", 1.0);
    batch.show_line("rubbish");
    assert_eq!(batch, Batch::default());
}

#[test]
fn request_counts_are_data_points() {
    let counted = RequestCount::read(
        "acme\ta\tv2\thit\tactive\t\t/\tGET\t200",
        &[0.0; 9],
        &Bounds::default(),
    );
    let point = counted.unwrap().point();
    assert_eq!(point, (["acme", "GET", "200", "a"], 3));
}
