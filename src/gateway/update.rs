//! Changing a recorded session: by the object that orders its changes, or, with KV alone, in this
//! isolate (`update_kv.rs`).

use super::parts::{Recorder, Sessions};
use std::rc::Rc;

use chacha20::rand_core::Rng as _;

use super::client_info::Client;
use crate::clock::UnixMillis;
use crate::cookie::token::Token;
use crate::effect::{Answers, Found, Need};
use crate::session::change::Change;
use crate::session::codec::Unreadable;
use crate::session::id::{Handle, PublicName, RecordName, SignIn};
use crate::session::prepared::Prepared;
use crate::session::record::{Entry, Version};
use crate::session_object::command::{
    Command, InitialState, Operation, Reply, Status, UpdateCommand,
};
use crate::store::cache::Known;
use crate::store::revocations::Freshness;
use crate::tenant::Consistency;

/// A change that somebody asks for.
pub(crate) struct Update<'a> {
    /// What.
    pub(crate) change: Change,
    /// Of which session.
    pub(crate) handle: Handle,
    /// The sign-in in the asker's name for it: only while that is the session's
    /// ([`Command::named`]).
    pub(crate) named: Option<Option<SignIn>>,
    /// The asker's cookie; none for one who needs none.
    pub(crate) token: Option<&'a Token>,
    /// Device and country, should the session be recorded with this.
    pub(crate) client: Client<'a>,
    /// Only to this version.
    pub(crate) if_version: Option<Version>,
    /// The token of the asker's lease.
    pub(crate) lease: Option<u64>,
}

impl<'a> Update<'a> {
    /// By somebody who needs no cookie, under no condition.
    pub(crate) fn of(handle: Handle, change: Change) -> Self {
        Self {
            change,
            handle,
            named: None,
            token: None,
            client: Client::default(),
            if_version: None,
            lease: None,
        }
    }

    /// The same, of the session that has this very name.
    pub(crate) fn of_named(name: PublicName, change: Change) -> Self {
        Self {
            named: Some(name.sign_in),
            ..Self::of(name.handle, change)
        }
    }

    /// By whoever has this cookie.
    pub(crate) fn by(token: &'a Token, change: Change) -> Self {
        Self {
            token: Some(token),
            ..Self::of(token.handle, change)
        }
    }
}

/// What came of it.
pub(crate) enum UpdateOutcome {
    /// The session lives and is this now.
    Live {
        /// Its record.
        session: Rc<Prepared>,
        /// What was asked and not granted.
        refused: Vec<String>,
    },
    /// It is over, by this change or before it.
    Ended,
    /// Nothing was changed, and why.
    Not(UpdateError),
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpdateError {
    /// There is no such session.
    Absent,
    /// The asker's id, or name for the session, is not valid any more.
    Outdated,
    /// It has another version.
    Version,
    /// The asker's lease does not hold.
    Lease,
    /// Its record cannot be read.
    Unreadable,
    /// Its record is of a newer release or under a key that has not arrived here.
    NotYetReadable,
    /// An object did not answer within two seconds, after three attempts at most (`worker/io/objects.rs`); or KV
    /// did not.
    ///
    /// A change by the origin, a sign-in, a sign-out and a `PATCH` get 503, although the object may have applied
    /// them. A noted use and a pin are skipped, and the request continues; so is a renewal of the access token.
    Silent,
    /// It is done, but those who have to know cannot be told yet.
    Unannounced,
}

impl Sessions {
    /// Changes a session.
    ///
    /// # Errors
    /// What must be done first.
    pub(crate) fn update(
        &mut self,
        recorder: &mut Recorder,
        update: &Update<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<UpdateOutcome, Vec<Need>> {
        match self.tenant.consistency {
            Consistency::Strong => self.update_by_object(recorder, update, answers, now),
            Consistency::Eventual => self.update_in_kv(recorder, update, answers, now),
        }
    }

    fn update_by_object(
        &mut self,
        recorder: &mut Recorder,
        update: &Update<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<UpdateOutcome, Vec<Need>> {
        let key = format!("change {}", update.handle.to_text());
        let Some(found) = answers.found(&key) else {
            if !self.knows_the_epoch(recorder, update, answers, now)? {
                return Ok(UpdateOutcome::Not(UpdateError::Silent));
            }
            let command = self.change_command(recorder, update, answers, now);
            return Err(vec![command.need(&self.tenant.id, update.handle, key)]);
        };
        let Some(reply) = parse(found) else {
            return Ok(UpdateOutcome::Not(UpdateError::Silent));
        };
        if reply.is != Status::Absent {
            return Ok(self.updated(update.handle, reply, now));
        }
        self.update_adopted(recorder, update, answers, now)
    }

    /// The object knows nothing: the session was recorded before there was one. It gets the record
    /// as the namespace has it.
    fn update_adopted(
        &mut self,
        recorder: &mut Recorder,
        update: &Update<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<UpdateOutcome, Vec<Need>> {
        let key = format!("adopt {}", update.handle.to_text());
        if let Some(found) = answers.found(&key) {
            return Ok(match parse(found) {
                Some(reply) => self.updated(update.handle, reply, now),
                None => UpdateOutcome::Not(UpdateError::Silent),
            });
        }
        let name = RecordName::derive(&self.tenant.id, update.handle);
        match answers.found(name.as_str()) {
            None => Err(vec![Need::read(name.as_str())]),
            Some(Found::Absent) => Ok(UpdateOutcome::Not(UpdateError::Absent)),
            Some(Found::Unavailable) => Ok(UpdateOutcome::Not(UpdateError::Silent)),
            Some(Found::Bytes(sealed)) => {
                let command = Command {
                    adopt: Some(sealed.clone()),
                    ..self.change_command(recorder, update, answers, now)
                };
                let tenant = &self.tenant.id;
                Err(vec![command.need(tenant, update.handle, key)])
            }
        }
    }

    /// A session that begins, or is given an identity, must know up to which revocation it is not
    /// concerned: for a sign-in the very last one, or who signs in right after "log out everywhere"
    /// would be signed out again.
    fn knows_the_epoch(
        &mut self,
        recorder: &mut Recorder,
        update: &Update<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<bool, Vec<Need>> {
        let begins = !update.change.end
            && update
                .token
                .is_some_and(|token| token.least_version == Version::UNSTORED);
        let signs_in = update.change.identify.is_some();
        let asked = self.learn_revocations(recorder, answers, now) > 0;
        let knows = self.revocations.is_known();
        // What was heard too long ago may lack a revocation that such a session would be born under.
        let is_stale = self
            .revocations
            .freshness(self.tenant.revocations_fresh_ms(), now)
            == Freshness::Stale;
        if !asked && (signs_in || (begins && is_stale)) {
            return Err(vec![self.revocations_need()]);
        }
        Ok(knows || !(begins || signs_in))
    }

    fn change_command(
        &mut self,
        recorder: &mut Recorder,
        update: &Update<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Command {
        let once = self.idempotency_key(recorder, &update.change, answers);
        // What ends need not begin first.
        let unstored = update
            .token
            .filter(|token| token.least_version == Version::UNSTORED && !update.change.end);
        let mut change = update.change.clone();
        // The record takes over what the guest's cookie said.
        change.open |= unstored.is_some_and(|token| token.guest_opened().is_some());
        let changing = UpdateCommand {
            id: update.token.map(|token| token.id),
            begin: unstored.map(|token| InitialState {
                id: token.id,
                created: token.created,
                device: update.client.device(),
                country: update.client.country(),
            }),
            if_version: update.if_version,
            lease: update.lease,
            ..UpdateCommand::new(change, once, self.epoch(now))
        };
        Command {
            named: update.named,
            ..self.command(Operation::Change(Box::new(changing)))
        }
    }

    /// Returns what tells this change from others of the session. It is made from what the step was begun with: a step
    /// that is driven again, because the instance died while its command was under way, asks for the same change.
    fn idempotency_key(
        &mut self,
        recorder: &mut Recorder,
        change: &Change,
        answers: &Answers,
    ) -> u64 {
        let seed = answers.seed().unwrap_or(recorder.labels.seed);
        let drawn = seed
            .first_chunk()
            .map_or(0, |drawn| u64::from_le_bytes(*drawn));
        if drawn == 0 {
            return self.random.next_u64();
        }
        // One step may change a session twice, but not in the same way.
        let kinds = [
            change.end,
            change.rotate,
            change.touch,
            change.open,
            change.identify.is_some(),
            change.patch.is_some(),
            change.grant.is_some(),
            change.pin.is_some(),
        ];
        let kind = kinds
            .into_iter()
            .fold(0, |bits, is| bits << 1 | u64::from(is));
        drawn ^ kind
    }

    /// Learns from what the object says a session is now.
    pub(crate) fn updated(
        &mut self,
        handle: Handle,
        reply: Reply,
        now: UnixMillis,
    ) -> UpdateOutcome {
        let record = || RecordName::derive(&self.tenant.id, handle);
        match reply.is {
            Status::Live | Status::Conflict => {
                let opened =
                    crate::session::codec::open(&reply.sealed, &record(), &self.tenant.keys);
                let record = match opened {
                    Ok(Entry::Live(record)) => record,
                    Err(Unreadable::NewerFormat | Unreadable::UnknownKey) => {
                        return UpdateOutcome::Not(UpdateError::NotYetReadable);
                    }
                    _ => return UpdateOutcome::Not(UpdateError::Unreadable),
                };
                let session = Rc::new(self.prepared(record));
                let version = session.record.version;
                // The object knows best: no need to compare. What was not recorded is not known.
                if version > Version::UNSTORED {
                    self.cache.put(handle, Known::Live(session.clone()), now);
                }
                if reply.is == Status::Conflict {
                    return UpdateOutcome::Not(UpdateError::Version);
                }
                UpdateOutcome::Live {
                    session,
                    refused: reply.refused,
                }
            }
            Status::Ended => {
                self.cache.put(handle, Known::Ended, now);
                if reply.unannounced {
                    UpdateOutcome::Not(UpdateError::Unannounced)
                } else {
                    UpdateOutcome::Ended
                }
            }
            Status::Absent => UpdateOutcome::Not(UpdateError::Absent),
            Status::Outdated => UpdateOutcome::Not(UpdateError::Outdated),
            Status::Held => UpdateOutcome::Not(UpdateError::Lease),
            Status::Unreadable => {
                let opened =
                    crate::session::codec::open(&reply.sealed, &record(), &self.tenant.keys);
                let is_known_elsewhere = matches!(
                    opened,
                    Ok(_) | Err(Unreadable::NewerFormat | Unreadable::UnknownKey)
                );
                UpdateOutcome::Not(if is_known_elsewhere {
                    UpdateError::NotYetReadable
                } else {
                    UpdateError::Unreadable
                })
            }
        }
    }
}

fn parse(found: &Found) -> Option<Reply> {
    match found {
        Found::Bytes(bytes) => Reply::parse(bytes),
        Found::Absent | Found::Unavailable => None,
    }
}
