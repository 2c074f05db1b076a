//! Assigns a new session to an origin.
//!
//! A session's origin is a function of its random handle. So the gateway draws handles until one belongs to a suitable
//! origin. It uses the power of two choices (Mitzenmacher, 2001): of the first two acceptable origins it takes the less
//! busy one. The choice needs no storage, and every isolate knows it at once.

use super::parts::{Balancer, Limits, Recorder};
use chacha20::rand_core::Rng as _;

use super::client_info::facts;
use super::waiting::{self, Ticket};
use super::{Gateway, Interrupt, RequestContext};
use crate::balancer::pool::{Origin, OriginState};
use crate::balancer::releases::is_gray;
use crate::clock::{UnixMillis, UnixSeconds};
use crate::cookie::token::Token;
use crate::effect::{Found, Need};
use crate::http::network::Network;
use crate::http::rate_limit::Verdict;
use crate::response::problem::Problem;
use crate::session::id::{Handle, SessionId};
use crate::telemetry::log::{Event, Level};

/// Maximum number of drawn handles of the right release: enough to find, nearly always, an origin with a
/// three-hundredth of all sessions.
const MAX_DRAWN: usize = 1_024;

/// Maximum number of handles that are drawn until one is of the right release. With eight releases one in sixteen is.
const MAX_RELEASE_DRAWS: usize = 4_096;

/// Number of draws after which one acceptable handle is enough, or else one whose origin is ejected.
const PATIENT_DRAWS: usize = 32;

/// Seconds to wait after the platform's limit: the longer of its two periods.
const LIMITED_FOR: u64 = 60;

impl Gateway {
    /// Draws an id for a new session at an origin that accepts one: the `former` session's origin, if that does.
    ///
    /// # Errors
    /// Returns the needs to perform first, or the refusal: [`Problem::Overloaded`] if no origin accepts one,
    /// [`Problem::TenantFull`] if the tenant has too many.
    pub(crate) fn new_session_id(
        &mut self,
        former: Option<&Token>,
        context: &RequestContext<'_>,
    ) -> Result<SessionId, Interrupt> {
        let now = context.now;
        let queue = self.tenant.overload.queue;
        let queue = queue.filter(|_| !self.is_answered_elsewhere(context));
        let ticket = queue.and_then(|_| Ticket::presented(&self.tenant, context));
        let ticket = ticket.filter(|ticket| !ticket.may_sign_in);
        self.limits
            .limit_places(&mut self.recorder, ticket.is_some(), context)?;
        self.limits.limit_sessions(&mut self.recorder, context)?;
        let same_origin = former.and_then(|token| self.balancer.draw_same_origin(token, now));
        let release = match same_origin {
            Some(_) => None,
            None => self.balancer.assign_release(context),
        };
        // A gray release takes the sessions of its rules; nobody waits for it.
        if let Some(queue) = queue.filter(|_| release.is_none()) {
            self.balancer
                .wait_for_turn(&mut self.recorder, queue, ticket, context)?;
        }
        self.draw_session_id(same_origin, release.as_deref(), queue.is_some(), context)
    }

    /// Draws an id for the new session of a user who signs in. One who waited before the sign-in does not wait again.
    ///
    /// # Errors
    /// Returns the needs to perform first, or the refusal: [`Problem::Overloaded`] if no origin accepts one.
    pub(crate) fn new_session_id_of_user(
        &mut self,
        context: &RequestContext<'_>,
    ) -> Result<SessionId, Interrupt> {
        let has_waited = self.may_end_sign_in(context);
        self.limits
            .limit_places(&mut self.recorder, has_waited, context)?;
        self.limits.limit_sessions(&mut self.recorder, context)?;
        let release = self.balancer.assign_release(context);
        self.draw_session_id(None, release.as_deref(), has_waited, context)
    }

    fn draw_session_id(
        &mut self,
        same_origin: Option<SessionId>,
        release: Option<&str>,
        is_admitted: bool,
        context: &RequestContext<'_>,
    ) -> Result<SessionId, Interrupt> {
        let now = context.now;
        let is_elsewhere = self.is_answered_elsewhere(context);
        let balancer = &mut self.balancer;
        let id = match same_origin {
            Some(id) => id,
            // A full pool refuses only what it would answer itself. Others' requests look for its best without insisting.
            None if is_elsewhere => balancer.draw_id(release, PATIENT_DRAWS, now),
            None => {
                if !is_admitted {
                    balancer.refuse_if_full(&mut self.recorder, release, now)?;
                }
                balancer.draw_id(release, MAX_DRAWN, now)
            }
        };
        let handle = Handle::derive(&self.tenant.id, &id);
        // A request that another pool answers is no work for the origin of the conversation.
        if !is_elsewhere && let Some(origin) = self.balancer.hashed(handle, now.seconds()) {
            let name = origin.name.clone();
            self.balancer.load.assign(&name);
        }
        Ok(id)
    }

    /// Returns whether servers of certain paths answer the request, not those that hold conversations.
    fn is_answered_elsewhere(&self, context: &RequestContext<'_>) -> bool {
        let path = context.request.location.path;
        self.tenant.pools.at(path).is_some()
    }
}

impl Limits {
    /// Limits new sessions per client. A newcomer with a ticket was counted when it got its place.
    pub(super) fn limit_places(
        &mut self,
        recorder: &mut Recorder,
        has_place: bool,
        context: &RequestContext<'_>,
    ) -> Result<(), Interrupt> {
        if has_place || !waiting::is_first_run(context.answers) {
            return Ok(());
        }
        self.limit_new_sessions(recorder, context)
    }

    /// Limits new sessions per client, if its address is trusted. The platform counts for a whole location, this
    /// isolate for itself.
    fn limit_new_sessions(
        &mut self,
        recorder: &mut Recorder,
        context: &RequestContext<'_>,
    ) -> Result<(), Interrupt> {
        // A step repeated after a failed origin begins the same session.
        let is_first_attempt = context.answers.failures().is_empty();
        let client = context.request.client_network();
        if client == Network::Unknown || !is_first_attempt {
            return Ok(());
        }
        if self.tenant.new_sessions_are_limited {
            let key = client.to_string();
            match context.answers.found(&key) {
                None => {
                    return Err(Interrupt::Pending(vec![Need::Limit { key }]));
                }
                Some(Found::Bytes(verdict)) if verdict == b"0" => {
                    recorder.emit(Event::new(Level::Warn, "new_sessions_limited"));
                    return Err(Problem::TooManySessions(LIMITED_FOR).into());
                }
                // A limiter that does not answer refuses no session.
                Some(_) => {}
            }
        }
        let Some(limit) = &mut self.new_sessions else {
            return Ok(());
        };
        match limit.count(client, context.now) {
            Verdict::First | Verdict::Counted => Ok(()),
            Verdict::Passed(wait) => {
                recorder.emit(Event::new(Level::Warn, "new_sessions_limited"));
                Err(Problem::TooManySessions(wait).into())
            }
            Verdict::Over(wait) => Err(Problem::TooManySessions(wait).into()),
        }
    }
}

impl Balancer {
    /// Draws an id whose handle has the origin of a session that is over.
    fn draw_same_origin(&self, former: &Token, now: UnixMillis) -> Option<SessionId> {
        let origin = self.hashed(former.handle, former.created)?;
        if !self.takes_new(origin, now) || self.is_ejected(origin, now) {
            return None;
        }
        let name = origin.name.clone();
        let now = now.seconds();
        let releases = self.tenant.releases.as_ref();
        let release = releases.and_then(|all| all.of((former.handle, former.created)));
        let release = release.map(str::to_owned);
        (0..MAX_DRAWN).find_map(|_| {
            let (id, handle) = self.draw_of_release(release.as_deref(), now);
            let origin = self.hashed(handle, now)?;
            (origin.name == name).then_some(id)
        })
    }

    fn draw_id(&self, release: Option<&str>, max_drawn: usize, now: UnixMillis) -> SessionId {
        let begins = now.seconds();
        let mut first: Option<(&Origin, SessionId)> = None;
        let mut fallback = None;
        for drawn in 0..max_drawn {
            let (id, handle) = self.draw_of_release(release, begins);
            if drawn >= PATIENT_DRAWS && (first.is_some() || fallback.is_some()) {
                break;
            }
            let Some(origin) = self.hashed(handle, begins) else {
                continue;
            };
            if !self.takes_new(origin, now) {
                continue;
            }
            // An ejected origin's session would move at once. It may begin there if nothing better is found.
            if self.is_ejected(origin, now) {
                fallback.get_or_insert(id);
                continue;
            }
            match first {
                None if self.is_alone(origin, now) => return id,
                None => first = Some((origin, id)),
                // Another handle of the same origin offers no choice.
                Some((other, _)) if other.name == origin.name => {}
                Some((other, earlier)) => {
                    let is_busier = self.cost(origin, now) >= self.cost(other, now);
                    return if is_busier { earlier } else { id };
                }
            }
        }
        // The open origins have too small a share to be found, so the session begins anywhere.
        let found = first.map(|(_, id)| id).or(fallback);
        found.unwrap_or_else(|| self.draw_of_release(release, begins).0)
    }

    /// Draws a handle of a gray release, or of none.
    fn draw_of_release(&self, release: Option<&str>, begins: UnixSeconds) -> (SessionId, Handle) {
        let mut random = self.random.clone();
        let mut drawn = 0;
        loop {
            let id = SessionId::generate(&mut random);
            let handle = Handle::derive(&self.tenant.id, &id);
            let is_right = match &self.tenant.releases {
                None => !is_gray(handle),
                Some(releases) => releases.of((handle, begins)) == release,
            };
            drawn += 1;
            if is_right || drawn == MAX_RELEASE_DRAWS {
                return (id, handle);
            }
        }
    }

    pub(super) fn release_of(&self, origin: &Origin) -> Option<&str> {
        self.tenant.releases.as_ref()?.of_origin(origin)
    }

    /// Returns whether an origin of a release accepts a new session.
    fn has_room(&self, release: Option<&str>, now: UnixMillis) -> bool {
        let mut pool = self.pools.default.iter();
        pool.any(|origin| {
            self.release_of(origin) == release
                && origin.since <= now.seconds()
                && self.takes_new(origin, now)
        })
    }

    /// Refuses without a draw if every open origin is full, because refusals must stay cheap.
    fn refuse_if_full(
        &mut self,
        recorder: &mut Recorder,
        release: Option<&str>,
        now: UnixMillis,
    ) -> Result<(), Interrupt> {
        // The rules give no release that has no room, so only the usual one may be full while another is not.
        let is_usual_full = || {
            release.is_none() && self.tenant.releases.is_some() && {
                let mut pool = self.pools.default.iter();
                let is_open = pool.any(|origin| {
                    self.release_of(origin).is_none()
                        && origin.is_open(self.tenant.releases.as_ref())
                });
                is_open && !self.has_room(None, now)
            }
        };
        if !self.is_full(now) && !is_usual_full() {
            return Ok(());
        }
        recorder.emit(Event::new(Level::Warn, "new_session_refused"));
        Err(Problem::Overloaded(None).into())
    }

    /// Returns whether origins are open, but none accepts a new session.
    pub(crate) fn is_full(&self, now: UnixMillis) -> bool {
        let mut pool = self.pools.default.iter();
        !self.is_closed() && !pool.any(|origin| self.takes_new(origin, now))
    }

    /// Returns whether no origin is open.
    pub(super) fn is_closed(&self) -> bool {
        let mut pool = self.pools.default.iter();
        !pool.any(|origin| origin.is_open(self.tenant.releases.as_ref()))
    }

    /// Returns whether no other origin of the same release accepts a new session.
    fn is_alone(&self, origin: &Origin, now: UnixMillis) -> bool {
        !self.pools.default.iter().any(|other| {
            other.name != origin.name
                && other.release == origin.release
                && self.takes_new(other, now)
                && !self.is_ejected(other, now)
        })
    }

    /// Returns the gray release that a new session begins in, if the rules give it one. Its user is not known yet.
    fn assign_release(&self, context: &RequestContext<'_>) -> Option<String> {
        let releases = self.tenant.releases.as_ref()?;
        let facts = facts(context.request, None);
        let mut random = self.random.clone();
        let (_, verdict) = releases.decide(&facts, &mut || random.next_u32())?;
        // No handle belongs to a release whose servers come later, so none is drawn for it.
        let now = context.now.seconds();
        let release = verdict.release;
        release
            .filter(|release| releases.can_begin_in(release, now))
            .filter(|release| self.has_room(Some(release), context.now))
            .map(str::to_owned)
    }

    /// Returns whether an origin accepts a new session. Only those of the default pool, which hold conversations, can
    /// be full.
    pub(crate) fn takes_new(&self, origin: &Origin, now: UnixMillis) -> bool {
        let overload = &self.tenant.overload;
        let here = self.load.under_way(&origin.name);
        let everywhere = self.conversations(origin, now);
        let is_full = origin.capacity.is_some_and(|most| everywhere >= most)
            || overload.under_way.is_some_and(|most| here >= most)
            || overload
                .first_byte_ms
                .is_some_and(|most| self.load.first_byte_ms(&origin.name) >= most)
            || overload
                .reported
                .zip(self.reported(origin, now))
                .is_some_and(|(most, reported)| reported >= most);
        self.state(origin) == OriginState::Active
            && origin.is_open(self.tenant.releases.as_ref())
            && !(is_full && origin.paths.is_empty())
    }

    /// Returns the load of an origin relative to its weight. One that has just returned counts as busier than it is.
    fn cost(&self, origin: &Origin, now: UnixMillis) -> u64 {
        let conversations = u64::from(self.conversations(origin, now)) + 1;
        let reported = self.reported(origin, now).unwrap_or(0) + 100;
        let share = self.health.share(&origin.name, now);
        // In tens of milliseconds, so that noise does not separate equally fast origins.
        let slowness = u64::from(self.load.first_byte_ms(&origin.name)) / 10 + 10;
        let cost = conversations
            .saturating_mul(reported)
            .saturating_mul(slowness);
        cost.saturating_mul(10_000) / (share * u64::from(origin.weight))
    }
}
