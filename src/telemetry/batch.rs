//! What an isolate tells of itself every few seconds: what its edge counted, what its core did.

use serde_json::{Value, json};

use super::distinct::Distinct;
use super::gauge::{Gauge, Thousandths};
use super::metric::{self, BUCKETS, Kind, Metric};
use super::series::{Histogram, SEPARATOR, Series};
use crate::encoding;
use crate::flat_map::FlatMap;

/// So many lines of one batch are shown.
const MOST_LINES: usize = 400;

/// What the edge counted since the last batch, a line each; the first field says what of:
///
/// * `r`, the labels of [`Facts`](super::facts::Facts), status, number, milliseconds in the gateway, at origins, and at the
///   one that answered, and how many requests fell into each bucket of these, apart by commas
/// * `s`, tenant, handle: a session in use
/// * `c`, metric, values of its labels, number
/// * `h`, metric, values of its labels, milliseconds, buckets
/// * `g`, metric, values of its labels, number
/// * `l` and a log line
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    series: Series,
    gauges: Vec<Gauge>,
    seen: FlatMap<String, Distinct>,
    lines: Vec<Value>,
}

impl Batch {
    /// Takes in what the edge counted. What cannot be read is left out: it would be a fault of ours.
    pub fn take_in(&mut self, counted: &str) {
        let batch = self;
        for line in counted.lines() {
            let Some((letter, rest)) = line.split_once(SEPARATOR) else {
                continue;
            };
            let _: Option<()> = match letter {
                "r" => batch.requests(rest),
                "s" => batch.session(rest),
                "c" => batch.counter(rest),
                "h" => batch.histogram(rest),
                "g" => batch.gauge(rest),
                "l" => serde_json::from_str(rest).ok().map(|line| batch.show(line)),
                _ => None,
            };
        }
    }

    /// Adds to a counter; the values of its labels are apart by [`SEPARATOR`].
    pub fn count(&mut self, name: &'static str, labels: &str, by: u64) {
        self.series.count(name, labels, by);
    }

    /// Adds a duration to a histogram, in milliseconds.
    pub fn observe(&mut self, name: &'static str, labels: &str, ms: u64) {
        let mut one = Histogram::default();
        one.observe(ms);
        self.series.spread(name, labels, &one);
    }

    /// Adds everything in another batch; what it says is so now takes the place of what was so.
    pub fn merge(&mut self, other: Self) {
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
    pub fn add(&mut self, series: &Series) {
        self.series.merge(series);
    }

    /// Takes a line along for the console, unless there are too many.
    pub fn show(&mut self, line: Value) {
        if self.lines.len() < MOST_LINES {
            self.lines.push(line);
        } else {
            self.series.count(metric::LINES_DROPPED, "", 1);
        }
    }

    /// Adds what is so now.
    pub fn tell(&mut self, name: &'static str, labels: String, value: Thousandths) {
        // What is so now takes the place of what was so when less had been counted.
        self.gauges
            .retain(|(other, own, _)| *other != name || *own != labels);
        self.gauges.push((name, labels, value));
    }

    /// The command that hands it over: the `number`th of `isolate`.
    #[must_use]
    pub fn command(&self, isolate: &str, number: u64) -> String {
        let seen = self.seen.iter();
        let seen = seen.map(|(tenant, seen)| (tenant.as_str(), seen.hashes().collect()));
        let seen = encoding::object(seen);
        let gauges: Vec<Value> = self
            .gauges
            .iter()
            .map(|(name, labels, value)| json!([name, labels, value.0]))
            .collect();
        json!({
            "do": "add",
            "isolate": isolate,
            "number": number,
            "series": self.series.to_json(),
            "gauges": gauges,
            "seen": seen,
            "lines": self.lines,
        })
        .to_string()
    }

    fn requests(&mut self, fields: &str) -> Option<()> {
        let mut fields = fields.split(SEPARATOR);
        let [
            tenant,
            origin,
            release,
            lookup,
            state,
            reason,
            method,
            status,
        ] = core::array::from_fn(|_| fields.next());
        let (tenant, origin, release) = (tenant?, origin?, release?);
        let status = status?;
        let count = fields.next()?.parse().ok()?;
        let edge_ms = fields.next()?.parse().ok()?;
        let origin_ms = fields.next()?.parse().ok()?;
        let own_ms = fields.next()?.parse().ok()?;
        let edge = spread(fields.next()?, edge_ms)?;
        let waited = spread(fields.next()?, origin_ms)?;
        let answered = spread(fields.next()?, own_ms)?;
        let series = &mut self.series;
        let of = |labels: &[&str]| [&[tenant], labels].concat().join("\t");
        series.count(
            metric::REQUESTS,
            &of(&[method?, status_label(status)]),
            count,
        );
        series.spread(metric::DURATION, &of(&["edge"]), &edge);
        series.spread(metric::DURATION, &of(&["origin"]), &waited);
        series.count(metric::LOOKUPS, &of(&[lookup?]), count);
        match (lookup?, state?) {
            ("stale", _) => series.count(metric::STALE_READS, tenant, count),
            (_, "new") => series.count(metric::SESSIONS_CREATED, &of(&["guest"]), count),
            (_, "degraded") => series.count(metric::DEGRADED, tenant, count),
            _ => {}
        }
        if !reason?.is_empty() {
            series.count(metric::REFUSED, &of(&[reason?]), count);
        }
        let answers = answered.count();
        if answers > 0 {
            let class = match status {
                "101" => status,
                _ => class(status),
            };
            series.count(
                metric::ORIGIN_REQUESTS,
                &of(&[origin, release, class]),
                answers,
            );
            series.spread(metric::ORIGIN_DURATION, &of(&[origin, release]), &answered);
        }
        Some(())
    }

    fn session(&mut self, fields: &str) -> Option<()> {
        let (tenant, handle) = fields.split_once(SEPARATOR)?;
        // A handle is a hash already; six letters of base64url hold more than is needed of it.
        let start = encoding::from_base64url(handle.get(..8)?)?;
        let hash = u32::from_be_bytes(start.get(..4)?.try_into().ok()?);
        self.seen.or_default(tenant.to_owned()).see(hash);
        Some(())
    }

    fn counter(&mut self, fields: &str) -> Option<()> {
        let (metric, labels, mut values) = named(fields, Kind::Counter, 1)?;
        self.series
            .count(metric.name, &labels, values.next()?.parse().ok()?);
        Some(())
    }

    fn histogram(&mut self, fields: &str) -> Option<()> {
        let (metric, labels, mut values) = named(fields, Kind::Histogram, 2)?;
        let ms = values.next()?.parse().ok()?;
        let histogram = spread(values.next()?, ms)?;
        self.series.spread(metric.name, &labels, &histogram);
        Some(())
    }

    fn gauge(&mut self, fields: &str) -> Option<()> {
        let (metric, labels, mut values) = named(fields, Kind::Gauge, 1)?;
        let value = Thousandths::of(values.next()?.parse().ok()?);
        self.tell(metric.name, labels, value);
        Some(())
    }
}

/// The metric, its labels, and what follows them.
fn named(
    fields: &str,
    kind: Kind,
    values: usize,
) -> Option<(&'static Metric, String, impl Iterator<Item = &str>)> {
    let mut fields = fields.split(SEPARATOR);
    let metric = Metric::named(fields.next()?).filter(|metric| metric.kind == kind)?;
    let labels: Vec<&str> = fields.by_ref().take(metric.labels.len()).collect();
    (labels.len() == metric.labels.len()).then_some(())?;
    Some((metric, labels.join("\t"), fields.take(values)))
}

fn spread(counts: &str, sum_ms: u64) -> Option<Histogram> {
    let mut histogram = Histogram {
        counts: [0; BUCKETS],
        sum_ms,
    };
    // No text at all stands for nothing.
    for (own, count) in histogram.counts.iter_mut().zip(counts.split(',')) {
        if !count.is_empty() {
            *own = count.parse().ok()?;
        }
    }
    Some(histogram)
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
    use super::*;

    #[test]
    fn merged_batches_add_up() {
        let mut batch = Batch::default();
        batch.count(metric::EVENTS, "\tkv_write_failed", 1);
        batch.observe(metric::STORAGE_DURATION, "kv_write", 7);
        batch.tell(metric::ISOLATES, String::new(), Thousandths::of(1));
        batch.take_in("s\tacme\tAAAAAAAAAAAAAAAAAAAAAA");
        let mut other = Batch::default();
        other.count(metric::EVENTS, "\tkv_write_failed", 2);
        other.observe(metric::STORAGE_DURATION, "kv_write", 5);
        other.tell(metric::ISOLATES, String::new(), Thousandths::of(2));
        other.take_in("s\tacme\tBAAAAAAAAAAAAAAAAAAAAA");
        for _ in 0..=MOST_LINES {
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
            [(metric::ISOLATES, String::new(), Thousandths::of(2))]
        );
        assert_eq!(batch.seen.get("acme").unwrap().count(), 2);
        assert_eq!(batch.lines.len(), MOST_LINES);
        let mut dropped = batch.series.counters(metric::LINES_DROPPED);
        assert_eq!(dropped.next(), Some(("", 1)));
    }

    #[test]
    fn what_the_edge_counted_becomes_series() {
        let mut batch = Batch::default();
        batch.take_in(concat!(
            "r\tacme\ta\tv2\thit\tactive\t\tGET\t200\t3\t1\t30\t20\t2,1\t0,0,1,2\t0,0,2,1\n",
            "r\tacme\t\t\tforged\t\tno-session\tGET\t401\t2\t0\t0\t0\t2\t\t\n",
            "r\tacme\ta\t\tnone\tnew\t\tPOST\t299\t1\t0\t4\t4\t1\t0,1\t0,1\n",
            "s\tacme\tAAAAAAAAAAAAAAAAAAAAAA\n",
            "s\tacme\tAAAAAAAAAAAAAAAAAAAAAA\n",
            "s\tacme\tBAAAAAAAAAAAAAAAAAAAAA\n",
            "c\tvestibule_storage_operations_total\tkv_read\tok\t4\n",
            "h\tvestibule_storage_operation_duration_seconds\tkv_read\t12\t0,4\n",
            "g\tvestibule_streams_active\tacme\tsse\t3\n",
            "g\tvestibule_streams_active\tacme\tsse\t2\n",
            "l\t{\"level\":\"info\"}\n",
            "x\trubbish\nr\trubbish\nc\tvestibule_storage_operations_total\tkv_read\n",
        ));
        batch.tell(metric::ISOLATES, String::new(), Thousandths::of(1));
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
        let durations: Vec<_> = series.histograms(metric::DURATION).collect();
        assert_eq!(
            durations
                .iter()
                .map(|(labels, one)| (*labels, one.count()))
                .collect::<Vec<_>>(),
            [("acme\tedge", 6), ("acme\torigin", 4)]
        );
        assert_eq!(batch.seen.get("acme").unwrap().count(), 2);
        let command: Value = serde_json::from_str(&batch.command("ab", 7)).unwrap();
        assert_eq!(command["number"], 7);
        assert_eq!(command["gauges"].as_array().unwrap().len(), 2);
        assert_eq!(
            command["gauges"][0],
            json!([metric::STREAMS_ACTIVE, "acme\tsse", 2_000])
        );
        assert_eq!(command["lines"], json!([{ "level": "info" }]));
    }
}
