//! Authenticates a request by its cookie or bearer token, and by the session that this names.

use super::parts::{Limits, Recorder, Sessions};
use std::rc::Rc;

use super::guest::unstored;
use super::session_lookup::{MaxAge, SessionLookup};
use super::{Gateway, Interrupt, RequestContext};
use crate::cookie::presented::Presented;
use crate::cookie::token::{Token, Unverified, Verified};
use crate::http::header_names::CommonHeader;
use crate::http::rate_limit::Verdict;
use crate::response::problem::Problem;
use crate::session::prepared::Prepared;
use crate::session::record::{IdMatch, Record, Version};
use crate::telemetry::labels::Lookup;
use crate::telemetry::log::{Event, Level};
use crate::tenant::Tenant;

/// Caller of a request.
pub(crate) enum Caller {
    /// No known session: no cookie, a forged one, or an expired guest's.
    Anonymous {
        /// Whether the request has a worthless cookie.
        forged: bool,
    },
    /// A live session.
    Visitor(Visitor),
    /// A session that is over, with the reason.
    Over(Problem),
}

/// Request with its authenticated caller.
pub(crate) struct Authenticated<'a> {
    /// The caller.
    pub(crate) caller: Caller,
    pub(super) context: &'a RequestContext<'a>,
}

/// Session in use.
pub(crate) struct Visitor {
    /// Record of the session.
    pub(crate) session: Rc<Prepared>,
    /// Content of its cookie, as presented or as it must be set.
    pub(crate) token: Token,
    /// Value of the cookie, as presented or newly minted.
    pub(crate) cookie: String,
    /// Whether to set the cookie.
    pub(crate) set_cookie: bool,
    /// Whether the session begins with this request.
    pub(crate) is_new: bool,
    /// Whether the request has the id from before the last rotation.
    pub(crate) in_grace: bool,
    /// Whether the session's data may be out of date.
    pub(crate) degraded: bool,
    /// Whether to reread storage in the background.
    pub(crate) reread: bool,
    /// Whether to request a new access token in the background, because the current one expires soon.
    pub(crate) refresh: bool,
    /// Whether to poll revocations in the background.
    pub(crate) refeed: bool,
}

impl Visitor {
    /// Returns whether any data of the session is stored.
    pub(crate) fn is_recorded(&self) -> bool {
        self.session.record.version > Version::UNSTORED
            || self.token.least_version > Version::UNSTORED
    }
}

impl Gateway {
    /// Authenticates the caller by cookie or bearer token, and looks up the session that this names.
    ///
    /// # Errors
    /// Returns the needs to perform first, or a refusal that holds for any caller.
    pub(crate) fn authenticate<'a>(
        &mut self,
        context: &'a RequestContext<'a>,
    ) -> Result<Authenticated<'a>, Interrupt> {
        let caller = self.authenticate_by_credential(context)?;
        let caller = self.confirm_by_access(caller, context)?;
        Ok(Authenticated { caller, context })
    }

    fn authenticate_by_credential(
        &mut self,
        context: &RequestContext<'_>,
    ) -> Result<Caller, Interrupt> {
        Ok(match credential(&self.tenant, context) {
            Presented::Absent => self.sessions.authenticate_by_route(context),
            Presented::Forged => self.forged(context)?,
            Presented::UnknownKey { vouched } => return Err(self.unknown_key(vouched, context)),
            Presented::Genuine { value, verified } => {
                self.sessions
                    .authenticate_genuine(&mut self.recorder, verified, value, context)?
            }
        })
    }

    /// Authenticates the caller for a response that deletes or replaces the cookie. A cookie with an unknown key counts
    /// as anonymous here, so its owner can sign in again as soon as the key was removed. Access need not confirm a session
    /// that is about to end.
    pub(crate) fn authenticate_to_replace(
        &mut self,
        context: &RequestContext<'_>,
    ) -> Result<Caller, Interrupt> {
        if !matches!(
            credential(&self.tenant, context),
            Presented::UnknownKey { .. }
        ) {
            return self.authenticate_by_credential(context);
        }
        self.limits
            .count_forgery(&mut self.recorder, "cookie_key_unknown", context);
        Ok(Caller::Anonymous { forged: true })
    }

    fn forged(&mut self, context: &RequestContext<'_>) -> Result<Caller, Interrupt> {
        match self
            .limits
            .count_forgery(&mut self.recorder, "cookie_forged", context)
        {
            None => Ok(Caller::Anonymous { forged: true }),
            Some(wait) => Err(Problem::TooManyForgeries(wait).into()),
        }
    }

    /// Refuses a cookie that a location with newer keys may have signed. The browser keeps it, and storage is not read.
    /// Any client can invent such a cookie, so it counts as a forgery, unless a known key vouches for the unknown one.
    fn unknown_key(&mut self, vouched: bool, context: &RequestContext<'_>) -> Interrupt {
        // Counted in both cases, because the count also limits the log lines.
        let over = self
            .limits
            .count_forgery(&mut self.recorder, "cookie_key_unknown", context);
        match over {
            Some(wait) if !vouched => Problem::TooManyForgeries(wait).into(),
            _ => {
                if vouched {
                    self.recorder.labels.lookup = Lookup::KeyUnknown;
                }
                Problem::KeyUnknown.into()
            }
        }
    }
}

/// Finds the session credential of a request. Counts nothing and reads nothing from storage.
pub(crate) fn credential<'p>(tenant: &Tenant, context: &'p RequestContext<'_>) -> Presented<'p> {
    let header = context
        .request
        .common(CommonHeader::Cookie)
        .unwrap_or_default();
    let (keys, now) = (&tenant.keys, context.now.seconds());
    let name = tenant.cookie_name(context.cookie);
    match Presented::find(header, &name, keys, now) {
        Presented::Absent if !tenant.methods.token.is_empty() => bearer(tenant, context),
        presented => presented,
    }
}

/// Finds the session that a client without cookies names in `Authorization: Bearer` (RFC 6750), where tokens are
/// exchanged for sessions. Ignores all other bearer tokens.
pub(crate) fn bearer<'p>(tenant: &Tenant, context: &'p RequestContext<'_>) -> Presented<'p> {
    let header = context.request.common(CommonHeader::Authorization);
    let Some((scheme, value)) = header.and_then(|header| header.split_once(' ')) else {
        return Presented::Absent;
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Presented::Absent;
    }
    let value = value.trim();
    match Token::verify(value, &tenant.keys, context.now.seconds()) {
        Ok(verified) => Presented::Genuine { value, verified },
        Err(Unverified::UnknownKey { vouched }) => Presented::UnknownKey { vouched },
        Err(Unverified::Forged) => Presented::Absent,
    }
}

impl Sessions {
    /// Finds the session that a genuine cookie names, and checks that it is not over.
    ///
    /// # Errors
    /// Returns the reads to perform first, or that no store is readable.
    pub(crate) fn authenticate_genuine(
        &mut self,
        recorder: &mut Recorder,
        verified: Verified,
        value: &str,
        context: &RequestContext<'_>,
    ) -> Result<Caller, Interrupt> {
        let token = verified.token;
        let now = context.now;
        recorder.labels.handle = Some(token.handle);
        let is_guests = token.least_version == Version::UNSTORED;
        if is_guests
            && self.cache.get(token.handle, now).is_none()
            && !self.may_be_recorded_by_origin(&token)
        {
            recorder.labels.lookup = Lookup::Guest;
            return Ok(self.authenticate_guest(verified, value, now));
        }
        // The cookie names no stored version, so storage is not read. A record that this isolate stored meanwhile
        // counts, at any age.
        let max_age = if is_guests {
            MaxAge::Any
        } else {
            MaxAge::Cache
        };
        // Revocations and record may both be missing; they are requested together.
        let feed = self.require_revocations(recorder, context.answers, now);
        let (feed, missing) = match feed {
            Ok(feed) => (Some(feed), None),
            Err(need) => (None, Some(need)),
        };
        let lookup = match self.look_up(recorder, &token, max_age, context.answers, now) {
            Err(Interrupt::Pending(mut needs)) => {
                needs.extend(missing);
                return Err(Interrupt::Pending(needs));
            }
            // Storage knows nothing of the guest, or does not answer: the cookie is enough.
            Ok(SessionLookup::Over(Problem::SessionUnknown)) if is_guests => {
                recorder.labels.lookup = Lookup::Guest;
                return Ok(self.authenticate_guest(verified, value, now));
            }
            Err(Interrupt::Reject { problem, .. })
                if is_guests && *problem == Problem::StoreUnavailable =>
            {
                let mut caller = self.authenticate_guest(verified, value, now);
                if let Caller::Visitor(visitor) = &mut caller {
                    visitor.degraded = true;
                }
                return Ok(caller);
            }
            other => other?,
        };
        let (session, fit, degraded) = match lookup {
            SessionLookup::Live {
                session,
                fit,
                degraded,
            } => (session, fit, degraded),
            SessionLookup::NotYetVisible => {
                return Ok(self.authenticate_not_yet_visible(token, value));
            }
            SessionLookup::Over(problem) => {
                let is_dead = matches!(problem, Problem::SessionEnded | Problem::SessionRotated);
                let event = Event::new(Level::Warn, "dead_session_presented");
                let event = is_dead.then(|| event.with("reason", problem.code()));
                return Ok(recorder.over(problem, event));
            }
        };
        let Some(feed) = feed else {
            return Err(Interrupt::Pending(missing.into_iter().collect()));
        };
        if self.is_revoked(&session) {
            let event = Event::new(Level::Warn, "revoked_session_presented").about(token.handle);
            return Ok(recorder.over(Problem::SessionEnded, Some(event)));
        }
        let record = &session.record;
        if self
            .tenant
            .lifetime
            .has_ended(&record.span(), now.seconds())
        {
            recorder.note_ended(token.handle, "expired");
            return Ok(recorder.over(Problem::SessionExpired, None));
        }
        // A genuine cookie ahead of the record keeps its own id. A cookie behind it is raised, so that the browser sees
        // everywhere what it has seen once.
        let is_behind = record.version < token.least_version;
        let id = if is_behind { token.id } else { record.id };
        let least_version = record.version.max(token.least_version);
        let renew = id != token.id || least_version != token.least_version || verified.retired_key;
        let mut visitor = if renew {
            self.visitor(
                session,
                Token {
                    id,
                    issued: now.seconds(),
                    least_version,
                    ..token
                },
                None,
            )
        } else {
            self.visitor(session, token, Some(value))
        };
        visitor.degraded = degraded || is_behind || feed.degraded;
        visitor.in_grace = fit == IdMatch::Grace;
        visitor.refeed = feed.poll;
        let period = self.tenant.cache.0.saturating_mul(1000);
        visitor.reread = period > 0 && self.cache.ask_anew(token.handle, period, now);
        if visitor.reread {
            recorder.labels.lookup = Lookup::Stale;
        }
        Ok(Caller::Visitor(visitor))
    }

    /// Serves a session whose record has not reached this location yet, from the cookie alone and as degraded. Writes
    /// nothing for it, so nothing is overwritten. The session has not ended, because an ended one has a tombstone.
    fn authenticate_not_yet_visible(&self, token: Token, value: &str) -> Caller {
        let session = Rc::new(self.prepared(unstored(&token)));
        Caller::Visitor(Visitor {
            degraded: true,
            ..self.visitor(session, token, Some(value))
        })
    }

    /// Creates a visitor with the cookie as `presented`, or with a newly minted one.
    pub(crate) fn visitor(
        &self,
        session: Rc<Prepared>,
        token: Token,
        presented: Option<&str>,
    ) -> Visitor {
        Visitor {
            session,
            token,
            cookie: presented.map_or_else(|| token.mint(&self.tenant.keys), str::to_owned),
            set_cookie: presented.is_none(),
            is_new: false,
            in_grace: false,
            degraded: false,
            reread: false,
            refresh: false,
            refeed: false,
        }
    }

    pub(crate) fn prepared(&self, record: Record) -> Prepared {
        Prepared::new(record, &self.tenant.keys)
    }
}

impl Recorder {
    /// Labels and logs a request whose session is over.
    fn over(&mut self, problem: Problem, event: Option<Event>) -> Caller {
        self.labels.lookup = Lookup::Over;
        if let Some(event) = event {
            self.emit(event);
        }
        Caller::Over(problem)
    }
}

impl Limits {
    /// Counts a cookie that does not verify. Returns the seconds to wait if the client is over the limit.
    fn count_forgery(
        &mut self,
        recorder: &mut Recorder,
        event: &'static str,
        context: &RequestContext<'_>,
    ) -> Option<u64> {
        recorder.labels.lookup = Lookup::Forged;
        let client = context.request.client_network();
        let verdict = self.forgeries.count(client, context.now);
        match verdict {
            Verdict::First => recorder.emit(Event::new(Level::Warn, event)),
            Verdict::Passed(_) => recorder.emit(Event::new(Level::Warn, "forgery_limit_passed")),
            Verdict::Counted | Verdict::Over(_) => {}
        }
        match verdict {
            Verdict::First | Verdict::Counted => None,
            Verdict::Passed(wait) | Verdict::Over(wait) => Some(wait),
        }
    }
}
