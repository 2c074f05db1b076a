//! Aggregates the reports of all isolates: the state of the telemetry object.
//!
//! Isolates send a numbered batch every few seconds; a repeated batch counts once. Counters and histograms accumulate
//! for good; gauges are the last values of each isolate.

mod activity;
mod dedup;
mod history;
pub(crate) mod keeping;
mod overview;
mod tail;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

use super::busiest::{Busiest, Limits, Uses};
use super::gauge::{Gauge, Milli};
use super::histogram::Bounds;
use super::message::{Added, Command, Delivery, Query, Scope};
use super::metric::{self, Metric};
use super::prometheus::Page;
use super::series::{Series, first};
use crate::clock::UnixMillis;
use crate::flat_map::FlatMap;
use crate::message;

use activity::Activity;
use dedup::Dedup;
use history::History;
use tail::Tail;

/// Time for which an isolate's gauges count, in milliseconds. An isolate with open streams reports nothing while it
/// gets no requests.
const GAUGES_COUNT_MS: u64 = 300_000;

/// Time since its last report for which an isolate counts as present, in milliseconds.
const PRESENT_MS: u64 = 60_000;

/// Length of a period of the busiest sessions, in milliseconds: a twelfth of an hour.
const PERIOD_MS: u64 = 300_000;

/// Maximum number of busiest sessions: of one tenant, and of all.
const MAX_SESSIONS: Limits = Limits {
    tenant: 100,
    all: 500,
};

/// Reports of one isolate.
#[derive(Debug, Default)]
struct IsolateReports {
    /// Time of its last report.
    at: UnixMillis,
    dedup: Dedup,
    /// Gauges of the last batch.
    gauges: Vec<Gauge>,
}

/// Aggregate of all reports.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    /// Of the histograms whose bounds can be set: what comes with others is moved to these.
    bounds: Bounds,
    series: Series,
    /// Number of batches that this instance has counted.
    batches: u64,
    /// Owners of series that changed since they were last stored.
    unkept: FlatMap<String, ()>,
    isolates: FlatMap<String, IsolateReports>,
    activity: Activity,
    busiest: Busiest,
    history: History,
    tail: Tail,
}

impl Collection {
    /// Returns an empty collection that keeps histograms with settable bounds within these.
    #[must_use]
    pub(crate) fn within(bounds: Bounds) -> Self {
        Self {
            bounds,
            ..Self::default()
        }
    }

    /// Applies a command, and returns the answer.
    pub(crate) fn apply(&mut self, command: Command, now: UnixMillis) -> String {
        match command {
            Command::Add(delivery) => message::write(&self.add(delivery, now)),
            Command::Page(query) => self.page(&query, now),
            Command::Overview(query) => {
                self.tail.watch(now);
                self.overview(&query, now).to_string()
            }
            Command::Lines(query) => {
                self.tail.watch(now);
                self.tail.after(&query).to_string()
            }
        }
    }

    fn add(&mut self, delivery: Delivery, now: UnixMillis) -> Added {
        let Delivery {
            busiest,
            gauges,
            isolate,
            lines,
            number,
            seen,
            mut series,
        } = delivery;
        self.forget(now);
        let reports = self.isolates.or_default(isolate);
        reports.at = now;
        // A delayed batch has older gauges.
        if reports.dedup.is_latest(number) {
            reports.gauges = gauges;
        }
        if reports.dedup.take(number) {
            for (tenant, hashes) in seen {
                self.activity.see(tenant, hashes, now);
            }
            for (session, requests, sockets) in busiest {
                let uses = Uses { requests, sockets };
                let period = now.0 / PERIOD_MS;
                self.busiest.add(&session, period, uses, MAX_SESSIONS);
            }
            for line in lines {
                self.tail.push(line);
            }
            series.rebucket(&self.bounds);
            self.count_batch(&series, now);
        }
        Added {
            watched: self.tail.is_watched(now),
        }
    }

    fn count_batch(&mut self, series: &Series, now: UnixMillis) {
        self.batches += 1;
        self.series.merge(series);
        self.series.count(metric::BATCHES, "", 1);
        for owner in series.owners() {
            self.unkept.insert(owner, ());
        }
        self.unkept.insert(String::new(), ());
        if self.history.is_due(now) {
            let active = self.activity.counts(now);
            let gauges = self.gauges(now);
            self.history.note(&self.series, &active, &gauges, now);
        }
    }

    fn forget(&mut self, now: UnixMillis) {
        self.isolates
            .retain(|_, reports| now.millis_since(reports.at) < GAUGES_COUNT_MS);
    }

    /// Returns the sums of all isolates' gauges, and the aggregator's own gauges.
    fn gauges(&self, now: UnixMillis) -> Vec<Gauge> {
        let mut sums: FlatMap<(&'static str, &str), Milli> = FlatMap::default();
        for reports in self.isolates.values() {
            if now.millis_since(reports.at) >= GAUGES_COUNT_MS {
                continue;
            }
            for (name, labels, value) in &reports.gauges {
                let sum = sums.or_default((name, labels));
                // Timestamps, load ratios, maxima and counts of the whole deployment are not summed; the highest counts.
                if matches!(
                    *name,
                    metric::CONFIG_LAST_ERROR
                        | metric::ORIGIN_LOAD
                        | metric::SESSIONS_STORED
                        | metric::WASM_MEMORY_MAX
                ) {
                    *sum = (*sum).max(*value);
                } else {
                    sum.0 += value.0;
                }
            }
        }
        let summed = sums
            .into_entries()
            .into_iter()
            .map(|((name, labels), sum)| (name, labels.to_owned(), sum));
        let active = self.activity.counts(now);
        let active = active
            .into_iter()
            .map(|(tenant, count)| (metric::SESSIONS_ACTIVE, tenant, Milli::of(count)));
        summed.chain(active).collect()
    }

    fn present(&self, now: UnixMillis) -> usize {
        let is_present = |reports: &&IsolateReports| now.millis_since(reports.at) < PRESENT_MS;
        self.isolates.values().filter(is_present).count()
    }

    fn last(&self) -> UnixMillis {
        let times = self.isolates.values().map(|reports| reports.at);
        times.max().unwrap_or_default()
    }

    fn page(&self, query: &Query, now: UnixMillis) -> String {
        let tenant = query.tenant.as_deref();
        let own;
        let series = match tenant {
            None => &self.series,
            Some(tenant) => {
                own = self.series.of_owner(tenant);
                &own
            }
        };
        let last = self.last();
        let present = self.present(now);
        let mut gauges = self.gauges(now);
        match tenant {
            Some(tenant) => gauges.retain(|(name, labels, _)| {
                Metric::named(name).is_some_and(Metric::is_of_tenants) && first(labels) == tenant
            }),
            None => {
                gauges.push((metric::LAST_BATCH, String::new(), Milli(last.0)));
                let present = Milli::of(present as u64);
                gauges.push((metric::ISOLATES, String::new(), present));
            }
        }
        let scope = match query.scope {
            Scope::Isolate => {
                "this isolate alone: the Durable Object TELEMETRY_OBJECTS is not bound".to_owned()
            }
            Scope::Deployment => {
                format!(
                    "the whole deployment, as {present} isolates reported within the last minute"
                )
            }
        };
        let of_tenant =
            tenant.map_or_else(String::new, |tenant| format!(", of the tenant {tenant}"));
        let age = now.millis_since(last);
        let remarks = [
            format!("Scope: {scope}{of_tenant}."),
            if last == UnixMillis::default() {
                "Freshness: no batch has come yet; isolates send one some seconds after a request."
                    .to_owned()
            } else {
                format!(
                    "Freshness: the last batch came {age} ms ago; isolates send one some seconds after a request."
                )
            },
        ];
        Page {
            series,
            gauges: &gauges,
            remarks: &remarks,
        }
        .to_text()
    }

    /// Returns the number of counted batches, without repeated ones and queries.
    #[must_use]
    pub(crate) fn batches(&self) -> u64 {
        self.batches
    }

    /// Returns whether series changed since [`Collection::mark_kept`].
    #[must_use]
    pub(crate) fn has_unkept(&self) -> bool {
        !self.unkept.is_empty()
    }

    /// Returns the series that changed since [`Collection::mark_kept`], as a text per tenant to store for
    /// [`Collection::restore`]. Series without a tenant have the empty name.
    #[must_use]
    pub(crate) fn unkept(&self) -> Vec<(String, String)> {
        let one = |owner: &String| (owner.clone(), message::write(&self.series.of_owner(owner)));
        self.unkept.keys().map(one).collect()
    }

    /// Marks all changes as stored.
    pub(crate) fn mark_kept(&mut self) {
        self.unkept = FlatMap::default();
    }

    /// Merges stored series.
    pub(crate) fn restore(&mut self, kept: &str) {
        if let Ok(mut series) = message::read::<Series>(kept.as_bytes()) {
            series.rebucket(&self.bounds);
            self.series.merge(&series);
        }
    }
}
