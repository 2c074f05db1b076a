//! Where a new session begins.
//!
//! A session's origin is a function of its handle, and its handle is random: so the choice is made by
//! drawing handles until one belongs where the session should be. Power of two choices (Mitzenmacher,
//! 2001): of the first two acceptable ones the less busy origin's is taken. Nothing is stored for
//! it, and every isolate knows at once.

use rand_chacha::rand_core::Rng as _;

use super::{Gateway, Halt, Passage};
use crate::answer::problem::Problem;
use crate::clock::UnixMillis;
use crate::inbound::rate_limit::Verdict;
use crate::route::canary::Canary;
use crate::route::pool::{Origin, OriginState};
use crate::session::id::{Handle, SessionId};
use crate::telemetry::log::{Event, Level};

/// How many handles are drawn at most: enough to find an origin with a twentieth of all sessions
/// nineteen times in twenty.
const MOST_DRAWN: usize = 64;

impl Gateway {
    /// An id for a new session, of a handle whose origin can take one.
    ///
    /// # Errors
    /// [`Problem::Overloaded`] when none can.
    pub(super) fn draw(&mut self, passage: &Passage<'_>) -> Result<SessionId, Halt> {
        self.limit_births(passage)?;
        let id = self.draw_id(passage)?;
        let handle = Handle::derive(&self.deployment.tenant.id, &id);
        if let Some(name) = self.hashed(handle).map(|origin| origin.name.clone()) {
            self.load.give(&name);
        }
        Ok(id)
    }

    /// Only an address that somebody vouches for can be held to account.
    fn limit_births(&mut self, passage: &Passage<'_>) -> Result<(), Halt> {
        let address = passage.request.client_address();
        // A step that is asked again begins the same session.
        let is_first_ask = passage.answers.failures().is_empty();
        let (Some(limit), Some(address), true) = (&mut self.births, address, is_first_ask) else {
            return Ok(());
        };
        match limit.count(address, passage.now) {
            Verdict::First | Verdict::Counted => Ok(()),
            Verdict::Passed(wait) => {
                self.note(Event::new(Level::Warn, "new_sessions_limited"));
                Err(Problem::TooManySessions(wait).into())
            }
            Verdict::Over(wait) => Err(Problem::TooManySessions(wait).into()),
        }
    }

    fn draw_id(&mut self, passage: &Passage<'_>) -> Result<SessionId, Halt> {
        let is_canary = self.is_born_into_canary(passage);
        let mut first: Option<(u64, SessionId)> = None;
        let mut fallback = None;
        for _ in 0..MOST_DRAWN {
            let id = SessionId::generate(&mut self.random);
            let handle = Handle::derive(&self.deployment.tenant.id, &id);
            if Canary::has(handle) != is_canary {
                continue;
            }
            let Some(origin) = self.hashed(handle) else {
                continue;
            };
            if !self.takes_new(origin, passage.now) {
                continue;
            }
            // Where a session would move at once, because its origin is away, it may begin if
            // there is nothing better.
            if self.is_ejected(origin, passage.now) {
                fallback.get_or_insert(id);
                continue;
            }
            let cost = self.cost(origin, passage.now);
            match first {
                None => first = Some((cost, id)),
                Some((other, drawn)) => {
                    return Ok(if cost < other { id } else { drawn });
                }
            }
        }
        if let Some(id) = first.map(|(_, id)| id).or(fallback) {
            return Ok(id);
        }
        self.last_resort(is_canary, passage)
    }

    /// Nothing acceptable was drawn: either all that are open are full, or those that are not have
    /// too small a share. Then the session begins anywhere and moves at once.
    fn last_resort(&mut self, is_canary: bool, passage: &Passage<'_>) -> Result<SessionId, Halt> {
        let takes = |origin: &&Origin| self.takes_new(origin, passage.now);
        let pool = &self.deployment.tenant.pool;
        if pool.iter().find(takes).is_none() && pool.iter().any(|origin| self.is_open(origin)) {
            self.note(Event::new(Level::Warn, "new_session_refused"));
            return Err(Problem::Overloaded.into());
        }
        loop {
            let id = SessionId::generate(&mut self.random);
            let handle = Handle::derive(&self.deployment.tenant.id, &id);
            if Canary::has(handle) == is_canary {
                return Ok(id);
            }
        }
    }

    fn is_born_into_canary(&mut self, passage: &Passage<'_>) -> bool {
        let Some(canary) = &self.deployment.tenant.canary else {
            return false;
        };
        if canary.is_off {
            return false;
        }
        let asked = canary
            .header
            .as_ref()
            .is_some_and(|(name, value)| passage.request.header(name) == Some(value));
        asked || self.random.next_u32() % 100 < u32::from(canary.percent)
    }

    /// Whether an origin may be given a new session.
    pub(super) fn takes_new(&self, origin: &Origin, now: UnixMillis) -> bool {
        let overload = &self.deployment.tenant.overload;
        let here = self.load.under_way(&origin.name);
        let everywhere = self.under_way(origin, now);
        let is_full = origin.capacity.is_some_and(|most| everywhere >= most)
            || overload.under_way.is_some_and(|most| here >= most)
            || overload
                .first_byte_ms
                .is_some_and(|most| self.load.first_byte_ms(&origin.name) >= most)
            || overload
                .reported
                .zip(self.reported(origin, now))
                .is_some_and(|(most, reported)| reported >= most);
        self.state(origin) == OriginState::Active && self.is_open(origin) && !is_full
    }

    /// How busy an origin is, in relation to its weight; one that has just come back counts as
    /// busier than it is.
    fn cost(&self, origin: &Origin, now: UnixMillis) -> u64 {
        let under_way = u64::from(self.under_way(origin, now)) + 1;
        let reported = self.reported(origin, now).unwrap_or(0) + 100;
        let share = self.health.share(&origin.name, now);
        // Tens of milliseconds, so that what is equally fast does not differ by noise.
        let slowness = u64::from(self.load.first_byte_ms(&origin.name)) / 10 + 10;
        let cost = under_way.saturating_mul(reported).saturating_mul(slowness);
        cost.saturating_mul(10_000) / (share * u64::from(origin.weight))
    }
}
