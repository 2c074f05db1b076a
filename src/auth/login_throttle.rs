//! Limits attempts: passwords of an account, and tokens that are valid once. Also remembers recent changes of an
//! account that storage may not show everywhere yet.
//!
//! A Durable Object per account or token decides, so that all isolates count together. An attempt counts before it is
//! made, so that none of many concurrent ones is free. No account is locked for good (OWASP ASVS 5.0 6.1.1): repeated
//! guesses make its user wait a quarter of an hour at most.

pub(crate) mod message;

use serde::Deserialize;
use serde_json::Value;

use crate::clock::UnixMillis;
use crate::encoding::json;
use crate::message::from_value;

use message::{AccountChange, Command, Reply, Verdict};

/// Number of failures in a row without a wait.
const FREE: u32 = 5;

/// Maximum wait, in seconds.
const MAX_WAIT_S: u64 = 900;

/// Time after the last failure until failures are forgotten, in milliseconds.
const FORGOTTEN_AFTER_MS: u64 = 24 * 3_600_000;

/// Time for which a change of an account is remembered, in seconds: long enough for storage to show it in every
/// location.
const CHANGE_KNOWN_S: u64 = 3_600;

/// Stored row: failures in a row, end of the wait, time to forget them, and a recent change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    failures: u32,
    wait_until: u64,
    forget_at: u64,
    /// Id of the last allowed attempt.
    by: u64,
    /// Recent change, and the time until which to remember it, in Unix milliseconds.
    change: Option<(AccountChange, u64)>,
}

/// Recent change in a stored row.
#[derive(Deserialize)]
struct KnownChange {
    #[serde(default)]
    account: Option<String>,
    at: u64,
    until: u64,
}

/// Change of the object's storage, before it responds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Stores this row, and sets the alarm that deletes it.
    Store {
        /// Row to store.
        row: String,
        /// Time of the alarm.
        until: UnixMillis,
    },
    /// Deletes all storage, including the alarm.
    DeleteAll,
    /// No change: there is no row, and none is needed. A read of an unused object stores nothing.
    Nothing,
}

/// Result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Response to the caller.
    pub reply: Reply,
    /// Change of the object's storage.
    pub change: Change,
}

/// Applies a command to the stored row. A malformed row counts as none; a malformed command is answered with a wait.
#[must_use]
pub(crate) fn apply(stored: Option<&str>, command: &str, now: UnixMillis) -> Outcome {
    let row = stored.and_then(Row::parse).unwrap_or_default().at(now);
    let (returns_change, verdict, row) = match Command::parse(command) {
        Ok(command) => {
            let returns_change = command.requests_change();
            let (verdict, row) = row.apply(command, now);
            (returns_change, verdict, row)
        }
        Err(_) => (false, row.wait(now), row),
    };
    let change = row.change.as_ref().filter(|_| returns_change);
    Outcome {
        reply: Reply {
            verdict,
            change: change.map(|(change, _)| change.clone()),
        },
        change: match row.kept() {
            Some((row, until)) => Change::Store {
                row,
                until: UnixMillis(until),
            },
            None if stored.is_some() => Change::DeleteAll,
            None => Change::Nothing,
        },
    }
}

/// Returns until when to keep the stored row when its alarm fires; `None` if it can be deleted.
#[must_use]
pub(crate) fn kept_until(stored: Option<&str>, now: UnixMillis) -> Option<UnixMillis> {
    let row = Row::parse(stored?)?.at(now);
    row.kept().map(|(_, until)| UnixMillis(until))
}

/// Returns the wait after this many failures in a row, in seconds: 1, 2, 4 and so on.
fn wait_after(failures: u32) -> u64 {
    match failures.checked_sub(FREE) {
        None => 0,
        Some(beyond) => (1_u64 << beyond.min(20)).min(MAX_WAIT_S),
    }
}

impl Row {
    fn apply(self, command: Command, now: UnixMillis) -> (Verdict, Self) {
        let reset = |row: Self| Self {
            change: row.change,
            ..Self::default()
        };
        match command {
            Command::Succeeded { .. } => (Verdict::Allowed, reset(self)),
            Command::Account { .. } => (Verdict::Allowed, self),
            Command::Changed { change, .. } => (Verdict::Allowed, self.changed(change, now)),
            Command::Seen if self.failures == 0 => (Verdict::Allowed, self),
            Command::Once { until, by }
                if now.0 < until && (self.failures == 0 || self.by == by) =>
            {
                let seen = Self {
                    failures: 1,
                    wait_until: until,
                    forget_at: until,
                    by,
                    change: self.change,
                };
                (Verdict::Allowed, seen)
            }
            Command::Try { by, .. } if now.0 >= self.wait_until => {
                let failures = self.failures.saturating_add(1);
                let next = Self {
                    failures,
                    wait_until: now.0 + wait_after(failures) * 1_000,
                    forget_at: now.0 + FORGOTTEN_AFTER_MS,
                    by,
                    change: self.change,
                };
                (Verdict::Allowed, next)
            }
            Command::Seen | Command::Once { .. } | Command::Try { .. } => (self.wait(now), self),
        }
    }

    /// Remembers a change, unless a later one is known.
    fn changed(self, change: AccountChange, now: UnixMillis) -> Self {
        if self
            .change
            .as_ref()
            .is_some_and(|(known, _)| known.at > change.at)
        {
            return self;
        }
        Self {
            change: Some((change, now.0 + CHANGE_KNOWN_S * 1_000)),
            ..self
        }
    }

    fn wait(&self, now: UnixMillis) -> Verdict {
        Verdict::Wait(self.wait_until.saturating_sub(now.0).div_ceil(1_000).max(1))
    }

    /// Drops the expired parts.
    fn at(self, now: UnixMillis) -> Self {
        let change = self.change.filter(|(_, until)| now.0 < *until);
        if now.0 < self.forget_at {
            Self { change, ..self }
        } else {
            Self {
                change,
                ..Self::default()
            }
        }
    }

    /// Returns the row as text and the time until which to keep it; `None` if it is empty.
    fn kept(&self) -> Option<(String, u64)> {
        let known_until = self.change.as_ref().map_or(0, |(_, until)| *until);
        let until = self.forget_at.max(known_until);
        (until > 0).then(|| (self.to_text(), until))
    }

    fn parse(text: &str) -> Option<Self> {
        let row: Value = serde_json::from_str(text).ok()?;
        let kept = row.get(4).and_then(from_value::<KnownChange>);
        let change = kept.map(|KnownChange { account, at, until }| {
            let change = AccountChange { account, at };
            (change, until)
        });
        Some(Self {
            failures: row.get(0)?.as_u64()?.try_into().ok()?,
            wait_until: row.get(1)?.as_u64()?,
            forget_at: row.get(2)?.as_u64()?,
            by: row.get(3)?.as_u64()?,
            change,
        })
    }

    /// Writes the row. An earlier release reads the first four members, and loses the change.
    fn to_text(&self) -> String {
        let mut row = vec![
            json!(self.failures),
            json!(self.wait_until),
            json!(self.forget_at),
            json!(self.by),
        ];
        if let Some((change, until)) = &self.change {
            let AccountChange { account, at } = change;
            row.push(json!({ "account": account, "at": at, "until": until }));
        }
        Value::Array(row).to_string()
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
