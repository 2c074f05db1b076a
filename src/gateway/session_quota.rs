//! Limits a tenant's stored sessions: beyond the quota no session begins. Sessions that exist go on, and a guest who has
//! a cookie may still sign in, so guests can exceed the quota.
//!
//! The tenant's object counts its list. A count is used for [`COUNT_EVERY_MS`], there and here; if the object does not
//! answer, for [`USABLE_MS`].

use super::parts::{Limits, Recorder};
use super::{Interrupt, RequestContext};
use crate::clock::UnixMillis;
use crate::effect::Found;
use crate::response::problem::Problem;
use crate::store::session_index::{self, COUNTED};
use crate::telemetry::gauge::{Gauge, Milli};
use crate::telemetry::log::{Event, Level};
use crate::telemetry::metric;

/// Time for which this isolate uses a count, in milliseconds.
const COUNT_EVERY_MS: u64 = 10_000;

/// Time for which a count is used if no other is known, and reported as a metric, in milliseconds.
const USABLE_MS: u64 = 60_000;

/// Last known number of stored sessions.
#[derive(Debug, Default)]
pub(crate) struct StoredSessions {
    /// Number, and the time of its request.
    counted: Option<(u64, UnixMillis)>,
    /// Time of the last request for a count.
    asked: UnixMillis,
}

impl StoredSessions {
    fn usable(&self, now: UnixMillis) -> Option<u64> {
        let (count, at) = self.counted?;
        (now.millis_since(at) < USABLE_MS).then_some(count)
    }
}

impl Limits {
    /// Refuses a new session if the tenant has as many as it may have. Only one request in [`COUNT_EVERY_MS`] waits for
    /// the count. Without a usable count no session is refused.
    ///
    /// # Errors
    /// Returns the need to perform first, or [`Problem::TenantFull`].
    pub(super) fn limit_sessions(
        &mut self,
        recorder: &mut Recorder,
        context: &RequestContext<'_>,
    ) -> Result<(), Interrupt> {
        let Some(most) = self.tenant.max_sessions else {
            return Ok(());
        };
        let (now, stored) = (context.now, &mut self.stored_sessions);
        match context.answers.read(COUNTED) {
            Some(answer) => {
                if let Found::Bytes(bytes) = answer.found
                    && let Some(count) = session_index::read_count(bytes)
                {
                    stored.counted = Some((count, answer.asked));
                }
            }
            None if now.millis_since(stored.asked) >= COUNT_EVERY_MS => {
                stored.asked = now;
                return Err(Interrupt::Pending(vec![session_index::ask_count(
                    &self.tenant.id,
                )]));
            }
            None => {}
        }
        if stored.usable(now).is_none_or(|count| count < most) {
            return Ok(());
        }
        let problem = Problem::TenantFull;
        if self.refused_requests.count(&problem.code(), now).is_first() {
            let event = Event::new(Level::Warn, "new_session_refused");
            recorder.emit(event.with("reason", problem.code()));
        }
        Err(problem.into())
    }

    /// Returns the number of stored sessions as a metric, if it is known and limited.
    pub(crate) fn sessions_gauge(&self, now: UnixMillis) -> Option<Gauge> {
        self.tenant.max_sessions?;
        let count = self.stored_sessions.usable(now)?;
        let labels = self.tenant.id.to_string();
        Some((metric::SESSIONS_STORED, labels, Milli::of(count)))
    }
}
