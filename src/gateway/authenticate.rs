//! Authenticates a request: from its cookie, and from what is known of the session it names.

use super::parts::{Limits, Recorder, Sessions};
use std::rc::Rc;

use super::session_lookup::{MaxAge, SessionLookup};
use super::{Gateway, Interrupt, RequestContext};
use crate::clock::UnixMillis;
use crate::cookie::presented::Presented;
use crate::cookie::sid_route::Route;
use crate::cookie::token::{Token, Unverified, Verified};
use crate::http::rate_limit::Verdict;
use crate::response::problem::Problem;
use crate::session::lifetime::Lifetime;
use crate::session::prepared::Prepared;
use crate::session::record::{IdMatch, Record, Version};
use crate::telemetry::labels::Lookup;
use crate::telemetry::log::{Event, Level};
use crate::tenant::Tenant;

/// Who is calling.
pub(crate) enum Caller {
    /// Nobody we know: no cookie, a forged one, or a guest's that ran out.
    Anonymous {
        /// There was a cookie, and it is worthless.
        forged: bool,
    },
    /// A session.
    Visitor(Visitor),
    /// A session that is over, and why.
    Over(Problem),
}

/// A request of which it is known who is calling.
pub(crate) struct Authenticated<'a> {
    /// Who is calling.
    pub(crate) caller: Caller,
    pub(super) context: &'a RequestContext<'a>,
}

/// A session in use.
pub(crate) struct Visitor {
    /// Its record.
    pub(crate) session: Rc<Prepared>,
    /// What its cookie says, or must say now.
    pub(crate) token: Token,
    /// The cookie's value: as presented, or minted again.
    pub(crate) cookie: String,
    /// The cookie must be set.
    pub(crate) set_cookie: bool,
    /// It began with this request.
    pub(crate) is_new: bool,
    /// It came with the id before the last rotation.
    pub(crate) in_grace: bool,
    /// What is told of it may be out of date.
    pub(crate) degraded: bool,
    /// Storage is to be asked again in the background.
    pub(crate) reread: bool,
    /// Its access token runs out soon: a new one is to be asked for in the background.
    pub(crate) refresh: bool,
    /// The revocations are to be asked for in the background.
    pub(crate) refeed: bool,
}

impl Visitor {
    /// Whether anything is stored of it.
    pub(crate) fn is_recorded(&self) -> bool {
        self.session.record.version > Version::UNSTORED
            || self.token.least_version > Version::UNSTORED
    }
}

impl Gateway {
    /// Finds out who is calling: from the cookie or bearer token, and from what is known of the session it names.
    ///
    /// # Errors
    /// What has to be looked up first, or why the request is refused whoever is calling.
    pub(crate) fn authenticate<'a>(
        &mut self,
        context: &'a RequestContext<'a>,
    ) -> Result<Authenticated<'a>, Interrupt> {
        let caller = match credential(&self.tenant, context) {
            Presented::Absent => self.sessions.authenticate_by_route(context),
            Presented::Forged => self.forged(context)?,
            Presented::UnknownKey => return Err(self.unknown_key(context)),
            Presented::Genuine { value, verified } => {
                self.sessions
                    .authenticate_genuine(&mut self.recorder, verified, value, context)?
            }
        };
        Ok(Authenticated { caller, context })
    }

    /// The same where the answer takes the cookie away or gives another one: one by a key that is not known here is
    /// a stranger's, so that whoever has one can sign in again as soon as its key was removed.
    pub(crate) fn authenticate_to_replace(
        &mut self,
        context: &RequestContext<'_>,
    ) -> Result<Caller, Interrupt> {
        if !matches!(credential(&self.tenant, context), Presented::UnknownKey) {
            return Ok(self.authenticate(context)?.caller);
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

    /// A cookie that perhaps a location with newer keys has signed. It is kept, and storage is not asked. Anybody can
    /// make one up, so it counts as a forgery all the same.
    fn unknown_key(&mut self, context: &RequestContext<'_>) -> Interrupt {
        match self
            .limits
            .count_forgery(&mut self.recorder, "cookie_key_unknown", context)
        {
            None => Problem::KeyUnknown.into(),
            Some(wait) => Problem::TooManyForgeries(wait).into(),
        }
    }
}

/// What a request presents as its session. Nothing is counted, and nobody is asked.
pub(crate) fn credential<'p>(tenant: &Tenant, context: &'p RequestContext<'_>) -> Presented<'p> {
    let header = context.request.header("cookie").unwrap_or_default();
    let (keys, now) = (&tenant.keys, context.now.seconds());
    match Presented::find(header, context.cookie.as_str(), keys, now) {
        Presented::Absent if !tenant.methods.token.is_empty() => bearer(tenant, context),
        presented => presented,
    }
}

/// The session that a client without cookies names in `Authorization: Bearer` (RFC 6750), where
/// tokens are exchanged for sessions. What is no session of ours there is none of our business.
pub(crate) fn bearer<'p>(tenant: &Tenant, context: &'p RequestContext<'_>) -> Presented<'p> {
    let header = context.request.header("authorization");
    let Some((scheme, value)) = header.and_then(|header| header.split_once(' ')) else {
        return Presented::Absent;
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Presented::Absent;
    }
    let value = value.trim();
    match Token::verify(value, &tenant.keys, context.now.seconds()) {
        Ok(verified) => Presented::Genuine { value, verified },
        Err(Unverified::UnknownKey) => Presented::UnknownKey,
        Err(Unverified::Forged) => Presented::Absent,
    }
}

impl Sessions {
    /// Somebody without a cookie; perhaps one that was given a route instead.
    pub(crate) fn authenticate_by_route(&self, context: &RequestContext<'_>) -> Caller {
        let keys = &self.tenant.keys;
        let target = context.request.location.target;
        let Some(route) = Route::of_target(target, keys) else {
            return Caller::Anonymous { forged: false };
        };
        let token = Token {
            handle: route.handle,
            id: route.id(keys),
            created: route.created,
            issued: Token::guest_issued(context.now.seconds().max(route.created), false),
            least_version: Version::UNSTORED,
        };
        let record = unstored(&token);
        let lifetime = &self.tenant.lifetime;
        if lifetime.has_ended(&record.span(), context.now.seconds()) {
            return Caller::Anonymous { forged: false };
        }
        let session = Rc::new(self.prepared(record));
        let cookie = token.mint(&self.tenant.keys);
        Caller::Visitor(self.visitor(session, token, Some(&cookie)))
    }

    /// A guest that has nothing stored: the cookie is all there is, and storage is not asked.
    fn authenticate_guest(&self, verified: Verified, value: &str, now: UnixMillis) -> Caller {
        let token = verified.token;
        let lifetime = self.tenant.lifetime;
        let record = self.with_opening(unstored(&token));
        let span = record.span();
        if lifetime.has_ended(&span, now.seconds()) {
            return Caller::Anonymous { forged: false };
        }
        let opened = Lifetime::may_be_open(&span, now.seconds());
        let renew =
            verified.retired_key || lifetime.touch_is_due(&span, record.spread(), now.seconds());
        let session = Rc::new(self.prepared(record));
        Caller::Visitor(if renew {
            self.visitor(
                session,
                Token {
                    issued: Token::guest_issued(now.seconds(), opened),
                    ..token
                },
                None,
            )
        } else {
            self.visitor(session, token, Some(value))
        })
    }

    /// A guest's record, with what this isolate knows of connections the guest opened: a client may not have kept the
    /// cookie that came with one.
    fn with_opening(&self, record: Record) -> Record {
        let known = self.openings.at(record.handle);
        Record {
            opened: record.opened.max(known),
            ..record
        }
    }

    /// Finds the session that a genuine cookie names, and checks that it is not over.
    ///
    /// # Errors
    /// What has to be read first, or that no store can be read.
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
        if is_guests && self.cache.get(token.handle, now).is_none() {
            recorder.labels.lookup = Lookup::Guest;
            return Ok(self.authenticate_guest(verified, value, now));
        }
        // The cookie does not say that anything is stored, so storage is not read: what this isolate has stored
        // meanwhile counts, at any age.
        let max_age = if is_guests {
            MaxAge::Any
        } else {
            MaxAge::Cache
        };
        // Both may be lacking; they are asked for at once.
        let feed = self.require_revocations(recorder, context.answers, now);
        let (feed, lacking) = match feed {
            Ok(feed) => (Some(feed), None),
            Err(need) => (None, Some(need)),
        };
        let lookup = match self.look_up(recorder, &token, max_age, context.answers, now) {
            Err(Interrupt::Pending(mut needs)) => {
                needs.extend(lacking);
                return Err(Interrupt::Pending(needs));
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
            return Err(Interrupt::Pending(lacking.into_iter().collect()));
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
        // A genuine cookie that is ahead of the record keeps its own id. One that is behind is
        // raised, so that what this browser has seen once it sees everywhere.
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
        visitor.refeed = feed.ask;
        let period = self.tenant.cache.0.saturating_mul(1000);
        visitor.reread = period > 0 && self.cache.ask_anew(token.handle, period, now);
        if visitor.reread {
            recorder.labels.lookup = Lookup::Stale;
        }
        Ok(Caller::Visitor(visitor))
    }

    /// A session whose record has not reached this location yet. It is served from the cookie alone and
    /// marked; nothing is written for it, so that nothing is overwritten, and it is not ended,
    /// because an ended one has a tombstone.
    fn authenticate_not_yet_visible(&self, token: Token, value: &str) -> Caller {
        let session = Rc::new(self.prepared(unstored(&token)));
        Caller::Visitor(Visitor {
            degraded: true,
            ..self.visitor(session, token, Some(value))
        })
    }

    /// A visitor with the cookie as `presented`, or minted again.
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
    /// Counts a cookie that does not verify; if there were too many from there, the seconds to wait.
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

/// The record of a session that has nothing stored.
pub(crate) fn unstored(token: &Token) -> Record {
    Record {
        opened: token.guest_opened(),
        ..Record::unstored(token.handle, token.id, token.created, token.issued)
    }
}
