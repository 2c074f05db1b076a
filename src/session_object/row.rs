//! What a session's object keeps: the record, what it still has to do, and what it must remember.

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::clock::{UnixMillis, UnixSeconds};
use crate::keys::UserTag;

use super::command::Operation;

/// A row that cannot be read: not of our making, or of a newer release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadRow {
    /// The bytes are no row of this release.
    #[error("a row of {bytes} bytes cannot be read")]
    Malformed {
        /// How many there are.
        bytes: usize,
    },
    /// The command that a provider was asked for renews no token.
    #[error("the command renews no token")]
    NotRenewing,
    /// The record in the row cannot be read.
    #[error("the record of the row cannot be read")]
    Unreadable,
}

/// The row, as CBOR. Fields are numbered, and numbers are never reused; one that is missing has its
/// default, so that releases on both sides of a deployment can share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Row {
    /// The entry as the namespace gets it.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) sealed: Vec<u8>,
    /// Counts the entries there were.
    #[cbor(n(1), default)]
    pub(super) serial: u64,
    /// Changes that were applied lately.
    #[cbor(n(2), default)]
    pub(super) applied: Vec<u64>,
    /// Until when the entry matters, in Unix seconds.
    #[cbor(n(3), default)]
    expires: u64,
    /// The namespace does not have the entry yet.
    #[cbor(n(4), default)]
    pub(super) namespace_due: bool,
    /// When it was last written there, in Unix milliseconds.
    #[cbor(n(5), default)]
    pub(super) namespace_at: u64,
    /// Everybody must hear that the session ended, or that its id was replaced.
    #[cbor(n(6), default)]
    pub(super) announce_due: bool,
    /// The session index must learn the session's user, or that it ended.
    #[cbor(n(7), default)]
    pub(super) list_due: bool,
    /// How often an outbox item failed in a row.
    #[cbor(n(8), default)]
    pub(super) retries: u32,
    /// No outbox item before then, in Unix milliseconds.
    #[cbor(n(9), default)]
    pub(super) retry_at: u64,
    /// What it is listed under: a user's tag, or nothing for a guest.
    #[cbor(n(10), with = "minicbor::bytes")]
    listed: Option<Vec<u8>>,
    /// When the session began, for the list, in Unix seconds.
    #[cbor(n(11), default)]
    pub(super) created: u64,
    /// The most sessions its user may have.
    #[n(12)]
    pub(super) most: Option<u64>,
    /// The last token given to a lease.
    #[cbor(n(13), default)]
    pub(super) fence: u64,
    /// Until when that lease holds, in Unix milliseconds.
    #[cbor(n(14), default)]
    lease_until: u64,
    /// Who took the lease, to know one who asks again because the answer was lost.
    #[n(18)]
    pub(super) lease_once: Option<u64>,
    /// The version with which the id was last replaced.
    #[cbor(n(17), default)]
    pub(super) replaced_with: u64,
    /// How long any session of the tenant can last, in seconds.
    #[cbor(n(16), default)]
    pub(super) longest: u64,
    /// The identity provider is not asked for a new token before then, in Unix milliseconds.
    #[cbor(n(19), default)]
    pub(super) refresh_after: u64,
    /// Until when the list shows it, in Unix seconds.
    #[cbor(n(20), default)]
    listed_until: u64,
    /// The entry is a tombstone.
    #[cbor(n(15), default)]
    pub(super) is_ended: bool,
}

/// The right to change a session alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    /// Tells the holder from those before.
    pub(super) token: u64,
    /// Until when.
    pub(super) until: UnixMillis,
}

impl Row {
    /// A row for what was recorded before there was one.
    pub(super) fn adopting(sealed: Vec<u8>, expires: UnixSeconds) -> Self {
        Self {
            sealed,
            expires: expires.0,
            ..Self::default()
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadRow> {
        minicbor::decode(bytes).map_err(|_| BadRow::Malformed { bytes: bytes.len() })
    }

    /// Writing to memory cannot fail.
    pub(super) fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    pub(super) fn expires(&self) -> UnixSeconds {
        UnixSeconds(self.expires)
    }

    pub(super) fn set_expires(&mut self, at: UnixSeconds) {
        self.expires = at.0;
    }

    /// Whether this is a change that was applied lately.
    pub(super) fn has_applied(&self, order: &Operation) -> bool {
        matches!(order, Operation::Change(changing) if self.applied.contains(&changing.once))
    }

    /// The lease that holds at `now`.
    pub(super) fn lease_at(&self, now: UnixMillis) -> Option<Lease> {
        (now.0 < self.lease_until).then_some(Lease {
            token: self.fence,
            until: UnixMillis(self.lease_until),
        })
    }

    /// Gives the lease to a new holder, with a higher token than any before, or extends it.
    pub(super) fn set_lease(&mut self, now: UnixMillis, until: UnixMillis) -> u64 {
        if self.lease_at(now).is_none() {
            self.fence += 1;
        }
        self.lease_until = until.0;
        self.fence
    }

    pub(super) fn end_lease(&mut self) {
        self.lease_until = 0;
    }

    /// Whether the list is to show it under `tag`, which it does not yet.
    pub(super) fn list_under(&mut self, tag: Option<UserTag>) -> bool {
        let listed = Some(tag.map(|tag| tag.to_vec()).unwrap_or_default());
        let changed = self.listed != listed;
        self.listed = listed;
        changed
    }

    /// Whether the list has to be told that it lasts longer than the list says. It is told an idle limit more than
    /// needed, if the session can last so long: so it is told once in an idle limit, not with every touch.
    pub(super) fn list_until(&mut self, now: UnixSeconds, latest: UnixSeconds) -> bool {
        let is_short = self.expires > self.listed_until;
        if is_short {
            let ahead = self.expires() + self.expires().since(now);
            self.listed_until = ahead.min(latest).max(self.expires()).0;
        }
        is_short
    }

    /// Until when the list shows it.
    pub(super) fn listed_until(&self) -> UnixSeconds {
        UnixSeconds(self.listed_until).max(self.expires())
    }

    /// The list is to show it no more. Whether it did.
    pub(super) fn list_no_more(&mut self) -> bool {
        self.listed.take().is_some()
    }

    /// What the list shows it under; empty for a guest, none if it does not show it.
    pub(super) fn listed(&self) -> Option<&[u8]> {
        self.listed.as_deref()
    }
}

/// The record in a row.
#[cfg(test)]
pub(crate) fn sealed_in(row: &[u8]) -> Vec<u8> {
    Row::decode(row).map(|row| row.sealed).unwrap_or_default()
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_round_trips_and_an_older_one_gets_defaults() {
        let mut row = Row {
            sealed: vec![1, 2, 3],
            applied: vec![7, 8],
            ..Row::default()
        };
        assert!(row.list_under(Some([9; 16])));
        assert!(!row.list_under(Some([9; 16])));
        assert_eq!(Row::decode(&row.encode()), Ok(row));
        let old = Row::decode(&[0xa1, 0, 0x41, 5]).unwrap();
        assert_eq!((old.sealed, old.serial), (vec![5], 0));
        assert_eq!(Row::decode(b"x"), Err(BadRow::Malformed { bytes: 1 }));
    }

    #[test]
    fn new_lease_has_a_higher_fencing_token() {
        let mut row = Row::default();
        let first = row.set_lease(UnixMillis(0), UnixMillis(10));
        assert_eq!(
            row.set_lease(UnixMillis(5), UnixMillis(15)),
            first,
            "extended"
        );
        assert_eq!(row.lease_at(UnixMillis(15)), None);
        assert!(row.set_lease(UnixMillis(15), UnixMillis(20)) > first);
    }
}
