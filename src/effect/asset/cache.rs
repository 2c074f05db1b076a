//! Decides how long a tenant's file is shown before its source is asked again, and what is shown while the source is
//! in trouble.
//!
//! A file is shown for [`FRESH_MS`] without asking. After that its source is asked; one whose source is in trouble is
//! shown for [`USABLE_MS`] in all, unless the source says that it is gone. Files are remembered here and in the
//! location's cache, under the tenant's name, so that none is shown another's.

use std::collections::HashMap;

use super::{Asset, FileMetadata, Trouble};
use crate::clock::UnixMillis;

/// Time for which a file is shown without asking its source, in milliseconds.
pub(crate) const FRESH_MS: u64 = 5 * 60_000;

/// Time for which a file is shown while its source is in trouble, in milliseconds.
pub(crate) const USABLE_MS: u64 = 24 * 60 * 60_000;

/// Time for which a source in trouble is left alone, in milliseconds.
const RESPITE_MS: u64 = 10_000;

/// Maximum time a source may take, in milliseconds.
pub(crate) const SOURCE_DEADLINE_MS: u32 = 5_000;

/// Maximum number of bytes that are remembered here; the files that were not shown for longest go first.
const ROOM: u64 = 16 * 1024 * 1024;

/// Number of bytes that a file takes besides its own: its names, and what finds it.
const OVERHEAD: u64 = 512;

/// Maximum number of troubles that are remembered; then all are forgotten.
const MAX_TROUBLES: usize = 1_000;

/// A file. `B` is its bytes, or where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File<B> {
    /// The media type its source gives; empty for none.
    pub media_type: String,
    /// Stands for its bytes: letters and digits.
    pub hash: String,
    /// How many bytes it has.
    pub length: u32,
    /// When its source gave it.
    pub fetched: UnixMillis,
    /// Its bytes.
    pub bytes: B,
}

impl<B> File<B> {
    fn is_fresh(&self, now: UnixMillis) -> bool {
        now.millis_since(self.fetched) < FRESH_MS
    }

    fn is_usable(&self, now: UnixMillis) -> bool {
        now.millis_since(self.fetched) < USABLE_MS
    }
}

/// A file that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown<B> {
    /// The file.
    pub file: File<B>,
    /// Why it is an old one.
    pub trouble: Option<Trouble>,
}

impl<B> Shown<B> {
    /// Splits it into what is known of the file, and its bytes.
    pub(crate) fn into_parts(self) -> (Asset, B) {
        let Self { file, trouble } = self;
        let metadata = FileMetadata {
            media_type: file.media_type,
            hash: file.hash,
            length: file.length,
            trouble,
        };
        (Asset::AtHand(metadata), file.bytes)
    }
}

/// What came of asking for a file: it is shown, or it is not to be had.
pub(crate) type Outcome<B> = Result<Shown<B>, Trouble>;

/// What is to be done about a file that is not fresh here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup<B> {
    /// Nothing.
    Decided(Outcome<B>),
    /// Ask its source. Meanwhile this could be shown, and is if the source is in trouble.
    Ask(Option<File<B>>),
}

/// What is to be done about the location's cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LocationUpdate<B> {
    /// Nothing.
    None,
    /// Leave the file there.
    Put(File<B>),
    /// Delete the file there.
    Delete,
}

/// The files that an isolate remembers, by names that begin with the tenant's.
#[derive(Debug)]
pub(crate) struct AssetCache<B> {
    files: HashMap<String, Held<B>>,
    /// The bytes of all of them.
    held: u64,
    /// How often one was shown.
    shown: u64,
    troubles: HashMap<String, (Trouble, UnixMillis)>,
}

#[derive(Debug)]
struct Held<B> {
    file: File<B>,
    /// The [`AssetCache::shown`] when it was shown last.
    shown: u64,
}

impl<B> Default for AssetCache<B> {
    fn default() -> Self {
        Self {
            files: HashMap::new(),
            held: 0,
            shown: 0,
            troubles: HashMap::new(),
        }
    }
}

impl<B: Clone> AssetCache<B> {
    /// Returns a file that can be shown without asking anybody.
    pub(crate) fn fresh(&mut self, name: &str, now: UnixMillis) -> Option<File<B>> {
        let held = self.files.get_mut(name)?;
        if !held.file.is_fresh(now) {
            return None;
        }
        self.shown += 1;
        held.shown = self.shown;
        Some(held.file.clone())
    }

    /// Decides about a file, given what the location's cache holds.
    pub(crate) fn look(
        &mut self,
        name: &str,
        in_location: Option<File<B>>,
        now: UnixMillis,
    ) -> Lookup<B> {
        let own = self.files.get(name).map(|held| &held.file);
        let known = match (own, in_location) {
            (Some(own), Some(other)) if own.fetched >= other.fetched => Some(own.clone()),
            (_, Some(other)) => Some(other),
            (own, None) => own.cloned(),
        };
        if let Some(file) = known.as_ref().filter(|file| file.is_fresh(now)) {
            return Lookup::Decided(self.show(name, file.clone(), None));
        }
        let usable = known.filter(|file| file.is_usable(now));
        match self.troubles.get(name) {
            Some((trouble, since)) if now.millis_since(*since) < RESPITE_MS => {
                let trouble = *trouble;
                Lookup::Decided(self.make_do(name, usable, trouble))
            }
            _ => Lookup::Ask(usable),
        }
    }

    /// Takes in what a source gave, and returns what is shown; `usable` is what [`Lookup::Ask`] says.
    pub(crate) fn renew(
        &mut self,
        name: &str,
        usable: Option<File<B>>,
        given: Result<File<B>, Trouble>,
        now: UnixMillis,
    ) -> (Outcome<B>, LocationUpdate<B>) {
        match given {
            Ok(file) => {
                self.troubles.remove(name);
                let outcome = self.show(name, file.clone(), None);
                (outcome, LocationUpdate::Put(file))
            }
            Err(trouble) => {
                if self.troubles.len() >= MAX_TROUBLES {
                    self.troubles.clear();
                }
                self.troubles.insert(name.to_owned(), (trouble, now));
                let update = if trouble.is_gone() {
                    self.forget(name);
                    LocationUpdate::Delete
                } else {
                    LocationUpdate::None
                };
                (self.make_do(name, usable, trouble), update)
            }
        }
    }

    /// Shows what can be shown although the source is in trouble.
    fn make_do(&mut self, name: &str, usable: Option<File<B>>, trouble: Trouble) -> Outcome<B> {
        match usable {
            Some(file) if !trouble.is_gone() => self.show(name, file, Some(trouble)),
            _ => Err(trouble),
        }
    }

    /// Remembers a file as the one that was shown last.
    fn show(&mut self, name: &str, file: File<B>, trouble: Option<Trouble>) -> Outcome<B> {
        self.forget(name);
        self.shown += 1;
        self.held += weight(&file);
        let held = Held {
            file: file.clone(),
            shown: self.shown,
        };
        self.files.insert(name.to_owned(), held);
        while self.held > ROOM {
            let oldest = self.files.iter().min_by_key(|(_, held)| held.shown);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                break;
            };
            self.forget(&oldest);
        }
        Ok(Shown { file, trouble })
    }

    fn forget(&mut self, name: &str) {
        if let Some(held) = self.files.remove(name) {
            self.held = self.held.saturating_sub(weight(&held.file));
        }
    }
}

fn weight<B>(file: &File<B>) -> u64 {
    u64::from(file.length) + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    const DAY: u64 = 24 * 60 * MINUTE;
    const NAME: &str = "acme/https://cdn.example/logo";

    fn at(ms: u64) -> UnixMillis {
        UnixMillis(1_700_000_000_000 + ms)
    }

    /// A file that its source gave then.
    fn file(bytes: &'static str, fetched: u64) -> File<&'static str> {
        File {
            media_type: "image/png".to_owned(),
            hash: "aa".to_owned(),
            length: 3,
            fetched: at(fetched),
            bytes,
        }
    }

    fn known(bytes: &'static str) -> AssetCache<&'static str> {
        let mut cache = AssetCache::default();
        let (outcome, update) = cache.renew(NAME, None, Ok(file(bytes, 0)), at(0));
        assert_eq!(outcome.unwrap().file.bytes, bytes);
        assert_eq!(update, LocationUpdate::Put(file(bytes, 0)));
        cache
    }

    fn shown(lookup: Lookup<&'static str>) -> (&'static str, Option<Trouble>) {
        match lookup {
            Lookup::Decided(Ok(shown)) => (shown.file.bytes, shown.trouble),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn file_is_fresh_for_five_minutes_then_revalidated() {
        let mut cache = known("one");
        let bytes = |file: Option<File<_>>| file.map(|file| file.bytes);
        assert_eq!(bytes(cache.fresh(NAME, at(5 * MINUTE - 1))), Some("one"));
        assert_eq!(bytes(cache.fresh(NAME, at(5 * MINUTE))), None);
        assert_eq!(bytes(cache.fresh("globex/logo", at(0))), None);
        let ask = cache.look(NAME, None, at(5 * MINUTE));
        assert_eq!(ask, Lookup::Ask(Some(file("one", 0))));
        let given = Ok(file("two", 5 * MINUTE));
        let (outcome, _) = cache.renew(NAME, Some(file("one", 0)), given, at(5 * MINUTE));
        assert_eq!(outcome.unwrap().file.bytes, "two");
        assert_eq!(bytes(cache.fresh(NAME, at(6 * MINUTE))), Some("two"));
    }

    #[test]
    fn newer_copy_wins() {
        let mut cache = known("own");
        let now = at(6 * MINUTE);
        let older = cache.look(NAME, Some(file("location's", 0)), now);
        assert_eq!(older, Lookup::Ask(Some(file("own", 0))));
        let younger = cache.look(NAME, Some(file("location's", 2 * MINUTE)), now);
        assert_eq!(shown(younger), ("location's", None));
        assert!(cache.fresh(NAME, now).is_some(), "it is remembered here");
        let mut empty = AssetCache::default();
        assert_eq!(
            shown(empty.look(NAME, Some(file("location's", 2 * MINUTE)), now)).0,
            "location's"
        );
        assert_eq!(empty.look("other", None, now), Lookup::Ask(None));
    }

    #[test]
    fn failing_source_is_retried_after_ten_seconds_and_stale_file_served_for_a_day() {
        let mut cache = known("one");
        let now = 10 * MINUTE;
        let trouble = Trouble::Status(500);
        let usable = Some(file("one", 0));
        let (outcome, update) = cache.renew(NAME, usable, Err(trouble), at(now));
        assert_eq!(outcome.unwrap().trouble, Some(trouble));
        assert_eq!(update, LocationUpdate::None);
        let soon = cache.look(NAME, None, at(now + 9_999));
        assert_eq!(shown(soon), ("one", Some(trouble)));
        let later = cache.look(NAME, None, at(now + 10_000));
        assert_eq!(later, Lookup::Ask(Some(file("one", 0))));
        let last = cache.look(NAME, None, at(DAY - 1));
        assert_eq!(last, Lookup::Ask(Some(file("one", 0))));
        assert_eq!(cache.look(NAME, None, at(DAY)), Lookup::Ask(None));
        let (outcome, _) = cache.renew(NAME, None, Err(trouble), at(DAY));
        assert_eq!(outcome, Err(trouble));
        let soon = cache.look(NAME, None, at(DAY + 1));
        assert_eq!(soon, Lookup::Decided(Err(trouble)));
    }

    #[test]
    fn deleted_file_is_evicted_at_once() {
        for trouble in [Trouble::Status(404), Trouble::Status(410), Trouble::Absent] {
            let mut cache = known("one");
            let now = at(6 * MINUTE);
            let (outcome, update) = cache.renew(NAME, Some(file("one", 0)), Err(trouble), now);
            assert_eq!(outcome, Err(trouble));
            assert_eq!(update, LocationUpdate::Delete);
            // The location's cache may be slow to forget.
            let near = Some(file("one", MINUTE));
            let near = near.map(|file| File {
                fetched: at(0),
                ..file
            });
            assert_eq!(cache.look(NAME, near, now), Lookup::Decided(Err(trouble)));
            assert_eq!((cache.files.len(), cache.held), (0, 0));
        }
    }

    #[test]
    fn recovered_source_clears_its_failure() {
        let mut cache = known("one");
        let now = 10 * MINUTE;
        let _ = cache.renew(NAME, None, Err(Trouble::NoAnswer), at(now));
        let _ = cache.renew(NAME, None, Ok(file("two", now)), at(now));
        let much_later = cache.look(NAME, None, at(now + 5 * MINUTE));
        assert_eq!(much_later, Lookup::Ask(Some(file("two", now))));
        assert!(cache.troubles.is_empty());
    }

    #[test]
    fn least_recently_used_files_are_evicted_first() {
        let mut cache = AssetCache::default();
        let large = |bytes| File {
            length: 5 * 1024 * 1024,
            ..file(bytes, 0)
        };
        for name in ["a", "b", "c"] {
            let _ = cache.renew(name, None, Ok(large(name)), at(0));
        }
        assert!(cache.fresh("a", at(1)).is_some());
        let _ = cache.renew("d", None, Ok(large("d")), at(2));
        let here = |cache: &mut AssetCache<_>| {
            let names = ["a", "b", "c", "d"];
            names.map(|name| cache.fresh(name, at(3)).is_some())
        };
        assert_eq!(here(&mut cache), [true, false, true, true]);
        // Another version of one that is there takes no more room.
        let _ = cache.renew("c", None, Ok(large("c")), at(4));
        assert_eq!(here(&mut cache), [true, false, true, true]);
    }

    #[test]
    fn empty_files_are_bounded_too() {
        let mut cache = AssetCache::default();
        let most = ROOM / OVERHEAD;
        for number in 0..most + 100 {
            let empty = File {
                length: 0,
                ..file("", 0)
            };
            let _ = cache.renew(&number.to_string(), None, Ok(empty), at(0));
            assert!(cache.held <= ROOM);
        }
        assert_eq!(cache.files.len() as u64, most);
        let mut cache = AssetCache::<()>::default();
        for number in 0..3 * MAX_TROUBLES {
            let _ = cache.renew(&number.to_string(), None, Err(Trouble::NoAnswer), at(0));
            assert!(cache.troubles.len() <= MAX_TROUBLES);
        }
    }
}
