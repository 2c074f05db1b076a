//! Decides about leases: who may change a session's data alone, and which changes a lease holds up.
//!
//! A lease is advisory unless its taker asked for an exclusive one: then Vestibule withholds every `patch` and `ttl`
//! that does not name its token. Nothing else waits for a lease. Sign-in, sign-out, revocation and an operator's end
//! pass, or a caller that hangs could keep a user signed in.

use chacha20::rand_core::Rng;

use super::Executor;
use super::command::{LeaseCommand, Reply, Status};
use super::row::{Lease, Row};
use crate::clock::{Seconds, UnixMillis};
use crate::rule::{Rule, holds};
use crate::session::change::Change;
use crate::session::record::{Entry, Record};

/// Maximum time that a lease holds without being extended.
const MAX_LEASE: Seconds = Seconds(300);

/// The lease that holds up a change, as a reply names it; none if the caller's own lease has ended.
type Holder = Option<(u64, UnixMillis)>;

/// Says how much of a change may be applied.
pub(super) enum Admission {
    /// All of it.
    Whole,
    /// Everything except what a lease guards.
    Part(Holder),
    /// Nothing: it asked for nothing else.
    Nothing(Holder),
}

impl<R: Rng> Executor<'_, R> {
    /// Takes out of a change what a lease withholds from this caller.
    pub(super) fn admit(
        &self,
        change: &mut Change,
        token: Option<u64>,
        record: &Record,
        row: Option<&Row>,
    ) -> Admission {
        let held = row.and_then(|row| row.lease_at(self.now));
        let may_change = match (token, &held) {
            (Some(token), Some(held)) => token == held.token,
            // A token that does not hold any more is refused also if nobody else has the lease.
            (Some(_), None) => false,
            (None, Some(held)) => !held.is_exclusive,
            (None, None) => true,
        };
        let rule = if token.is_some() {
            Rule::LeaseToken
        } else {
            Rule::LeaseGuards
        };
        if may_change || !holds(rule) || change.passes_leases(record) {
            return Admission::Whole;
        }
        let holder = held.map(|held| (held.token, held.until));
        let is_guarded = change.withhold_guarded();
        match (is_guarded, change.is_empty()) {
            (true, true) => Admission::Nothing(holder),
            (true, false) => Admission::Part(holder),
            // A change of nothing under a lease asks whether the lease holds.
            (false, true) if token.is_some() => Admission::Nothing(holder),
            (false, _) => Admission::Whole,
        }
    }

    /// Gives or extends a lease.
    pub(super) fn lease(&self, row: Option<&mut Row>, asked: &LeaseCommand) -> (Reply, bool) {
        let Some(row) = row else {
            return (Reply::is(Status::Absent), false);
        };
        match self.open(row) {
            Some(Entry::Live(_)) => {}
            Some(Entry::Ended { .. }) => return (Reply::is(Status::Ended), false),
            None => return (self.reply_as(Status::Unreadable, Some(row)), false),
        }
        let until = UnixMillis(self.now.0 + asked.seconds.min(MAX_LEASE).0 * 1000);
        let others = |held: &Lease| {
            asked.token != Some(held.token)
                && row.lease_once != Some(asked.once)
                && holds(Rule::LeaseHeld)
        };
        if let Some(held) = row.lease_at(self.now).filter(others) {
            let refused = Reply {
                lease: Some((held.token, held.until)),
                ..Reply::is(Status::Held)
            };
            return (refused, false);
        }
        row.lease_once = Some(asked.once);
        let given = row.set_lease(self.now, until, asked.exclusive);
        let reply = Reply {
            lease: Some((given.token, given.until)),
            exclusive: given.is_exclusive,
            ..self.reply(Some(row), &[])
        };
        (reply, true)
    }

    /// Ends the lease that has this token.
    pub(super) fn release(&self, row: Option<&mut Row>, token: u64) -> (Reply, bool) {
        let Some(row) = row else {
            return (Reply::is(Status::Absent), false);
        };
        let held = row.lease_at(self.now).map(|lease| lease.token);
        if held == Some(token) {
            row.end_lease();
        }
        (self.reply(Some(row), &[]), held == Some(token))
    }
}
