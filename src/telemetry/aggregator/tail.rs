//! Keeps the last log lines for the console.

use std::collections::VecDeque;

use serde_json::Value;

use crate::clock::UnixMillis;
use crate::encoding::json;
use crate::telemetry::log::Level;
use crate::telemetry::message::Query;

/// Maximum number of lines kept.
const KEPT: usize = 1_000;

/// Maximum number of lines per page.
const PAGE: usize = 200;

/// Time after a view of the console for which isolates send all lines, in milliseconds.
const WATCHED_MS: u64 = 15_000;

/// Last lines with their numbers.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<(u64, Value)>,
    /// Number of the last line.
    last: u64,
    watched: UnixMillis,
}

impl Tail {
    /// Adds a line.
    pub(super) fn push(&mut self, line: Value) {
        self.last += 1;
        self.lines.push_back((self.last, line));
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }

    /// Records a view of the console.
    pub(super) fn watch(&mut self, now: UnixMillis) {
        self.watched = now;
    }

    /// Returns whether the console was viewed recently.
    pub(super) fn is_watched(&self, now: UnixMillis) -> bool {
        now.millis_since(self.watched) < WATCHED_MS
    }

    /// Returns the lines after a number, oldest first; with 0, the latest ones.
    pub(super) fn after(&self, query: &Query) -> Value {
        // A higher number comes from an earlier instance of the object.
        let after = if query.after > self.last {
            0
        } else {
            query.after
        };
        let tenant = query.tenant.as_deref();
        let fits = |line: &Value| {
            let of = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
            Level::named(of("level")).unwrap_or_default() >= query.level
                && tenant.is_none_or(|tenant| of("tenant") == tenant)
        };
        let fitting: Vec<&(u64, Value)> = self
            .lines
            .iter()
            .filter(|(number, line)| *number > after && fits(line))
            .collect();
        let skipped = match after {
            0 => fitting.len().saturating_sub(PAGE),
            _ => 0,
        };
        let shown: Vec<_> = fitting.iter().skip(skipped).take(PAGE).collect();
        let is_whole = skipped + shown.len() == fitting.len();
        let next = match shown.last() {
            Some((number, _)) if !is_whole => *number,
            _ => self.last,
        };
        let numbered = |(number, line): &(u64, Value)| {
            let mut line = line.clone();
            if let Some(members) = line.as_object_mut() {
                members.insert("seq".to_owned(), json!(number));
            }
            line
        };
        let lines: Vec<Value> = shown.into_iter().map(|line| numbered(line)).collect();
        let oldest = self.lines.front().map_or(self.last, |(number, _)| *number);
        // Lines between the last one seen and the oldest one kept.
        let dropped = match after {
            0 => 0,
            after => oldest.saturating_sub(after + 1),
        };
        json!({ "lines": lines, "next": next, "dropped": dropped })
    }
}
