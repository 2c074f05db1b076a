//! Renews access tokens that expire: for origins that receive them, and where a provider's user may enter only while
//! its tokens say so.
//!
//! A provider accepts a refresh token once. So only the session's object requests a new token
//! ([`crate::session_object`]). It does so in the background before the token expires. After that the request waits.

use std::rc::Rc;

use super::authenticate::Visitor;
use super::authorize::Authorized;
use super::parts::{Logins, Recorder, Sessions};
use super::update::UpdateOutcome;
use super::{Gateway, Interrupt, RequestContext};
use crate::auth::authorization;
use crate::auth::token_refresh::Renewal;
use crate::clock::{Seconds, UnixMillis};
use crate::effect::{Answers, Found, Need};
use crate::response::problem::Problem;
use crate::session::id::Handle;
use crate::session::record::Record;
use crate::session::token_set::TokenSet;
use crate::session_object::command::{Operation, Reply};
use crate::telemetry::log::{ConfigName, Event, Level};
use crate::tenant::{Consistency, Denial};

/// Maximum time for a provider's response, in milliseconds.
const DEADLINE_MS: u32 = 12_000;

/// Interval between requests for a new token by this isolate if no request waits for it, in milliseconds.
const PAUSE_MS: u64 = 10_000;

impl Gateway {
    /// Returns the request with a valid access token, if one is available. Logs an expired token for the operator.
    ///
    /// # Errors
    /// Returns the needs to perform first, or that the session is over.
    pub(super) fn refresh_access_token<'a>(
        &mut self,
        request: Authorized<'a>,
    ) -> Result<Authorized<'a>, Interrupt> {
        if !self.tenant.uses_access_tokens() {
            return Ok(request);
        }
        let Authorized { visitor, context } = request;
        let before = Rc::clone(&visitor.session);
        let visitor = self.renewed(visitor, context)?;
        if !Rc::ptr_eq(&before, &visitor.session) {
            self.check_groups_again(&visitor, context)?;
        }
        self.logins
            .note_expired_token(&mut self.recorder, &visitor, context.now);
        Ok(Authorized { visitor, context })
    }

    /// Refuses the user if the groups that the provider stated with a new token do not suffice any more.
    #[inline(never)]
    fn check_groups_again(
        &self,
        visitor: &Visitor,
        context: &RequestContext<'_>,
    ) -> Result<(), Interrupt> {
        let rule = self.tenant.access_rule(context.request);
        let identity = visitor.session.record.identity.as_ref();
        match self.tenant.denial(&rule, identity) {
            Some(Denial::Groups) => Err(self.require_group(context)),
            Some(Denial::Guest) | None => Ok(()),
        }
    }

    #[inline(never)]
    fn renewed(
        &mut self,
        visitor: Visitor,
        context: &RequestContext<'_>,
    ) -> Result<Visitor, Interrupt> {
        let Some(remaining) = self
            .logins
            .remaining_validity(&visitor.session.record, context.now)
        else {
            return Ok(visitor);
        };
        let grant = visitor.session.record.grant.as_ref();
        if grant.is_some_and(|grant| remaining > grant.margin()) {
            return Ok(visitor);
        }
        if remaining > Seconds(0) {
            let refresh = !self.logins.was_requested(visitor.token.handle, context.now);
            if refresh {
                self.logins.note_request(visitor.token.handle, context.now);
            }
            return Ok(Visitor { refresh, ..visitor });
        }
        let handle = visitor.token.handle;
        let is_handed_on = self.logins.hands_tokens_on();
        if !is_handed_on && self.logins.was_requested(handle, context.now) {
            return Ok(visitor);
        }
        let record = &visitor.session.record;
        let updated = self.logins.refresh(
            &mut self.sessions,
            &mut self.recorder,
            handle,
            record,
            context.answers,
            context.now,
        )?;
        let has_token = |grant: &TokenSet| grant.usable_token(context.now.seconds()).is_some();
        let is_renewed = match &updated {
            Some(UpdateOutcome::Live { session, .. }) => {
                session.record.grant.as_ref().is_some_and(has_token)
            }
            _ => false,
        };
        if !is_handed_on && !is_renewed {
            self.logins.note_request(handle, context.now);
        }
        match updated {
            Some(UpdateOutcome::Live { session, .. }) => Ok(Visitor { session, ..visitor }),
            Some(UpdateOutcome::Ended) => Err(self.deny(Problem::SessionEnded, true, context)),
            // Without a token the origin decides what it offers the visitor.
            Some(UpdateOutcome::Not(_)) | None => Ok(visitor),
        }
    }
}

impl Logins {
    /// Logs, once for each token in this isolate, that the origin gets no access token, because it expired without a
    /// renewal.
    fn note_expired_token(&mut self, recorder: &mut Recorder, visitor: &Visitor, now: UnixMillis) {
        let record = &visitor.session.record;
        let Some(grant) = record.grant.as_ref().filter(|_| self.hands_tokens_on()) else {
            return;
        };
        let Some(expires) = grant.expires.filter(|at| now.seconds() >= *at) else {
            return;
        };
        if self.expired_tokens.get(&record.handle) == Some(&expires) {
            return;
        }
        let reason = if grant.refresh_token.is_none() {
            "no_refresh_token"
        } else if self.tenant.consistency != Consistency::Strong {
            "needs_objects"
        } else {
            "not_renewed"
        };
        let event = Event::new(Level::Warn, "access_token_expired")
            .with("provider", ConfigName(&grant.provider))
            .with("reason", reason);
        if self.expired_tokens.len() > 1_000 {
            self.expired_tokens.clear();
        }
        self.expired_tokens.insert(record.handle, expires);
        recorder.emit(event.about(record.handle));
    }

    fn was_requested(&self, handle: Handle, now: UnixMillis) -> bool {
        let requested = self.refreshing.get(&handle);
        requested.is_some_and(|at| now.millis_since(*at) <= PAUSE_MS)
    }

    fn note_request(&mut self, handle: Handle, now: UnixMillis) {
        if self.refreshing.len() > 1_000 {
            self.refreshing.clear();
        }
        self.refreshing.insert(handle, now);
    }

    /// Returns the remaining time of the access token; `None` if it cannot be renewed. Also `None` if the origin does
    /// not receive it and all of its provider's users may enter everywhere.
    fn remaining_validity(&self, record: &Record, now: UnixMillis) -> Option<Seconds> {
        let grant = record.grant.as_ref()?;
        let ordered = self.tenant.consistency == Consistency::Strong;
        grant.refresh_token.as_ref()?;
        let expires = grant.expires?;
        (ordered && (self.hands_tokens_on() || self.limits_users_of(grant)))
            .then(|| expires.since(now.seconds()))
    }

    fn limits_users_of(&self, grant: &TokenSet) -> bool {
        let provider = self.tenant.methods.provider(&grant.provider);
        self.tenant.requires_groups()
            || provider.is_some_and(|provider| provider.allow.is_limiting())
    }

    fn hands_tokens_on(&self) -> bool {
        self.tenant.hands_tokens_on()
    }

    /// Lets the session's object request a new token. Returns `None` if it cannot.
    fn refresh(
        &mut self,
        sessions: &mut Sessions,
        recorder: &mut Recorder,
        handle: Handle,
        record: &Record,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Option<UpdateOutcome>, Interrupt> {
        let Some(grant) = &record.grant else {
            return Ok(None);
        };
        let Some(provider) = self.tenant.methods.provider(&grant.provider).cloned() else {
            return Ok(None);
        };
        let key = format!("refresh {}", handle.to_text());
        match answers.found(&key) {
            None => {
                // The request does not wait for fresh metadata of a known provider.
                let known = self.known_metadata(&provider.issuer, now);
                let metadata = match known.map_or_else(
                    || self.metadata(recorder, &provider.issuer, answers, now),
                    Ok,
                ) {
                    Ok(metadata) => metadata,
                    Err(Interrupt::Reject { .. }) => return Ok(None),
                    Err(interrupt) => return Err(interrupt),
                };
                let call = authorization::refresh(&metadata.token_endpoint, &provider);
                let keys = self.keys_to_hand_on(&metadata.jwks_uri, now);
                let userinfo = metadata.userinfo_endpoint;
                let renewal = Renewal::of(&provider, &metadata.jwks_uri, keys, userinfo);
                let need = sessions
                    .command(Operation::Refresh {
                        provider: provider.name.clone(),
                        call,
                        renewal: Some(Box::new(renewal)),
                    })
                    .need(&self.tenant.id, handle, key);
                Err(Interrupt::Pending(vec![with_deadline(need)]))
            }
            Some(Found::Bytes(bytes)) => {
                Ok(Reply::parse(bytes).map(|reply| sessions.updated(handle, reply, now)))
            }
            Some(Found::Absent | Found::Unavailable) => Ok(None),
        }
    }

    /// Refreshes the token in the background, for a session in this isolate's cache.
    pub(crate) fn refresh_in_background(
        &mut self,
        sessions: &mut Sessions,
        recorder: &mut Recorder,
        handle: Handle,
        answers: &Answers,
        now: UnixMillis,
    ) -> Vec<Need> {
        use crate::store::cache::Known;
        let Some(Known::Live(session)) = sessions.cache.get(handle, now).map(|hit| hit.known)
        else {
            return Vec::new();
        };
        match self.refresh(sessions, recorder, handle, &session.record, answers, now) {
            Err(Interrupt::Pending(needs)) => needs,
            _ => Vec::new(),
        }
    }
}

fn with_deadline(need: Need) -> Need {
    match need {
        Need::Call {
            class,
            name,
            command,
            key,
            ..
        } => Need::Call {
            class,
            name,
            command,
            key,
            deadline_ms: DEADLINE_MS,
        },
        other => other,
    }
}
