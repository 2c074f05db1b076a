//! Looks up a session: in this isolate's cache, the namespace, and the object that orders its changes. It uses them in
//! that order, and each only if necessary.

use super::parts::{Recorder, Sessions};
use std::rc::Rc;

use super::Interrupt;
use crate::clock::UnixMillis;
use crate::cookie::token::Token;
use crate::effect::{Answers, Found, Need};
use crate::policy::PROPAGATION;
use crate::response::problem::Problem;
use crate::session::id::{Handle, RecordName, SessionId};
use crate::session::prepared::Prepared;
use crate::session::record::{IdMatch, Record, Version};
use crate::session_object::command::{Command, Operation, Reply, Status};
use crate::store::cache::{Hit, Known};
use crate::telemetry::labels::Lookup;
use crate::telemetry::log::{Event, Level};
use crate::tenant::{Consistency, Fail};
use crate::tenant_id::TenantId;

/// Delays before each repeated read of a stale namespace, in milliseconds.
const STALE_RETRY_MS: [u32; 3] = [50, 150, 400];

/// Result of a lookup by handle.
pub(crate) enum SessionLookup {
    /// A live record.
    Live {
        /// Its record.
        session: Rc<Prepared>,
        /// Relation of the cookie's id to the record.
        fit: IdMatch,
        /// Whether the record is, or may be, too old.
        degraded: bool,
    },
    /// Storage has no record, but the cookie is so young that it may just not be visible yet.
    NotYetVisible,
    /// The session is over.
    Over(Problem),
}

/// Maximum age of this isolate's copy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MaxAge {
    /// The tenant's limit.
    Cache,
    /// Any age.
    Any,
    /// No copy: storage must be read.
    Anew,
}

/// Answer of one source.
pub(crate) enum LookupResult {
    /// An entry.
    Found(Known),
    /// No entry.
    Nothing,
    /// A record that cannot be read.
    Corrupt,
    /// No answer.
    Unavailable,
}

impl Sessions {
    /// Looks up the session that `token` names.
    pub(crate) fn look_up(
        &mut self,
        recorder: &mut Recorder,
        token: &Token,
        max_age: MaxAge,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<SessionLookup, Interrupt> {
        let tenant = Rc::clone(&self.tenant);
        let lookup = |known: Known, degraded| {
            Ok(match known {
                Known::Live(session) => lookup_of(&tenant.id, session, token, degraded, now),
                Known::Ended => SessionLookup::Over(Problem::SessionEnded),
                Known::Absent(_) => SessionLookup::Over(Problem::SessionUnknown),
            })
        };
        // Version that certainly exists, by the cookie or the feed.
        let listed = self.revocations.least_version(token.handle);
        let least = token.least_version.max(listed);
        if let Some(known) = self.remembered(token, least, max_age, now) {
            recorder.labels.lookup = Lookup::Hit;
            return lookup(known, false);
        }
        recorder.labels.lookup = Lookup::Miss;
        let is_ordered = self.tenant.consistency == Consistency::Strong;
        let (namespace, key_unknown) = match self.ask_namespace(recorder, token.handle, answers) {
            // The object may have sealed it again already; storage shows that a moment later.
            Err(Interrupt::Reject { problem, .. })
                if is_ordered && *problem == Problem::KeyUnknown =>
            {
                (LookupResult::Unavailable, true)
            }
            namespace => (namespace?, false),
        };
        if let LookupResult::Found(known) = &namespace
            && !known.is_behind(least)
        {
            return lookup(known.clone(), false);
        }
        match self.tenant.consistency {
            Consistency::Eventual => self.fall_back(recorder, &namespace, token, answers, now),
            Consistency::Strong => {
                recorder.labels.lookup = Lookup::Object;
                match self.ask_object(recorder, token.handle, &namespace, answers)? {
                    LookupResult::Found(known) => lookup(known, false),
                    _ if key_unknown => Err(Problem::KeyUnknown.into()),
                    LookupResult::Nothing => match namespace {
                        // The session was recorded before the tenant used objects, or its cookie is ahead of every
                        // acknowledged change.
                        LookupResult::Found(known) => lookup(known, true),
                        _ => {
                            let unknown = Known::Absent(token.issued);
                            self.cache.put(token.handle, unknown.clone(), now);
                            lookup(unknown, false)
                        }
                    },
                    LookupResult::Corrupt => Ok(SessionLookup::Over(Problem::SessionCorrupt)),
                    LookupResult::Unavailable => {
                        self.fall_back(recorder, &namespace, token, answers, now)
                    }
                }
            }
        }
    }

    /// Returns the cached entry, if it is recent enough.
    pub(super) fn remembered(
        &mut self,
        token: &Token,
        least: Version,
        max_age: MaxAge,
        now: UnixMillis,
    ) -> Option<Known> {
        let Hit { known, age_ms } = self.cache.get(token.handle, now)?;
        let period = self.tenant.cache.0.saturating_mul(1000);
        match &known {
            Known::Ended => Some(known),
            // A cookie issued later may name a record that exists by now.
            Known::Absent(issued) => (token.issued <= *issued
                && age_ms < period.min(PROPAGATION.0 * 1000))
            .then_some(known),
            Known::Live(_) => {
                let useful = match max_age {
                    MaxAge::Any => true,
                    MaxAge::Anew => false,
                    // An older copy is used while it is reread, because KV promises no more.
                    MaxAge::Cache => {
                        age_ms < period || (period > 0 && age_ms < PROPAGATION.0 * 1000)
                    }
                };
                (useful && !known.is_behind(least)).then_some(known)
            }
        }
    }

    pub(crate) fn ask_namespace(
        &mut self,
        recorder: &mut Recorder,
        handle: Handle,
        answers: &Answers,
    ) -> Result<LookupResult, Interrupt> {
        let name = RecordName::derive(&self.tenant.id, handle);
        let Some(answer) = answers.read(name.as_str()) else {
            return Err(Interrupt::Pending(vec![Need::read(name.as_str())]));
        };
        match answer.found {
            Found::Absent => Ok(LookupResult::Nothing),
            Found::Unavailable => Ok(LookupResult::Unavailable),
            Found::Bytes(bytes) => self.open(recorder, handle, &name, bytes, answer.asked),
        }
    }

    /// Asks the object. If the namespace held invalid data, the object writes the record there again.
    pub(crate) fn ask_object(
        &mut self,
        recorder: &mut Recorder,
        handle: Handle,
        namespace: &LookupResult,
        answers: &Answers,
    ) -> Result<LookupResult, Interrupt> {
        let key = object_key(handle);
        let Some(answer) = answers.read(&key) else {
            let order = match namespace {
                LookupResult::Corrupt => Operation::Repair,
                _ => Operation::Read,
            };
            let command = self.command(order);
            return Err(Interrupt::Pending(vec![command.need(
                &self.tenant.id,
                handle,
                key,
            )]));
        };
        let reply = match answer.found {
            Found::Bytes(bytes) => Reply::parse(bytes),
            Found::Absent | Found::Unavailable => None,
        };
        let Some(reply) = reply else {
            return Ok(LookupResult::Unavailable);
        };
        match reply.is {
            // An object of an older release cannot read a newer release's record, but this release may.
            Status::Live | Status::Unreadable if !reply.sealed.is_empty() => {
                let name = RecordName::derive(&self.tenant.id, handle);
                self.open(recorder, handle, &name, &reply.sealed, answer.asked)
            }
            Status::Ended => {
                self.cache.put(handle, Known::Ended, answer.asked);
                Ok(LookupResult::Found(Known::Ended))
            }
            Status::Absent if matches!(namespace, LookupResult::Corrupt) => {
                Ok(LookupResult::Corrupt)
            }
            Status::Absent => Ok(LookupResult::Nothing),
            Status::Live | Status::Unreadable => Ok(LookupResult::Corrupt),
            Status::Outdated | Status::Conflict | Status::Held => Ok(LookupResult::Unavailable),
        }
    }

    /// Decides what to use if no store has the version that the cookie names.
    fn fall_back(
        &mut self,
        recorder: &mut Recorder,
        namespace: &LookupResult,
        token: &Token,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<SessionLookup, Interrupt> {
        let own = self.cache.get(token.handle, now);
        let is_young = now.seconds().since(token.issued) <= PROPAGATION;
        let again = || self.read_again(token.handle, answers);
        match namespace {
            // Storage is behind the version that this browser has seen.
            LookupResult::Found(Known::Live(session)) => match again() {
                Some(need) => Err(Interrupt::Pending(vec![need])),
                None => Ok(lookup_of(
                    &self.tenant.id,
                    session.clone(),
                    token,
                    true,
                    now,
                )),
            },
            LookupResult::Found(_) => Ok(SessionLookup::Over(Problem::SessionEnded)),
            LookupResult::Corrupt => Ok(SessionLookup::Over(Problem::SessionCorrupt)),
            LookupResult::Nothing => match own.map(|hit| hit.known) {
                // A recent write of this isolate may not have reached storage yet.
                Some(Known::Live(session))
                    if is_young && session.record.version >= token.least_version =>
                {
                    Ok(lookup_of(&self.tenant.id, session, token, false, now))
                }
                _ if is_young => match again() {
                    Some(need) => Err(Interrupt::Pending(vec![need])),
                    None => Ok(SessionLookup::NotYetVisible),
                },
                // The object would know for certain, but did not answer.
                _ if self.tenant.consistency == Consistency::Strong => {
                    Err(Problem::StoreUnavailable.into())
                }
                _ => Ok(SessionLookup::Over(Problem::SessionUnknown)),
            },
            LookupResult::Unavailable => match (self.tenant.fail, own) {
                (
                    Fail::Grace(grace),
                    Some(Hit {
                        known: Known::Live(session),
                        age_ms,
                    }),
                ) if age_ms <= grace.0.saturating_mul(1000) => {
                    recorder.emit(Event::new(Level::Warn, "served_in_grace"));
                    Ok(lookup_of(&self.tenant.id, session, token, true, now))
                }
                _ => Err(Problem::StoreUnavailable.into()),
            },
        }
    }

    fn read_again(&self, handle: Handle, answers: &Answers) -> Option<Need> {
        let name = RecordName::derive(&self.tenant.id, handle);
        let attempts = answers.read(name.as_str())?.attempts;
        let at = usize::try_from(attempts.checked_sub(1)?).ok()?;
        let after_ms = STALE_RETRY_MS.get(at)?;
        Some(Need::Read {
            key: name.as_str().to_owned(),
            after_ms: *after_ms,
        })
    }

    /// Builds a command to a session's object with this tenant's rules.
    pub(crate) fn command(&self, order: Operation) -> Command {
        Command {
            lifetime: self.tenant.lifetime,
            max_per_user: self.tenant.max_per_user,
            adopt: None,
            named: None,
            order,
        }
    }
}

/// Prefix of the keys of answers of sessions' objects.
pub(crate) const LOOKUPS: &str = "read ";

/// Returns the key of the answer of a session's object.
pub(crate) fn object_key(handle: Handle) -> String {
    format!("{LOOKUPS}{}", handle.to_text())
}

pub(super) fn lookup_of(
    tenant: &TenantId,
    session: Rc<Prepared>,
    token: &Token,
    degraded: bool,
    now: UnixMillis,
) -> SessionLookup {
    let Some(session) = claimed(tenant, session, token) else {
        return SessionLookup::Over(Problem::SessionUnknown);
    };
    let fit = if session.record.version < token.least_version {
        // The cookie is genuine and newer than the record, so its id is the right one.
        IdMatch::Current
    } else {
        session.record.fit(&token.id, now.seconds())
    };
    match fit {
        IdMatch::Outdated => SessionLookup::Over(Problem::SessionRotated),
        IdMatch::Replaced => SessionLookup::Over(Problem::SessionReplaced),
        fit => SessionLookup::Live {
            session,
            fit,
            degraded,
        },
    }
}

/// The session, as its cookie has it. A record that an origin began by the session's name belongs to the first id, which
/// the handle is the hash of. For another id there is none: its own record ran out before.
fn claimed(tenant: &TenantId, session: Rc<Prepared>, token: &Token) -> Option<Rc<Prepared>> {
    if !session.record.is_unclaimed() || token.id == SessionId::UNKNOWN {
        return Some(session);
    }
    let is_first = token.least_version == Version::UNSTORED
        || Handle::derive(tenant, &token.id) == token.handle;
    is_first.then(|| {
        let record = Record {
            id: token.id,
            created: token.created,
            ..session.record.clone()
        };
        Rc::new(Prepared {
            record,
            ..Prepared::clone(&session)
        })
    })
}
