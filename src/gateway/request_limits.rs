//! Limits a tenant's requests, so that one tenant's load does not slow others in the same isolate. Reserved paths are
//! exempt: operators must get in.

use super::{Gateway, RequestContext};
use crate::response::problem::Problem;
use crate::telemetry::log::{Event, Level};

impl Gateway {
    /// Counts a request of the tenant.
    ///
    /// # Errors
    /// Returns [`Problem::TooManyRequests`] or [`Problem::TenantBusy`] if the tenant is over its limit.
    #[inline(never)]
    pub(super) fn limit_requests(&mut self, context: &RequestContext<'_>) -> Result<(), Problem> {
        // The gateway calls this again with the answers of a request, which was counted before.
        if context.answers.seed().is_some() || !context.answers.failures().is_empty() {
            return Ok(());
        }
        let is_busy = self
            .tenant
            .max_in_flight
            .is_some_and(|most| self.balancer.load.in_flight() >= most);
        let problem = if is_busy {
            Problem::TenantBusy
        } else {
            match self.tenant.requests_per_second {
                Some(rate) if !self.limits.requests.take(rate, context.now) => {
                    Problem::TooManyRequests
                }
                _ => return Ok(()),
            }
        };
        let refused = &mut self.limits.refused_requests;
        if refused.count(&problem.code(), context.now).is_first() {
            let event = Event::new(Level::Warn, "requests_refused");
            self.recorder.emit(event.with("reason", problem.code()));
        }
        Err(problem)
    }
}
