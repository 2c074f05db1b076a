//! Confirms changes from this isolate's copy and stores them after the response, with KV alone (write-behind).
//!
//! The write reads the namespace first. It merges the change into what another isolate has stored meanwhile
//! (`store/write_behind.rs`). A change that depends on the session's state is read for, and confirmed, in `update_kv.rs`.

use super::parts::{Recorder, Sessions};
use std::rc::Rc;

use super::session_lookup::{LookupResult, MaxAge, SessionLookup, lookup_of};
use super::update::{Update, UpdateOutcome};
use super::update_kv::apply_context;
use crate::clock::UnixMillis;
use crate::effect::{Found, Write};
use crate::keys::KeyRing;
use crate::session::codec;
use crate::session::id::{Handle, RecordName};
use crate::session::record::{Entry, Record};
use crate::store::cache::Known;
use crate::store::write_behind::{Putting, Rebased};
use crate::telemetry::log::{Event, Level};

/// Value to put in place of a queued one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Merged {
    /// The queued value.
    AsIs,
    /// This value.
    Instead(Write),
    /// No value.
    Nothing,
    /// No value yet: storage did not answer.
    Unknown,
}

impl Sessions {
    /// Confirms a change before it is stored. Returns `None` if a fresh read must decide: this isolate has no copy that
    /// would serve a request, or the change depends on the session's state.
    pub(super) fn confirm(
        &mut self,
        recorder: &mut Recorder,
        update: &Update<'_>,
        now: UnixMillis,
    ) -> Option<UpdateOutcome> {
        let token = update.token.filter(|_| update.write_behind)?;
        let change = &update.change;
        if !change.is_mergeable() {
            return None;
        }
        let listed = self.revocations.least_version(token.handle);
        let least = token.least_version.max(listed);
        let Known::Live(copy) = self.remembered(token, least, MaxAge::Cache, now)? else {
            return None;
        };
        let name = RecordName::derive(&self.tenant.id, token.handle);
        if copy.record.is_unclaimed() || !self.write_behind.has_room(&name, change, now) {
            return None;
        }
        let found = lookup_of(&self.tenant.id, copy, token, false, now);
        let SessionLookup::Live { session, .. } = found else {
            return None;
        };
        let before = &session.record;
        let outcome = change.apply(before, &apply_context(&self.tenant, self.epoch(now), now));
        let Entry::Live(after) = &outcome.entry else {
            return None;
        };
        if !outcome.refused.is_empty() {
            return None;
        }
        let after_change = Rc::new(self.prepared(after.clone()));
        if outcome.written {
            let write = self.seal(recorder, &name, &outcome.entry, now)?;
            let value = (after, write.value.as_slice());
            self.write_behind
                .confirm(&name, (token.id, change), before.version, value, now);
            self.writes.push(write);
            recorder.state_changed = true;
            self.cache.change(token.handle, after_change.clone());
        }
        Some(UpdateOutcome::Live {
            session: after_change,
            refused: Vec::new(),
        })
    }

    /// Returns what storage shows with this isolate's unstored changes.
    pub(super) fn with_unstored(
        &mut self,
        recorder: &mut Recorder,
        (handle, name): (Handle, &RecordName),
        found: Entry,
        now: UnixMillis,
    ) -> Entry {
        if self.write_behind.merges(name.as_str()).is_none() {
            return found;
        }
        let Entry::Live(record) = found else {
            self.drop_unstored(recorder, (handle, name.as_str()), "ended");
            return found;
        };
        let own = match self.cache.get(handle, now).map(|hit| hit.known) {
            Some(Known::Live(own)) => Some(own),
            _ => None,
        };
        let own: Option<&Record> = own.as_deref().map(|own| &own.record);
        let tenant = Rc::clone(&self.tenant);
        let context = apply_context(&tenant, self.epoch(now), now);
        match self.write_behind.rebase(name, &record, own, &context) {
            Some(Rebased { record, lost }) => {
                for reason in lost {
                    recorder.emit(change_lost((Some(handle), reason)));
                }
                recorder.state_changed = true;
                Entry::Live(record)
            }
            None => Entry::Live(record),
        }
    }

    /// Merges a queued value with what storage showed at time `asked`.
    pub(crate) fn merge(
        &mut self,
        recorder: &mut Recorder,
        write: &Write,
        (found, asked): (&Found, UnixMillis),
        now: UnixMillis,
    ) -> Merged {
        if !self.write_behind.reads_first(&write.key) {
            return Merged::AsIs;
        }
        let Some(handle) = self.write_behind.merges(&write.key) else {
            let merged = merge_unknown(write, found, Some(&self.tenant.keys));
            return merged.unwrap_or_else(|lost| {
                recorder.emit(change_lost(lost));
                Merged::Nothing
            });
        };
        let name = RecordName::derive(&self.tenant.id, handle);
        match found {
            Found::Unavailable => return Merged::Unknown,
            Found::Absent => {}
            Found::Bytes(bytes) => {
                let opened = self.open(recorder, handle, &name, bytes, asked);
                if !matches!(opened, Ok(LookupResult::Found(_))) {
                    self.drop_unstored(recorder, (handle, &write.key), "unreadable");
                }
            }
        }
        match self.write_behind.putting(&write.key) {
            Putting::AsIs => Merged::AsIs,
            Putting::Nothing => Merged::Nothing,
            Putting::Again => {
                let cached = self.cache.get(handle, now).map(|hit| hit.known);
                let Some(Known::Live(session)) = cached else {
                    // The queued value lacks what storage showed, and a later read may restore the copy that has it.
                    return Merged::Unknown;
                };
                let entry = Entry::Live(session.record.clone());
                let sealed = self.seal(recorder, &name, &entry, now);
                sealed.map_or(Merged::Nothing, Merged::Instead)
            }
        }
    }

    fn drop_unstored(
        &mut self,
        recorder: &mut Recorder,
        (handle, key): (Handle, &str),
        reason: &'static str,
    ) {
        if self.write_behind.drop_value(key) {
            recorder.emit(change_lost((Some(handle), reason)));
        }
    }
}

/// Session whose confirmed changes cannot be stored, if it is known, and the reason.
pub(crate) type Lost = (Option<Handle>, &'static str);

/// Returns the event to log for lost changes.
pub(crate) fn change_lost((handle, reason): Lost) -> Event {
    let event = Event::new(Level::Error, "session_change_lost").with("reason", reason);
    match handle {
        Some(handle) => event.about(handle),
        None => event,
    }
}

/// Decides how to put a value whose changes this isolate does not know, so it cannot merge them: an instance that trapped
/// has confirmed them, or a gateway that was evicted. Such a value replaces only an earlier version.
pub(crate) fn merge_unknown(
    write: &Write,
    found: &Found,
    keys: Option<&KeyRing>,
) -> Result<Merged, Lost> {
    let name = RecordName::of_key(&write.key);
    let open = |value: &[u8]| codec::open(value, &name, keys?).ok();
    let queued = match open(&write.value) {
        Some(Entry::Live(queued)) => queued,
        // An end is put over any version.
        Some(Entry::Ended { .. }) => return Ok(Merged::AsIs),
        None => return Err((None, "unreadable")),
    };
    let lost = |reason| Err((Some(queued.handle), reason));
    match found {
        Found::Unavailable => Ok(Merged::Unknown),
        Found::Absent => Ok(Merged::AsIs),
        // It was put, but no instance saw the acknowledgement.
        Found::Bytes(bytes) if *bytes == write.value => Ok(Merged::Nothing),
        Found::Bytes(bytes) => match open(bytes) {
            Some(Entry::Live(found)) if found.version < queued.version => Ok(Merged::AsIs),
            Some(Entry::Live(_)) => lost("newer_version"),
            Some(Entry::Ended { .. }) => lost("ended"),
            None => lost("unreadable"),
        },
    }
}
