//! Selects the origin of a request: the one that holds the conversation, while it is reachable.

use super::assertion::Asserted;
use super::authenticate::Visitor;
use super::parts::Balancer;
use super::{Gateway, Interrupt, RequestContext};
use crate::balancer::pool::{Origin, OriginState, Pool};
use crate::clock::{UnixMillis, UnixSeconds};
use crate::effect::Failed;
use crate::http::engine_io;
use crate::http::request::Location;
use crate::policy::PROPAGATION;
use crate::response::problem::Problem;
use crate::session::id::Handle;
use crate::session::lifetime::Lifetime;
use crate::session::record::Record;
use crate::shared_text::SharedText;

/// Origin of a request, and the consequences for the session.
pub(crate) struct SelectedOrigin {
    /// Name of the origin.
    pub(crate) origin: SharedText,
    /// Scheme and authority of the origin.
    pub(crate) base: SharedText,
    /// Whether it takes over the conversation from another origin.
    pub(crate) takeover: bool,
    /// Whether to store or delete the pin.
    pub(crate) pin: bool,
}

/// Origin of a session, and the reason for it.
pub(crate) struct Choice<'g> {
    /// The origin.
    pub(crate) origin: &'g Origin,
    /// Reason for the choice.
    pub(crate) why: Reason<'g>,
    /// Whether another origin holds the conversation.
    pub(crate) moves: bool,
    /// Pin from now on: none if the handle leads to the same origin. `None` if the pin stays as it is, because the
    /// origin does not hold the conversation.
    pub(crate) pin: Option<Option<&'g str>>,
}

/// Reasons for the origin of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason<'g> {
    /// The handle leads there.
    Handle,
    /// The conversation moved there.
    Pin,
    /// The conversation had moved away, and was idle long enough to return.
    ReturnedAfterIdle,
    /// The origin is skipped, but the tenant allows no other.
    Strict,
    /// The named origin is skipped, and this is the next best of its release.
    NextOfRelease(&'g str),
    /// The named origin is skipped with all of its release.
    Next(&'g str),
    /// All origins are skipped.
    LastResort,
}

/// Request with its origin.
pub(super) struct Routed<'a> {
    pub(super) visitor: Visitor,
    pub(super) context: &'a RequestContext<'a>,
    pub(super) assertion: Option<String>,
    pub(super) selected: SelectedOrigin,
}

impl Gateway {
    /// Selects the origin: for a session the one that holds its conversation.
    ///
    /// # Errors
    /// Returns the needs to perform first, or that no origin is reachable.
    pub(super) fn select_origin<'a>(
        &mut self,
        request: Asserted<'a>,
    ) -> Result<Routed<'a>, Interrupt> {
        let Asserted {
            visitor,
            context,
            assertion,
        } = request;
        let failures = context.answers.failures();
        if !failures.is_empty() {
            self.balancer
                .consider_failures(&mut self.recorder, context)?;
        }
        let record = &visitor.session.record;
        let choice = self
            .balancer
            .choice(&context.request.location, record, failures, context.now)
            .ok_or(Problem::OriginUnreachable)?;
        let release = choice.origin.release.clone();
        let selected = SelectedOrigin {
            origin: choice.origin.name.clone(),
            base: choice.origin.base.clone(),
            takeover: !visitor.is_new && choice.moves,
            pin: choice.pin.is_some_and(|pin| pin != record.pin.as_deref()),
        };
        if self.balancer.health.is_lost(&selected.origin, context.now) {
            self.balancer.await_recovery(&selected.origin, context)?;
        }
        let labels = &mut self.recorder.labels;
        labels.release = release;
        labels.origin = Some(selected.origin.clone());
        Ok(Routed {
            visitor,
            context,
            assertion,
            selected,
        })
    }
}

/// Returns whether a session at an origin needs a pin to stay there: its handle leads elsewhere, or it is older than all
/// origins, and the next one that is added would take it.
pub(super) fn needs_pin(name: &str, hashed: Option<&Origin>, created: UnixSeconds) -> bool {
    hashed.is_none_or(|hashed| hashed.name != name || created < hashed.since)
}

impl Balancer {
    /// Returns the origin that gets a session's request, given those that failed it.
    pub(crate) fn choice(
        &self,
        location: &Location<'_>,
        record: &Record,
        failures: &[Failed],
        now: UnixMillis,
    ) -> Option<Choice<'_>> {
        match self.pools.at(location.path) {
            None => self.choice_of_conversation(location.query(), record, failures, now),
            Some(pool) => self.choice_of_path(pool, record, failures, now),
        }
    }

    /// Returns the origin of the default pool that gets a session's request.
    ///
    /// A session goes to the origin of its pin, else to the one its handle leads to. It moves away from there if
    /// - its pin has rested for `PIN_IDLE`: it returns to the origin of its handle;
    /// - the origin is down, or its release is off;
    /// - the origin is ejected, or lost (no connection). If it only says that it is not ready, it keeps the requests of
    ///   an Engine.IO connection that it has opened: no other origin knows that connection;
    /// - the origin failed this request, and is gone;
    /// - the pinned origin is no longer in the list;
    /// - the list changed, so that its handle leads elsewhere;
    /// - a sign-in pinned it to another release (`release_of_user.rs`).
    ///
    /// With `STRICT_PINS` a session does not leave an origin that is ejected, lost or failed. `change_session` in
    /// `response.rs` stores the move with the response.
    fn choice_of_conversation(
        &self,
        query: &str,
        record: &Record,
        failures: &[Failed],
        now: UnixMillis,
    ) -> Option<Choice<'_>> {
        let (pools, releases) = (&self.pools, &self.tenant.releases);
        let (pool, releases) = (&pools.default, releases.as_ref());
        let pinned = record.pin.as_deref().and_then(|name| pool.named(name));
        let hashed = self.hashed(record.handle, record.created);
        let last = pinned.or(hashed)?;
        let may_return = |hashed: &&Origin| {
            pinned.is_some_and(|pinned| !self.is_assigned_elsewhere(pinned, hashed))
        };
        let rested = hashed.filter(|hashed| may_return(hashed) && self.has_rested(record, now));
        let home = rested.unwrap_or(last);

        let failed = |origin: &Origin| !failures.is_empty() && self.is_gone(&origin.name, failures);
        let usable = |origin: &Origin| {
            origin.is_open(releases) && !failed(origin) && !self.is_ejected(origin, now)
        };
        let keeps_connection = |origin: &Origin| {
            engine_io::names_id(query)
                && origin.is_open(releases)
                && !failed(origin)
                && self.only_says_unready(origin, now)
        };
        let (origin, why) = if usable(home) || keeps_connection(home) {
            let why = match pinned {
                _ if rested.is_some() => Reason::ReturnedAfterIdle,
                Some(_) => Reason::Pin,
                None => Reason::Handle,
            };
            (home, why)
        } else if self.tenant.strict_pins && home.is_open(releases) {
            // Any response of this origin is better than another origin's.
            Some((home, Reason::Strict)).filter(|_| !failed(home))?
        } else {
            // A sign-in may have pinned it to another release than its handle's.
            let is_pinned = pinned.is_some() && rested.is_none();
            let of_pin = |origin: &Origin| {
                is_pinned && releases.is_some_and(|all| all.share(origin, home)) && usable(origin)
            };
            let session = (record.handle, record.created);
            pool.best(record.handle, of_pin)
                .or_else(|| pool.best_of_release(session, releases, usable))
                .map(|origin| (origin, Reason::NextOfRelease(&home.name)))
                .or_else(|| self.next_of_any_release((pool, home), record, &usable, &failed))?
        };
        let lost_home = record.pin.is_some() && pinned.is_none();
        let is_pinned = needs_pin(&origin.name, hashed, record.created);
        Some(Choice {
            origin,
            why,
            moves: origin != last || lost_home,
            pin: Some(is_pinned.then_some(origin.name.as_str())),
        })
    }

    /// Returns the origin of another pool that gets a session's request: the one its handle leads to, of the release
    /// that the conversation is in. Nothing is stored, so a session is back as soon as that origin is.
    ///
    /// An origin that is drained gets no more requests, because none of its sessions is known.
    fn choice_of_path<'g>(
        &'g self,
        pool: &'g Pool,
        record: &Record,
        failures: &[Failed],
        now: UnixMillis,
    ) -> Option<Choice<'g>> {
        let (pools, releases) = (&self.pools, &self.tenant.releases);
        let releases = releases.as_ref();
        let pinned = record.pin.as_deref();
        let pinned = pinned.and_then(|name| pools.default.named(name));
        let holder = pinned.or_else(|| self.hashed(record.handle, record.created));
        let belongs = |origin: &Origin| {
            let both = releases.zip(holder);
            origin.since <= record.created && both.is_none_or(|(all, held)| all.share(origin, held))
        };
        let failed = |origin: &Origin| self.is_gone(&origin.name, failures);
        let usable = |origin: &Origin| {
            origin.is_open(releases)
                && self.state(origin) == OriginState::Active
                && !failed(origin)
                && !self.is_ejected(origin, now)
        };
        let handle = record.handle;
        let home = pool.best(handle, belongs);
        let home = home.or_else(|| pool.best(handle, |_| true))?;
        let (origin, why) = pool
            .best(handle, |origin| belongs(origin) && usable(origin))
            .map(|origin| {
                let is_home = origin == home;
                let other = Reason::NextOfRelease(&home.name);
                (origin, if is_home { Reason::Handle } else { other })
            })
            .or_else(|| self.next_of_any_release((pool, home), record, &usable, &failed))?;
        Some(Choice {
            origin,
            why,
            moves: false,
            pin: None,
        })
    }

    /// Returns the next best origin if no other of a session's own release is usable: of the usual release first, then
    /// of any. If all are ejected, one that has not failed this request is still worth it.
    fn next_of_any_release<'g>(
        &'g self,
        (pool, home): (&'g Pool, &'g Origin),
        record: &Record,
        usable: &dyn Fn(&Origin) -> bool,
        failed: &dyn Fn(&Origin) -> bool,
    ) -> Option<(&'g Origin, Reason<'g>)> {
        let releases = self.tenant.releases.as_ref();
        let untried = |origin: &Origin| origin.is_open(releases) && !failed(origin);
        let is_usual = |origin: &Origin| {
            releases.is_some_and(|all| all.of_origin(origin).is_none()) && usable(origin)
        };
        let usual = releases.and_then(|_| pool.best(record.handle, is_usual));
        let best = usual.or_else(|| pool.best(record.handle, usable));
        best.map(|origin| (origin, Reason::Next(&home.name)))
            .or_else(|| {
                let own = Some(home).filter(|home| untried(home));
                let any = own.or_else(|| pool.best(record.handle, untried));
                any.map(|origin| (origin, Reason::LastResort))
            })
    }

    /// Decides whether a sign-in may have pinned a session to a gray release that its handle does not lead to. Such a
    /// session does not return.
    fn is_assigned_elsewhere(&self, pinned: &Origin, hashed: &Origin) -> bool {
        self.tenant
            .releases
            .as_ref()
            .is_some_and(|releases| releases.ask_for_user() && !releases.share(pinned, hashed))
    }

    /// Returns whether a moved conversation was idle long enough to return to the origin of its handle. Use is noted
    /// only at intervals, and may be known here late.
    fn has_rested(&self, record: &Record, now: UnixMillis) -> bool {
        let tenant = &self.tenant;
        !Lifetime::may_be_open(&record.span(), now.seconds())
            && tenant.pin_idle.is_some_and(|idle| {
                let noted_every = tenant
                    .lifetime
                    .touch_interval(&record.span(), record.spread());
                now.seconds() >= record.seen + idle + noted_every + PROPAGATION
            })
    }

    /// Returns the origin that a session's conversation has by its handle alone, whatever the state of the origins.
    pub(crate) fn hashed(&self, handle: Handle, created: UnixSeconds) -> Option<&Origin> {
        let (pools, releases) = (&self.pools, &self.tenant.releases);
        let pool = &pools.default;
        pool.best_of_release((handle, created), releases.as_ref(), |_| true)
            .or_else(|| pool.best(handle, |_| true))
    }

    /// Returns whether an origin is skipped because of its failures. If more than half of its pool failed, the cause is
    /// elsewhere, and skipping them would overload the rest. Unreachable origins are always skipped.
    pub(crate) fn is_ejected(&self, origin: &Origin, now: UnixMillis) -> bool {
        if self.health.is_lost(&origin.name, now) {
            return true;
        }
        if !self.has_failed(origin, now) {
            return false;
        }
        let (pools, releases) = (&self.pools, &self.tenant.releases);
        let (pool, releases) = (pools.of_origin(origin), releases.as_ref());
        let open = || pool.iter().filter(|origin| origin.is_open(releases));
        let ejected = open().filter(|one| self.has_failed(one, now));
        2 * ejected.count() <= open().count().max(2)
    }

    /// Returns whether an origin is ejected for no other reason than that it says that it is not ready.
    fn only_says_unready(&self, origin: &Origin, now: UnixMillis) -> bool {
        let name = &origin.name;
        self.cluster.is_unready(name, now)
            && !self.health.is_lost(name, now)
            && !self.health.is_ejected(name, now)
    }

    /// Returns whether an origin's failures, here or in other isolates, have ejected it.
    pub(crate) fn has_failed(&self, origin: &Origin, now: UnixMillis) -> bool {
        self.health.is_ejected(&origin.name, now) || self.cluster.is_ejected(&origin.name, now)
    }
}
