//! Which origin gets the request: the one that holds the conversation, while it can be reached.

use super::recognition::Visitor;
use super::{Gateway, Halt, Passage};
use crate::answer::problem::Problem;
use crate::store::Failure;
use crate::telemetry::log::{Event, Level};

/// How often a request may be sent in all: at its own origin, there once more, and elsewhere.
const MOST_TRIES: usize = 3;

/// How often a connection to one origin must be lost before the origin is taken to be gone. Once
/// proves nothing: a server may close a kept connection at the very moment it is used again, and
/// moving the conversation for that would lose what the server holds of it in memory.
const LOSSES_THAT_PROVE: usize = 2;

/// Where a request goes, and what that means for the session.
pub(super) struct Course {
    /// The origin's name.
    pub(super) origin: String,
    /// Scheme and authority of the origin.
    pub(super) base: String,
    /// It inherits the conversation from another origin.
    pub(super) takeover: bool,
    /// Where the conversation is must be written down, or is no longer where it was.
    pub(super) pin: bool,
}

impl Gateway {
    pub(super) fn choose_origin(
        &mut self,
        visitor: &Visitor,
        passage: &Passage<'_>,
    ) -> Result<Course, Halt> {
        self.consider_failures(passage)?;
        let record = &visitor.session.record;
        let pool = &self.deployment.tenant.pool;
        let pinned = record.pin.as_deref().and_then(|name| pool.named(name));
        let hashed = pool.best(record.handle, |_| true);
        let home = pinned.or(hashed).ok_or(Problem::OriginUnreachable)?;

        let failed = |name: &str| is_gone(name, passage.answers.failures());
        let usable = |name: &str| !failed(name) && !self.suspicions.holds(name, passage.now);
        let chosen = if usable(&home.name) {
            Some(home)
        } else {
            // When all are under suspicion, one that has not failed this request is still worth it.
            pool.best(record.handle, |origin| usable(&origin.name))
                .or_else(|| Some(home).filter(|home| !failed(&home.name)))
                .or_else(|| pool.best(record.handle, |origin| !failed(&origin.name)))
        };
        let chosen = chosen.ok_or(Problem::OriginUnreachable)?;
        let pin = (Some(chosen) != hashed).then_some(chosen.name.as_str());
        let lost_home = record.pin.is_some() && pinned.is_none();
        Ok(Course {
            origin: chosen.name.clone(),
            base: chosen.base.clone(),
            takeover: !visitor.is_new && (chosen != home || lost_home),
            pin: pin != record.pin.as_deref(),
        })
    }

    /// Decides whether a request that an origin did not answer may be sent once more.
    fn consider_failures(&mut self, passage: &Passage<'_>) -> Result<(), Halt> {
        let failures = passage.answers.failures();
        let Some((origin, failure)) = failures.last() else {
            return Ok(());
        };
        let (reason, repeatable) = match failure {
            Failure::Lost => ("lost", passage.request.is_safe()),
            Failure::Cut => ("cut", false),
            Failure::Unsent => ("unsent", true),
            Failure::TimedOut => ("timed_out", false),
        };
        let retry = repeatable && failures.len() < MOST_TRIES;
        if is_gone(origin, failures) {
            self.suspicions.raise(origin, passage.now);
        }
        let event = Event::new(Level::Warn, "origin_failed").with("origin", origin.as_str());
        self.note(event.with("reason", reason).with("retried", retry));
        match failure {
            _ if retry => Ok(()),
            Failure::TimedOut => Err(Problem::OriginTimeout.into()),
            Failure::Lost | Failure::Cut | Failure::Unsent => {
                Err(Problem::OriginUnreachable.into())
            }
        }
    }
}

/// Whether what happened to this one request shows that the origin is gone.
fn is_gone(origin: &str, failures: &[(String, Failure)]) -> bool {
    let of_it = || {
        failures
            .iter()
            .filter(|(name, _)| name == origin)
            .map(|(_, failure)| *failure)
    };
    of_it().any(|failure| failure == Failure::Unsent)
        || of_it().filter(|failure| *failure == Failure::Lost).count() >= LOSSES_THAT_PROVE
}
