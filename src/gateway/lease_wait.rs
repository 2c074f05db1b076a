//! Waits for a lease of another caller: sends the same command again after a pause, until the lease ends or the
//! caller's patience does.
//!
//! A session's object keeps no queue. Of several callers that wait, the first one to ask after the lease's end is next.

use crate::clock::{Seconds, UnixMillis};
use crate::effect::{Answers, Need};
use crate::session::change::LEASED;
use crate::session_object::command::{Reply, Status};

/// Pause before the second try, in milliseconds; each further pause is twice as long.
const FIRST_PAUSE_MS: u64 = 100;

/// Maximum pause, in milliseconds. Within `MAX_LEASE_WAIT` that allows about twenty tries.
const MAX_PAUSE_MS: u64 = 500;

/// Key under which pauses are filed.
const PAUSE: &str = "lease";

/// One try of a command that a lease may hold up.
#[derive(Clone, Copy)]
pub(crate) struct LeaseWait<'a> {
    answers: &'a Answers,
    wait: Seconds,
    /// How often the command was tried before.
    pub(crate) tries: u32,
}

impl<'a> LeaseWait<'a> {
    /// Returns the try that is due now.
    pub(crate) fn new(answers: &'a Answers, wait: Seconds) -> Self {
        let tries = match wait {
            Seconds(0) => 0,
            _ => answers.read(PAUSE).map_or(0, |pause| pause.attempts),
        };
        Self {
            answers,
            wait,
            tries,
        }
    }

    /// Returns the key of this try's answer; `first` is that of the first try.
    pub(crate) fn key(&self, first: &str) -> String {
        match self.tries {
            0 => first.to_owned(),
            tries => format!("{first} {tries}"),
        }
    }

    /// Returns the pause before the next try, if a lease holds up the command and its caller still waits.
    pub(crate) fn pause(
        &self,
        first: &str,
        reply: &Reply,
        now: UnixMillis,
        random: u32,
    ) -> Option<Need> {
        let (_, until) = reply.lease.filter(|_| is_held_up(reply))?;
        let begun = self.answers.read(first)?.asked;
        let left = (begun.0 + self.wait.0 * 1_000).saturating_sub(now.0);
        if left == 0 {
            return None;
        }
        let pause = (FIRST_PAUSE_MS << self.tries.min(8)).min(MAX_PAUSE_MS);
        // A quarter more or less, so that those who wait for one lease do not ask at the same moment.
        let pause = pause * 3 / 4 + u64::from(random) % (pause / 2);
        let ends_in = until.0.saturating_sub(now.0) + 1;
        let ms = pause.min(ends_in).min(left);
        Some(Need::Pause {
            key: PAUSE.to_owned(),
            ms: u32::try_from(ms).unwrap_or(u32::MAX),
        })
    }
}

fn is_held_up(reply: &Reply) -> bool {
    reply.is == Status::Held || reply.refused.iter().any(|refused| refused == LEASED)
}

/// Returns in how many seconds a lease ends, for `Retry-After`: at least one.
pub(crate) fn retry_after(until: Option<UnixMillis>, now: UnixMillis) -> u64 {
    let left = until.map_or(0, |until| until.0.saturating_sub(now.0));
    left.div_ceil(1_000).max(1)
}
