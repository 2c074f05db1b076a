//! How often something may be tried: passwords of an account, and tokens that count once. And what was
//! changed of an account lately, which storage may not show everywhere yet.
//!
//! Kept by a Durable Object for each account or token, so that all isolates count together. An attempt
//! counts before it is made: of many at once none is for free. Nobody is locked out for good (OWASP ASVS
//! 5.0 6.1.1): whoever goes on guessing at a name can make its user wait, a quarter of an hour at most.

use core::fmt;

use serde_json::{Value, json};

use crate::clock::UnixMillis;

/// So many failures in a row cost nothing.
const FREE: u32 = 5;

/// The longest wait.
const LONGEST_WAIT_S: u64 = 900;

/// Failures are forgotten so long after the last.
const FORGOTTEN_AFTER_MS: u64 = 24 * 3_600_000;

/// How long a change of an account is known here, in seconds: long enough for storage to show it in every
/// location.
const CHANGE_KNOWN_S: u64 = 3_600;

/// What is asked of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// May it be tried once more? Counts as a failure until the contrary is told.
    Try {
        /// Tells this attempt from others at the same moment.
        by: u64,
    },
    /// It was not a failure: start anew.
    Succeeded,
    /// Was the account changed lately?
    Account,
    /// The account was changed.
    Changed(AccountChange),
    /// Has there been a first time?
    Seen,
    /// Is this the first time, until then, in Unix milliseconds?
    Once {
        /// When it does not matter any more.
        until: u64,
        /// Who asks: the same may ask again, because the answer was lost.
        by: u64,
    },
}

/// What the object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allowed,
    /// Not before so many seconds.
    Wait(u64),
}

/// A change of an account that storage may not show everywhere yet. Whoever is about to sign in asks here
/// anyway.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountChange {
    /// The account's `changed`, which rises with every change.
    pub at: u64,
    /// The account as it is stored since; none if it was deleted.
    pub account: Option<String>,
}

impl fmt::Debug for AccountChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountChange({})", self.at)
    }
}

impl AccountChange {
    fn to_json(&self) -> Value {
        json!({ "at": self.at, "account": self.account })
    }

    fn read(value: &Value) -> Option<Self> {
        let account = value.get("account").and_then(Value::as_str);
        Some(Self {
            at: value.get("at")?.as_u64()?,
            account: account.map(str::to_owned),
        })
    }
}

/// The object's whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whether to go on.
    pub verdict: Verdict,
    /// What was changed lately, if an account was asked about.
    pub change: Option<AccountChange>,
}

impl Reply {
    /// As the object answers it: the seconds to wait, and the change in a second line.
    #[must_use]
    pub fn to_text(&self) -> String {
        let seconds = match self.verdict {
            Verdict::Allowed => 0,
            Verdict::Wait(seconds) => seconds,
        };
        match &self.change {
            None => seconds.to_string(),
            Some(change) => format!("{seconds}\n{}", change.to_json()),
        }
    }

    /// The counterpart of [`Reply::to_text`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        let (seconds, change) = match text.split_once('\n') {
            None => (text, None),
            Some((seconds, change)) => {
                let change = serde_json::from_str(change).ok()?;
                (seconds, Some(AccountChange::read(&change)?))
            }
        };
        let verdict = match seconds.parse().ok()? {
            0 => Verdict::Allowed,
            seconds => Verdict::Wait(seconds),
        };
        Some(Self { verdict, change })
    }
}

impl Command {
    /// One line of JSON. `account` asks for what was changed lately; an earlier release neither asks nor
    /// tells.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Try { by } => json!({ "do": "try", "by": by, "account": true }),
            Self::Succeeded => json!({ "do": "succeeded", "account": true }),
            Self::Account => json!({ "do": "account", "account": true }),
            Self::Changed(change) => {
                json!({ "do": "changed", "change": change.to_json(), "account": true })
            }
            Self::Seen => json!({ "do": "seen" }),
            Self::Once { until, by } => json!({ "do": "once", "until": until, "by": by }),
        }
        .to_string()
    }

    fn read(command: &Value) -> Option<Self> {
        let number = |name: &str| command.get(name).and_then(Value::as_u64);
        match command.get("do")?.as_str()? {
            "try" => Some(Self::Try { by: number("by")? }),
            "succeeded" => Some(Self::Succeeded),
            "account" => Some(Self::Account),
            "changed" => AccountChange::read(command.get("change")?).map(Self::Changed),
            "seen" => Some(Self::Seen),
            "once" => Some(Self::Once {
                until: number("until")?,
                by: number("by")?,
            }),
            _ => None,
        }
    }
}

/// What is remembered: how often it failed in a row, until when to wait, when to forget that; and what was
/// changed lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    failures: u32,
    wait_until: u64,
    forget_at: u64,
    /// Who was allowed to last.
    by: u64,
    /// And until when that is to be known, in Unix milliseconds.
    change: Option<(AccountChange, u64)>,
}

/// What the object does with its row before it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Stores this row, and sets the alarm that deletes it.
    Store {
        /// The row.
        row: String,
        /// When the alarm comes.
        until: UnixMillis,
    },
    /// Deletes everything it stored, the alarm included.
    DeleteAll,
    /// Nothing: there is no row, and none is needed. A question about what nobody has tried leaves nothing.
    Nothing,
}

/// What follows from a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The answer.
    pub reply: Reply,
    /// What becomes of the row.
    pub change: Change,
}

/// Applies a command to the stored row; what is not understood counts as none.
#[must_use]
pub fn obey(stored: Option<&str>, command: &str, now: UnixMillis) -> Outcome {
    let row = stored.and_then(Row::parse).unwrap_or_default().at(now);
    let command: Value = serde_json::from_str(command).unwrap_or_default();
    let tells = command.get("account") == Some(&Value::Bool(true));
    let (verdict, row) = match Command::read(&command) {
        Some(command) => row.obey(command, now),
        None => (row.wait(now), row),
    };
    let change = row.change.as_ref().filter(|_| tells);
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

/// Seconds to wait after so many failures in a row: 1, 2, 4 and so on.
fn wait_after(failures: u32) -> u64 {
    match failures.checked_sub(FREE) {
        None => 0,
        Some(beyond) => (1_u64 << beyond.min(20)).min(LONGEST_WAIT_S),
    }
}

impl Row {
    fn obey(self, command: Command, now: UnixMillis) -> (Verdict, Self) {
        let forgiven = |row: Self| Self {
            change: row.change,
            ..Self::default()
        };
        match command {
            Command::Succeeded => (Verdict::Allowed, forgiven(self)),
            Command::Account => (Verdict::Allowed, self),
            Command::Changed(change) => (Verdict::Allowed, self.changed(change, now)),
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
            Command::Try { by } if now.0 >= self.wait_until => {
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

    /// An announcement that was overtaken by a later one changes nothing.
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

    /// What of it still counts.
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

    /// As it is to be remembered, and until when; none if there is nothing.
    fn kept(&self) -> Option<(String, u64)> {
        let known_until = self.change.as_ref().map_or(0, |(_, until)| *until);
        let until = self.forget_at.max(known_until);
        (until > 0).then(|| (self.to_text(), until))
    }

    fn parse(text: &str) -> Option<Self> {
        let row: Value = serde_json::from_str(text).ok()?;
        let change = row.get(4).and_then(|kept| {
            let until = kept.get("until")?.as_u64()?;
            Some((AccountChange::read(kept)?, until))
        });
        Some(Self {
            failures: row.get(0)?.as_u64()?.try_into().ok()?,
            wait_until: row.get(1)?.as_u64()?,
            forget_at: row.get(2)?.as_u64()?,
            by: row.get(3)?.as_u64()?,
            change,
        })
    }

    /// An earlier release reads the first four members, and loses the change.
    fn to_text(&self) -> String {
        let mut row = vec![
            json!(self.failures),
            json!(self.wait_until),
            json!(self.forget_at),
            json!(self.by),
        ];
        if let Some((change, until)) = &self.change {
            row.push(json!({ "at": change.at, "account": change.account, "until": until }));
        }
        Value::Array(row).to_string()
    }
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;

    struct Object {
        row: Option<String>,
        now: u64,
        /// What the last reply told of the account.
        change: Option<AccountChange>,
    }

    impl Object {
        fn new() -> Self {
            Self {
                row: None,
                now: 1_000_000,
                change: None,
            }
        }

        fn told(&mut self, command: &Command) -> Verdict {
            let stored = self.row.take();
            let outcome = obey(stored.as_deref(), &command.to_text(), UnixMillis(self.now));
            match outcome.change {
                Change::Store { row, .. } => self.row = Some(row),
                Change::DeleteAll => assert!(stored.is_some()),
                Change::Nothing => assert_eq!(stored, None),
            }
            let text = outcome.reply.to_text();
            assert_eq!(Reply::parse(text.as_bytes()), Some(outcome.reply.clone()));
            self.change = outcome.reply.change;
            outcome.reply.verdict
        }
    }

    #[test]
    fn guessing_costs_more_and_more_time_and_success_starts_anew() {
        let mut account = Object::new();
        for _ in 0..FREE {
            assert_eq!(account.told(&Command::Try { by: 7 }), Verdict::Allowed);
        }
        let mut waited = Vec::new();
        for _ in 0..14 {
            let Verdict::Wait(seconds) = account.told(&Command::Try { by: 7 }) else {
                panic!("not held back");
            };
            waited.push(seconds);
            account.now += seconds * 1_000;
            assert_eq!(account.told(&Command::Try { by: 7 }), Verdict::Allowed);
        }
        assert_eq!(
            waited,
            [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]
        );
        account.told(&Command::Succeeded);
        assert_eq!(account.row, None);
        assert_eq!(account.told(&Command::Try { by: 7 }), Verdict::Allowed);
    }

    #[test]
    fn a_wait_is_not_made_longer_by_asking_again() {
        let mut account = Object::new();
        for _ in 0..FREE {
            account.told(&Command::Try { by: 7 });
        }
        for _ in 0..100 {
            assert_eq!(account.told(&Command::Try { by: 7 }), Verdict::Wait(1));
        }
    }

    #[test]
    fn who_has_not_tried_for_a_day_starts_anew() {
        let mut account = Object::new();
        for _ in 0..FREE {
            account.told(&Command::Try { by: 7 });
        }
        account.now += FORGOTTEN_AFTER_MS;
        assert_eq!(account.told(&Command::Try { by: 7 }), Verdict::Allowed);
        assert_eq!(account.told(&Command::Try { by: 7 }), Verdict::Allowed);
    }

    #[test]
    fn what_counts_once_counts_once() {
        let mut token = Object::new();
        let until = 1_060_000;
        let once = Command::Once { until, by: 1 };
        assert_eq!(token.told(&Command::Seen), Verdict::Allowed);
        assert_eq!(token.told(&once), Verdict::Allowed);
        assert_eq!(token.told(&once), Verdict::Allowed, "the answer was lost");
        assert_eq!(
            token.told(&Command::Once { until, by: 2 }),
            Verdict::Wait(60)
        );
        assert_eq!(token.told(&Command::Seen), Verdict::Wait(60));
        token.now = 1_060_000;
        assert_ne!(
            token.told(&once),
            Verdict::Allowed,
            "too late even for the first time"
        );
    }

    fn change(at: u64, account: Option<&str>) -> AccountChange {
        AccountChange {
            at,
            account: account.map(str::to_owned),
        }
    }

    #[test]
    fn whoever_tries_is_told_what_was_changed_until_storage_knows() {
        let mut account = Object::new();
        account.told(&Command::Try { by: 7 });
        assert_eq!(account.change, None);
        account.told(&Command::Changed(change(5, Some("new"))));
        for command in [Command::Try { by: 8 }, Command::Succeeded, Command::Account] {
            assert_eq!(account.told(&command), Verdict::Allowed);
            assert_eq!(account.change, Some(change(5, Some("new"))), "{command:?}");
        }
        account.told(&Command::Changed(change(6, None)));
        account.told(&Command::Changed(change(5, Some("new"))));
        account.told(&Command::Account);
        assert_eq!(account.change, Some(change(6, None)), "it was overtaken");
        account.now += CHANGE_KNOWN_S * 1_000;
        account.told(&Command::Account);
        assert_eq!((account.change.clone(), account.row), (None, None));
    }

    #[test]
    fn a_change_and_failures_are_each_remembered_as_long_as_they_matter() {
        let mut account = Object::new();
        for _ in 0..FREE {
            account.told(&Command::Try { by: 7 });
        }
        account.told(&Command::Changed(change(5, None)));
        assert_eq!(account.told(&Command::Try { by: 7 }), Verdict::Wait(1));
        account.now += CHANGE_KNOWN_S * 1_000;
        assert_eq!(account.told(&Command::Try { by: 7 }), Verdict::Allowed);
        assert_eq!(account.change, None);
        assert_eq!(account.told(&Command::Try { by: 7 }), Verdict::Wait(2));
    }

    #[test]
    fn an_earlier_release_asks_and_is_answered_as_before() {
        let mut account = Object::new();
        account.told(&Command::Changed(change(5, None)));
        let asked = r#"{"do":"try","by":7}"#;
        let now = UnixMillis(account.now);
        let reply = obey(account.row.as_deref(), asked, now).reply;
        assert_eq!(reply.to_text(), "0");
        let mut account = Object {
            row: Some("[4,0,86400000,7]".to_owned()),
            now: 10,
            change: None,
        };
        assert_eq!(account.told(&Command::Try { by: 8 }), Verdict::Allowed);
        account.now = 11;
        assert_eq!(account.told(&Command::Try { by: 9 }), Verdict::Wait(1));
    }

    #[test]
    fn rubbish_allows_nothing_and_leaves_nothing() {
        let outcome = obey(None, "{}", UnixMillis(5));
        assert_ne!(outcome.reply.verdict, Verdict::Allowed);
        assert_eq!(outcome.change, Change::Nothing);
        let outcome = obey(Some("rubbish"), "{}", UnixMillis(5));
        assert_eq!(outcome.change, Change::DeleteAll);
        assert_eq!(Reply::parse(b"x"), None);
        assert_eq!(Reply::parse(b"0\n{}"), None);
    }
}
