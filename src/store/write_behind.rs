//! Keeps the changes that an isolate has confirmed and not yet stored (write-behind), and merges them into what other
//! isolates store meanwhile. Only with KV alone: no object orders changes then.
//!
//! A confirmed change stays here until a value with it is acknowledged. If storage shows a later version than the isolate
//! knew, another isolate wrote it, so the changes are applied again, to that version. Every value that replaces only
//! parts of the session can be merged so. What a sign-in, a rotation or a noted use stores is based on a fresh read, and is
//! put as it is.

use std::collections::HashMap;

use crate::clock::UnixMillis;
use crate::rule::{Rule, holds};
use crate::session::change::{ApplyContext, Change};
use crate::session::id::{Handle, RECORDS, RecordName, SessionId};
use crate::session::record::{Entry, IdMatch, Record, Version};

#[cfg(test)]
mod tests;

/// Maximum number of sessions of a tenant with changes.
const MAX_SESSIONS: usize = 4_000;

/// Maximum number of changes of one session.
const MAX_CHANGES: usize = 100;

/// Maximum bytes of all changes of a tenant. They stay for about a second.
const MAX_BYTES: usize = 256 * 1024;

/// Time without a change after which a session is forgotten, in milliseconds: its value is stored or lost by then.
const FORGOTTEN_AFTER_MS: u64 = 60_000;

/// Interval at which sessions are forgotten, in milliseconds.
const SWEEP_INTERVAL_MS: u64 = 30_000;

/// Authentication tag of a sealed value. No two values share it.
type Tag = [u8; 16];

/// Confirmed changes of one tenant in one isolate, by the names of their records.
#[derive(Debug, Default)]
pub(crate) struct WriteBehind {
    sessions: HashMap<String, Unstored>,
    /// Bytes of all changes.
    bytes: usize,
    swept_at: UnixMillis,
}

/// Change of a caller with this id, and the value that was queued with it.
#[derive(Debug)]
struct Confirmed {
    id: SessionId,
    /// `None` if the change no longer applies.
    change: Option<Change>,
    version: Version,
    tag: Option<Tag>,
}

/// Session with a value that storage has not acknowledged.
#[derive(Debug)]
struct Unstored {
    handle: Handle,
    /// Latest version that storage is known to have had.
    stored: Version,
    /// Latest version of this isolate.
    version: Version,
    /// Tag of a queued value that is put as it is.
    whole: Option<Tag>,
    changes: Vec<Confirmed>,
    /// Whether the queued value lacks what another isolate stored, so the session must be sealed again.
    is_behind: bool,
    /// Version that is put, or was put last, in place of a queued value that is behind.
    put_again: Option<Version>,
    /// Whether no value may be put: the session has ended, or its record cannot be read.
    is_dropped: bool,
    used_at: UnixMillis,
}

/// Record with confirmed changes applied again.
#[derive(Debug)]
pub(crate) struct Rebased {
    /// The record, with a version of its own.
    pub record: Record,
    /// Reasons for each change that no longer applies.
    pub lost: Vec<&'static str>,
}

/// Way to put a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Putting {
    /// Put it as it is.
    AsIs,
    /// Put the cached record instead.
    Again,
    /// Put nothing.
    Nothing,
}

impl WriteBehind {
    /// Returns whether one more change of a session fits. Otherwise it must be stored on top of a fresh read.
    pub(crate) fn has_room(&mut self, name: &RecordName, change: &Change, now: UnixMillis) -> bool {
        if now.millis_since(self.swept_at) >= SWEEP_INTERVAL_MS {
            self.sweep(now);
        }
        let room = match self.sessions.get(name.as_str()) {
            Some(unstored) => unstored.changes.len() < MAX_CHANGES && !unstored.is_dropped,
            None => self.sessions.len() < MAX_SESSIONS,
        };
        room && self.bytes + change.weight() <= MAX_BYTES
    }

    /// Adds a change by a caller with this id, confirmed with `before` as the session's version. `value` is `after`,
    /// sealed.
    pub(crate) fn confirm(
        &mut self,
        name: &RecordName,
        (id, change): (SessionId, &Change),
        before: Version,
        (after, value): (&Record, &[u8]),
        now: UnixMillis,
    ) {
        self.bytes += change.weight();
        let key = name.as_str().to_owned();
        let new = || Unstored::new(after.handle, before, now);
        let unstored = self.sessions.entry(key).or_insert_with(new);
        unstored.version = after.version;
        unstored.used_at = now;
        // The value has all that the isolate knows.
        unstored.is_behind = false;
        unstored.changes.push(Confirmed {
            id,
            change: Some(change.clone()),
            version: after.version,
            tag: tag(value),
        });
    }

    /// Notes that a value goes to storage that is put as it is. It has all changes confirmed before.
    pub(crate) fn replace(
        &mut self,
        name: &RecordName,
        handle: Handle,
        (version, value): (Version, &[u8]),
        now: UnixMillis,
    ) {
        self.forget(name.as_str());
        if self.sessions.len() < MAX_SESSIONS {
            let unstored = Unstored {
                whole: tag(value),
                ..Unstored::new(handle, version, now)
            };
            self.sessions.insert(name.as_str().to_owned(), unstored);
        }
    }

    /// Decides whether storage must be read before the value of a session is put. A value without an entry was queued by
    /// an instance that trapped, or by a gateway that was evicted.
    #[must_use]
    pub(crate) fn reads_first(&self, key: &str) -> bool {
        match self.sessions.get(key) {
            Some(unstored) => unstored.whole.is_none(),
            None => key.starts_with(RECORDS),
        }
    }

    /// Returns whether a value of any session is neither stored nor given up.
    #[must_use]
    pub(crate) fn is_pending(&self, now: UnixMillis) -> bool {
        self.sessions.values().any(|unstored| {
            let is_queued = unstored.whole.is_some() || !unstored.changes.is_empty();
            is_queued && now.millis_since(unstored.used_at) < FORGOTTEN_AFTER_MS
        })
    }

    /// Returns the session whose value must be merged with a fresh read before it is put.
    #[must_use]
    pub(crate) fn merges(&self, key: &str) -> Option<Handle> {
        let unstored = self.sessions.get(key)?;
        unstored.whole.is_none().then_some(unstored.handle)
    }

    /// Applies the confirmed changes to what storage shows, if another isolate wrote that, or if this isolate has lost
    /// `own`, its copy with the changes.
    pub(crate) fn rebase(
        &mut self,
        name: &RecordName,
        found: &Record,
        own: Option<&Record>,
        context: &ApplyContext<'_>,
    ) -> Option<Rebased> {
        let unstored = self.sessions.get_mut(name.as_str())?;
        let is_merged = unstored.whole.is_none() && holds(Rule::MergedWrite);
        let is_later = found.version > unstored.stored;
        if !is_merged || unstored.changes.is_empty() || !(is_later || own.is_none()) {
            return None;
        }
        let mut record = found.clone();
        let mut lost = Vec::new();
        for confirmed in &mut unstored.changes {
            if let Err(reason) = confirmed.apply(&mut record, context) {
                lost.push(reason);
                self.bytes -= confirmed.weight();
                confirmed.change = None;
            }
        }
        if !is_later && !unstored.is_behind {
            // The queued value has the same changes and this version.
            record.version = unstored.version;
            return Some(Rebased { record, lost });
        }
        unstored.stored = unstored.stored.max(found.version);
        // It may be an earlier value of this isolate.
        let is_own = |own: &Record| {
            let same = Record {
                version: own.version,
                seen: own.seen,
                ..record.clone()
            };
            same == *own && found.version <= own.version
        };
        if lost.is_empty() && own.is_some_and(is_own) {
            return None;
        }
        unstored.is_behind = true;
        // Cookies name the confirmed version, and other isolates know the found one. The record is put even if no change
        // is left: the id of a cookie with a later version than the record's counts as current.
        record.version = found.version.max(unstored.version).next();
        unstored.version = record.version;
        Some(Rebased { record, lost })
    }

    /// Drops the value of a session, because its record must not be overwritten. Returns whether confirmed changes are
    /// lost by that.
    pub(crate) fn drop_value(&mut self, key: &str) -> bool {
        let Some(unstored) = self.sessions.get_mut(key) else {
            return false;
        };
        unstored.is_dropped = true;
        self.bytes -= unstored.weight();
        let changes = core::mem::take(&mut unstored.changes);
        changes.iter().any(|confirmed| confirmed.change.is_some())
    }

    /// Decides how to put the value of a key, after a read.
    #[must_use]
    pub(crate) fn putting(&mut self, key: &str) -> Putting {
        match self.sessions.get_mut(key) {
            Some(unstored) if unstored.is_dropped && holds(Rule::EndedNotRevived) => {
                Putting::Nothing
            }
            Some(unstored) if unstored.is_behind => {
                unstored.put_again = Some(unstored.version);
                Putting::Again
            }
            Some(_) | None => Putting::AsIs,
        }
    }

    /// Notes that storage acknowledged a queued value, or what was put in its place. Later changes stay to be stored.
    /// Returns whether that is enough. It is not if the session was merged with another version during the put, which the
    /// put may have overwritten: then the session must be put again.
    #[must_use]
    pub(crate) fn stored(&mut self, key: &str, value: &[u8]) -> bool {
        let Some(unstored) = self.sessions.get_mut(key) else {
            return true;
        };
        let tag = tag(value);
        let place = unstored.changes.iter().position(|one| one.tag == tag);
        if place.is_none() && unstored.whole != tag {
            return true;
        }
        if unstored.is_behind && unstored.put_again != Some(unstored.version) {
            return false;
        }
        unstored.whole = None;
        for confirmed in unstored.changes.drain(..place.map_or(0, |at| at + 1)) {
            self.bytes -= confirmed.weight();
            unstored.stored = unstored.stored.max(confirmed.version);
        }
        if unstored.changes.is_empty() && !unstored.is_dropped {
            self.sessions.remove(key);
        }
        true
    }

    /// Notes that a queued value was given up. If it was to be put as it is, storage may show another value of its
    /// version, so later changes are merged.
    pub(crate) fn lost(&mut self, key: &str, value: &[u8]) {
        if let Some(unstored) = self.sessions.get_mut(key)
            && unstored.whole.is_some()
            && unstored.whole == tag(value)
        {
            unstored.whole = None;
            unstored.stored = Version(unstored.stored.0.saturating_sub(1));
        }
    }

    /// Returns the version of the oldest change that is to be stored.
    #[cfg(test)]
    pub(crate) fn oldest(&self, key: &str) -> Option<Version> {
        let oldest = self.sessions.get(key)?.changes.first()?;
        Some(oldest.version)
    }

    fn forget(&mut self, key: &str) {
        if let Some(unstored) = self.sessions.remove(key) {
            self.bytes -= unstored.weight();
        }
    }

    fn sweep(&mut self, now: UnixMillis) {
        self.swept_at = now;
        let Self {
            sessions, bytes, ..
        } = self;
        sessions.retain(|_, unstored| {
            let is_kept = now.millis_since(unstored.used_at) < FORGOTTEN_AFTER_MS;
            if !is_kept {
                *bytes -= unstored.weight();
            }
            is_kept
        });
    }
}

impl Unstored {
    fn new(handle: Handle, stored: Version, now: UnixMillis) -> Self {
        Self {
            handle,
            stored,
            version: stored,
            whole: None,
            changes: Vec::new(),
            is_behind: false,
            put_again: None,
            is_dropped: false,
            used_at: now,
        }
    }

    fn weight(&self) -> usize {
        self.changes.iter().map(Confirmed::weight).sum()
    }
}

impl Confirmed {
    /// Applies the change to a record. Returns why it does not apply, or not as a whole.
    fn apply(&self, record: &mut Record, context: &ApplyContext<'_>) -> Result<(), &'static str> {
        let Some(change) = &self.change else {
            return Ok(());
        };
        match record.fit(&self.id, context.now) {
            IdMatch::Current | IdMatch::Grace => {}
            IdMatch::Replaced | IdMatch::Outdated => return Err("outdated"),
        }
        let outcome = change.apply(record, context);
        if let Entry::Live(next) = outcome.entry {
            *record = next;
        }
        outcome
            .refused
            .first()
            .map_or(Ok(()), |refused| Err(refused.0))
    }

    fn weight(&self) -> usize {
        self.change.as_ref().map_or(0, Change::weight)
    }
}

/// Returns the tag by which a sealed value is known again.
fn tag(value: &[u8]) -> Option<Tag> {
    value.last_chunk().copied()
}
