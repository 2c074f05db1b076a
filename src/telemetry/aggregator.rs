//! What all isolates told of themselves, added up: the state of the object that keeps it.
//!
//! Isolates send a batch every few seconds. Each has a number, so that one that is sent twice counts
//! once. Counters and histograms are kept for good; gauges are what each isolate said last.

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

use serde_json::{Value, json};

use super::gauge::{Gauge, Milli};
use super::metric::{self, Metric};
use super::prometheus::Page;
use super::series::{Series, first};
use crate::clock::UnixMillis;
use crate::flat_map::FlatMap;

use activity::Activity;
use dedup::Taken;
use history::History;
use tail::Tail;

/// How long what an isolate said of itself counts, in milliseconds. One that has streams open says
/// nothing as long as nobody asks for anything.
const GAUGES_COUNT_MS: u64 = 300_000;

/// Who was heard of so lately is taken to be there, in milliseconds.
const PRESENT_MS: u64 = 60_000;

/// So many gauges of one isolate are kept.
const MAX_GAUGES: usize = 2_000;

/// What an isolate told.
#[derive(Debug, Default)]
struct Told {
    /// When it told anything last.
    at: UnixMillis,
    taken: Taken,
    /// The last batch's.
    gauges: Vec<Gauge>,
}

/// Everything that was told.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    series: Series,
    /// How many batches were taken in here.
    batches: u64,
    /// Of whom something changed since it was kept last.
    unkept: FlatMap<String, ()>,
    isolates: FlatMap<String, Told>,
    activity: Activity,
    history: History,
    tail: Tail,
}

impl Collection {
    /// Obeys a command, a line of JSON: `add` a batch; show the `page` for Prometheus, the `overview` or
    /// the `lines` for the console. None if it is not one.
    pub(crate) fn apply(&mut self, command: &str, now: UnixMillis) -> Option<String> {
        let command: Value = serde_json::from_str(command).ok()?;
        let text = |name: &str| command.get(name).and_then(Value::as_str);
        let tenant = text("tenant");
        match text("do")? {
            "add" => self.add(&command, now),
            "page" => Some(self.page(tenant, text("scope").unwrap_or("deployment"), now)),
            "overview" => {
                self.tail.watch(now);
                let scope = text("scope").unwrap_or("deployment");
                Some(self.overview(tenant, scope, now).to_string())
            }
            "lines" => {
                self.tail.watch(now);
                let after = command.get("after").and_then(Value::as_u64).unwrap_or(0);
                let level = text("level").unwrap_or("info");
                Some(self.tail.after(after, level, tenant).to_string())
            }
            _ => None,
        }
    }

    fn add(&mut self, batch: &Value, now: UnixMillis) -> Option<String> {
        let isolate = batch.get("isolate")?.as_str()?;
        let number = batch.get("number")?.as_u64()?;
        let series = Series::from_json(batch.get("series")?)?;
        let gauges = gauges(batch.get("gauges")?)?;
        self.forget(now);
        let told = self.isolates.or_default(isolate.to_owned());
        told.at = now;
        // One that was held up tells what was so before.
        if told.taken.is_latest(number) {
            told.gauges = gauges;
        }
        if told.taken.take(number) {
            self.take_in(&series, batch, now);
        }
        Some(json!({ "watched": self.tail.is_watched(now) }).to_string())
    }

    fn take_in(&mut self, series: &Series, batch: &Value, now: UnixMillis) {
        self.batches += 1;
        self.series.merge(series);
        self.series.count(metric::BATCHES, "", 1);
        for owner in series.owners() {
            self.unkept.insert(owner, ());
        }
        self.unkept.insert(String::new(), ());
        let seen = batch.get("seen").and_then(Value::as_object);
        for (tenant, hashes) in seen.into_iter().flatten() {
            let hashes = hashes.as_array().into_iter().flatten();
            let hashes = hashes.filter_map(|hash| u32::try_from(hash.as_u64()?).ok());
            self.activity.see(tenant, hashes, now);
        }
        let lines = batch.get("lines").and_then(Value::as_array);
        for line in lines.into_iter().flatten() {
            self.tail.push(line.clone());
        }
        if self.history.is_due(now) {
            let active = self.activity.counts(now);
            let gauges = self.gauges(now);
            self.history.note(&self.series, &active, &gauges, now);
        }
    }

    fn forget(&mut self, now: UnixMillis) {
        self.isolates
            .retain(|_, told| now.millis_since(told.at) < GAUGES_COUNT_MS);
    }

    /// All isolates' gauges added up, and those of what is known here alone.
    fn gauges(&self, now: UnixMillis) -> Vec<Gauge> {
        let mut sums: FlatMap<(&'static str, &str), Milli> = FlatMap::default();
        for told in self.isolates.values() {
            if now.millis_since(told.at) >= GAUGES_COUNT_MS {
                continue;
            }
            for (name, labels, value) in &told.gauges {
                let sum = sums.or_default((name, labels));
                // Of two that say when, or how loaded somebody is, the later or higher one counts.
                if matches!(*name, metric::CONFIG_LAST_ERROR | metric::ORIGIN_LOAD) {
                    *sum = (*sum).max(*value);
                } else {
                    sum.0 += value.0;
                }
            }
        }
        let told = sums
            .into_entries()
            .into_iter()
            .map(|((name, labels), sum)| (name, labels.to_owned(), sum));
        let active = self.activity.counts(now);
        let active = active
            .into_iter()
            .map(|(tenant, count)| (metric::SESSIONS_ACTIVE, tenant, Milli::of(count)));
        told.chain(active).collect()
    }

    fn present(&self, now: UnixMillis) -> usize {
        let is_present = |told: &&Told| now.millis_since(told.at) < PRESENT_MS;
        self.isolates.values().filter(is_present).count()
    }

    fn last(&self) -> UnixMillis {
        let times = self.isolates.values().map(|told| told.at);
        times.max().unwrap_or_default()
    }

    fn page(&self, tenant: Option<&str>, scope: &str, now: UnixMillis) -> String {
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
        let scope = match scope {
            "isolate" => {
                "this isolate alone: the Durable Object TELEMETRY_OBJECTS is not bound".to_owned()
            }
            _ => format!("the whole deployment, as {present} isolates told within the last minute"),
        };
        let whose = tenant.map_or_else(String::new, |tenant| format!(", of the tenant {tenant}"));
        let age = now.millis_since(last);
        let remarks = [
            format!("Scope: {scope}{whose}."),
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

    /// Returns how many batches were taken in: those that came again, and what only asks, are not.
    #[must_use]
    pub(crate) fn batches(&self) -> u64 {
        self.batches
    }

    /// Whether something changed since [`Collection::take_unkept`].
    #[must_use]
    pub(crate) fn has_unkept(&self) -> bool {
        !self.unkept.is_empty()
    }

    /// What changed since this was asked last, a text for each tenant (and one, under the empty name,
    /// for what is nobody's), to be kept until [`Collection::restore`].
    pub(crate) fn take_unkept(&mut self) -> Vec<(String, String)> {
        let unkept = core::mem::take(&mut self.unkept);
        let one = |(owner, ()): (String, ())| {
            let own = self.series.of_owner(&owner).to_json().to_string();
            (owner, own)
        };
        unkept.into_entries().into_iter().map(one).collect()
    }

    /// Takes up what was kept before.
    pub(crate) fn restore(&mut self, kept: &str) {
        let kept = serde_json::from_str(kept).ok();
        if let Some(series) = kept.as_ref().and_then(Series::from_json) {
            self.series.merge(&series);
        }
    }
}

/// `[[metric, labels, value], …]`
fn gauges(told: &Value) -> Option<Vec<Gauge>> {
    let told = told.as_array()?.iter().take(MAX_GAUGES);
    let gauges = told.filter_map(|gauge| {
        let metric = Metric::named(gauge.get(0)?.as_str()?)?;
        let labels = gauge.get(1)?.as_str()?.to_owned();
        Some((metric.name, labels, Milli(gauge.get(2)?.as_u64()?)))
    });
    Some(gauges.collect())
}
