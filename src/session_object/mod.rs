//! Decides the changes of one session in its Durable Object (consistency `strong`).
//!
//! Each session has one object, named by tenant and handle. Only the object writes the session's record: to its own
//! row, and through to the namespace for all readers. It applies commands one at a time: read the row, decide, write
//! the row, reply. The row also contains the work left elsewhere (its *outbox*), so an object that dies at any point
//! resumes from its row.
//!
//! This code is synchronous and performs no I/O. The Worker passes the row in, stores the result, and runs the outbox
//! items one at a time.

pub(crate) mod command;
mod lease;
pub(crate) mod object;
pub(crate) mod outbox;
mod refresh;
mod row;

use chacha20::rand_core::Rng;

use crate::clock::{UnixMillis, UnixSeconds};
use crate::effect::{Need, Outbound};
use crate::keys::KeyRing;
use crate::rule::{Rule, holds};
use crate::session::change::{ApplyContext, LEASED, Outcome, Refused};
use crate::session::codec::{self, Unreadable};
use crate::session::id::{Handle, RecordName};
use crate::session::lifetime::Lifetime;
use crate::session::record::{Entry, IdMatch, Record};
use crate::session_object::command::{
    Command, InitialState, Operation, Reply, Status, UpdateCommand,
};
use crate::session_object::lease::Admission;
use crate::session_object::row::Row;
use crate::telemetry::log::Event;
use crate::tenant_id::TenantId;

pub(crate) use row::BadRow;
#[cfg(test)]
pub(crate) use row::{fence_in, sealed_in};

/// Session of an object, with its keys and randomness.
pub(crate) struct Executor<'a, R> {
    /// Tenant of the session.
    pub tenant: &'a TenantId,
    /// Handle of the session.
    pub handle: Handle,
    /// Keys of the tenant.
    pub keys: &'a KeyRing,
    /// Cryptographic random source.
    pub random: &'a mut R,
    /// Current time.
    pub now: UnixMillis,
}

/// Result of a command.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Reply to the caller.
    pub reply: Reply,
    /// New row; it must be stored before the reply.
    pub row: Option<Vec<u8>>,
    /// Request to perform first; its response goes to [`Executor::refreshed`].
    pub fetch: Option<Outbound>,
    /// Needs to perform before that response can be checked.
    pub needs: Vec<Need>,
    /// Event to log.
    pub event: Option<Event>,
    /// Whether the reply waits for the next outbox item and reports its success.
    pub wait: bool,
}

impl<R: Rng> Executor<'_, R> {
    /// Applies a command to the row.
    ///
    /// # Errors
    /// Returns [`BadRow`] if the row is invalid; nothing changes then.
    pub(crate) fn command(
        &mut self,
        command: &Command,
        row: Option<&[u8]>,
    ) -> Result<Verdict, BadRow> {
        let mut row = row.map(Row::decode).transpose()?;
        let adopted = self.adopt(command, &mut row);
        let is_repeated = row
            .as_ref()
            .is_some_and(|row| row.has_applied(&command.order));
        let mut fetch = None;
        let (reply, changed) = match &command.order {
            _ if self.is_named_otherwise(command, row.as_ref()) => {
                (Reply::is(Status::Outdated), false)
            }
            Operation::Read => (self.reply(row.as_ref(), &[]), false),
            Operation::Repair => {
                if let Some(row) = row.as_mut() {
                    row.serial += 1;
                    row.namespace_due = true;
                }
                (self.reply(row.as_ref(), &[]), row.is_some())
            }
            Operation::Change(changing) => self.change(command, changing, &mut row),
            Operation::Lease(asked) => self.lease(row.as_mut(), asked),
            Operation::Refresh { provider, call, .. } => {
                fetch = self.refresh(provider, call, row.as_ref());
                (self.reply(row.as_ref(), &[]), false)
            }
            Operation::Release { token } => self.release(row.as_mut(), *token),
        };
        // A repeated command waits for the announcement as the first one did, and so does a second end: both replies
        // report the end.
        let ends = matches!(&command.order, Operation::Change(changing) if changing.change.end);
        let is_concerned = (changed || is_repeated || (ends && holds(Rule::RepeatedEndWaits)))
            && holds(Rule::WaitForAnnouncement);
        let wait = is_concerned && row.as_ref().is_some_and(|row| row.announce_due);
        // Announce at once, even while a retry after a failure is pending.
        let pausing = row
            .as_mut()
            .filter(|row| wait && ends && row.retry_at > self.now.0);
        let is_urgent = pausing.map(|row| row.retry_at = 0).is_some();
        let store = (changed || adopted || is_urgent).then_some(row).flatten();
        Ok(Verdict {
            reply,
            row: store.map(|row| row.encode()),
            fetch,
            needs: Vec::new(),
            event: None,
            wait,
        })
    }

    /// Returns whether the session is live with another sign-in than in the caller's name for it.
    fn is_named_otherwise(&self, command: &Command, row: Option<&Row>) -> bool {
        let Some(sign_in) = command.named else {
            return false;
        };
        match row.and_then(|row| self.open(row)) {
            Some(Entry::Live(record)) => record.sign_in != sign_in,
            Some(Entry::Ended { .. }) | None => false,
        }
    }

    /// Takes over the record of a session that has no object yet, unchanged.
    fn adopt(&mut self, command: &Command, row: &mut Option<Row>) -> bool {
        match &command.adopt {
            Some(sealed) if row.is_none() => {
                if let Ok(Entry::Live(record)) = codec::open(sealed, &self.name(), self.keys) {
                    let expires = command.lifetime.end(&record.span());
                    *row = Some(Row::adopting(sealed.clone(), expires));
                }
                row.is_some()
            }
            _ => false,
        }
    }

    fn change(
        &mut self,
        command: &Command,
        changing: &UpdateCommand,
        row: &mut Option<Row>,
    ) -> (Reply, bool) {
        let record = match self.subject(command, changing, row.as_ref()) {
            Ok(record) => match self.claimed(record, changing) {
                Some(record) => record,
                None => return (Reply::is(Status::Outdated), false),
            },
            // Return the unreadable record: the caller may have its key, or the release that reads it.
            Err(is) => return (self.reply_as(is, row.as_ref()), false),
        };
        if let Some(row) = row.as_mut()
            && row.applied.contains(&changing.once)
            && holds(Rule::Idempotency)
        {
            return (self.reply(Some(row), &[]), false);
        }
        if changing
            .if_version
            .is_some_and(|version| version != record.version && holds(Rule::IfVersion))
        {
            return (self.reply_as(Status::Conflict, row.as_ref()), false);
        }
        let mut change = match changing.id.map(|id| record.fit(&id, self.now.seconds())) {
            Some(IdMatch::Replaced | IdMatch::Outdated) if holds(Rule::OutdatedId) => {
                return (Reply::is(Status::Outdated), false);
            }
            Some(IdMatch::Grace) => changing.change.clone().in_grace(),
            _ => changing.change.clone(),
        };
        let is_repeated = row
            .as_ref()
            .is_some_and(|row| row.has_applied_part(changing));
        if is_repeated {
            change = change.guarded();
        }
        let withheld = match self.admit(&mut change, changing.lease, &record, row.as_ref()) {
            Admission::Whole => None,
            Admission::Part(held) => Some(held),
            Admission::Nothing(lease) if is_repeated => {
                let reply = self.reply(row.as_ref(), &[LEASED.to_owned()]);
                return (Reply { lease, ..reply }, false);
            }
            Admission::Nothing(held) => {
                let reply = Reply {
                    lease: held,
                    ..Reply::is(Status::Held)
                };
                return (reply, false);
            }
        };
        let mut outcome = change.apply(
            &record,
            &ApplyContext {
                lifetime: &command.lifetime,
                keys: self.keys,
                epoch: changing.epoch,
                now: self.now.seconds(),
            },
        );
        if withheld.is_some() {
            outcome.refused.push(Refused(LEASED));
        }
        if !outcome.written {
            // The session remains unstored, and needs no row.
            let sealed = codec::seal(&outcome.entry, &self.name(), self.keys, self.random);
            let reply = Reply {
                refused: outcome.refused_names(),
                lease: withheld.flatten(),
                sealed: sealed.unwrap_or_default(),
                ..Reply::is(Status::Live)
            };
            return (reply, false);
        }
        let (reply, changed) = self.write(command, changing, &record, &outcome, row);
        let lease = withheld.flatten();
        (Reply { lease, ..reply }, changed)
    }

    /// Returns the record to change, or the status that explains why there is none.
    fn subject(
        &self,
        command: &Command,
        changing: &UpdateCommand,
        row: Option<&Row>,
    ) -> Result<Record, Status> {
        match (row, &changing.begin) {
            (Some(row), _) => match self.open(row) {
                Some(Entry::Live(record)) => Ok(record),
                Some(Entry::Ended { .. }) => Err(Status::Ended),
                None => Err(Status::Unreadable),
            },
            // An unreadable record must not be replaced by a new one.
            (None, _) if self.is_unread(command) => Err(Status::Unreadable),
            (None, Some(begin)) => Ok(self.first(begin)),
            (None, None) => Err(Status::Absent),
        }
    }

    /// Returns the record with the id of the cookie that asks for the change. A record that an origin began by the
    /// session's name belongs to the session's first id; the handle is its hash.
    fn claimed(&self, record: Record, changing: &UpdateCommand) -> Option<Record> {
        let Some(id) = changing.id.filter(|_| record.is_unclaimed()) else {
            return Some(record);
        };
        match &changing.begin {
            Some(begin) => Some(Record {
                id,
                created: begin.created,
                device: begin.device.clone(),
                country: begin.country.clone(),
                browser: begin.browser.clone(),
                path: begin.path.clone(),
                ..record
            }),
            None => {
                (Handle::derive(self.tenant, &id) == self.handle).then_some(Record { id, ..record })
            }
        }
    }

    /// Returns whether the namespace has a record that only another release or key can read.
    fn is_unread(&self, command: &Command) -> bool {
        command.adopt.as_ref().is_some_and(|sealed| {
            let opened = codec::open(sealed, &self.name(), self.keys);
            matches!(
                opened,
                Err(Unreadable::NewerFormat | Unreadable::UnknownKey)
            )
        })
    }

    fn first(&self, begin: &InitialState) -> Record {
        Record {
            device: begin.device.clone(),
            country: begin.country.clone(),
            browser: begin.browser.clone(),
            path: begin.path.clone(),
            ..Record::unstored(self.handle, begin.id, begin.created, self.now.seconds())
        }
    }

    fn write(
        &mut self,
        command: &Command,
        changing: &UpdateCommand,
        before: &Record,
        outcome: &Outcome,
        row: &mut Option<Row>,
    ) -> (Reply, bool) {
        let Some(sealed) = codec::seal(&outcome.entry, &self.name(), self.keys, self.random) else {
            return (Reply::is(Status::Unreadable), false);
        };
        let expires = expiry(&outcome.entry, before, &command.lifetime);
        let row = row.get_or_insert_with(Row::default);
        row.sealed = sealed;
        row.set_expires(expires);
        row.serial += 1;
        row.namespace_due = true;
        match &outcome.entry {
            Entry::Ended { .. } => {
                row.is_ended = true;
                row.announce_due = true;
                row.list_due = row.list_no_more() || row.list_due;
                row.end_lease();
                // The user's sign-out waits for this.
                row.retry_at = 0;
            }
            Entry::Live(record) => {
                if record.id != before.id {
                    row.replaced_with = record.version.0;
                    row.announce_due = true;
                    row.retry_at = 0;
                }
                // The name by which the holder knows the session is not valid any more.
                if record.sign_in != before.sign_in {
                    row.end_lease();
                }
                self.list(command, record, row);
            }
        }
        row.note_applied(changing, outcome.refused.contains(&Refused(LEASED)));
        (self.reply(Some(row), &outcome.refused_names()), true)
    }

    /// Lists a session when it is first stored. Lists it again when its user or the user's tag changes, or it lasts
    /// longer than listed.
    fn list(&self, command: &Command, record: &Record, row: &mut Row) {
        let user = record
            .identity
            .as_ref()
            .map(|identity| identity.user.as_str());
        let tag = user.and_then(|user| self.keys.user_tags(user).next());
        let latest = command.lifetime.absolute_end(&record.span());
        let lasts_longer = row.list_until(self.now.seconds(), latest);
        if row.list_under(tag) || lasts_longer {
            row.created = record.created.0;
            row.most = command.max_per_user;
            row.longest = command.lifetime.longest().0;
            row.list_due = true;
        }
    }

    fn reply(&self, row: Option<&Row>, refused: &[String]) -> Reply {
        let is = match row.map(|row| self.open(row)) {
            None => Status::Absent,
            Some(None) => Status::Unreadable,
            Some(Some(Entry::Ended { .. })) => Status::Ended,
            // An expired session is returned with its record, so that the caller finds the limit.
            Some(Some(Entry::Live(_))) => Status::Live,
        };
        Reply {
            refused: refused.to_vec(),
            ..self.reply_as(is, row)
        }
    }

    fn reply_as(&self, is: Status, row: Option<&Row>) -> Reply {
        Reply {
            sealed: row.map(|row| row.sealed.clone()).unwrap_or_default(),
            ..Reply::is(is)
        }
    }

    fn open(&self, row: &Row) -> Option<Entry> {
        codec::open(&row.sealed, &self.name(), self.keys).ok()
    }

    fn name(&self) -> RecordName {
        RecordName::derive(self.tenant, self.handle)
    }
}

/// Returns the time until which a row is needed: for a live session its limit. For an ended one the time when no cookie
/// of it can be valid, so that its handle never begins a session again.
fn expiry(entry: &Entry, before: &Record, lifetime: &Lifetime) -> UnixSeconds {
    match entry {
        Entry::Live(record) => lifetime.end(&record.span()),
        Entry::Ended { at } => (*at).max(before.created) + lifetime.longest(),
    }
}

#[cfg(test)]
mod tests;
