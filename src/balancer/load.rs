//! Measures how busy origins are: requests in flight from this isolate, sockets it opened, and the load that origins
//! report.
//!
//! No code of Vestibule runs while a passed-through socket is open, so nothing shows its end. So the weight of a socket
//! falls after its handshake: e^(-t / [`HELD_MS`]).

use serde_json::Value;

use crate::clock::UnixMillis;
use crate::flat_map::FlatMap;

/// Time for which an origin's load report counts, in milliseconds.
const REPORT_COUNTS_MS: u64 = 10_000;

/// Mean time for which an opened socket counts, in milliseconds.
pub(crate) const HELD_MS: u64 = 15 * 60_000;

/// Counts of the data plane at one origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    /// Number of requests without a response yet, and of followed streams and sockets.
    pub under_way: u32,
    /// Average time to the first byte of a response, in milliseconds.
    pub first_byte_ms: u32,
    /// Number of sockets opened since the last report, without followed ones.
    pub opened: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Requests and followed streams of this isolate in flight, at the last count.
    under_way: u32,
    /// Average time to the first byte of a response, in milliseconds.
    first_byte_ms: u32,
    /// New sessions assigned since the last count.
    given: u32,
    /// Estimated number of open sockets at `held_at`.
    held: f64,
    held_at: UnixMillis,
    /// Load in the origin's last report, in thousandths: 0 idle, 1000 fully used.
    reported: u64,
    reported_at: UnixMillis,
}

/// Load of the origins as one isolate knows it, by name.
#[derive(Debug, Default)]
pub(crate) struct Load(FlatMap<String, State>);

impl Load {
    /// Records the data plane's counts at `origin`.
    pub(crate) fn observe(&mut self, origin: &str, seen: Activity, now: UnixMillis) {
        let state = self.0.or_default(origin.to_owned());
        state.under_way = seen.under_way;
        state.first_byte_ms = seen.first_byte_ms;
        state.given = 0;
        if seen.opened > 0 {
            state.held = state.held(now) + f64::from(seen.opened);
            state.held_at = now;
        }
    }

    /// Drops the estimate for an unreachable origin, whose sockets are closed.
    pub(crate) fn forget_sockets(&mut self, origin: &str) {
        if let Some(state) = self.0.get_mut(origin) {
            state.held = 0.0;
        }
    }

    /// Returns the estimated number of sockets that this isolate opened at `origin` and that are open.
    #[must_use]
    pub(crate) fn held(&self, origin: &str, now: UnixMillis) -> u32 {
        self.0.get(origin).map_or(0, |state| whole(state.held(now)))
    }

    /// Records that a new session was assigned to `origin`. It counts as one more request until the next count, so
    /// that a burst of sessions does not overload the least busy origin.
    pub(crate) fn assign(&mut self, origin: &str) {
        match self.0.get_mut(origin) {
            Some(state) => state.given += 1,
            None => self.0.or_default(origin.to_owned()).given = 1,
        }
    }

    /// Records an origin's load report: `endpoint-load-metrics` of a response, in the text or JSON form of ORCA (Open
    /// Request Cost Aggregation). The highest utilisation counts. Returns whether the report was valid.
    pub(crate) fn report(&mut self, origin: &str, metrics: &str, now: UnixMillis) -> bool {
        let Some(utilization) = utilization(metrics) else {
            return false;
        };
        let state = self.0.or_default(origin.to_owned());
        state.reported = per_mille(utilization);
        state.reported_at = now;
        true
    }

    /// Returns the number of this isolate's requests in flight at `origin`, including new sessions.
    #[must_use]
    pub(crate) fn under_way(&self, origin: &str) -> u32 {
        self.0
            .get(origin)
            .map_or(0, |state| state.under_way.saturating_add(state.given))
    }

    /// Returns what this isolate had in flight at all origins when the data plane counted last, at most 250 ms ago.
    #[must_use]
    pub(crate) fn in_flight(&self) -> u32 {
        self.0.values().map(|state| state.under_way).sum()
    }

    /// Returns the average time to the first byte, in milliseconds.
    #[must_use]
    pub(crate) fn first_byte_ms(&self, origin: &str) -> u32 {
        self.0.get(origin).map_or(0, |state| state.first_byte_ms)
    }

    /// Returns the load that the origin recently reported, in thousandths.
    #[must_use]
    pub(crate) fn reported(&self, origin: &str, now: UnixMillis) -> Option<u64> {
        let state = self.0.get(origin)?;
        let is_fresh =
            state.reported_at.0 > 0 && now.millis_since(state.reported_at) < REPORT_COUNTS_MS;
        is_fresh.then_some(state.reported)
    }
}

impl State {
    fn held(&self, now: UnixMillis) -> f64 {
        self.held * remaining(now.millis_since(self.held_at))
    }
}

/// Returns the weight of a socket that was opened `age_ms` milliseconds ago, between 0 and 1.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(crate) fn remaining(age_ms: u64) -> f64 {
    (-(age_ms as f64) / HELD_MS as f64).exp()
}

/// Returns the nearest whole number.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
pub(crate) fn whole(estimate: f64) -> u32 {
    (estimate + 0.5) as u32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates; NaN is none"
)]
fn per_mille(utilization: f64) -> u64 {
    (utilization * 1000.0).min(100_000.0) as u64
}

/// Returns the highest utilisation in the metrics.
fn utilization(metrics: &str) -> Option<f64> {
    const NAMES: [&str; 3] = [
        "application_utilization",
        "cpu_utilization",
        "mem_utilization",
    ];
    let metrics = metrics.trim();
    let values: Vec<f64> = if let Some(json) = metrics.strip_prefix("JSON") {
        let json: Value = serde_json::from_str(json.trim()).ok()?;
        NAMES
            .iter()
            .filter_map(|name| json.get(name)?.as_f64())
            .collect()
    } else {
        let text = metrics.strip_prefix("TEXT").unwrap_or(metrics);
        text.split(',')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| NAMES.contains(&name.trim()))
            .filter_map(|(_, value)| decimal(value.trim()))
            .collect()
    };
    values
        .into_iter()
        .filter(|value| value.is_finite() && *value >= 0.0)
        .max_by(f64::total_cmp)
}

/// Parses a number as C writes it. `str::parse` finds the nearest float at any length, for 15 KB of tables and code;
/// here thousandths are enough.
fn decimal(text: &str) -> Option<f64> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i16>().ok()?),
        None => (text, 0),
    };
    let number = number.strip_prefix('+').unwrap_or(number);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let mut digits = whole.chars().chain(part.chars()).peekable();
    digits.peek()?;
    let value = digits.try_fold(0.0, |value, digit| {
        Some(value * 10.0 + f64::from(digit.to_digit(10)?))
    })?;
    let exponent = i32::from(exponent) - i32::try_from(part.len()).ok()?;
    let scale = 10_f64.powi(exponent.abs());
    Some(if exponent < 0 {
        value / scale
    } else {
        value * scale
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opened_sockets_count_less_and_less() {
        let mut load = Load::default();
        let at = |minutes: u64| UnixMillis(1_000_000 + minutes * 60_000);
        let opened = |opened| Activity {
            opened,
            ..Activity::default()
        };
        load.observe("a", opened(60), at(0));
        assert_eq!(load.held("a", at(0)), 60);
        load.observe("a", opened(0), at(1));
        assert_eq!(load.held("a", at(15)), 22, "60 / e");
        load.observe("a", opened(10), at(15));
        assert_eq!(load.held("a", at(15)), 32);
        assert_eq!((load.held("a", at(600)), load.held("b", at(0))), (0, 0));
        load.observe("a", opened(10), at(600));
        load.forget_sockets("a");
        assert_eq!(load.held("a", at(600)), 0);
        load.observe("a", opened(1), at(600));
        assert_eq!(load.held("a", at(600)), 1);
    }

    #[test]
    fn load_reports_are_parsed_in_both_forms_and_expire() {
        for (metrics, expected) in [
            ("TEXT cpu_utilization=0.3,mem_utilization=0.8", Some(800)),
            ("cpu_utilization=0.25", Some(250)),
            (
                r#"JSON {"cpu_utilization": 0.3, "application_utilization": 1.2}"#,
                Some(1_200),
            ),
            ("TEXT cpu_utilization=0.29999999999999999", Some(300)),
            ("TEXT cpu_utilization=.57, mem_utilization=57e-3", Some(570)),
            ("TEXT cpu_utilization=+1., mem_utilization=x", Some(1_000)),
            ("TEXT rps_fractional=100", None),
            ("TEXT cpu_utilization=NaN", None),
            ("TEXT cpu_utilization=-1", None),
            ("TEXT cpu_utilization=.", None),
            ("TEXT cpu_utilization=1e999", None),
            ("JSON {", None),
            ("", None),
        ] {
            let mut load = Load::default();
            let now = UnixMillis(1_000);
            assert_eq!(
                load.report("a", metrics, now),
                expected.is_some(),
                "{metrics}"
            );
            assert_eq!(load.reported("a", now), expected, "{metrics}");
            assert_eq!(load.reported("a", UnixMillis(11_000)), None);
        }
    }
}
