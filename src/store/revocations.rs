//! Holds the revocations that an isolate knows: a tenant's feed, polled at most twice per cache period for all sessions
//! together.
//!
//! A revocation has a point in the tenant's history ([`Epoch`]) and ends one session, one user's sessions, or all. A
//! session that began at an earlier point than its user's revocation is over. So "log out everywhere" is one entry for
//! any number of sessions, and catches sessions that begin at the same moment.

use std::collections::HashMap;

use thiserror::Error;

use crate::clock::UnixMillis;
use crate::encoding;
use crate::keys::UserTag;
use crate::message::{self, MessageError, Pair};
use crate::session::id::Handle;
use crate::session::record::{Epoch, Record, Version};
use crate::store::session_index::message::Feed;

/// Number of entries above which old revocations of single sessions are forgotten.
const MAX_REMEMBERED: usize = 50_000;

/// Time for which they are kept then, in milliseconds: far longer than storage needs to show the tombstone everywhere.
const SESSION_REMEMBERED_MS: u64 = 600_000;

/// Time without further polls after a failed one, in milliseconds.
const PAUSE_MS: u64 = 1_000;

/// Subject of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// One session. Storage holds its tombstone; the revocation reaches isolates with a cached copy.
    Session(Handle),
    /// All sessions of a user.
    User(UserTag),
    /// All sessions of the tenant.
    Tenant,
    /// Copies of a session before this version, which replaced its id: an earlier copy would still accept the old id.
    Before(Handle, Version),
}

impl Subject {
    /// Formats the subject: a letter and, except for the tenant, 22 base64url characters.
    #[must_use]
    pub(crate) fn to_text(self) -> String {
        match self {
            Self::Session(handle) => format!("s{}", handle.to_text()),
            Self::User(tag) => format!("u{}", encoding::base64url(&tag)),
            Self::Tenant => "t".to_owned(),
            Self::Before(handle, version) => format!("b{}.{}", handle.to_text(), version.0),
        }
    }

    /// Parses a subject; reverses [`Subject::to_text`].
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (letter, name) = text.split_at_checked(1)?;
        match letter {
            "s" => Handle::parse(name).map(Self::Session),
            "u" => encoding::from_base64url_exact(name).map(Self::User),
            "t" => Some(Self::Tenant),
            "b" => {
                let (handle, version) = name.split_once('.')?;
                let version = Version(version.parse().ok()?);
                Some(Self::Before(Handle::parse(handle)?, version))
            }
            _ => None,
        }
    }
}

/// Freshness of an isolate's revocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Fresh, and no poll is due.
    Fresh,
    /// Fresh, and a background poll is due.
    Due,
    /// Too old to decide with.
    Stale,
    /// Too old to decide with, and a poll has just failed.
    Unreachable,
}

/// Revocations known to one isolate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revocations {
    revoked: HashMap<Subject, Epoch>,
    /// Minimum versions of sessions' records.
    least: HashMap<Handle, (Version, Epoch)>,
    last: Epoch,
    /// Time of the last poll that succeeded, when it was sent.
    learned: Option<UnixMillis>,
    /// Time of the last background poll.
    asked: UnixMillis,
    /// Time of the last failed poll.
    failed: Option<UnixMillis>,
}

/// Error for a feed that cannot be read.
#[derive(Debug, Error)]
pub(crate) enum BadFeed {
    /// The answer is not a feed.
    #[error("the feed cannot be read: {0}")]
    Unreadable(#[from] MessageError),
    /// An entry is not a revocation.
    #[error("revocation {0} of the feed cannot be read")]
    Entry(usize),
}

impl Revocations {
    /// Returns the last known revocation.
    #[must_use]
    pub(crate) fn last(&self) -> Epoch {
        self.last
    }

    /// Returns whether any poll has succeeded.
    #[must_use]
    pub(crate) fn is_known(&self) -> bool {
        self.learned.is_some()
    }

    /// Returns the freshness for a maximum age of `period_ms`.
    #[must_use]
    pub(crate) fn freshness(&self, period_ms: u64, now: UnixMillis) -> Freshness {
        let age = self.learned.map_or(u64::MAX, |at| now.millis_since(at));
        if age >= period_ms.max(1) {
            match self.failed {
                Some(at) if now.millis_since(at) < PAUSE_MS => Freshness::Unreachable,
                _ => Freshness::Stale,
            }
        } else if age * 2 >= period_ms && now.millis_since(self.asked) * 2 >= period_ms {
            Freshness::Due
        } else {
            Freshness::Fresh
        }
    }

    /// Returns the time when the revocations will exceed a maximum age of `period_ms`.
    #[must_use]
    pub(crate) fn stale_at(&self, period_ms: u64) -> UnixMillis {
        let learned = self.learned.unwrap_or_default();
        UnixMillis(learned.0.saturating_add(period_ms))
    }

    /// Records that a background poll was sent.
    pub(crate) fn note_asked(&mut self, now: UnixMillis) {
        self.asked = now;
    }

    /// Applies names that a namespace listed under [`prefix`] at time `asked`: `r:<tenant>:<subject>:<epoch>`. Skips
    /// other names.
    ///
    /// [`prefix`]: super::session_index::revocation_prefix
    pub(crate) fn learn_names<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str>,
        asked: UnixMillis,
    ) {
        for name in names {
            let mut parts = name.rsplit(':');
            let epoch = parts.next().and_then(|text| text.parse().ok()).map(Epoch);
            let subject = parts.next().and_then(Subject::parse);
            if let (Some(epoch), Some(subject)) = (epoch, subject) {
                self.note(subject, epoch);
            }
        }
        self.learned = self.learned.max(Some(asked));
    }

    /// Applies a feed requested at time `asked`: `{"epoch": last, "revoked": [[subject, epoch], …]}`. Known revocations
    /// stay.
    ///
    /// # Errors
    /// Returns [`BadFeed`] if it is not a feed; nothing is applied then.
    pub(crate) fn learn(&mut self, feed: &[u8], asked: UnixMillis) -> Result<(), BadFeed> {
        let feed: Feed = message::read(feed)?;
        for (at, Pair(subject, epoch)) in feed.revoked.iter().enumerate() {
            let subject = Subject::parse(subject).ok_or(BadFeed::Entry(at))?;
            self.note(subject, Epoch(*epoch));
        }
        self.last = self.last.max(Epoch(feed.epoch));
        self.learned = self.learned.max(Some(asked));
        self.forget_old_sessions(asked);
        Ok(())
    }

    /// Records a failed poll, which delays the next one. Returns whether it is the first within [`PAUSE_MS`].
    pub(crate) fn note_failed(&mut self, now: UnixMillis) -> bool {
        let known = self
            .failed
            .is_some_and(|at| now.millis_since(at) < PAUSE_MS);
        if !known {
            self.failed = Some(now);
        }
        !known
    }

    /// Applies one revocation.
    pub(crate) fn note(&mut self, subject: Subject, epoch: Epoch) {
        if let Subject::Before(handle, version) = subject {
            let known = self.least.entry(handle).or_default();
            *known = (*known).max((version, epoch));
            return;
        }
        let known = self.revoked.entry(subject).or_default();
        *known = (*known).max(epoch);
    }

    /// Returns the minimum version of a session's record.
    #[must_use]
    pub(crate) fn least_version(&self, handle: Handle) -> Version {
        if self.least.is_empty() {
            return Version::UNSTORED;
        }
        self.least
            .get(&handle)
            .map_or(Version::UNSTORED, |(version, _)| *version)
    }

    /// Forgets revoked sessions whose tombstones storage now shows everywhere.
    fn forget_old_sessions(&mut self, now: UnixMillis) {
        let is_young =
            |epoch: &Epoch| now.millis_since(UnixMillis(epoch.0)) < SESSION_REMEMBERED_MS;
        if self.revoked.len() > MAX_REMEMBERED {
            self.revoked.retain(|subject, epoch| {
                !matches!(subject, Subject::Session(_)) || is_young(epoch)
            });
        }
        if self.least.len() > MAX_REMEMBERED {
            self.least.retain(|_, (_, epoch)| is_young(epoch));
        }
    }

    /// Returns whether a session whose user has these `tags` is over.
    #[must_use]
    pub(crate) fn covers(&self, record: &Record, tags: &[UserTag]) -> bool {
        if self.revoked.is_empty() {
            return false;
        }
        let after = |subject, epoch| self.revoked.get(&subject).is_some_and(|at| *at > epoch);
        self.revoked.contains_key(&Subject::Session(record.handle))
            || after(Subject::Tenant, record.epoch)
            || tags
                .iter()
                .any(|tag| after(Subject::User(*tag), record.user_epoch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::clock::UnixSeconds;
    use crate::session::id::SessionId;

    const USER: UserTag = [1; 16];
    const HANDLE: Handle = Handle([2; 16]);

    fn session(handle: Handle, epoch: u64) -> Record {
        let id = SessionId::from_bytes([0; 16]);
        Record {
            epoch: Epoch(epoch),
            user_epoch: Epoch(epoch),
            ..Record::unstored(handle, id, UnixSeconds(0), UnixSeconds(0))
        }
    }

    fn feed(entries: &[(Subject, u64)]) -> Vec<u8> {
        let entries: Vec<_> = entries
            .iter()
            .map(|(subject, epoch)| (subject.to_text(), epoch))
            .collect();
        let last = entries.iter().map(|(_, epoch)| **epoch).max().unwrap_or(0);
        serde_json::json!({ "epoch": last, "revoked": entries })
            .to_string()
            .into_bytes()
    }

    fn learned(entries: &[(Subject, u64)]) -> Revocations {
        let mut revocations = Revocations::default();
        revocations.learn(&feed(entries), UnixMillis(0)).unwrap();
        revocations
    }

    #[test]
    fn user_revocation_applies_to_earlier_sign_ins_only() {
        let revocations = learned(&[(Subject::User(USER), 10)]);
        assert!(revocations.covers(&session(HANDLE, 9), &[USER]));
        assert!(!revocations.covers(&session(HANDLE, 10), &[USER]));
        assert!(!revocations.covers(&session(HANDLE, 9), &[[9; 16]]));
        let under_a_retired_key = [[9; 16], USER];
        assert!(revocations.covers(&session(HANDLE, 9), &under_a_retired_key));
    }

    #[test]
    fn tenant_revocation_has_a_point_in_time_and_session_revocation_is_final() {
        let revocations = learned(&[(Subject::Tenant, 10), (Subject::Session(HANDLE), 11)]);
        assert!(revocations.covers(&session(Handle([0; 16]), 9), &[]));
        assert!(!revocations.covers(&session(Handle([0; 16]), 10), &[]));
        assert!(revocations.covers(&session(HANDLE, 99), &[]));
        assert_eq!(revocations.last(), Epoch(11));
    }

    #[test]
    fn revocation_distinguishes_ids_from_before_a_rotation() {
        let mut revocations = learned(&[(Subject::Before(HANDLE, Version(7)), 10)]);
        revocations.note(Subject::Before(HANDLE, Version(5)), Epoch(9));
        assert_eq!(revocations.least_version(HANDLE), Version(7));
        assert_eq!(revocations.least_version(Handle([0; 16])), Version(0));
        assert!(!revocations.covers(&session(HANDLE, 1), &[]));
    }

    #[test]
    fn later_feed_does_not_undo_a_revocation() {
        let mut revocations = learned(&[(Subject::User(USER), 10)]);
        revocations
            .learn(&feed(&[(Subject::User(USER), 4)]), UnixMillis(1))
            .unwrap();
        revocations.learn(&feed(&[]), UnixMillis(2)).unwrap();
        assert!(revocations.covers(&session(HANDLE, 9), &[USER]));
    }

    #[test]
    fn malformed_feed_is_rejected() {
        let mut revocations = Revocations::default();
        for (feed, bad) in [
            ("", "malformed message"),
            ("[]", "malformed message"),
            ("{}", "malformed message"),
            (r#"{"epoch":1}"#, "malformed message"),
            (r#"{"epoch":1,"revoked":[["x",1]]}"#, "revocation 0"),
        ] {
            let learned = revocations.learn(feed.as_bytes(), UnixMillis(5));
            let error = learned.unwrap_err().to_string();
            assert!(error.contains(bad), "{feed}: {error}");
        }
        assert_eq!(
            revocations.freshness(5_000, UnixMillis(5)),
            Freshness::Stale
        );
    }

    #[test]
    fn feed_is_refreshed_each_half_period_and_expires_after_one() {
        let mut revocations = learned(&[]);
        let at = |millis| UnixMillis(millis);
        assert_eq!(revocations.freshness(5_000, at(2_499)), Freshness::Fresh);
        assert_eq!(revocations.freshness(5_000, at(2_500)), Freshness::Due);
        revocations.note_asked(at(2_500));
        assert_eq!(revocations.freshness(5_000, at(2_501)), Freshness::Fresh);
        assert_eq!(revocations.freshness(5_000, at(5_000)), Freshness::Stale);
    }
}
