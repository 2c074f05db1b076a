//! Computes the figures of the console's overview.

use serde_json::Value;

use super::{Collection, PERIOD_MS};
use crate::clock::UnixMillis;
use crate::encoding::json;
use crate::encoding::object;
use crate::flat_map::FlatMap;
use crate::telemetry::gauge::Gauge;
use crate::telemetry::histogram::Histogram;
use crate::telemetry::message::Query;
use crate::telemetry::metric;
use crate::telemetry::series::{SEPARATOR, Series, first};

/// Totals and current values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) edge_ms: u64,
    pub(super) origin_ms: u64,
    pub(super) kv_reads: u64,
    pub(super) kv_writes: u64,
    pub(super) object_calls: u64,
    pub(super) sessions_active: u64,
    pub(super) sessions_stored: u64,
    pub(super) streams_active: u64,
}

/// Maximum number of origins in the overview.
const MAX_ORIGINS: usize = 1_000;

/// Figures of one origin.
#[derive(Debug, Default)]
struct Connections {
    requests: u64,
    failures: u64,
    /// Followed sockets and event streams.
    sockets: u64,
    streams: u64,
    /// Estimate of the sockets that pass through.
    passed_through: u64,
}

impl Figures {
    /// Returns the figures without a tenant: storage operations are not counted by tenant.
    pub(super) fn of_nobody(series: &Series) -> Self {
        let asked = |kind: &str| {
            let own = series.counters(metric::STORAGE);
            let own = own.filter(|(labels, _)| first(labels) == kind);
            own.map(|(_, by)| by).sum()
        };
        Self {
            kv_reads: asked("kv_read"),
            kv_writes: asked("kv_write"),
            object_calls: asked("object"),
            ..Self::default()
        }
    }

    /// Returns the figures of each tenant.
    pub(super) fn by_tenant(
        series: &Series,
        active: &[(String, u64)],
        gauges: &[Gauge],
    ) -> FlatMap<String, Self> {
        let mut all: FlatMap<String, Self> = FlatMap::default();
        for (labels, by) in of_visitors(series.counters(metric::REQUESTS)) {
            let own = all.or_default(first(labels).to_owned());
            own.requests += by;
            if is_error(labels) {
                own.errors += by;
            }
        }
        for (labels, histogram) in of_visitors(series.histograms(metric::DURATION)) {
            let own = all.or_default(first(labels).to_owned());
            match last(labels) {
                "edge" => own.edge_ms += histogram.sum_ms,
                _ => own.origin_ms += histogram.sum_ms,
            }
        }
        for (tenant, count) in active {
            all.or_default(tenant.clone()).sessions_active += count;
        }
        for (name, labels, value) in gauges {
            let own = || first(labels).to_owned();
            match *name {
                metric::STREAMS_ACTIVE => all.or_default(own()).streams_active += value.whole(),
                metric::SESSIONS_STORED => all.or_default(own()).sessions_stored = value.whole(),
                _ => {}
            }
        }
        all
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.edge_ms += other.edge_ms;
        self.origin_ms += other.origin_ms;
        self.kv_reads += other.kv_reads;
        self.kv_writes += other.kv_writes;
        self.object_calls += other.object_calls;
        self.sessions_active += other.sessions_active;
        self.sessions_stored += other.sessions_stored;
        self.streams_active += other.streams_active;
    }
}

impl Collection {
    pub(super) fn overview(&self, query: &Query, now: UnixMillis) -> Value {
        let tenant = query.tenant.as_deref();
        let active = self.activity.counts(now);
        let gauges = self.gauges(now);
        let by_tenant = Figures::by_tenant(&self.series, &active, &gauges);
        let own;
        let series = match tenant {
            None => &self.series,
            Some(tenant) => {
                own = self.series.of_owner(tenant);
                &own
            }
        };
        let mut figures = Figures::of_nobody(series);
        for (name, one) in by_tenant.iter() {
            if tenant.is_none_or(|tenant| tenant == name) {
                figures.add(one);
            }
        }
        let tenants: Vec<Value> = by_tenant
            .iter()
            .filter(|(name, _)| tenant.is_none_or(|tenant| tenant == *name))
            .map(|(name, one)| {
                json!({
                    "tenant": name,
                    "requests": one.requests,
                    "errors": one.errors,
                    "sessions_active": one.sessions_active,
                    "sessions_stored": one.sessions_stored,
                    "streams_active": one.streams_active,
                })
            })
            .collect();
        json!({
            "at": now.0,
            "isolates": self.present(now),
            "freshness_ms": (self.last() != UnixMillis::default()).then(|| now.millis_since(self.last())),
            "scope": query.scope,
            "totals": totals(series, &figures),
            "statuses": statuses(series),
            "latency": json!({ "edge": latency(series, "edge"), "origin": latency(series, "origin") }),
            "tenants": tenants,
            "origins": origins(series, &gauges, tenant),
            "busiest": self.busiest.to_json(tenant, now.0 / PERIOD_MS),
            "history": self.history.to_json(tenant),
        })
    }
}

/// Returns requests, failures and open connections of the origins, of one tenant or of all.
fn origins(series: &Series, gauges: &[Gauge], tenant: Option<&str>) -> Vec<Value> {
    let mut all: FlatMap<String, Connections> = FlatMap::default();
    for (labels, by) in series.counters(metric::ORIGIN_REQUESTS) {
        all.or_default(origin(labels)).requests += by;
    }
    for (labels, by) in series.counters(metric::ORIGIN_FAILURES) {
        all.or_default(origin(labels)).failures += by;
    }
    for (name, labels, value) in gauges {
        let is_shown = tenant.is_none_or(|tenant| tenant == first(labels));
        if *name != metric::ORIGIN_CONNECTIONS || !is_shown {
            continue;
        }
        let own = all.or_default(origin(labels));
        match last(labels) {
            "websocket" => own.sockets += value.whole(),
            "sse" => own.streams += value.whole(),
            _ => own.passed_through += value.whole(),
        }
    }
    let shown = all.iter().take(MAX_ORIGINS);
    shown
        .map(|(labels, one)| {
            json!({
                "tenant": first(labels),
                "name": last(labels),
                "requests": one.requests,
                "failures": one.failures,
                "sockets": one.sockets,
                "streams": one.streams,
                "passed_through": one.passed_through,
            })
        })
        .collect()
}

/// Returns the tenant and the origin of a series.
fn origin(labels: &str) -> String {
    let end = labels.match_indices(SEPARATOR).nth(1);
    let (end, _) = end.unwrap_or((labels.len(), ""));
    labels.get(..end).unwrap_or_default().to_owned()
}

fn totals(series: &Series, figures: &Figures) -> Value {
    let sum = |name: &'static str, fits: &dyn Fn(&str) -> bool| -> u64 {
        let own = series.counters(name).filter(|(labels, _)| fits(labels));
        own.map(|(_, by)| by).sum()
    };
    let all = |_: &str| true;
    let sought = |labels: &str| !matches!(last(labels), "none" | "forged" | "key_unknown");
    let at_hand = |labels: &str| matches!(last(labels), "guest" | "hit" | "stale");
    json!({
        "requests": figures.requests,
        "errors": figures.errors,
        "sessions_active": figures.sessions_active,
        "sessions_stored": figures.sessions_stored,
        "streams_active": figures.streams_active,
        "sessions_created": sum(metric::SESSIONS_CREATED, &all),
        "sessions_ended": sum(metric::SESSIONS_ENDED, &all),
        "kv_reads": figures.kv_reads,
        "kv_writes": figures.kv_writes,
        "object_calls": figures.object_calls,
        "cache_hits": sum(metric::LOOKUPS, &at_hand),
        "lookups": sum(metric::LOOKUPS, &sought),
        "degraded": sum(metric::DEGRADED, &all),
        "refused": sum(metric::REFUSED, &all),
        "logins": sum(metric::LOGINS, &|labels| last(labels) == "ok"),
        "login_failures": sum(metric::LOGINS, &|labels| last(labels) != "ok"),
        "origin_failures": sum(metric::ORIGIN_FAILURES, &all),
    })
}

fn statuses(series: &Series) -> Value {
    let mut statuses: FlatMap<&str, u64> = FlatMap::default();
    for (labels, by) in of_visitors(series.counters(metric::REQUESTS)) {
        *statuses.or_default(last(labels)) += by;
    }
    let members = statuses.iter().map(|(status, by)| (*status, json!(by)));
    Value::Object(object(members))
}

fn latency(series: &Series, part: &str) -> Value {
    let mut all = Histogram::default();
    for (labels, histogram) in of_visitors(series.histograms(metric::DURATION)) {
        if last(labels) == part {
            all.merge(histogram);
        }
    }
    all.to_json()
}

/// Excludes requests without a tenant: operators' requests and liveness checks.
fn of_visitors<'s, T>(
    series: impl Iterator<Item = (&'s str, T)>,
) -> impl Iterator<Item = (&'s str, T)> {
    series.filter(|(labels, _)| !first(labels).is_empty())
}

fn is_error(labels: &str) -> bool {
    last(labels).starts_with('5')
}

/// Returns the last label value.
fn last(labels: &str) -> &str {
    labels.rsplit(SEPARATOR).next().unwrap_or_default()
}
