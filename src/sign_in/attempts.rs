//! How often something may be tried: passwords of an account, and tokens that count once.
//!
//! Kept by a Durable Object for each account or token, so that all isolates count together. An attempt
//! counts before it is made: of many at once none is for free. Nobody is locked out for good (OWASP ASVS
//! 5.0 6.1.1): whoever goes on guessing at a name can make its user wait, a quarter of an hour at most.

use serde_json::{Value, json};

use crate::clock::UnixMillis;

/// So many failures in a row cost nothing.
const FREE: u32 = 5;

/// The longest wait.
const LONGEST_WAIT_S: u64 = 900;

/// Failures are forgotten so long after the last.
const FORGOTTEN_AFTER_MS: u64 = 24 * 3_600_000;

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

impl Command {
    /// One line of JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Try { by } => json!({ "do": "try", "by": by }),
            Self::Succeeded => json!({ "do": "succeeded" }),
            Self::Seen => json!({ "do": "seen" }),
            Self::Once { until, by } => json!({ "do": "once", "until": until, "by": by }),
        }
        .to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        let command: Value = serde_json::from_str(text).ok()?;
        let number = |name: &str| command.get(name).and_then(Value::as_u64);
        match command.get("do")?.as_str()? {
            "try" => Some(Self::Try { by: number("by")? }),
            "succeeded" => Some(Self::Succeeded),
            "seen" => Some(Self::Seen),
            "once" => Some(Self::Once {
                until: number("until")?,
                by: number("by")?,
            }),
            _ => None,
        }
    }
}

impl Verdict {
    /// As the object answers it: the seconds to wait.
    #[must_use]
    pub fn to_text(self) -> String {
        match self {
            Self::Allowed => "0".to_owned(),
            Self::Wait(seconds) => seconds.to_string(),
        }
    }

    /// The counterpart of [`Verdict::to_text`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let seconds = core::str::from_utf8(bytes).ok()?.parse().ok()?;
        Some(match seconds {
            0 => Self::Allowed,
            seconds => Self::Wait(seconds),
        })
    }
}

/// What is remembered: how often it failed in a row, until when to wait, when to forget it all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    failures: u32,
    wait_until: u64,
    forget_at: u64,
    /// Who was allowed to last.
    by: u64,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is answered.
    pub verdict: Verdict,
    /// What is to be remembered, and until when in Unix milliseconds; none for nothing.
    pub row: Option<(String, u64)>,
}

/// Applies a command to what is remembered; nothing understood is nothing remembered.
#[must_use]
pub fn obey(row: &str, command: &str, now: UnixMillis) -> Outcome {
    let row = Row::parse(row)
        .filter(|row| now.0 < row.forget_at)
        .unwrap_or_default();
    match Command::parse(command) {
        Some(Command::Succeeded) => Outcome {
            verdict: Verdict::Allowed,
            row: None,
        },
        Some(Command::Seen) if row.failures == 0 => Outcome {
            verdict: Verdict::Allowed,
            row: None,
        },
        Some(Command::Once { until, by })
            if now.0 < until && (row.failures == 0 || row.by == by) =>
        {
            Outcome {
                verdict: Verdict::Allowed,
                row: Some((
                    Row {
                        failures: 1,
                        wait_until: until,
                        forget_at: until,
                        by,
                    }
                    .to_text(),
                    until,
                )),
            }
        }
        Some(Command::Try { by }) if now.0 >= row.wait_until => {
            let failures = row.failures.saturating_add(1);
            let next = Row {
                failures,
                wait_until: now.0 + wait_after(failures) * 1_000,
                forget_at: now.0 + FORGOTTEN_AFTER_MS,
                by,
            };
            Outcome {
                verdict: Verdict::Allowed,
                row: Some((next.to_text(), next.forget_at)),
            }
        }
        _ => Outcome {
            verdict: Verdict::Wait(row.wait_until.saturating_sub(now.0).div_ceil(1_000).max(1)),
            row: Some((row.to_text(), row.forget_at)),
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
    fn parse(text: &str) -> Option<Self> {
        let row: Value = serde_json::from_str(text).ok()?;
        Some(Self {
            failures: row.get(0)?.as_u64()?.try_into().ok()?,
            wait_until: row.get(1)?.as_u64()?,
            forget_at: row.get(2)?.as_u64()?,
            by: row.get(3)?.as_u64()?,
        })
    }

    fn to_text(self) -> String {
        json!([self.failures, self.wait_until, self.forget_at, self.by]).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Object {
        row: String,
        now: u64,
    }

    impl Object {
        fn new() -> Self {
            Self {
                row: String::new(),
                now: 1_000_000,
            }
        }

        fn told(&mut self, command: &Command) -> Verdict {
            let outcome = obey(&self.row, &command.to_text(), UnixMillis(self.now));
            self.row = outcome.row.map(|(row, _)| row).unwrap_or_default();
            let text = outcome.verdict.to_text();
            assert_eq!(Verdict::parse(text.as_bytes()), Some(outcome.verdict));
            outcome.verdict
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
        assert_eq!(account.row, "");
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

    #[test]
    fn rubbish_allows_nothing() {
        assert_ne!(obey("", "{}", UnixMillis(5)).verdict, Verdict::Allowed);
        assert_eq!(Verdict::parse(b"x"), None);
    }
}
