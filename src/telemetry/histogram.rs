//! Counts durations by buckets.

use std::rc::Rc;

use serde_json::Value;

use super::metric::BOUNDS;
use crate::encoding::json;

/// Bounds of a histogram whose bounds can be set, unless `METRICS_BUCKETS` gives others, in milliseconds.
const DEFAULT: [u32; 11] = [5, 10, 25, 50, 100, 300, 500, 1_000, 3_000, 5_000, 10_000];

/// Maximum number of bounds that can be set.
const MAX_BOUNDS: usize = 30;

/// Maximum bound that can be set, in milliseconds: an hour.
const MAX_BOUND: u32 = 3_600_000;

/// Upper bounds of buckets, in milliseconds, ascending.
#[derive(Clone, Debug)]
pub(crate) enum Bounds {
    /// Part of the code.
    Fixed(&'static [u32]),
    /// Set by the deployment.
    Set(Rc<[u32]>),
}

impl Bounds {
    /// Returns the bounds that a setting names (`METRICS_BUCKETS`), or the default ones.
    #[must_use]
    pub(crate) fn of_setting(setting: Option<&str>) -> Self {
        setting.and_then(Self::parse).unwrap_or_default()
    }

    /// Parses numbers of seconds, separated by commas: 1 to 30 of them, ascending, whole milliseconds, at most an hour.
    #[must_use]
    pub(crate) fn parse(setting: &str) -> Option<Self> {
        let bounds: Option<Vec<u32>> = setting.split(',').map(millis).collect();
        Self::of(bounds?)
    }

    /// Checks bounds.
    fn of(bounds: Vec<u32>) -> Option<Self> {
        let is_ascending = bounds.iter().zip(bounds.iter().skip(1)).all(|(a, b)| a < b);
        let is_within = |bound: &u32| (1..=MAX_BOUND).contains(bound);
        let is_sound = (1..=MAX_BOUNDS).contains(&bounds.len()) && is_ascending;
        (is_sound && bounds.iter().all(is_within)).then(|| Self::Set(bounds.into()))
    }

    /// Returns the bounds, in milliseconds.
    #[must_use]
    pub(crate) fn as_slice(&self) -> &[u32] {
        match self {
            Self::Fixed(bounds) => bounds,
            Self::Set(bounds) => bounds,
        }
    }

    /// Returns the bucket that a duration falls into.
    fn bucket(&self, ms: u64) -> usize {
        self.as_slice()
            .partition_point(|bound| u64::from(*bound) < ms)
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::Fixed(&DEFAULT)
    }
}

impl PartialEq for Bounds {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

/// Reads a number of seconds with up to three decimals, in milliseconds. Code that reads floats is large.
fn millis(text: &str) -> Option<u32> {
    let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 3 {
        return None;
    }
    let thousandths: u32 = format!("{decimals:0<3}").parse().ok()?;
    let whole: u32 = whole.parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(thousandths)
}

/// A distribution of durations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    bounds: Bounds,
    /// How many fell into each bucket (not cumulative), the last being for what is slower than all.
    counts: Vec<u64>,
    /// All durations together, in milliseconds.
    pub sum_ms: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::within(Bounds::Fixed(&BOUNDS))
    }
}

impl Histogram {
    /// Makes an empty one with these bounds.
    #[must_use]
    pub(crate) fn within(bounds: Bounds) -> Self {
        Self {
            counts: vec![0; bounds.as_slice().len() + 1],
            bounds,
            sum_ms: 0,
        }
    }

    /// Takes note of a duration, in milliseconds.
    pub(crate) fn observe(&mut self, ms: u64) {
        let at = self.bounds.bucket(ms);
        self.add(at, 1);
        self.sum_ms += ms;
    }

    fn add(&mut self, bucket: usize, by: u64) {
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(by);
        }
    }

    /// How many there were.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many fell into each bucket.
    #[must_use]
    pub(crate) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Returns the bounds, in milliseconds.
    #[must_use]
    pub(crate) fn bounds(&self) -> &[u32] {
        self.bounds.as_slice()
    }

    /// Adds another's. With other bounds each of its buckets goes to the first own one that is not below it: sum and count
    /// stay right, and no duration appears shorter than it was.
    pub(crate) fn merge(&mut self, other: &Self) {
        let are_same = self.bounds == other.bounds;
        for (at, count) in other.counts.iter().enumerate() {
            let bucket = match other.bounds().get(at) {
                _ if are_same => at,
                Some(bound) => self.bounds.bucket(u64::from(*bound)),
                None => self.bounds().len(),
            };
            self.add(bucket, *count);
        }
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
    }

    /// Moves the counts to the buckets of other bounds, as [`Histogram::merge`] does.
    pub(crate) fn rebucket(&mut self, bounds: &Bounds) {
        let mut own = Self::within(bounds.clone());
        own.merge(self);
        *self = own;
    }

    /// Reads what follows the labels in a message: milliseconds, counts, and the bounds, if they are not [`BOUNDS`]. `None`
    /// is no histogram; one that only a later release could read is `Some(None)`.
    pub(super) fn read(entry: &[Value]) -> Option<Option<Self>> {
        let mut histogram = Self::default();
        if let Some(bounds) = entry.get(2) {
            let bound = |bound: &Value| u32::try_from(bound.as_u64()?).ok();
            let bounds: Option<Vec<u32>> = bounds.as_array()?.iter().map(bound).collect();
            let Some(bounds) = bounds.and_then(Bounds::of) else {
                return Some(None);
            };
            histogram = Self::within(bounds);
        }
        histogram.sum_ms = entry.first()?.as_u64()?;
        let counts = entry.get(1)?.as_array()?;
        for (own, count) in histogram.counts.iter_mut().zip(counts) {
            *own = count.as_u64()?;
        }
        Some(Some(histogram))
    }

    /// Writes what [`Histogram::read`] reads, behind a metric's name and labels. A release without settable bounds reads
    /// counts by their position; so those of [`BOUNDS`] travel without their bounds.
    pub(super) fn to_entry(&self, name: &str, labels: &str) -> Value {
        if self.bounds() == BOUNDS {
            json!([name, labels, self.sum_ms, self.counts])
        } else {
            json!([name, labels, self.sum_ms, self.counts, self.bounds()])
        }
    }

    /// For the console: bounds, counts, sum and count.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        let bounds: Vec<f64> = self
            .bounds()
            .iter()
            .map(|ms| seconds(u64::from(*ms)))
            .collect();
        let sum = seconds(self.sum_ms);
        json!({ "bounds": bounds, "counts": self.counts, "sum": sum, "count": self.count() })
    }
}

/// Milliseconds as seconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
#[path = "histogram/tests.rs"]
mod tests;
