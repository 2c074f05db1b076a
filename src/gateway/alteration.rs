//! Changing a recorded session: by the object that orders its changes, or, with KV alone, by this
//! isolate on the freshest copy it can get.

use std::rc::Rc;

use rand_chacha::rand_core::Rng as _;

use super::knowledge::{MaxAge, Standing};
use super::recognition::unstored;
use super::{Gateway, Halt};
use crate::answer::problem::Problem;
use crate::clock::UnixMillis;
use crate::cookie::token::Token;
use crate::ledger::command::{Begin, Changing, Command, Is, Order, Reply};
use crate::session::change::{Change, Circumstances};
use crate::session::id::{Handle, RecordName};
use crate::session::record::{Entry, Fit, Record, Version};
use crate::store::cache::{Known, Prepared};
use crate::store::directory::{self, Listed};
use crate::store::{Answers, Found, Need};
use crate::tenant::Consistency;

/// A change that somebody asks for.
pub(super) struct Alteration<'a> {
    /// What.
    pub(super) change: Change,
    /// Of which session.
    pub(super) handle: Handle,
    /// The asker's cookie; none for one who needs none.
    pub(super) token: Option<&'a Token>,
    /// Device and country, should the session be recorded with this.
    pub(super) client: (&'a str, &'a str),
    /// Only to this version.
    pub(super) if_version: Option<Version>,
    /// The token of the asker's lease.
    pub(super) lease: Option<u64>,
}

/// What came of it.
pub(super) enum Altered {
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
    Not(Hindrance),
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// There is no such session.
    Absent,
    /// The asker's id is not valid any more.
    Outdated,
    /// It has another version; this one.
    Version(Option<Version>),
    /// The asker's lease does not hold.
    Lease,
    /// Its record cannot be read.
    Unreadable,
    /// Who would have to do it does not answer.
    Silent,
    /// It is done, but those who have to know cannot be told yet.
    Unannounced,
}

impl Gateway {
    /// Changes a session.
    ///
    /// # Errors
    /// What must be done first.
    pub(super) fn alter(
        &mut self,
        alteration: &Alteration<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Altered, Vec<Need>> {
        match self.deployment.tenant.consistency {
            Consistency::Strong => self.alter_by_object(alteration, answers, now),
            Consistency::Eventual => self.alter_here(alteration, answers, now),
        }
    }

    fn alter_by_object(
        &mut self,
        alteration: &Alteration<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Altered, Vec<Need>> {
        let key = format!("change {}", alteration.handle.to_text());
        let Some(found) = answers.found(&key) else {
            if !self.knows_the_point_in_history(alteration, answers, now)? {
                return Ok(Altered::Not(Hindrance::Silent));
            }
            let command = self.change_command(alteration, now);
            return Err(vec![command.need(
                &self.deployment.tenant.id,
                alteration.handle,
                key,
            )]);
        };
        let Some(reply) = parse(found) else {
            return Ok(Altered::Not(Hindrance::Silent));
        };
        if reply.is != Is::Absent {
            return Ok(self.altered(alteration.handle, reply, now));
        }
        self.alter_adopted(alteration, answers, now)
    }

    /// The object knows nothing: the session was recorded before there was one. It gets the record
    /// as the namespace has it.
    fn alter_adopted(
        &mut self,
        alteration: &Alteration<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Altered, Vec<Need>> {
        let key = format!("adopt {}", alteration.handle.to_text());
        if let Some(found) = answers.found(&key) {
            return Ok(match parse(found) {
                Some(reply) => self.altered(alteration.handle, reply, now),
                None => Altered::Not(Hindrance::Silent),
            });
        }
        let name = RecordName::derive(&self.deployment.tenant.id, alteration.handle);
        match answers.found(name.as_str()) {
            None => Err(vec![Need::read(name.as_str())]),
            Some(Found::Absent) => Ok(Altered::Not(Hindrance::Absent)),
            Some(Found::Unavailable) => Ok(Altered::Not(Hindrance::Silent)),
            Some(Found::Bytes(sealed)) => {
                let command = Command {
                    adopt: Some(sealed.clone()),
                    ..self.change_command(alteration, now)
                };
                let tenant = &self.deployment.tenant.id;
                Err(vec![command.need(tenant, alteration.handle, key)])
            }
        }
    }

    /// A session that begins, or is given an identity, must know up to which revocation it is not
    /// concerned: for a sign-in the very last one, or who signs in right after "log out everywhere"
    /// would be signed out again.
    fn knows_the_point_in_history(
        &mut self,
        alteration: &Alteration<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<bool, Vec<Need>> {
        let begins = !alteration.change.end
            && alteration
                .token
                .is_some_and(|token| token.least_version == Version::UNSTORED);
        let signs_in = alteration.change.identify.is_some();
        let tenant = &self.deployment.tenant;
        let asked = answers
            .found(&directory::feed_key(&tenant.id, tenant.consistency))
            .is_some();
        self.learn_revocations(answers, now);
        let knows = self.revocations.is_known();
        if !asked && (signs_in || (begins && !knows)) {
            return Err(vec![self.ask_revocations()]);
        }
        Ok(knows || !(begins || signs_in))
    }

    fn change_command(&mut self, alteration: &Alteration<'_>, now: UnixMillis) -> Command {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let once = self.random.next_u64();
        // What ends need not begin first.
        let unstored = alteration
            .token
            .filter(|token| token.least_version == Version::UNSTORED && !alteration.change.end);
        let changing = Changing {
            id: alteration.token.map(|token| token.id),
            begin: unstored.map(|token| Begin {
                id: token.id,
                created: token.created,
                device: text(alteration.client.0),
                country: text(alteration.client.1),
            }),
            if_version: alteration.if_version,
            lease: alteration.lease,
            ..Changing::new(alteration.change.clone(), once, self.epoch(now))
        };
        self.command(Order::Change(Box::new(changing)))
    }

    /// Learns from what the object says a session is now.
    pub(super) fn altered(&mut self, handle: Handle, reply: Reply, now: UnixMillis) -> Altered {
        let record = || RecordName::derive(&self.deployment.tenant.id, handle);
        match reply.is {
            Is::Live | Is::Conflict => {
                let opened = crate::session::codec::open(
                    &reply.sealed,
                    &record(),
                    &self.deployment.tenant.keys,
                );
                let Ok(Entry::Live(record)) = opened else {
                    return Altered::Not(Hindrance::Unreadable);
                };
                let session = Rc::new(self.prepared(record));
                let version = session.record.version;
                // The object knows best: no need to compare. What was not recorded is not known.
                if version > Version::UNSTORED {
                    self.cache.put(handle, Known::Live(session.clone()), now);
                }
                if reply.is == Is::Conflict {
                    return Altered::Not(Hindrance::Version(Some(version)));
                }
                Altered::Live {
                    session,
                    refused: reply.refused,
                }
            }
            Is::Ended => {
                self.cache.put(handle, Known::Ended, now);
                if reply.unannounced {
                    Altered::Not(Hindrance::Unannounced)
                } else {
                    Altered::Ended
                }
            }
            Is::Absent => Altered::Not(Hindrance::Absent),
            Is::Outdated => Altered::Not(Hindrance::Outdated),
            Is::Held => Altered::Not(Hindrance::Lease),
            Is::Unreadable => Altered::Not(Hindrance::Unreadable),
        }
    }

    fn alter_here(
        &mut self,
        alteration: &Alteration<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Altered, Vec<Need>> {
        if alteration.lease.is_some() {
            return Ok(Altered::Not(Hindrance::Lease));
        }
        let (record, fit) = match self.freshest(alteration, answers, now)? {
            Ok(found) => found,
            Err(Hindrance::Absent) if alteration.change.end => return Ok(Altered::Ended),
            Err(hindrance) => return Ok(Altered::Not(hindrance)),
        };
        if alteration
            .if_version
            .is_some_and(|version| version != record.version)
        {
            let version = Hindrance::Version(Some(record.version));
            return Ok(Altered::Not(version));
        }
        let change = match fit {
            Fit::Grace => alteration.change.clone().in_grace(),
            _ => alteration.change.clone(),
        };
        if change.identify.is_some() {
            self.make_room(&change, &record, answers, now)?;
        }
        let tenant = &self.deployment.tenant;
        let outcome = change.apply(
            &record,
            &Circumstances {
                lifetime: &tenant.lifetime,
                keys: &tenant.keys,
                epoch: self.epoch(now),
                now: now.seconds(),
            },
        );
        if outcome.written {
            self.store(alteration.handle, outcome.entry.clone(), now);
        }
        let refused = outcome.refused_names();
        match outcome.entry {
            Entry::Ended { .. } => Ok(Altered::Ended),
            Entry::Live(after) => {
                if change.identify.is_some() {
                    self.list_here(&after, now);
                }
                let session = Rc::new(self.prepared(after));
                Ok(Altered::Live { session, refused })
            }
        }
    }

    /// The freshest copy of a session that is about to change: storage's, or this isolate's own if
    /// that is newer.
    fn freshest(
        &mut self,
        alteration: &Alteration<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Result<(Record, Fit), Hindrance>, Vec<Need>> {
        let nobody;
        let (token, anew) = match alteration.token {
            Some(token) => (token, token.least_version > Version::UNSTORED),
            None => {
                nobody = Token::of_nobody(alteration.handle, now.seconds());
                (&nobody, true)
            }
        };
        if !anew && self.cache.get(token.handle, now).is_none() {
            let record = Record {
                device: owned(alteration.client.0),
                country: owned(alteration.client.1),
                ..unstored(token)
            };
            return Ok(Ok((record, Fit::Current)));
        }
        let max_age = if anew { MaxAge::Anew } else { MaxAge::Any };
        match self.look_up(token, max_age, answers, now) {
            Ok(Standing::Live { session, fit, .. }) => Ok(Ok((session.record.clone(), fit))),
            Ok(Standing::Over(Problem::SessionRotated | Problem::SessionReplaced)) => {
                // Who needs no cookie is not bound to an id.
                let hit = self.cache.get(token.handle, now).map(|hit| hit.known);
                match (alteration.token, hit) {
                    (None, Some(Known::Live(session))) => {
                        Ok(Ok((session.record.clone(), Fit::Current)))
                    }
                    _ => Ok(Err(Hindrance::Outdated)),
                }
            }
            Ok(Standing::Over(_)) => Ok(Err(Hindrance::Absent)),
            Ok(Standing::Unseen) | Err(Halt::Answer(_)) => Ok(Err(Hindrance::Silent)),
            Err(Halt::Await(needs)) => Err(needs),
            Err(Halt::Refuse { problem, .. }) => Ok(Err(match problem {
                Problem::StoreUnavailable => Hindrance::Silent,
                _ => Hindrance::Unreadable,
            })),
        }
    }

    /// Puts a session on its user's list, with KV alone.
    fn list_here(&mut self, record: &Record, now: UnixMillis) {
        let tenant = &self.deployment.tenant;
        let Some(identity) = &record.identity else {
            return;
        };
        let Some(tag) = tenant.keys.user_tags(&identity.user).next() else {
            return;
        };
        let listed = Listed {
            handle: record.handle,
            created: record.created,
        };
        let ttl = tenant.lifetime.stored_for(&record.span(), now.seconds());
        self.writes
            .push(directory::listing(&tenant.id, tag, &listed, ttl));
    }

    /// Ends a user's oldest sessions, with KV alone, so that one more is not too many.
    fn make_room(
        &mut self,
        change: &Change,
        record: &Record,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<(), Vec<Need>> {
        let tenant = &self.deployment.tenant;
        let asked = change.identify.as_deref().unwrap_or_default();
        let identity = crate::session::identity::Identity::parse(asked);
        let (Some(most), Ok((identity, _))) = (tenant.max_per_user, identity) else {
            return Ok(());
        };
        let tags: Vec<_> = tenant.keys.user_tags(&identity.user).collect();
        let mut listed = Vec::new();
        let mut needs = Vec::new();
        for prefix in directory::list_keys(&tenant.id, Some(&tags)) {
            match answers.found(&prefix) {
                None => needs.push(Need::List { prefix }),
                Some(Found::Bytes(names)) => {
                    listed.extend(directory::read_names(directory::names(names)));
                }
                Some(Found::Absent | Found::Unavailable) => {}
            }
        }
        if !needs.is_empty() {
            return Err(needs);
        }
        listed.retain(|listed| listed.handle != record.handle);
        listed.sort_by_key(|listed| listed.created);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let surplus = (listed.len() + 1).saturating_sub(most);
        let at = now.seconds();
        for oldest in listed.iter().take(surplus) {
            if !matches!(
                self.cache.get(oldest.handle, now).map(|hit| hit.known),
                Some(Known::Ended)
            ) {
                self.store(oldest.handle, Entry::Ended { at }, now);
            }
        }
        Ok(())
    }
}

fn parse(found: &Found) -> Option<Reply> {
    match found {
        Found::Bytes(bytes) => Reply::parse(bytes),
        Found::Absent | Found::Unavailable => None,
    }
}

fn owned(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
