//! Builds the batch that an isolate reports every few seconds, from the counts of the data plane and the core.

use std::collections::BTreeMap;

use serde_json::Value;

use super::busiest::{Busiest, Limits, Uses};
use super::gauge::{Gauge, Milli};
use super::histogram::{Bounds, Histogram};
use super::kmv_sketch::KmvSketch;
use super::message::{Command, Delivery};
use super::metric::{self, Kind, Metric};
use super::series::{SEPARATOR, Series};
use crate::encoding;
use crate::flat_map::FlatMap;

/// Maximum log lines in one batch.
const MAX_LINES: usize = 400;

/// Maximum number of sessions in one batch whose requests are reported: of one tenant, and of all.
const MAX_SESSIONS: Limits = Limits {
    tenant: 20,
    all: 200,
};

/// Last part of a session's key if the requests opened WebSockets: their status.
const SOCKET: &str = "101";

/// Counts of an isolate since its last batch.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Batch {
    series: Series,
    gauges: Vec<Gauge>,
    seen: FlatMap<String, KmvSketch>,
    busiest: Busiest,
    lines: Vec<Value>,
}

/// Answered requests with equal labels.
#[derive(Debug)]
pub(crate) struct RequestCount<'a> {
    /// Labels of [`RequestLabels`](super::labels::RequestLabels), and the status.
    labels: [&'a str; 9],
    count: u64,
    /// Durations until the response headers.
    whole: Histogram,
    /// Durations in the gateway, at all tried origins, and at the origin that answered.
    edge: Histogram,
    origin: Histogram,
    answer: Histogram,
}

impl<'a> RequestCount<'a> {
    /// Parses the data plane's counts: labels separated by tabs, and three durations per request in milliseconds. A
    /// negative duration means none. `bounds` are the settable ones.
    #[must_use]
    pub(crate) fn read(labels: &'a str, durations: &[f64], bounds: &Bounds) -> Option<Self> {
        let mut values = labels.split(SEPARATOR);
        let labels: [Option<&str>; 9] = core::array::from_fn(|_| values.next());
        labels.last()?.as_ref()?;
        let mut counted = Self {
            labels: labels.map(Option::unwrap_or_default),
            count: 0,
            whole: Histogram::within(bounds.clone()),
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
            let parts = request.iter().take(2).filter(|ms| **ms >= 0.0);
            counted.whole.observe(whole(parts.sum()));
        }
        Some(counted)
    }

    /// Creates requests with given durations in the gateway and at the origin.
    #[cfg(test)]
    pub(super) fn with(
        labels: &'a str,
        count: u64,
        [edge, origin]: [Histogram; 2],
    ) -> Option<Self> {
        let answer = origin.clone();
        let mut whole = Histogram::within(Bounds::default());
        whole.merge(&origin);
        Some(Self {
            count,
            whole,
            edge,
            origin,
            answer,
            ..Self::read(labels, &[], &Bounds::default())?
        })
    }

    /// Returns a data point: tenant, method, status and origin, and the number of requests.
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
            route,
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
        let labels = of(&[method, status_label(status), route]);
        series.spread(metric::SERVER_DURATION, &labels, &counted.whole);
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

    /// Records requests of a session: its tenant and handle, and [`SOCKET`] for requests that opened WebSockets,
    /// separated by tabs.
    pub(crate) fn see_session(&mut self, key: &str, requests: f64) {
        let requests = whole(requests);
        let socket = key.strip_suffix(SOCKET);
        let (session, sockets) = match socket.and_then(|key| key.strip_suffix(SEPARATOR)) {
            Some(session) if session.contains(SEPARATOR) => (session, requests),
            _ => (key, 0),
        };
        if let Some((tenant, hash)) = session_hash(session) {
            self.seen.or_default(tenant.to_owned()).see(hash);
            let uses = Uses { requests, sockets };
            self.busiest.add(session, 0, uses, MAX_SESSIONS);
        }
    }

    /// Adds to a counter, or sets a gauge, of the data plane: metric and labels, separated by tabs. Ignores an unknown
    /// metric, which would be a bug.
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
                self.set_gauge(name, labels.to_owned(), Milli::of(whole(number)));
            }
            _ => {}
        }
    }

    /// Adds a JSON line for the console.
    pub(crate) fn show_line(&mut self, line: &str) {
        if let Ok(line) = serde_json::from_str(line) {
            self.show(line);
        }
    }

    /// Adds to a counter; [`SEPARATOR`] separates the label values.
    pub(crate) fn count(&mut self, name: &'static str, labels: &str, by: u64) {
        self.series.count(name, labels, by);
    }

    /// Adds a duration to a histogram, in milliseconds.
    pub(crate) fn observe(&mut self, name: &'static str, labels: &str, ms: u64) {
        let mut one = Histogram::default();
        one.observe(ms);
        self.series.spread(name, labels, &one);
    }

    /// Merges another batch, whose gauges replace earlier values.
    pub(crate) fn merge(&mut self, other: Self) {
        self.series.merge(&other.series);
        for (name, labels, value) in other.gauges {
            self.set_gauge(name, labels, value);
        }
        for (tenant, seen) in other.seen.into_entries() {
            self.seen.or_default(tenant).merge(&seen);
        }
        for (session, uses) in other.busiest.iter() {
            self.busiest.add(session, 0, uses, MAX_SESSIONS);
        }
        for line in other.lines {
            self.show(line);
        }
    }

    /// Adds the core's counts.
    pub(crate) fn add(&mut self, series: &Series) {
        self.series.merge(series);
    }

    /// Adds a line for the console; drops and counts it beyond [`MAX_LINES`].
    pub(crate) fn show(&mut self, line: Value) {
        if self.lines.len() < MAX_LINES {
            self.lines.push(line);
        } else {
            self.series.count(metric::LINES_DROPPED, "", 1);
        }
    }

    /// Sets a gauge.
    pub(crate) fn set_gauge(&mut self, name: &'static str, labels: String, value: Milli) {
        // The new value replaces an earlier one of the same batch.
        self.gauges
            .retain(|(other, own, _)| *other != name || *own != labels);
        self.gauges.push((name, labels, value));
    }

    /// Sums the followed connections of each tenant's origins.
    fn sum_streams(&mut self) {
        let mut sums: FlatMap<String, Milli> = FlatMap::default();
        for (name, labels, value) in &self.gauges {
            let mut values = labels.split(SEPARATOR);
            let of = (values.next(), values.next_back());
            if let (metric::ORIGIN_CONNECTIONS, (Some(tenant), Some(kind))) = (*name, of)
                && kind != metric::PASSED_THROUGH
            {
                sums.or_default(format!("{tenant}{SEPARATOR}{kind}")).0 += value.0;
            }
        }
        for (labels, sum) in sums.into_entries() {
            self.set_gauge(metric::STREAMS_ACTIVE, labels, sum);
        }
    }

    /// Converts the batch into a command: the `number`th of `isolate`.
    #[must_use]
    pub(crate) fn into_command(mut self, isolate: &str, number: u64) -> Command {
        self.sum_streams();
        // A loop instead of `collect`, which would link another sort function.
        let mut seen = BTreeMap::new();
        for (tenant, sessions) in self.seen.into_entries() {
            seen.insert(tenant, sessions.hashes().collect());
        }
        let busiest = self.busiest.iter();
        let busiest = busiest.map(|(session, uses)| (session.clone(), uses.requests, uses.sockets));
        Command::Add(Delivery {
            busiest: busiest.collect(),
            gauges: self.gauges,
            isolate: isolate.to_owned(),
            lines: self.lines,
            number,
            seen,
            series: self.series,
        })
    }
}

/// Returns the tenant of a session, and a hash of the session.
fn session_hash(session: &str) -> Option<(&str, u32)> {
    let (tenant, handle) = session.split_once(SEPARATOR)?;
    // A handle is a hash already, and eight characters of base64url contain more than 32 bits.
    let start = encoding::from_base64url(handle.get(..8)?)?;
    Some((tenant, u32::from_be_bytes(start.get(..4)?.try_into().ok()?)))
}

/// Converts a count of the data plane, which is a whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// Returns the label of a status: known codes as they are, others by class, because an origin may send any number.
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
mod tests;
