//! Checks whether the session of an open stream or socket still lives, and whether its visitor may still be there. A
//! connection that is not followed is checked once, when it opens.

use super::guest::unstored;
use super::parts::{Recorder, Sessions};
use super::response_context::ResponseContext;
use super::session_lookup::{MaxAge, SessionLookup};
use super::update::Update;
use super::{Gateway, Interrupt};
use crate::clock::{Seconds, UnixMillis};
use crate::cookie::token::Token;
use crate::effect::{Answers, Need};
use crate::policy::PROPAGATION;
use crate::session::change::Change;
use crate::session::identity::Identity;
use crate::session::record::Version;
use crate::tenant::{AccessRule, Consistency, Denial, Streams};

/// Minimum interval between two checks.
const MIN_LENGTH: Seconds = Seconds(1);

/// Action for an open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Revalidation {
    /// Perform these needs, then call again.
    Await(Vec<Need>),
    /// Keep it open, and check again after so many milliseconds.
    Continue(u64),
    /// Close it, for this reason.
    Over(&'static str),
}

impl Gateway {
    /// Checks the open connection of the request with `response_context`. Its session is in use all the while, and that
    /// is noted like any other use.
    pub(crate) fn revalidate(
        &mut self,
        response_context: &str,
        now: UnixMillis,
        answers: &Answers,
    ) -> Revalidation {
        let period =
            Revalidation::Continue(self.sessions.revalidation_period().0.saturating_mul(1000));
        let Some(context) = ResponseContext::parse(response_context) else {
            return Revalidation::Over("session_unknown");
        };
        self.recorder.labels = context.request_labels();
        let keys = &self.tenant.keys;
        let Some(token) = Token::opened(context.cookie, keys) else {
            return Revalidation::Over("session_unknown");
        };
        let rule = (!context.methods.is_empty())
            .then(|| self.tenant.access_rule_of(context.methods, context.path));
        let watched =
            self.sessions
                .watch_session(&mut self.recorder, &token, rule.as_ref(), now, answers);
        match watched {
            Ok(Some(reason)) => Revalidation::Over(reason),
            Err(Interrupt::Pending(needs)) => Revalidation::Await(needs),
            // A source that does not answer ends no session.
            Ok(None)
            | Err(Interrupt::Reject { .. } | Interrupt::Respond(_) | Interrupt::RespondFile(_)) => {
                period
            }
        }
    }
}

impl Sessions {
    fn watch_session(
        &mut self,
        recorder: &mut Recorder,
        token: &Token,
        rule: Option<&AccessRule>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Option<&'static str>, Interrupt> {
        let lifetime = self.tenant.lifetime;
        let ordered = self.tenant.consistency == Consistency::Strong;
        if token.least_version == Version::UNSTORED && self.cache.get(token.handle, now).is_none() {
            if let Some(reason) = self.denied(rule, None) {
                return Ok(Some(reason));
            }
            // A guest has no record to note the use in.
            self.openings.note(token.handle, now.seconds());
            let end = lifetime.absolute_end(&unstored(token).span());
            return Ok((now.seconds() >= end).then_some("session_expired"));
        }
        if let Err(need) = self.require_revocations(recorder, answers, now) {
            return Err(Interrupt::Pending(vec![need]));
        }
        // With objects the feed reports every end.
        let max_age = if ordered { MaxAge::Any } else { MaxAge::Cache };
        let session = match self.look_up(recorder, token, max_age, answers, now)? {
            SessionLookup::Live { session, .. } => session,
            SessionLookup::NotYetVisible => return Ok(None),
            SessionLookup::Over(problem) => return Ok(Some(problem.code())),
        };
        if self.is_revoked(&session) {
            return Ok(Some("session_ended"));
        }
        let record = &session.record;
        let span = record.span();
        if now.seconds() >= lifetime.absolute_end(&span) {
            return Ok(Some("session_expired"));
        }
        if let Some(reason) = self.denied(rule, record.identity.as_ref()) {
            return Ok(Some(reason));
        }
        let change = match self.tenant.streams {
            Streams::PassThrough
                if lifetime.opening_is_due(&span, record.spread(), now.seconds()) =>
            {
                Change::opening()
            }
            Streams::Revocable if lifetime.touch_is_due(&span, record.spread(), now.seconds()) => {
                Change::touch()
            }
            Streams::PassThrough | Streams::Revocable => return Ok(None),
        };
        let update = Update::of(token.handle, change);
        self.update(recorder, &update, answers, now)
            .map_err(Interrupt::Pending)?;
        Ok(None)
    }

    /// Returns why the visitor may not be there any more: the rule or the user's groups may have changed.
    fn denied(
        &self,
        rule: Option<&AccessRule>,
        identity: Option<&Identity>,
    ) -> Option<&'static str> {
        match self.tenant.denial(rule?, identity)? {
            Denial::Guest => Some("no_session"),
            Denial::Groups => Some("group_required"),
        }
    }

    fn revalidation_period(&self) -> Seconds {
        let tenant = &self.tenant;
        let shortest = match tenant.consistency {
            Consistency::Strong => MIN_LENGTH,
            Consistency::Eventual => PROPAGATION,
        };
        // Half of the period in which a revocation must take effect, because the check itself takes time.
        Seconds((tenant.cache.0 / 2).max(shortest.0))
    }
}
