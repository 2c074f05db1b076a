//! Changes a recorded session: by the object that orders its changes or, with KV alone, in this isolate
//! (`update_kv.rs`).

use super::parts::{Recorder, Sessions};
use std::rc::Rc;

use chacha20::rand_core::Rng as _;

use super::client_info::Client;
use super::lease_wait::LeaseWait;
use crate::clock::{Seconds, UnixMillis, UnixSeconds};
use crate::cookie::token::Token;
use crate::effect::{Answers, Found, Need};
use crate::session::change::{Change, LEASED};
use crate::session::codec::Unreadable;
use crate::session::id::{Handle, PublicName, RecordName, SessionId, SignIn};
use crate::session::prepared::Prepared;
use crate::session::record::{Entry, Version};
use crate::session_object::command::{
    Command, InitialState, Operation, Reply, Status, UpdateCommand,
};
use crate::store::cache::Known;
use crate::store::revocations::Freshness;
use crate::tenant::Consistency;

/// Prefix of the keys of answers to changes.
pub(crate) const CHANGES: &str = "change ";

/// Change of a session, with its conditions.
pub(crate) struct Update<'a> {
    /// The change.
    pub(crate) change: Change,
    /// Handle of the session.
    pub(crate) handle: Handle,
    /// Sign-in in the caller's name for the session. The change applies only while it is the session's
    /// ([`Command::named`]).
    pub(crate) named: Option<Option<SignIn>>,
    /// Cookie of the caller; `None` for a caller that needs none.
    pub(crate) token: Option<&'a Token>,
    /// Whether the session begins with this change if nothing is recorded of it. Without a cookie only a guest's can.
    pub(crate) begins: bool,
    /// Time since which a session lasts that begins without a cookie.
    pub(crate) since: Option<UnixSeconds>,
    /// Device, browser, country and path, if this change records the session.
    pub(crate) client: Client<'a>,
    /// Version that the session must have.
    pub(crate) if_version: Option<Version>,
    /// Token of the caller's lease.
    pub(crate) lease: Option<u64>,
    /// Time that the caller waits while another caller's lease holds up the change.
    pub(crate) wait: Seconds,
    /// Whether the change may be confirmed before storage is read for it, with KV alone.
    pub(crate) write_behind: bool,
}

impl<'a> Update<'a> {
    /// Creates a change without conditions, by a caller that needs no cookie.
    pub(crate) fn of(handle: Handle, change: Change) -> Self {
        Self {
            change,
            handle,
            named: None,
            token: None,
            begins: false,
            since: None,
            client: Client::default(),
            if_version: None,
            lease: None,
            wait: Seconds(0),
            write_behind: false,
        }
    }

    /// Creates such a change of the session with exactly this name.
    pub(crate) fn of_named(name: PublicName, change: Change) -> Self {
        Self {
            named: Some(name.sign_in),
            ..Self::of(name.handle, change)
        }
    }

    /// Creates a change by the caller with this cookie.
    pub(crate) fn by(token: &'a Token, change: Change) -> Self {
        Self {
            token: Some(token),
            begins: token.least_version == Version::UNSTORED,
            ..Self::of(token.handle, change)
        }
    }
}

/// Result of a change.
pub(crate) enum UpdateOutcome {
    /// The session lives.
    Live {
        /// Its current record.
        session: Rc<Prepared>,
        /// Requested parts that were refused.
        refused: Vec<String>,
    },
    /// The session is over, by this change or an earlier one.
    Ended,
    /// Nothing was changed, for this reason.
    Not(UpdateError),
}

/// Reasons why a change fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpdateError {
    /// The session does not exist.
    Absent,
    /// The caller's id, or name for the session, is no longer valid.
    Outdated,
    /// The session has another version.
    Version,
    /// The caller's lease is not valid, or another caller's lease holds until this time.
    Lease(Option<UnixMillis>),
    /// The record cannot be read.
    Unreadable,
    /// The record is of a newer release, or under a key that has not arrived here.
    NotYetReadable,
    /// An object did not answer within two seconds, after three attempts at most (`worker/io/objects.rs`), or KV did
    /// not, or this isolate has never read the revocations.
    ///
    /// A change by the origin, a sign-in, a sign-out and a `PATCH` get 503, although the object may have applied them.
    /// A noted use, a pin and a renewal of the access token are skipped, and the request continues.
    Silent,
    /// The change is done, but could not be announced yet.
    Unannounced,
}

impl Sessions {
    /// Changes a session.
    ///
    /// # Errors
    /// Returns the needs to perform first.
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
        let first = format!("{CHANGES}{}", update.handle.to_text());
        // A token that has ended never holds again.
        let wait = match update.lease {
            Some(_) => Seconds(0),
            None => update.wait,
        };
        let attempt = LeaseWait::new(answers, wait);
        let key = attempt.key(&first);
        let Some(found) = answers.found(&key) else {
            if !self.knows_the_epoch(recorder, update, answers, now)? {
                return Ok(UpdateOutcome::Not(UpdateError::Silent));
            }
            let mut command = self.change_command(recorder, update, answers, now);
            if let (Operation::Change(changing), 1..) = (&mut command.order, attempt.tries) {
                // The first try has done the rest, and an object applies a change of one key once.
                changing.change = changing.change.guarded();
                changing.once = changing.once.wrapping_add(attempt.tries.into());
            }
            return Err(vec![command.need(&self.tenant.id, update.handle, key)]);
        };
        // The first try has applied what no lease guards.
        let earlier = (attempt.tries > 0)
            .then(|| answers.found(&first).and_then(parse))
            .flatten();
        let applied = earlier.as_ref().filter(|reply| reply.is == Status::Live);
        let Some(mut reply) = parse(found) else {
            return Ok(match applied {
                Some(applied) => self.updated(update.handle, applied.clone(), now),
                None => UpdateOutcome::Not(UpdateError::Silent),
            });
        };
        if let Some(pause) = attempt.pause(&first, &reply, now, self.random.next_u32()) {
            return Err(vec![pause]);
        }
        if let (Status::Held, Some(applied)) = (reply.is, applied) {
            return Ok(self.updated(update.handle, applied.clone(), now));
        }
        // Refusals of the first try are final, except that for the lease.
        let refused = earlier.into_iter().flat_map(|reply| reply.refused);
        reply.refused.extend(refused.filter(|what| what != LEASED));
        if reply.is != Status::Absent {
            return Ok(self.updated(update.handle, reply, now));
        }
        self.update_adopted(recorder, update, answers, now)
    }

    /// Repeats a change with the record from the namespace, because the object has none: the session is older than it.
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
            Some(Found::Absent) if update.begins && update.token.is_none() => {
                let mut command = self.change_command(recorder, update, answers, now);
                if let Operation::Change(changing) = &mut command.order {
                    changing.begin = Some(InitialState {
                        id: SessionId::UNKNOWN,
                        created: update.since.unwrap_or(now.seconds()),
                        device: None,
                        country: None,
                        browser: None,
                        path: None,
                    });
                }
                Err(vec![command.need(&self.tenant.id, update.handle, key)])
            }
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

    /// Returns whether the epoch of a session that begins or gets an identity is known. Earlier revocations do not
    /// concern it. A sign-in needs the very last epoch: otherwise one right after "log out everywhere" would be
    /// revoked, too.
    fn knows_the_epoch(
        &mut self,
        recorder: &mut Recorder,
        update: &Update<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<bool, Vec<Need>> {
        let begins = update.begins && !update.change.end;
        let signs_in = update.change.identify.is_some();
        let has_polled = self.learn_revocations(recorder, answers, now) > 0;
        let knows = self.revocations.is_known();
        // A stale list may lack a revocation that would end such a session at once.
        let is_stale = self
            .revocations
            .freshness(self.tenant.revocations_fresh_ms(), now)
            == Freshness::Stale;
        if !has_polled && (signs_in || (begins && is_stale)) {
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
        // A session that ends need not begin first. The cookie claims a record that an origin began.
        let begins = update.begins || self.is_unclaimed(update.handle, now);
        let unstored = update.token.filter(|_| begins && !update.change.end);
        let mut change = update.change.clone();
        // The record takes over the opening that the guest's cookie notes.
        change.open |= unstored.is_some_and(|token| token.guest_opened().is_some());
        let changing = UpdateCommand {
            id: update.token.map(|token| token.id),
            begin: unstored.map(|token| InitialState {
                id: token.id,
                created: token.created,
                device: update.client.device(),
                country: update.client.country(),
                browser: update.client.browser(),
                path: update.client.path(),
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

    /// Returns whether this isolate knows the session as one that an origin began by its name.
    fn is_unclaimed(&mut self, handle: Handle, now: UnixMillis) -> bool {
        let hit = self.cache.get(handle, now);
        hit.is_some_and(
            |hit| matches!(hit.known, Known::Live(session) if session.record.is_unclaimed()),
        )
    }

    /// Returns a key that distinguishes this change from others of the session. It derives from the step's seed. So a
    /// step that is repeated, because the instance died during its command, requests the same change.
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

    /// Caches the state of a session that the object replied, and returns the result.
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
                // The object is authoritative, so this needs no comparison. A session without a record is not cached.
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
            Status::Held => {
                let until = reply.lease.map(|(_, until)| until);
                UpdateOutcome::Not(UpdateError::Lease(until))
            }
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
