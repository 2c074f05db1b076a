//! Holds counters and histograms by metric and label values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::histogram::{Bounds, Histogram};
use super::metric::{self, Kind, Metric};
use crate::encoding::json;
use crate::message::Unexpected;

/// Separator of label values, which contain no tab.
pub(crate) const SEPARATOR: char = '\t';

/// Maximum number of series in an isolate or object. Beyond it, counts go to one series per metric with the labels
/// [`OTHER`], which bounds the memory.
pub(crate) const MAX_SERIES: usize = 20_000;

/// Label value of the series that collects counts beyond [`MAX_SERIES`].
pub(crate) const OTHER: &str = "_other";

/// Metric name and label values.
pub(crate) type Key = (&'static str, String);

#[derive(Clone, Debug, PartialEq)]
enum Counted {
    Times(u64),
    Durations(Box<Histogram>),
}

impl Counted {
    /// Returns the number of counted events.
    fn times(&self) -> u64 {
        match self {
            Self::Times(times) => *times,
            Self::Durations(histogram) => histogram.count(),
        }
    }

    fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Times(own), Self::Times(others)) => *own = own.saturating_add(*others),
            (Self::Durations(own), Self::Durations(others)) => own.merge(others),
            // A metric has only one kind.
            _ => {}
        }
    }
}

/// Counts by key. As a message: `[[[name, labels, n], …], [[name, labels, milliseconds, [counts]], …]]`; settable bounds follow
/// their counts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Series(BTreeMap<Key, Counted>);

impl Series {
    /// Adds to a counter.
    pub(crate) fn count(&mut self, name: &'static str, labels: &str, by: u64) {
        self.add(name, labels, &Counted::Times(by));
    }

    /// Adds to a histogram.
    pub(crate) fn spread(&mut self, name: &'static str, labels: &str, histogram: &Histogram) {
        self.add(name, labels, &Counted::Durations(histogram.clone().into()));
    }

    /// Adds all of another's counts.
    pub(crate) fn merge(&mut self, other: &Self) {
        for ((name, labels), counted) in &other.0 {
            self.add(name, labels, counted);
        }
    }

    fn add(&mut self, name: &'static str, labels: &str, counted: &Counted) {
        if counted.times() == 0 {
            return;
        }
        let key = (name, labels.to_owned());
        if self.0.len() < MAX_SERIES || self.0.contains_key(&key) {
            self.add_to(key, counted);
        } else {
            self.add_to(others(name), counted);
            let folded = (metric::FOLDED, String::new());
            self.add_to(folded, &Counted::Times(counted.times()));
        }
    }

    fn add_to(&mut self, key: Key, counted: &Counted) {
        match self.0.get_mut(&key) {
            Some(own) => own.merge(counted),
            None => {
                self.0.insert(key, counted.clone());
            }
        }
    }

    /// Moves the histograms with settable bounds to these bounds.
    pub(crate) fn rebucket(&mut self, bounds: &Bounds) {
        for ((name, _), counted) in &mut self.0 {
            if let Counted::Durations(histogram) = counted
                && *name == metric::SERVER_DURATION
            {
                histogram.rebucket(bounds);
            }
        }
    }

    /// Returns whether nothing was counted.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the counters of a metric by label values.
    pub(crate) fn counters(&self, name: &str) -> impl Iterator<Item = (&str, u64)> {
        let own = self.all_counters().filter(move |(own, ..)| *own == name);
        own.map(|(_, labels, times)| (labels, times))
    }

    /// Returns the histograms of a metric by label values.
    pub(crate) fn histograms(&self, name: &str) -> impl Iterator<Item = (&str, &Histogram)> {
        let own = self.all_histograms().filter(move |(own, ..)| *own == name);
        own.map(|(_, labels, histogram)| (labels, histogram))
    }

    fn all_counters(&self) -> impl Iterator<Item = (&'static str, &str, u64)> {
        let all = self.0.iter();
        all.filter_map(|((name, labels), counted)| match counted {
            Counted::Times(times) => Some((*name, labels.as_str(), *times)),
            Counted::Durations(_) => None,
        })
    }

    fn all_histograms(&self) -> impl Iterator<Item = (&'static str, &str, &Histogram)> {
        let all = self.0.iter();
        all.filter_map(|((name, labels), counted)| match counted {
            Counted::Durations(histogram) => Some((*name, labels.as_str(), &**histogram)),
            Counted::Times(_) => None,
        })
    }

    /// Returns the tenants of all series, and the empty name for series without one.
    pub(crate) fn owners(&self) -> impl Iterator<Item = String> {
        self.0.keys().map(|key| owner(key).to_owned())
    }

    /// Returns the series of one tenant, or with the empty name those without a tenant.
    #[must_use]
    pub(crate) fn of_owner(&self, tenant: &str) -> Self {
        let mut own = Self::default();
        for (key, counted) in self.0.iter().filter(|(key, _)| owner(key) == tenant) {
            own.0.insert(key.clone(), counted.clone());
        }
        own
    }

    /// Parses the message. Skips unknown metrics, which another release sends during a deployment.
    fn read(value: &Value) -> Option<Self> {
        let mut series = Self::default();
        for entry in value.get(0)?.as_array()? {
            let labels = entry.get(1)?.as_str()?;
            let by = entry.get(2)?.as_u64()?;
            if let Some(metric) = of_kind(entry, Kind::Counter)? {
                series.count(metric.name, labels, by);
            }
        }
        for entry in value.get(1)?.as_array()? {
            let labels = entry.get(1)?.as_str()?;
            let histogram = Histogram::read(entry.as_array()?.get(2..)?)?;
            if let (Some(metric), Some(histogram)) = (of_kind(entry, Kind::Histogram)?, histogram) {
                series.spread(metric.name, labels, &histogram);
            }
        }
        Some(series)
    }
}

impl Serialize for Series {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counters: Vec<Value> = self
            .all_counters()
            .map(|(name, labels, times)| json!([name, labels, times]))
            .collect();
        let histograms: Vec<Value> = self
            .all_histograms()
            .map(|(name, labels, one)| one.to_entry(name, labels))
            .collect();
        (counters, histograms).serialize(serializer)
    }
}

impl TryFrom<Value> for Series {
    type Error = Unexpected;

    fn try_from(value: Value) -> Result<Self, Unexpected> {
        Self::read(&value).ok_or(Unexpected("counters and histograms"))
    }
}

/// Returns the first label value.
#[must_use]
pub(crate) fn first(labels: &str) -> &str {
    labels.split(SEPARATOR).next().unwrap_or_default()
}

fn owner((name, labels): &Key) -> &str {
    if Metric::named(name).is_some_and(Metric::is_of_tenants) {
        first(labels)
    } else {
        ""
    }
}

fn others(name: &'static str) -> Key {
    let labels = Metric::named(name).map_or(0, |metric| metric.labels.len());
    let separator = SEPARATOR.to_string();
    (name, vec![OTHER; labels].join(&separator))
}

/// Returns the metric of an entry, if it is known here with the same number of labels.
fn of_kind(entry: &Value, kind: Kind) -> Option<Option<&'static Metric>> {
    let name = entry.get(0)?.as_str()?;
    let labels = entry.get(1)?.as_str()?;
    let fits = |metric: &&Metric| {
        let values = labels.split(SEPARATOR).count();
        metric.kind == kind
            && (values == metric.labels.len() || (labels.is_empty() && metric.labels.is_empty()))
    };
    Some(Metric::named(name).filter(fits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn some() -> Series {
        let mut series = Series::default();
        series.count(metric::REQUESTS, "acme\tGET\t200", 3);
        series.count(metric::REQUESTS, "globex\tGET\t200", 1);
        series.count(metric::WRITES_LOST, "", 1);
        let mut histogram = Histogram::default();
        for ms in [0, 1, 2, 10, 11_000] {
            histogram.observe(ms);
        }
        series.spread(metric::DURATION, "acme\torigin", &histogram);
        series
    }

    #[test]
    fn json_round_trips_and_adds_up() {
        let mut series = Series::read(&serde_json::to_value(some()).unwrap()).unwrap();
        assert_eq!(series, some());
        series.merge(&some());
        let requests: Vec<_> = series.counters(metric::REQUESTS).collect();
        assert_eq!(requests, [("acme\tGET\t200", 6), ("globex\tGET\t200", 2)]);
        let (_, histogram) = series.histograms(metric::DURATION).next().unwrap();
        assert_eq!(histogram.count(), 10);
        assert_eq!(histogram.counts()[..3], [4, 2, 2]);
        assert_eq!(histogram.counts().last(), Some(&2));
    }

    #[test]
    fn tenant_sees_only_its_own_series() {
        let own = some().of_owner("acme");
        assert_eq!(own.counters(metric::REQUESTS).count(), 1);
        assert_eq!(own.counters(metric::WRITES_LOST).count(), 0);
        assert_eq!(own.histograms(metric::DURATION).count(), 1);
        let unowned = some().of_owner("");
        assert_eq!(unowned.counters(metric::WRITES_LOST).count(), 1);
        assert_eq!(unowned.counters(metric::REQUESTS).count(), 0);
    }

    #[test]
    fn unknown_metrics_are_left_out() {
        let message = json!([
            [
                ["vestibule_unheard_of_total", "", 1],
                [metric::REQUESTS, "acme", 1],
                [metric::REQUESTS, "acme\tGET\t200", 1]
            ],
            []
        ]);
        let series = Series::read(&message).unwrap();
        assert_eq!(series.0.len(), 1);
        assert_eq!(Series::read(&json!([[1], []])), None);
        assert_eq!(Series::read(&json!({})), None);
    }

    #[test]
    fn series_beyond_the_limit_are_counted_as_other() {
        let mut series = Series::default();
        for n in 0..MAX_SERIES + 7 {
            series.count(metric::REFUSED, &format!("t{n}\tcode"), 2);
        }
        series.count(metric::REFUSED, "t0\tcode", 2);
        let of = |labels: &str| {
            let mut found = series.counters(metric::REFUSED);
            found.find(|(own, _)| *own == labels).map(|(_, by)| by)
        };
        assert_eq!(of("t0\tcode"), Some(4));
        assert_eq!(of("_other\t_other"), Some(14));
        assert_eq!(series.counters(metric::FOLDED).next(), Some(("", 14)));
    }
}
