//! Builds a batch: what an isolate reports every few seconds, from the data plane's counts and the core's.

use serde_json::Value;

use super::gauge::{Gauge, Milli};
use super::kmv_sketch::KmvSketch;
use super::message::{Command, Delivery};
use super::metric::{self, Kind, Metric};
use super::series::{Histogram, SEPARATOR, Series};
use crate::encoding;
use crate::flat_map::FlatMap;

/// So many lines of one batch are shown.
const MAX_LINES: usize = 400;

/// What an isolate counted since its last batch.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Batch {
    series: Series,
    gauges: Vec<Gauge>,
    seen: FlatMap<String, KmvSketch>,
    lines: Vec<Value>,
}

/// Answered requests of one kind.
#[derive(Debug)]
pub(crate) struct RequestCount<'a> {
    /// The labels of [`RequestLabels`](super::labels::RequestLabels), and the status.
    labels: [&'a str; 8],
    count: u64,
    /// Time in the gateway, at origins, and at the origin that answered.
    edge: Histogram,
    origin: Histogram,
    answer: Histogram,
}

impl<'a> RequestCount<'a> {
    /// Reads what the data plane counted: labels apart by tabs, and three durations of each request in milliseconds,
    /// negative for what there was not.
    #[must_use]
    pub(crate) fn read(labels: &'a str, durations: &[f64]) -> Option<Self> {
        let mut values = labels.split(SEPARATOR);
        let labels: [Option<&str>; 8] = core::array::from_fn(|_| values.next());
        labels.last()?.as_ref()?;
        let mut counted = Self {
            labels: labels.map(Option::unwrap_or_default),
            count: 0,
            edge: Histogram::default(),
            origin: Histogram::default(),
            answer: Histogram::default(),
        };
        let requests = durations.chunks_exact(3);
        if !requests.remainder().is_empty() {
            return None;
        }
        for request in requests {
            counted.count += 1;
            let histograms = [&mut counted.edge, &mut counted.origin, &mut counted.answer];
            for (histogram, ms) in histograms.into_iter().zip(request) {
                if *ms >= 0.0 {
                    histogram.observe(whole(*ms));
                }
            }
        }
        Some(counted)
    }

    /// Makes up requests, given how their time in the gateway and at the origin is distributed.
    #[cfg(test)]
    pub(super) fn with(
        labels: &'a str,
        count: u64,
        [edge, origin]: [Histogram; 2],
    ) -> Option<Self> {
        let answer = origin.clone();
        Some(Self {
            count,
            edge,
            origin,
            answer,
            ..Self::read(labels, &[])?
        })
    }

    /// Returns tenant, method, status and origin, and how many there were: a data point.
    #[must_use]
    pub(crate) fn point(&self) -> ([&'a str; 4], u64) {
        let [tenant, origin, .., method, status] = self.labels;
        ([tenant, method, status, origin], self.count)
    }
}

impl Batch {
    /// Adds answered requests.
    pub(crate) fn add_requests(&mut self, counted: &RequestCount<'_>) {
        let [
            tenant,
            origin,
            release,
            lookup,
            state,
            reason,
            method,
            status,
        ] = counted.labels;
        let count = counted.count;
        let series = &mut self.series;
        let of = |labels: &[&str]| [&[tenant], labels].concat().join("\t");
        series.count(
            metric::REQUESTS,
            &of(&[method, status_label(status)]),
            count,
        );
        series.spread(metric::DURATION, &of(&["edge"]), &counted.edge);
        series.spread(metric::DURATION, &of(&["origin"]), &counted.origin);
        series.count(metric::LOOKUPS, &of(&[lookup]), count);
        match (lookup, state) {
            ("stale", _) => series.count(metric::STALE_READS, tenant, count),
            (_, "new") => series.count(metric::SESSIONS_CREATED, &of(&["guest"]), count),
            (_, "degraded") => series.count(metric::DEGRADED, tenant, count),
            _ => {}
        }
        if !reason.is_empty() {
            series.count(metric::REFUSED, &of(&[reason]), count);
        }
        let answers = counted.answer.count();
        if answers > 0 {
            let class = match status {
                "101" => status,
                _ => class(status),
            };
            let labels = of(&[origin, release, class]);
            series.count(metric::ORIGIN_REQUESTS, &labels, answers);
            series.spread(
                metric::ORIGIN_DURATION,
                &of(&[origin, release]),
                &counted.answer,
            );
        }
    }

    /// Takes note of a session in use: its tenant and handle, apart by a tab.
    pub(crate) fn see_session(&mut self, session: &str) {
        if let Some((tenant, hash)) = session_hash(session) {
            self.seen.or_default(tenant.to_owned()).see(hash);
        }
    }

    /// Adds to a counter, or sets a gauge, that the data plane names: metric and labels, apart by tabs. An unknown one
    /// would be a fault of ours, and is left out.
    pub(crate) fn add_number(&mut self, series: &str, number: f64) {
        let (name, labels) = series.split_once(SEPARATOR).unwrap_or((series, ""));
        let values = match labels {
            "" => 0,
            labels => labels.split(SEPARATOR).count(),
        };
        match Metric::named(name).filter(|metric| metric.labels.len() == values) {
            Some(Metric {
                kind: Kind::Counter,
                name,
                ..
            }) => {
                self.series.count(name, labels, whole(number));
            }
            Some(Metric {
                kind: Kind::Gauge,
                name,
                ..
            }) => {
                self.tell(name, labels.to_owned(), Milli::of(whole(number)));
            }
            _ => {}
        }
    }

    /// Takes a line of JSON along for the console.
    pub(crate) fn show_line(&mut self, line: &str) {
        if let Ok(line) = serde_json::from_str(line) {
            self.show(line);
        }
    }

    /// Adds to a counter; the values of its labels are apart by [`SEPARATOR`].
    pub(crate) fn count(&mut self, name: &'static str, labels: &str, by: u64) {
        self.series.count(name, labels, by);
    }

    /// Adds a duration to a histogram, in milliseconds.
    pub(crate) fn observe(&mut self, name: &'static str, labels: &str, ms: u64) {
        let mut one = Histogram::default();
        one.observe(ms);
        self.series.spread(name, labels, &one);
    }

    /// Adds everything in another batch; what it says is so now takes the place of what was so.
    pub(crate) fn merge(&mut self, other: Self) {
        self.series.merge(&other.series);
        for (name, labels, value) in other.gauges {
            self.tell(name, labels, value);
        }
        for (tenant, seen) in other.seen.into_entries() {
            self.seen.or_default(tenant).merge(&seen);
        }
        for line in other.lines {
            self.show(line);
        }
    }

    /// Adds what the core counted.
    pub(crate) fn add(&mut self, series: &Series) {
        self.series.merge(series);
    }

    /// Takes a line along for the console, unless there are too many.
    pub(crate) fn show(&mut self, line: Value) {
        if self.lines.len() < MAX_LINES {
            self.lines.push(line);
        } else {
            self.series.count(metric::LINES_DROPPED, "", 1);
        }
    }

    /// Adds what is so now.
    pub(crate) fn tell(&mut self, name: &'static str, labels: String, value: Milli) {
        // What is so now takes the place of what was so when less had been counted.
        self.gauges
            .retain(|(other, own, _)| *other != name || *own != labels);
        self.gauges.push((name, labels, value));
    }

    /// Returns the command that hands it over: the `number`th of `isolate`.
    #[must_use]
    pub(crate) fn into_command(self, isolate: &str, number: u64) -> Command {
        let seen = self.seen.into_entries().into_iter();
        Command::Add(Delivery {
            gauges: self.gauges,
            isolate: isolate.to_owned(),
            lines: self.lines,
            number,
            seen: seen
                .map(|(tenant, seen)| (tenant, seen.hashes().collect()))
                .collect(),
            series: self.series,
        })
    }
}

/// The tenant of a session, and a hash of it.
fn session_hash(session: &str) -> Option<(&str, u32)> {
    let (tenant, handle) = session.split_once(SEPARATOR)?;
    // A handle is a hash already; six letters of base64url hold more than is needed of it.
    let start = encoding::from_base64url(handle.get(..8)?)?;
    Some((tenant, u32::from_be_bytes(start.get(..4)?.try_into().ok()?)))
}

/// A number of the data plane's: it counts in whole ones.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// A status as a label: a server may make up as many as there are numbers.
fn status_label(status: &str) -> &str {
    let is_known = status.parse().is_ok_and(|status: u16| {
        matches!(
            status,
            100..=103 | 200..=208 | 226 | 300..=308 | 400..=418 | 421..=431 | 451 | 499 | 500..=511 | 520..=530
        )
    });
    if is_known { status } else { class(status) }
}

fn class(status: &str) -> &'static str {
    match status.as_bytes().first() {
        Some(b'1') => "1xx",
        Some(b'2') => "2xx",
        Some(b'3') => "3xx",
        Some(b'4') => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merged_batches_add_up() {
        let mut batch = Batch::default();
        batch.count(metric::EVENTS, "\tkv_write_failed", 1);
        batch.observe(metric::STORAGE_DURATION, "kv_write", 7);
        batch.tell(metric::ISOLATES, String::new(), Milli::of(1));
        batch.see_session("acme\tAAAAAAAAAAAAAAAAAAAAAA");
        let mut other = Batch::default();
        other.count(metric::EVENTS, "\tkv_write_failed", 2);
        other.observe(metric::STORAGE_DURATION, "kv_write", 5);
        other.tell(metric::ISOLATES, String::new(), Milli::of(2));
        other.see_session("acme\tBAAAAAAAAAAAAAAAAAAAAA");
        for _ in 0..=MAX_LINES {
            other.show(json!({ "level": "warn" }));
        }
        batch.merge(other);
        let mut counted = batch.series.counters(metric::EVENTS);
        assert_eq!(counted.next(), Some(("\tkv_write_failed", 3)));
        let mut durations = batch.series.histograms(metric::STORAGE_DURATION);
        let (_, duration) = durations.next().unwrap();
        assert_eq!(
            (duration.sum_ms, duration.counts[1], duration.counts[2]),
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
                "acme\ta\tv2\thit\tactive\t\tGET\t200",
                &[0.0, 10.0, 10.0, 0.0, 12.0, 6.0, 4.0, 8.0, 4.0] as &[f64],
            ),
            (
                "acme\t\t\tforged\t\tno-session\tGET\t401",
                &[0.0, -1.0, -1.0, 0.0, -1.0, -1.0],
            ),
            ("acme\ta\t\tnone\tnew\t\tPOST\t299", &[0.0, 4.0, 4.0]),
        ] {
            batch.add_requests(&RequestCount::read(labels, durations).unwrap());
        }
        for handle in [
            "AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "BAAAAAAAAAAAAAAAAAAAAA",
        ] {
            batch.see_session(&format!("acme\t{handle}"));
        }
        batch.add_number("vestibule_storage_operations_total\tkv_read\tok", 4.0);
        batch.add_number("vestibule_writes_lost_total", 2.0);
        batch.add_number("vestibule_streams_active\tacme\tsse", 3.0);
        batch.add_number("vestibule_streams_active\tacme\tsse", 2.0);
        batch.show_line("{\"level\":\"info\"}");
        batch.tell(metric::ISOLATES, String::new(), Milli::of(1));
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
        assert_eq!(batch.seen.get("acme").unwrap().count(), 2);
        let command: Value = serde_json::to_value(batch.into_command("ab", 7)).unwrap();
        assert_eq!(command["number"], 7);
        assert_eq!(command["gauges"].as_array().unwrap().len(), 2);
        assert_eq!(
            command["gauges"][0],
            json!([metric::STREAMS_ACTIVE, "acme\tsse", 2_000])
        );
        assert_eq!(command["lines"], json!([{ "level": "info" }]));
    }

    #[test]
    fn unknown_counts_are_left_out() {
        assert!(RequestCount::read("acme\ta\tv2", &[0.0; 3]).is_none());
        assert!(RequestCount::read("a\tb\tc\td\te\tf\tg\th", &[0.0; 4]).is_none());
        let mut batch = Batch::default();
        batch.add_number("vestibule_unheard_of_total", 1.0);
        batch.add_number("vestibule_storage_operations_total\tkv_read", 1.0);
        batch.add_number(metric::STREAMS_ACTIVE, 1.0);
        batch.add_number("vestibule_http_request_duration_seconds\tacme\tedge", 1.0);
        batch.see_session("acme");
        batch.see_session("acme\tshort");
        batch.show_line("rubbish");
        assert_eq!(batch, Batch::default());
    }

    #[test]
    fn request_counts_are_data_points() {
        let counted = RequestCount::read("acme\ta\tv2\thit\tactive\t\tGET\t200", &[0.0; 9]);
        let point = counted.unwrap().point();
        assert_eq!(point, (["acme", "GET", "200", "a"], 3));
    }
}
