//! Gray releases: releases that get some of the new sessions, which stay in them.
//!
//! Whether a session is in a gray release is a bit of its handle, chosen when it begins: nothing is stored for it, all
//! isolates know it, and a changed percentage moves nobody. With several gray releases a hash of the handle tells which
//! one. A session that began while there was none is in none.
//!
//! A list of rules decides at the beginning of a session (`rules.rs`), and once more when a user signs in.

pub(crate) mod rules;

use sha2::{Digest as _, Sha256};

use crate::balancer::pool::{Origin, mix};
use crate::clock::UnixSeconds;
use crate::session::id::Handle;
use rules::{Facts, ReleaseRule, Verdict};

/// A tenant's gray releases, and the rules that assign sessions to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Releases {
    rules: Vec<ReleaseRule>,
    /// Those that rules name, at least one.
    named: Vec<Release>,
}

/// A gray release.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Release {
    /// Name, as its origins have it.
    name: String,
    /// All of its rules are off: it gets no sessions, not even those that began in it.
    is_off: bool,
    /// When its first origin was added. Older sessions are not in it.
    since: UnixSeconds,
    seed: u64,
}

impl Releases {
    /// Returns the releases that these rules name; none if there are no rules.
    #[must_use]
    pub(crate) fn new<'o, I: Iterator<Item = &'o Origin>>(
        rules: Vec<ReleaseRule>,
        origins: impl Fn() -> I,
    ) -> Option<Self> {
        let mut named: Vec<Release> = Vec::new();
        for rule in &rules {
            if let Some(known) = named.iter_mut().find(|known| known.name == rule.release) {
                known.is_off &= rule.is_off;
                continue;
            }
            let own = origins().filter(|origin| is_of(origin, &rule.release));
            named.push(Release {
                name: rule.release.clone(),
                is_off: rule.is_off,
                since: own.map(|origin| origin.since).min().unwrap_or_default(),
                seed: seed(&rule.release),
            });
        }
        (!named.is_empty()).then_some(Self { rules, named })
    }

    /// Returns the rules, in their order.
    pub(crate) fn rules(&self) -> &[ReleaseRule] {
        &self.rules
    }

    /// Returns the gray release that a session began in.
    #[must_use]
    pub(crate) fn of(&self, (handle, created): (Handle, UnixSeconds)) -> Option<&str> {
        if !is_gray(handle) {
            return None;
        }
        let only = match self.named.as_slice() {
            [only] => Some(only),
            several => several
                .iter()
                .filter(|release| release.since <= created)
                .max_by_key(|release| mix(halves(handle) ^ release.seed)),
        };
        only.map(|release| release.name.as_str())
    }

    /// Decides whether a session that begins now can be in a release: its first origin is not yet to come.
    #[must_use]
    pub(crate) fn can_begin_in(&self, release: &str, now: UnixSeconds) -> bool {
        let mut named = self.named.iter();
        self.named.len() == 1 || named.any(|known| known.name == release && known.since <= now)
    }

    /// Returns the gray release of an origin.
    #[must_use]
    pub(crate) fn of_origin(&self, origin: &Origin) -> Option<&str> {
        self.release_of(origin).map(|release| release.name.as_str())
    }

    /// Decides whether two origins are of one gray release, or both of the usual one.
    #[must_use]
    pub(crate) fn share(&self, one: &Origin, other: &Origin) -> bool {
        self.of_origin(one) == self.of_origin(other)
    }

    /// Decides whether an operator has switched off the release of an origin.
    #[must_use]
    pub(crate) fn is_off(&self, origin: &Origin) -> bool {
        self.release_of(origin)
            .is_some_and(|release| release.is_off)
    }

    fn release_of(&self, origin: &Origin) -> Option<&Release> {
        let name = origin.release.as_ref()?;
        self.named.iter().find(|release| *name == *release.name)
    }

    /// Returns the first rule that holds, by its place in the list, and what it decides. A rule that is off, or names a
    /// release that is, does not count.
    pub(crate) fn decide(
        &self,
        facts: &Facts<'_>,
        draw: &mut dyn FnMut() -> u32,
    ) -> Option<(usize, Verdict<'_>)> {
        let mut rules = self.rules.iter().enumerate();
        let (at, rule) = rules.find(|(_, rule)| !rule.is_off && rule.holds(facts))?;
        Some((at, rule.verdict(facts, draw)))
    }

    /// Decides whether any rule needs to know the user.
    pub(crate) fn ask_for_user(&self) -> bool {
        self.rules.iter().any(ReleaseRule::needs_user)
    }
}

/// Decides whether a session of this handle is in a gray release, if there is one.
#[must_use]
pub(crate) fn is_gray(Handle([_, byte, ..]): Handle) -> bool {
    byte & 1 == 1
}

fn is_of(origin: &Origin, release: &str) -> bool {
    origin.release.as_deref() == Some(release)
}

fn halves(Handle(bytes): Handle) -> u64 {
    let number = u128::from_be_bytes(bytes);
    // Truncation is the fold.
    #[expect(clippy::cast_possible_truncation)]
    let folded = (number >> 64) as u64 ^ number as u64;
    mix(folded)
}

fn seed(name: &str) -> u64 {
    let hash = Sha256::new().chain_update(b"release\n").chain_update(name);
    let hash = hash.finalize();
    hash.first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
