//! Access tokens that run out: for origins that are handed them, and where a provider's user may come in only as long
//! as it says so, which it says again with new tokens.
//!
//! A provider gives a new one for a refresh token once, so only one may ask: the session's object
//! ([`crate::session_object`]). Before the token runs out that is done in the background; after, the request
//! waits.

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
use crate::tenant::Consistency;

/// How long a provider may take, in milliseconds.
const DEADLINE_MS: u32 = 12_000;

/// So long nothing is asked again by this isolate if nobody waits for an access token, in milliseconds.
const PAUSE_MS: u64 = 10_000;

impl Gateway {
    /// The visitor with an access token that is valid, if one can be had; if not, the operator is told.
    ///
    /// # Errors
    /// What has to be asked first, or that the session is over.
    pub(super) fn refresh_access_token<'a>(
        &mut self,
        request: Authorized<'a>,
    ) -> Result<Authorized<'a>, Interrupt> {
        if !self.tenant.uses_access_tokens() {
            return Ok(request);
        }
        let Authorized { visitor, context } = request;
        let visitor = self.renewed(visitor, context)?;
        self.logins
            .note_run_out(&mut self.recorder, &visitor, context.now);
        Ok(Authorized { visitor, context })
    }

    fn renewed(
        &mut self,
        visitor: Visitor,
        context: &RequestContext<'_>,
    ) -> Result<Visitor, Interrupt> {
        let Some(left) = self
            .logins
            .left_of_token(&visitor.session.record, context.now)
        else {
            return Ok(visitor);
        };
        let grant = visitor.session.record.grant.as_ref();
        if grant.is_some_and(|grant| left > grant.margin()) {
            return Ok(visitor);
        }
        if left > Seconds(0) {
            let refresh = !self.logins.was_asked(visitor.token.handle, context.now);
            if refresh {
                self.logins.note_asked(visitor.token.handle, context.now);
            }
            return Ok(Visitor { refresh, ..visitor });
        }
        let handle = visitor.token.handle;
        let is_handed_on = self.logins.hands_tokens_on();
        if !is_handed_on && self.logins.was_asked(handle, context.now) {
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
            self.logins.note_asked(handle, context.now);
        }
        match updated {
            Some(UpdateOutcome::Live { session, .. }) => Ok(Visitor { session, ..visitor }),
            Some(UpdateOutcome::Ended) => Err(self.deny(Problem::SessionEnded, true, context)),
            // Without a token the origin decides what it can do for the visitor.
            Some(UpdateOutcome::Not(_)) | None => Ok(visitor),
        }
    }
}

impl Logins {
    /// Tells, once for each token in this isolate, that the origin is handed none because it has run out
    /// and no new one was to be had.
    fn note_run_out(&mut self, recorder: &mut Recorder, visitor: &Visitor, now: UnixMillis) {
        let record = &visitor.session.record;
        let Some(grant) = record.grant.as_ref().filter(|_| self.hands_tokens_on()) else {
            return;
        };
        let Some(expires) = grant.expires.filter(|at| now.seconds() >= *at) else {
            return;
        };
        if self.run_out.get(&record.handle) == Some(&expires) {
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
        if self.run_out.len() > 1_000 {
            self.run_out.clear();
        }
        self.run_out.insert(record.handle, expires);
        recorder.emit(event.about(record.handle));
    }

    fn was_asked(&self, handle: Handle, now: UnixMillis) -> bool {
        let asked = self.refreshing.get(&handle);
        asked.is_some_and(|at| now.millis_since(*at) <= PAUSE_MS)
    }

    fn note_asked(&mut self, handle: Handle, now: UnixMillis) {
        if self.refreshing.len() > 1_000 {
            self.refreshing.clear();
        }
        self.refreshing.insert(handle, now);
    }

    /// How long the access token is still valid, if there is a way to a new one, and either the origin is handed it or
    /// not all of its provider's users may come in.
    fn left_of_token(&self, record: &Record, now: UnixMillis) -> Option<Seconds> {
        let grant = record.grant.as_ref()?;
        let ordered = self.tenant.consistency == Consistency::Strong;
        grant.refresh_token.as_ref()?;
        let expires = grant.expires?;
        (ordered && (self.hands_tokens_on() || self.limits_users_of(grant)))
            .then(|| expires.since(now.seconds()))
    }

    fn limits_users_of(&self, grant: &TokenSet) -> bool {
        let provider = self.tenant.methods.provider(&grant.provider);
        provider.is_some_and(|provider| provider.allow.is_limiting())
    }

    fn hands_tokens_on(&self) -> bool {
        self.tenant.hands_tokens_on()
    }

    /// Lets the session's object ask for a new token. None if it cannot be asked.
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
                // Nobody waits for news of a provider that is known.
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

    /// The same in the background, for a session this isolate knows.
    pub(crate) fn refresh_beside(
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
