//! Records this isolate has seen lately, so that a conversation's requests cost no storage.
//!
//! Bounded by weight, in two generations: what is used moves to the young one; when that is full
//! it becomes the old one and the previous old one is dropped. Every operation is O(1), and a
//! flood of one-time visitors cannot push out what is in use.

use std::collections::HashMap;
use std::rc::Rc;

use crate::clock::{UnixMillis, UnixSeconds};
use crate::session::data::Data;
use crate::session::id::SessionId;
use crate::session::record::{Entry, Record};

/// Approximate bytes each generation may hold; an isolate has 128 MB for everything.
const GENERATION_WEIGHT: usize = 12 * 1024 * 1024;

/// What an entry weighs beside its data: map slot, identifiers, numbers.
const ENTRY_WEIGHT: usize = 400;

/// A live record with the header texts that every request needs, made once.
#[derive(Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The record.
    pub record: Record,
    /// `X-Session-Id`.
    pub handle: String,
    /// `X-Session-Data`; none while there is no data.
    pub data: Option<String>,
}

impl Prepared {
    /// Makes the texts.
    #[must_use]
    pub fn new(record: Record) -> Self {
        let handle = record.handle.to_text();
        let data = Data::to_header(&record.data);
        Self {
            record,
            handle,
            data,
        }
    }

    fn weight(&self) -> usize {
        let header = self.data.as_ref().map_or(0, String::len);
        ENTRY_WEIGHT + header + self.record.data.to_json().len()
    }
}

/// What is known of an id.
#[derive(Clone, Debug)]
pub enum Known {
    /// A live record.
    Live(Rc<Prepared>),
    /// Rotated or ended.
    Gone(Entry),
}

impl Known {
    /// From a stored entry.
    #[must_use]
    pub fn new(entry: Entry) -> Self {
        match entry {
            Entry::Live(record) => Self::Live(Rc::new(Prepared::new(record))),
            gone => Self::Gone(gone),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Live(prepared) => prepared.weight(),
            Self::Gone(_) => ENTRY_WEIGHT,
        }
    }
}

#[derive(Debug)]
struct Slot {
    known: Known,
    since: UnixMillis,
}

/// The cache of one tenant in one isolate.
#[derive(Debug, Default)]
pub struct Cache {
    young: HashMap<SessionId, Slot>,
    old: HashMap<SessionId, Slot>,
    young_weight: usize,
}

impl Cache {
    /// What is known of `id`, if it was read or written at most `max_age_ms` ago.
    pub fn get(&mut self, id: &SessionId, max_age_ms: u64, now: UnixMillis) -> Option<Known> {
        let fresh = |slot: &Slot| now.millis_since(slot.since) < max_age_ms;
        if let Some(slot) = self.young.get(id) {
            return fresh(slot).then(|| slot.known.clone());
        }
        let slot = self.old.remove(id)?;
        if !fresh(&slot) {
            return None;
        }
        let known = slot.known.clone();
        self.insert(*id, slot);
        Some(known)
    }

    /// Notes what storage was told at `now`.
    pub fn put(&mut self, id: SessionId, known: Known, now: UnixMillis) {
        self.old.remove(&id);
        self.insert(id, Slot { known, since: now });
    }

    /// Notes what storage said, unless this isolate knows better: storage may be behind, so an
    /// older version does not replace a newer one and nothing live replaces what is gone.
    /// Returns what is known now.
    pub fn learn(&mut self, id: SessionId, read: Known, now: UnixMillis) -> Known {
        let known = match (self.get(&id, u64::MAX, now), read) {
            (Some(own @ Known::Gone(_)), Known::Live(_)) => own,
            (Some(Known::Live(own)), Known::Live(read))
                if own.record.version > read.record.version =>
            {
                Known::Live(own)
            }
            (_, read) => read,
        };
        self.put(id, known.clone(), now);
        known
    }

    /// Notes that a live session is in use, without making what is known of it any fresher: so
    /// that of many requests at once only the first writes it down.
    pub fn note_use(&mut self, id: &SessionId, at: UnixSeconds) {
        if let Some(Slot {
            known: Known::Live(prepared),
            ..
        }) = self.young.get_mut(id)
        {
            let record = Record {
                seen: at,
                ..prepared.record.clone()
            };
            *prepared = Rc::new(Prepared::new(record));
        }
    }

    fn insert(&mut self, id: SessionId, slot: Slot) {
        self.young_weight += slot.known.weight();
        if let Some(replaced) = self.young.insert(id, slot) {
            self.young_weight = self.young_weight.saturating_sub(replaced.known.weight());
        }
        if self.young_weight > GENERATION_WEIGHT {
            self.old = core::mem::take(&mut self.young);
            self.young_weight = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::id::Handle;

    fn id(number: u64) -> SessionId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        SessionId::from_bytes(bytes)
    }

    fn live(version: u64) -> Known {
        let record = Record::unstored(Handle([0; 16]), UnixSeconds(1), UnixSeconds(1));
        Known::new(Entry::Live(Record {
            version: crate::session::record::Version(version),
            ..record
        }))
    }

    fn version(known: Option<Known>) -> Option<u64> {
        match known {
            Some(Known::Live(prepared)) => Some(prepared.record.version.0),
            _ => None,
        }
    }

    #[test]
    fn an_entry_is_used_until_it_is_too_old() {
        let mut cache = Cache::default();
        cache.put(id(1), live(1), UnixMillis(1_000));
        assert_eq!(
            version(cache.get(&id(1), 5_000, UnixMillis(5_999))),
            Some(1)
        );
        assert!(cache.get(&id(1), 5_000, UnixMillis(6_000)).is_none());
        assert!(
            cache.get(&id(1), 0, UnixMillis(1_000)).is_none(),
            "age 0 turns the cache off"
        );
    }

    #[test]
    fn a_newer_entry_replaces_the_older_in_either_generation() {
        let mut cache = Cache::default();
        cache.put(id(1), live(1), UnixMillis(0));
        cache.old = core::mem::take(&mut cache.young);
        cache.put(id(1), live(2), UnixMillis(0));
        assert_eq!(version(cache.get(&id(1), 1, UnixMillis(0))), Some(2));
    }

    #[test]
    fn storage_that_is_behind_takes_nothing_back() {
        let mut cache = Cache::default();
        let now = UnixMillis(0);
        cache.put(id(1), live(2), now);
        assert_eq!(version(Some(cache.learn(id(1), live(1), now))), Some(2));
        assert_eq!(version(Some(cache.learn(id(1), live(3), now))), Some(3));
        cache.put(id(1), Known::new(Entry::Ended { at: UnixSeconds(1) }), now);
        assert!(matches!(cache.learn(id(1), live(4), now), Known::Gone(_)));
    }

    #[test]
    fn what_is_in_use_outlives_a_flood_and_memory_stays_bounded() {
        let mut cache = Cache::default();
        cache.put(id(0), live(1), UnixMillis(0));
        for number in 1..200_000 {
            cache.put(id(number), live(1), UnixMillis(0));
            assert!(
                cache.get(&id(0), 1, UnixMillis(0)).is_some(),
                "lost after {number}"
            );
        }
        let most = 2 * GENERATION_WEIGHT / ENTRY_WEIGHT + 2;
        assert!(cache.young.len() + cache.old.len() <= most);
    }
}
