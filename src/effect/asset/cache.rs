//! Decides how long a tenant's file is served before its source is requested again, and what is served while the
//! source fails.
//!
//! A file is served for [`FRESH_MS`] without a request. Then Vestibule requests it again; if the source fails, the old
//! copy serves for [`USABLE_MS`] in all, unless the source reports it gone. The isolate and the location's cache both
//! keep files, under the tenant's name, so no tenant gets another's file.

use std::collections::HashMap;

use super::{Asset, FileMetadata, Trouble};
use crate::clock::UnixMillis;

/// Time for which a file is served without a request to its source, in milliseconds.
pub(crate) const FRESH_MS: u64 = 5 * 60_000;

/// Time for which a file is served while its source fails, in milliseconds.
pub(crate) const USABLE_MS: u64 = 24 * 60 * 60_000;

/// Time without requests to a source after it failed, in milliseconds.
const RETRY_AFTER_MS: u64 = 10_000;

/// Maximum time a source may take, in milliseconds.
pub(crate) const SOURCE_DEADLINE_MS: u32 = 5_000;

/// Maximum size of the isolate's cache, in bytes; the least recently served files go first.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Size that a cached file takes in addition to its content, in bytes: names and index.
const OVERHEAD: u64 = 512;

/// Maximum number of remembered troubles; at the limit all are dropped.
const MAX_TROUBLES: usize = 1_000;

/// File. `B` is its bytes, or a reference to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File<B> {
    /// Media type from its source; empty if it gives none.
    pub media_type: String,
    /// Hash of its bytes: letters and digits.
    pub hash: String,
    /// Length in bytes.
    pub length: u32,
    /// Time at which its source returned it.
    pub fetched: UnixMillis,
    /// Content.
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

/// File that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown<B> {
    /// The file.
    pub file: File<B>,
    /// Fault of the source, because of which this copy is stale.
    pub trouble: Option<Trouble>,
}

impl<B> Shown<B> {
    /// Splits it into the facts about the file, and its bytes.
    pub(crate) fn into_parts(self) -> (Asset, B) {
        let Self { file, trouble } = self;
        let metadata = FileMetadata {
            media_type: file.media_type,
            hash: file.hash,
            length: file.length,
            trouble,
        };
        (Asset::Available(metadata), file.bytes)
    }
}

/// Result of getting a file: the file to serve, or the trouble.
pub(crate) type Outcome<B> = Result<Shown<B>, Trouble>;

/// Decision about a file that is not fresh in the isolate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup<B> {
    /// The result is known.
    Decided(Outcome<B>),
    /// Request it from the source. If that fails, serve this copy, if any.
    Ask(Option<File<B>>),
}

/// Change to make in the location's cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LocationUpdate<B> {
    /// No change.
    None,
    /// Store the file.
    Put(File<B>),
    /// Delete the file.
    Delete,
}

/// Files that an isolate caches, by names that begin with the tenant's.
#[derive(Debug)]
pub(crate) struct AssetCache<B> {
    files: HashMap<String, Held<B>>,
    /// Size of all files, in bytes.
    held: u64,
    /// Number of times that any file was served.
    shown: u64,
    troubles: HashMap<String, (Trouble, UnixMillis)>,
}

#[derive(Debug)]
struct Held<B> {
    file: File<B>,
    /// Value of [`AssetCache::shown`] when this file was last served.
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
    /// Returns a file that is fresh in the isolate.
    pub(crate) fn fresh(&mut self, name: &str, now: UnixMillis) -> Option<File<B>> {
        let held = self.files.get_mut(name)?;
        if !held.file.is_fresh(now) {
            return None;
        }
        self.shown += 1;
        held.shown = self.shown;
        Some(held.file.clone())
    }

    /// Decides about a file, given the copy in the location's cache.
    pub(crate) fn lookup(
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
            Some((trouble, since)) if now.millis_since(*since) < RETRY_AFTER_MS => {
                let trouble = *trouble;
                Lookup::Decided(self.fall_back(name, usable, trouble))
            }
            _ => Lookup::Ask(usable),
        }
    }

    /// Takes the source's result and returns what to serve. `usable` is the copy from [`Lookup::Ask`].
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
                (self.fall_back(name, usable, trouble), update)
            }
        }
    }

    /// Serves a usable copy although the source failed.
    fn fall_back(&mut self, name: &str, usable: Option<File<B>>, trouble: Trouble) -> Outcome<B> {
        match usable {
            Some(file) if !trouble.is_gone() => self.show(name, file, Some(trouble)),
            _ => Err(trouble),
        }
    }

    /// Caches a file as the most recently served one.
    fn show(&mut self, name: &str, file: File<B>, trouble: Option<Trouble>) -> Outcome<B> {
        self.forget(name);
        self.shown += 1;
        self.held += weight(&file);
        let held = Held {
            file: file.clone(),
            shown: self.shown,
        };
        self.files.insert(name.to_owned(), held);
        while self.held > MAX_BYTES {
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
