//! Defines the messages of the telemetry object.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::gauge::{Gauge, Milli};
use super::log::Level;
use super::metric::Metric;
use super::series::Series;
use crate::message::{self, MessageError};

/// Maximum number of gauges of one isolate.
const MAX_GAUGES: usize = 2_000;

/// Command to the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Command {
    /// Adds an isolate's batch: [`Added`].
    Add(Delivery),
    /// Returns the page for Prometheus as text.
    Page(Query),
    /// Returns the figures of the console's overview as JSON.
    Overview(Query),
    /// Returns the last log lines as JSON.
    Lines(Query),
}

impl Command {
    /// Parses a command.
    ///
    /// # Errors
    /// Returns why the text is not a command of this release.
    pub(crate) fn parse(text: &str) -> Result<Self, MessageError> {
        message::read(text.as_bytes())
    }

    /// Serializes the command.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        message::write_command(self)
    }
}

/// Batch of an isolate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// Busiest sessions: tenant and handle, requests, and how many of these opened a WebSocket. Releases before 0.3
    /// send none.
    #[serde(default, deserialize_with = "known_sessions")]
    pub busiest: Vec<(String, u64, u64)>,
    /// Current gauges. Unknown metrics of a later release are left out.
    #[serde(deserialize_with = "known_gauges")]
    pub gauges: Vec<Gauge>,
    /// Random id of the isolate.
    pub isolate: String,
    /// Log lines for the console.
    #[serde(default)]
    pub lines: Vec<Value>,
    /// Number of the isolate's batch; a batch may come again after a lost answer.
    pub number: u64,
    /// Hashes of the sessions in use, by tenant.
    #[serde(default, deserialize_with = "known_hashes")]
    pub seen: BTreeMap<String, Vec<u32>>,
    /// Counters and histograms.
    pub series: Series,
}

/// Selection of figures or lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Query {
    /// Number of the last line seen.
    pub after: u64,
    /// Minimum level of the lines; an unknown level of a later release selects all.
    #[serde(deserialize_with = "known_level")]
    pub level: Level,
    /// Scope of the figures.
    pub scope: Scope,
    /// Tenant of the figures or lines; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// Scope of figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// One isolate, without an object.
    Isolate,
    /// All isolates.
    #[default]
    #[serde(other)]
    Deployment,
}

/// Answer to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Added {
    /// Whether an operator views the console.
    #[serde(default)]
    pub watched: bool,
}

/// Deserializes gauges: metric, label values and thousandths.
fn known_gauges<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Gauge>, D::Error> {
    let gauges = Vec::<Value>::deserialize(deserializer)?;
    let gauge = |gauge: Value| {
        let metric = Metric::named(gauge.get(0)?.as_str()?)?;
        let labels = gauge.get(1)?.as_str()?.to_owned();
        Some((metric.name, labels, Milli(gauge.get(2)?.as_u64()?)))
    };
    Ok(gauges
        .into_iter()
        .take(MAX_GAUGES)
        .filter_map(gauge)
        .collect())
}

/// Deserializes the busiest sessions; skips values that this release does not know.
fn known_sessions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, u64, u64)>, D::Error> {
    let sessions = Vec::<Value>::deserialize(deserializer)?;
    let session = |one: Value| {
        let session = one.get(0)?.as_str()?.to_owned();
        Some((session, one.get(1)?.as_u64()?, one.get(2)?.as_u64()?))
    };
    Ok(sessions.into_iter().filter_map(session).collect())
}

/// Deserializes hashes by tenant; skips values that this release does not know.
fn known_hashes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<u32>>, D::Error> {
    let mut known = BTreeMap::new();
    if let Value::Object(tenants) = Value::deserialize(deserializer)? {
        for (tenant, hashes) in tenants {
            let hashes = hashes.as_array().into_iter().flatten();
            let hashes = hashes.filter_map(|hash| u32::try_from(hash.as_u64()?).ok());
            known.insert(tenant, hashes.collect());
        }
    }
    Ok(known)
}

/// Deserializes a level.
fn known_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
    let name = Value::deserialize(deserializer)?;
    let level = name.as_str().and_then(Level::named);
    Ok(level.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_later_release_do_not_spoil_a_batch() {
        let text = r#"{"do":"add","gauges":[],"isolate":"i","number":1,"series":[[],[]],
            "busiest":[["a\tx",3,1],["a\ty","4",0],"none",["a\tz",2,0,7]],
            "seen":{"a":[1,4294967296,"2",3],"b":"none","c":[5]}}"#;
        let Ok(Command::Add(batch)) = Command::parse(text) else {
            panic!("{text}");
        };
        let expected = [("a\tx".to_owned(), 3, 1), ("a\tz".to_owned(), 2, 0)];
        assert_eq!(batch.busiest, expected);
        assert_eq!(batch.seen["a"], [1, 3]);
        assert_eq!(batch.seen["b"], [0; 0]);
        assert_eq!(batch.seen["c"], [5]);
    }

    #[test]
    fn level_of_a_later_release_means_all_lines() {
        for (level, expected) in [("debug", Level::Info), ("error", Level::Error)] {
            let text = format!(r#"{{"do":"lines","level":"{level}"}}"#);
            let Ok(Command::Lines(query)) = Command::parse(&text) else {
                panic!("{text}");
            };
            assert_eq!(query.level, expected);
        }
    }
}
