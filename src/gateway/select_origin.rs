//! Selects the origin of a request: the one that holds the conversation, while it is reachable.

use super::assertion::Asserted;
use super::authenticate::Visitor;
use super::parts::Balancer;
use super::{Gateway, Interrupt, RequestContext};
use crate::balancer::pool::Origin;
use crate::clock::{UnixMillis, UnixSeconds};
use crate::effect::Failed;
use crate::policy::PROPAGATION;
use crate::response::problem::Problem;
use crate::session::id::Handle;
use crate::session::lifetime::Lifetime;
use crate::session::record::Record;
use crate::tenant::Tenant;

/// Where a request goes, and what that means for the session.
pub(crate) struct SelectedOrigin {
    /// The origin's name.
    pub(crate) origin: String,
    /// Scheme and authority of the origin.
    pub(crate) base: String,
    /// It inherits the conversation from another origin.
    pub(crate) takeover: bool,
    /// Where the conversation is must be written down, or is no longer where it was.
    pub(crate) pin: bool,
}

/// The origin of a session, and why it is this one.
pub(crate) struct Choice<'g> {
    /// The origin.
    pub(crate) origin: &'g Origin,
    /// Why.
    pub(crate) why: Reason<'g>,
    /// The one that has the conversation is another.
    pub(crate) moves: bool,
    /// What is written down of it from now on; nothing if the handle says it.
    pub(crate) pin: Option<&'g str>,
}

/// Why a session's origin is the one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason<'g> {
    /// Its handle leads there.
    Handle,
    /// Its conversation moved there.
    Pin,
    /// Its conversation had moved away, and rested long enough to come back.
    ReturnedAfterIdle,
    /// It is passed over, but no other may answer for it.
    Strict,
    /// This one is passed over, and it is the next best of the release.
    NextOfRelease(&'g str),
    /// This one is passed over with all of its release.
    Next(&'g str),
    /// All are passed over.
    LastResort,
}

/// A request that has an origin.
pub(super) struct Routed<'a> {
    pub(super) visitor: Visitor,
    pub(super) context: &'a RequestContext<'a>,
    pub(super) assertion: Option<String>,
    pub(super) selected: SelectedOrigin,
}

impl Gateway {
    /// Selects the origin, which for a session is the one that holds its conversation.
    ///
    /// # Errors
    /// What has to be found out first, or that no origin can be reached.
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
            .choice(record, failures, context.now)
            .ok_or(Problem::OriginUnreachable)?;
        let release = choice.origin.release.clone().unwrap_or_default();
        let selected = SelectedOrigin {
            origin: choice.origin.name.clone(),
            base: choice.origin.base.clone(),
            takeover: !visitor.is_new && choice.moves,
            pin: choice.pin != record.pin.as_deref(),
        };
        if self.balancer.health.is_lost(&selected.origin, context.now) {
            self.balancer.await_recovery(&selected.origin, context)?;
        }
        let labels = &mut self.recorder.labels;
        labels.release = release;
        labels.origin.clone_from(&selected.origin);
        Ok(Routed {
            visitor,
            context,
            assertion,
            selected,
        })
    }
}

impl Balancer {
    /// Returns the origin that gets a session's request, given those that failed it.
    ///
    /// A session goes to the origin of its pin, else to the one its handle leads to. It moves away from there if
    /// - its pin has rested for `PIN_IDLE`: it returns to the origin of its handle;
    /// - the origin is down, or its canary release is off;
    /// - the origin is ejected, or lost (no connection);
    /// - the origin failed this request, and is gone;
    /// - the pinned origin is no longer in the list.
    ///
    /// With `STRICT_PINS` a session does not leave an origin that is ejected, lost or failed. `change_session` in
    /// `response.rs` stores the move with the response.
    pub(crate) fn choice(
        &self,
        record: &Record,
        failures: &[Failed],
        now: UnixMillis,
    ) -> Option<Choice<'_>> {
        let Tenant { pool, canary, .. } = &*self.tenant;
        let canary = canary.as_ref();
        let pinned = record.pin.as_deref().and_then(|name| pool.named(name));
        let hashed = self.hashed(record.handle, record.created);
        let last = pinned.or(hashed)?;
        let rested = hashed.filter(|_| pinned.is_some() && self.has_rested(record, now));
        let home = rested.unwrap_or(last);

        let failed = |origin: &Origin| !failures.is_empty() && self.is_gone(&origin.name, failures);
        let usable = |origin: &Origin| {
            origin.is_open(canary) && !failed(origin) && !self.is_ejected(origin, now)
        };
        let (origin, why) = if usable(home) {
            let why = match pinned {
                _ if rested.is_some() => Reason::ReturnedAfterIdle,
                Some(_) => Reason::Pin,
                None => Reason::Handle,
            };
            (home, why)
        } else if self.tenant.strict_pins && home.is_open(canary) {
            // Whatever it answers is better than another's answer.
            Some((home, Reason::Strict)).filter(|_| !failed(home))?
        } else {
            // Its own release first, then any. When all are ejected, one that has not failed this
            // request is still worth it.
            let untried = |origin: &Origin| origin.is_open(canary) && !failed(origin);
            let because = |why| move |origin| (origin, why);
            let session = (record.handle, record.created);
            pool.best_of_release(session, canary, usable)
                .map(because(Reason::NextOfRelease(&home.name)))
                .or_else(|| {
                    let best = pool.best(record.handle, usable);
                    best.map(because(Reason::Next(&home.name)))
                })
                .or_else(|| {
                    let own = Some(home).filter(|home| untried(home));
                    let any = own.or_else(|| pool.best(record.handle, untried));
                    any.map(because(Reason::LastResort))
                })?
        };
        let lost_home = record.pin.is_some() && pinned.is_none();
        Some(Choice {
            origin,
            why,
            moves: origin != last || lost_home,
            pin: (Some(origin) != hashed).then_some(origin.name.as_str()),
        })
    }

    /// Whether a conversation that moved was not in use for so long that it may return to where it
    /// belongs. Use is noted now and then only, and may be known here late.
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

    /// Returns the origin that a session has by its handle alone, whatever the state of the origins.
    pub(crate) fn hashed(&self, handle: Handle, created: UnixSeconds) -> Option<&Origin> {
        let Tenant { pool, canary, .. } = &*self.tenant;
        pool.best_of_release((handle, created), canary.as_ref(), |_| true)
            .or_else(|| pool.best(handle, |_| true))
    }

    /// Whether an origin is passed over for what happened to it. When more than half of them are,
    /// something else is wrong, and passing them over would only crush the rest; but not those that
    /// cannot be reached, which help nobody.
    pub(crate) fn is_ejected(&self, origin: &Origin, now: UnixMillis) -> bool {
        if self.health.is_lost(&origin.name, now) {
            return true;
        }
        if !self.has_failed(origin, now) {
            return false;
        }
        let Tenant { pool, canary, .. } = &*self.tenant;
        let open = || pool.iter().filter(|origin| origin.is_open(canary.as_ref()));
        let ejected = open().filter(|one| self.has_failed(one, now));
        2 * ejected.count() <= open().count().max(2)
    }

    /// Whether what happened to an origin, here or elsewhere, would have it passed over.
    pub(crate) fn has_failed(&self, origin: &Origin, now: UnixMillis) -> bool {
        self.health.is_ejected(&origin.name, now) || self.cluster.is_ejected(&origin.name, now)
    }
}
