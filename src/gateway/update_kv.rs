//! Changes a session with KV alone: in this isolate, on the freshest copy available. If two isolates do so at the same
//! moment, the last one wins. A change that may be merged later is confirmed without a read (`write_behind.rs`).

use super::parts::{Recorder, Sessions};
use std::rc::Rc;

use super::Interrupt;
use super::guest::unstored;
use super::session_lookup::{MaxAge, SessionLookup};
use super::update::{Update, UpdateError, UpdateOutcome};
use crate::clock::UnixMillis;
use crate::cookie::token::Token;
use crate::effect::{Answers, Found, Need};
use crate::response::problem::Problem;
use crate::session::change::{ApplyContext, Change};
use crate::session::identity::Identity;
use crate::session::record::{Entry, Epoch, IdMatch, Record, Version};
use crate::sorted;
use crate::store::cache::Known;
use crate::store::session_index::{self, Listed};
use crate::tenant::Tenant;

/// Returns the rules and state that a tenant's changes are applied with.
pub(super) fn apply_context(tenant: &Tenant, epoch: Epoch, now: UnixMillis) -> ApplyContext<'_> {
    ApplyContext {
        lifetime: &tenant.lifetime,
        keys: &tenant.keys,
        epoch,
        now: now.seconds(),
    }
}

impl Sessions {
    pub(crate) fn update_in_kv(
        &mut self,
        recorder: &mut Recorder,
        update: &Update<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<UpdateOutcome, Vec<Need>> {
        if update.lease.is_some() {
            return Ok(UpdateOutcome::Not(UpdateError::Lease(None)));
        }
        // A step that has read already goes on with that.
        if answers.has_no_reads()
            && let Some(confirmed) = self.confirm(recorder, update, now)
        {
            return Ok(confirmed);
        }
        let (record, fit) = match self.freshest(recorder, update, answers, now)? {
            Ok(found) => found,
            Err(UpdateError::Absent) if update.change.end => return Ok(UpdateOutcome::Ended),
            Err(error) => return Ok(UpdateOutcome::Not(error)),
        };
        if update
            .named
            .is_some_and(|sign_in| sign_in != record.sign_in)
        {
            return Ok(UpdateOutcome::Not(UpdateError::Outdated));
        }
        if update
            .if_version
            .is_some_and(|version| version != record.version)
        {
            return Ok(UpdateOutcome::Not(UpdateError::Version));
        }
        let change = match fit {
            IdMatch::Grace => update.change.clone().in_grace(),
            _ => update.change.clone(),
        };
        if change.identify.is_some() {
            self.make_room(recorder, &change, &record, answers, now)?;
        }
        let context = apply_context(&self.tenant, self.epoch(now), now);
        let outcome = change.apply(&record, &context);
        if outcome.written {
            self.store(recorder, update.handle, outcome.entry.clone(), now);
        }
        let refused = outcome.refused_names();
        match outcome.entry {
            Entry::Ended { .. } => Ok(UpdateOutcome::Ended),
            Entry::Live(after) => {
                if change.identify.is_some() {
                    self.list_in_kv(&after, now);
                }
                let session = Rc::new(self.prepared(after));
                Ok(UpdateOutcome::Live { session, refused })
            }
        }
    }

    /// Returns the freshest copy of a session to change: from storage, or this isolate's own if that is newer.
    fn freshest(
        &mut self,
        recorder: &mut Recorder,
        update: &Update<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Result<(Record, IdMatch), UpdateError>, Vec<Need>> {
        let placeholder;
        let (token, anew) = match update.token {
            Some(token) => (token, token.least_version > Version::UNSTORED),
            None => {
                placeholder = Token::without_cookie(update.handle, now.seconds());
                (&placeholder, true)
            }
        };
        if !anew && self.cache.get(token.handle, now).is_none() {
            let record = Record {
                device: update.client.device(),
                country: update.client.country(),
                browser: update.client.browser(),
                path: update.client.path(),
                ..unstored(token)
            };
            return Ok(Ok((record, IdMatch::Current)));
        }
        let max_age = if anew { MaxAge::Anew } else { MaxAge::Any };
        match self.look_up(recorder, token, max_age, answers, now) {
            Ok(SessionLookup::Live { session, fit, .. }) => Ok(Ok((session.record.clone(), fit))),
            Ok(SessionLookup::Over(Problem::SessionRotated | Problem::SessionReplaced)) => {
                // A caller without a cookie is not bound to an id.
                let hit = self.cache.get(token.handle, now).map(|hit| hit.known);
                match (update.token, hit) {
                    (None, Some(Known::Live(session))) => {
                        Ok(Ok((session.record.clone(), IdMatch::Current)))
                    }
                    _ => Ok(Err(UpdateError::Outdated)),
                }
            }
            Ok(SessionLookup::Over(_)) => Ok(Err(UpdateError::Absent)),
            Ok(SessionLookup::NotYetVisible)
            | Err(Interrupt::Respond(_) | Interrupt::RespondFile(_)) => {
                Ok(Err(UpdateError::Silent))
            }
            Err(Interrupt::Pending(needs)) => Err(needs),
            Err(Interrupt::Reject { problem, .. }) => Ok(Err(match *problem {
                Problem::StoreUnavailable => UpdateError::Silent,
                Problem::SchemaNewer | Problem::KeyUnknown => UpdateError::NotYetReadable,
                _ => UpdateError::Unreadable,
            })),
        }
    }

    /// Adds a session to its user's list, with KV alone.
    fn list_in_kv(&mut self, record: &Record, now: UnixMillis) {
        let tenant = &self.tenant;
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
            .push(session_index::listing(&tenant.id, tag, &listed, ttl));
    }

    /// Ends a user's oldest sessions, with KV alone, so that a new one does not exceed the limit.
    fn make_room(
        &mut self,
        recorder: &mut Recorder,
        change: &Change,
        record: &Record,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<(), Vec<Need>> {
        let tenant = &self.tenant;
        let requested = change.identify.as_deref().unwrap_or_default();
        let identity = Identity::parse(requested);
        let (Some(most), Ok((identity, _))) = (tenant.max_per_user, identity) else {
            return Ok(());
        };
        let tags: Vec<_> = tenant.keys.user_tags(&identity.user).collect();
        let mut listed = Vec::new();
        let mut needs = Vec::new();
        for prefix in session_index::list_keys(&tenant.id, Some(&tags)) {
            match answers.found(&prefix) {
                None => needs.push(Need::List { prefix }),
                Some(Found::Bytes(names)) => {
                    listed.extend(session_index::read_names(session_index::names(names)));
                }
                Some(Found::Absent | Found::Unavailable) => {}
            }
        }
        if !needs.is_empty() {
            return Err(needs);
        }
        listed.retain(|listed| listed.handle != record.handle);
        sorted::by(&mut listed, |one, other| one.created.cmp(&other.created));
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let surplus = (listed.len() + 1).saturating_sub(most);
        let at = now.seconds();
        for oldest in listed.iter().take(surplus) {
            if !matches!(
                self.cache.get(oldest.handle, now).map(|hit| hit.known),
                Some(Known::Ended)
            ) {
                self.store(recorder, oldest.handle, Entry::Ended { at }, now);
            }
        }
        Ok(())
    }
}
