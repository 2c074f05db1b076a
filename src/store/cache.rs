//! Caches recent records in the isolate, so that a conversation's requests cost no storage reads.
//!
//! Two generations bound the cache by weight. Entries in use move to the young generation. When that is full, it
//! becomes the old one, and the previous old one is dropped. Every operation is O(1), and a flood of one-time visitors
//! cannot evict entries in use.

use std::rc::Rc;

use crate::clock::{UnixMillis, UnixSeconds};
use crate::keys::KeyRing;
use crate::session::id::{Handle, HandleMap};
use crate::session::prepared::Prepared;
use crate::session::record::{Entry, Record, Version};

/// Maximum weight of each generation, in approximate bytes; an isolate has 128 MB for everything.
const GENERATION_WEIGHT: usize = 12 * 1024 * 1024;

/// Maximum weight of all tenants' caches in an isolate, in approximate bytes: a third more than one tenant's, so a
/// single tenant is never cut.
pub(crate) const ISOLATE_WEIGHT: usize = 32 * 1024 * 1024;

/// Weight of an entry without its data: map slot, identifiers, numbers.
const ENTRY_WEIGHT: usize = 400;

/// Cached state of a session.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// Live record.
    Live(Rc<Prepared>),
    /// Ended session.
    Ended,
    /// Missing record, looked up for a cookie set at this time.
    Absent(UnixSeconds),
}

impl Known {
    /// Prepares a stored entry for the cache.
    #[must_use]
    pub(crate) fn new(entry: Entry, keys: &KeyRing) -> Self {
        match entry {
            Entry::Live(record) => Self::Live(Rc::new(Prepared::new(record, keys))),
            Entry::Ended { .. } => Self::Ended,
        }
    }

    /// Decides whether a session certainly has a later version than this one. An ended session has none.
    #[must_use]
    pub(crate) fn is_behind(&self, least: Version) -> bool {
        match self {
            Self::Live(session) => session.record.version < least,
            Self::Ended => false,
            Self::Absent(_) => least > Version::UNSTORED,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Live(prepared) => ENTRY_WEIGHT + prepared.weight(),
            Self::Ended | Self::Absent(_) => ENTRY_WEIGHT,
        }
    }
}

/// Cached state with its age.
#[derive(Debug)]
pub(crate) struct Hit {
    /// State of the session.
    pub known: Known,
    /// Milliseconds since storage was read or written.
    pub age_ms: u64,
}

#[derive(Clone, Debug)]
struct Slot {
    known: Known,
    since: UnixMillis,
    /// Time of the last background read.
    asked: UnixMillis,
}

/// Cache of one tenant in one isolate.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    young: HandleMap<Slot>,
    old: HandleMap<Slot>,
    young_weight: usize,
    old_weight: usize,
}

impl Cache {
    /// Returns the cached state of `handle`, however old.
    pub(crate) fn get(&mut self, handle: Handle, now: UnixMillis) -> Option<Hit> {
        let hit = |slot: &Slot| Hit {
            known: slot.known.clone(),
            age_ms: now.millis_since(slot.since),
        };
        if let Some(slot) = self.young.get(&handle) {
            return Some(hit(slot));
        }
        let slot = self.leave_old(handle)?;
        let found = hit(&slot);
        self.insert(handle, slot);
        Some(found)
    }

    /// Copies the entry of `handle` into a cache of its own.
    #[must_use]
    pub(crate) fn of_one(&self, handle: Handle) -> Self {
        let mut one = Self::default();
        let slot = self.young.get(&handle).or_else(|| self.old.get(&handle));
        if let Some(slot) = slot {
            one.insert(handle, slot.clone());
        }
        one
    }

    /// Caches a state written to storage, or read from it, at `at`.
    pub(crate) fn put(&mut self, handle: Handle, known: Known, at: UnixMillis) {
        self.leave_old(handle);
        let slot = Slot {
            known,
            since: at,
            asked: at,
        };
        self.insert(handle, slot);
    }

    /// Changes a cached session without making its entry fresher: storage was not read.
    pub(crate) fn change(&mut self, handle: Handle, session: Rc<Prepared>) {
        let young = self.young.get(&handle).cloned();
        if let Some(slot) = young.or_else(|| self.leave_old(handle)) {
            let known = Known::Live(session);
            self.insert(handle, Slot { known, ..slot });
        }
    }

    /// Caches a state read from storage at time `asked`, unless the cached one is newer. Storage may be behind: an
    /// older version never replaces a newer one, and an ended session stays ended. Returns the state that is cached
    /// now.
    pub(crate) fn learn(&mut self, handle: Handle, read: Known, asked: UnixMillis) -> Known {
        let known = match (self.get(handle, asked).map(|hit| hit.known), read) {
            (Some(Known::Ended), _) => Known::Ended,
            (Some(Known::Live(own)), Known::Live(read)) if own.is_newer_than(&read) => {
                Known::Live(own)
            }
            (_, read) => read,
        };
        self.put(handle, known.clone(), asked);
        known
    }

    /// Returns whether a background read is due, at most once per `period_ms`.
    pub(crate) fn ask_anew(&mut self, handle: Handle, period_ms: u64, now: UnixMillis) -> bool {
        match self.young.get_mut(&handle) {
            Some(slot) if now.millis_since(slot.asked) >= period_ms => {
                slot.asked = now;
                true
            }
            _ => false,
        }
    }

    /// Notes that a live session is in use, without making its entry fresher. Of many concurrent requests only the
    /// first then writes the use.
    pub(crate) fn note_use(&mut self, handle: Handle, at: UnixSeconds, keys: &KeyRing) {
        if let Some(Slot {
            known: Known::Live(prepared),
            ..
        }) = self.young.get_mut(&handle)
        {
            let record = Record {
                seen: at,
                ..prepared.record.clone()
            };
            *prepared = Rc::new(Prepared::new(record, keys));
        }
    }

    /// Returns the approximate bytes of all entries.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        self.young_weight + self.old_weight
    }

    fn leave_old(&mut self, handle: Handle) -> Option<Slot> {
        let slot = self.old.remove(&handle)?;
        self.old_weight = self.old_weight.saturating_sub(slot.known.weight());
        Some(slot)
    }

    fn insert(&mut self, handle: Handle, slot: Slot) {
        self.young_weight += slot.known.weight();
        if let Some(replaced) = self.young.insert(handle, slot) {
            self.young_weight = self.young_weight.saturating_sub(replaced.known.weight());
        }
        if self.young_weight > GENERATION_WEIGHT {
            self.old = core::mem::take(&mut self.young);
            self.old_weight = core::mem::take(&mut self.young_weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::DeploymentKeys;
    use crate::session::id::SessionId;
    use crate::session::record::Version;
    use crate::tenant_id::TenantId;

    fn keys() -> KeyRing {
        let keys = DeploymentKeys::parse(&crate::encoding::base64url(&[7; 32])).unwrap();
        KeyRing::derive(&keys, &TenantId::parse("t").unwrap()).unwrap()
    }

    fn handle(number: u64) -> Handle {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Handle(bytes)
    }

    fn live(version: u64, keys: &KeyRing) -> Known {
        let id = SessionId::from_bytes([0; 16]);
        let record = Record::unstored(Handle([0; 16]), id, UnixSeconds(1), UnixSeconds(1));
        let record = Record {
            version: Version(version),
            ..record
        };
        Known::new(Entry::Live(record), keys)
    }

    fn version(known: &Known) -> Option<u64> {
        match known {
            Known::Live(prepared) => Some(prepared.record.version.0),
            Known::Ended | Known::Absent(_) => None,
        }
    }

    #[test]
    fn cached_entry_has_an_age_and_is_refreshed_once_per_period() {
        let mut cache = Cache::default();
        cache.put(handle(1), live(1, &keys()), UnixMillis(1_000));
        let hit = cache.get(handle(1), UnixMillis(6_000)).unwrap();
        assert_eq!((version(&hit.known), hit.age_ms), (Some(1), 5_000));
        assert!(!cache.ask_anew(handle(1), 5_000, UnixMillis(5_999)));
        assert!(cache.ask_anew(handle(1), 5_000, UnixMillis(6_000)));
        assert!(!cache.ask_anew(handle(1), 5_000, UnixMillis(6_001)));
    }

    #[test]
    fn newer_entry_replaces_the_older_in_either_generation() {
        let (mut cache, keys) = (Cache::default(), keys());
        cache.put(handle(1), live(1, &keys), UnixMillis(0));
        cache.old = core::mem::take(&mut cache.young);
        cache.put(handle(1), live(2, &keys), UnixMillis(0));
        let hit = cache.get(handle(1), UnixMillis(0)).unwrap();
        assert_eq!(version(&hit.known), Some(2));
    }

    #[test]
    fn change_reaches_an_entry_of_either_generation() {
        let (mut cache, keys) = (Cache::default(), keys());
        cache.put(handle(1), live(1, &keys), UnixMillis(0));
        cache.old = core::mem::take(&mut cache.young);
        cache.old_weight = core::mem::take(&mut cache.young_weight);
        let Known::Live(changed) = live(2, &keys) else {
            panic!("not live");
        };
        cache.change(handle(1), changed);
        let hit = cache.get(handle(1), UnixMillis(5)).unwrap();
        assert_eq!((version(&hit.known), hit.age_ms), (Some(2), 5));
        assert_eq!((cache.old.len(), cache.old_weight), (0, 0));
    }

    #[test]
    fn stale_read_does_not_replace_a_newer_entry() {
        let (mut cache, keys) = (Cache::default(), keys());
        let now = UnixMillis(0);
        cache.put(handle(1), live(2, &keys), now);
        assert_eq!(
            version(&cache.learn(handle(1), live(1, &keys), now)),
            Some(2)
        );
        assert_eq!(
            version(&cache.learn(handle(1), live(3, &keys), now)),
            Some(3)
        );
        cache.put(handle(1), Known::Ended, now);
        assert!(matches!(
            cache.learn(handle(1), live(4, &keys), now),
            Known::Ended
        ));
    }

    #[test]
    fn entries_in_use_survive_a_flood_and_memory_stays_bounded() {
        let (mut cache, keys) = (Cache::default(), keys());
        cache.put(handle(0), live(1, &keys), UnixMillis(0));
        for number in 1..200_000 {
            cache.put(handle(number), live(1, &keys), UnixMillis(0));
            assert!(
                cache.get(handle(0), UnixMillis(0)).is_some(),
                "lost after {number}"
            );
        }
        let most = 2 * GENERATION_WEIGHT / ENTRY_WEIGHT + 2;
        assert!(cache.young.len() + cache.old.len() <= most);
        assert!(cache.weight() <= 2 * (GENERATION_WEIGHT + ENTRY_WEIGHT));
    }
}
