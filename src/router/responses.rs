//! Handles a forwarded request after its decision: response, background work, and revalidation of open streams.

use super::{Interrupt, Router};
use crate::clock::UnixMillis;
use crate::effect::{Answers, Need};
use crate::gateway::{Gateway, ResponseAction, Revalidation};
use crate::response::problem::{Audience, Problem};
use crate::tenant_id::TenantId;
use crate::upstream::response_headers::Edits;

/// Separator between the tenant and the rest of a response context.
const AFTER_TENANT: char = '\t';

impl Router {
    /// Handles an origin's response; see [`Gateway::handle_response`].
    pub(crate) fn handle_response(
        &mut self,
        response_context: &str,
        status: u16,
        headers: &str,
        now: UnixMillis,
        answers: &Answers,
    ) -> ResponseAction {
        let action = self.with_response_context(response_context, now, answers, |gateway| {
            let action = gateway.handle_response(response_context, status, headers, now, answers);
            (action, gateway.has_changed_state())
        });
        let (action, has_changed_state) = action.unwrap_or_else(|missing| {
            let action = match missing {
                Interrupt::Pending(needs) => ResponseAction::Await(needs),
                Interrupt::Reject(problem) => {
                    ResponseAction::Replaced(problem.answer(Audience::Program, ""))
                }
            };
            (action, true)
        });
        self.has_changed_state = has_changed_state;
        match (self.deployment.tenant_by.vary(), action) {
            (Some(headers), ResponseAction::Untouched) if status != 101 => {
                let append = vec![("vary", headers)];
                ResponseAction::Edited(Edits {
                    append,
                    ..Edits::default()
                })
            }
            (Some(headers), ResponseAction::Edited(mut edits)) if status != 101 => {
                edits.append.push(("vary", headers));
                ResponseAction::Edited(edits)
            }
            (_, action) => action,
        }
    }

    /// Runs background work; see [`Gateway::run_background`].
    pub(crate) fn run_background(
        &mut self,
        response_context: &str,
        now: UnixMillis,
        answers: &Answers,
    ) -> Vec<Need> {
        let needs = self.with_response_context(response_context, now, answers, |gateway| {
            gateway.run_background(response_context, now, answers)
        });
        let mut needs = match needs {
            Ok(needs) | Err(Interrupt::Pending(needs)) => needs,
            Err(Interrupt::Reject(_)) => Vec::new(),
        };
        if let Some(tenant) = tenant_in(response_context) {
            needs.extend(self.refresh(&tenant, now, answers));
        }
        needs
    }

    /// Revalidates an open stream; see [`Gateway::revalidate`].
    pub(crate) fn revalidate(
        &mut self,
        response_context: &str,
        now: UnixMillis,
        answers: &Answers,
    ) -> Revalidation {
        let revalidation = self.with_response_context(response_context, now, answers, |gateway| {
            gateway.revalidate(response_context, now, answers)
        });
        revalidation.unwrap_or_else(|missing| match missing {
            Interrupt::Pending(needs) => Revalidation::Await(needs),
            Interrupt::Reject(Problem::UnknownHost) => Revalidation::Over("session_ended"),
            // A store that cannot be reached ends no session.
            Interrupt::Reject(_) => Revalidation::Continue(5_000),
        })
    }

    fn with_response_context<T>(
        &mut self,
        response_context: &str,
        now: UnixMillis,
        answers: &Answers,
        act: impl FnOnce(&mut Gateway) -> T,
    ) -> Result<T, Interrupt> {
        let broken = || Interrupt::Reject(Problem::Internal);
        let tenant = tenant_in(response_context).ok_or_else(broken)?;
        self.ready(&tenant, now, answers)?;
        self.at(&tenant, now, act).ok_or_else(broken)
    }
}

fn tenant_in(response_context: &str) -> Option<TenantId> {
    TenantId::parse(response_context.split(AFTER_TENANT).next()?)
}
