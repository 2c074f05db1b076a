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
mod tests;
