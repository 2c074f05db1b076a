//! Defines the row of a session's object: the record, the outbox, and the state for leases and idempotency.

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::clock::{UnixMillis, UnixSeconds};
use crate::keys::UserTag;

use super::command::{Operation, UpdateCommand};

/// Maximum idempotency keys that an object remembers.
const REMEMBERED: usize = 64;

/// Error for a row that is damaged or of a later release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadRow {
    /// The bytes are not a row of this release.
    #[error("a row of {bytes} bytes cannot be read")]
    Malformed {
        /// Number of bytes.
        bytes: usize,
    },
    /// The command of a provider's response is not a refresh.
    #[error("the command renews no token")]
    NotRenewing,
    /// The record in the row cannot be read.
    #[error("the record of the row cannot be read")]
    Unreadable,
}

/// Row, encoded as CBOR. Field numbers are never reused, and a missing field has its default, so two releases can share
/// a row during a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Row {
    /// Entry as written to the namespace.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) sealed: Vec<u8>,
    /// Number of entries so far.
    #[cbor(n(1), default)]
    pub(super) serial: u64,
    /// Idempotency keys of recent changes.
    #[cbor(n(2), default)]
    pub(super) applied: Vec<u64>,
    /// Time until which the entry is needed, in Unix seconds.
    #[cbor(n(3), default)]
    expires: u64,
    /// Whether the namespace lacks the entry.
    #[cbor(n(4), default)]
    pub(super) namespace_due: bool,
    /// Time of the last write there, in Unix milliseconds.
    #[cbor(n(5), default)]
    pub(super) namespace_at: u64,
    /// Whether the end, or the replaced id, must be announced.
    #[cbor(n(6), default)]
    pub(super) announce_due: bool,
    /// Whether the session index must be updated with the session's user or end.
    #[cbor(n(7), default)]
    pub(super) list_due: bool,
    /// Number of consecutive failures of outbox items.
    #[cbor(n(8), default)]
    pub(super) retries: u32,
    /// Earliest time of the next outbox item, in Unix milliseconds.
    #[cbor(n(9), default)]
    pub(super) retry_at: u64,
    /// Tag in the list: a user's, or empty for a guest; `None` if the session is not listed.
    #[cbor(n(10), with = "minicbor::bytes")]
    listed: Option<Vec<u8>>,
    /// Time when the session began, for the list, in Unix seconds.
    #[cbor(n(11), default)]
    pub(super) created: u64,
    /// Maximum sessions of its user.
    #[n(12)]
    pub(super) most: Option<u64>,
    /// Last lease token issued.
    #[cbor(n(13), default)]
    pub(super) fence: u64,
    /// End of that lease, in Unix milliseconds.
    #[cbor(n(14), default)]
    lease_until: u64,
    /// Idempotency key of the request that took the lease.
    #[n(18)]
    pub(super) lease_once: Option<u64>,
    /// Version of the last change that replaced the id.
    #[cbor(n(17), default)]
    pub(super) replaced_with: u64,
    /// Maximum duration of the tenant's sessions, in seconds.
    #[cbor(n(16), default)]
    pub(super) longest: u64,
    /// Earliest time of the next token request, in Unix milliseconds.
    #[cbor(n(19), default)]
    pub(super) refresh_after: u64,
    /// Time until which the list shows the session, in Unix seconds.
    #[cbor(n(20), default)]
    listed_until: u64,
    /// Token of the last exclusive lease.
    #[n(21)]
    exclusive_fence: Option<u64>,
    /// Whether the entry is a tombstone.
    #[cbor(n(15), default)]
    pub(super) is_ended: bool,
}

/// Exclusive right to change a session for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    /// Fencing token, higher than those of earlier holders.
    pub(super) token: u64,
    /// End of the lease.
    pub(super) until: UnixMillis,
    /// Changes that do not name the token are refused.
    pub(super) is_exclusive: bool,
}

impl Row {
    /// Creates the row of a record that had none.
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

    /// Encodes the row. Writing to memory cannot fail.
    pub(super) fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    pub(super) fn expires(&self) -> UnixSeconds {
        UnixSeconds(self.expires)
    }

    pub(super) fn set_expires(&mut self, at: UnixSeconds) {
        self.expires = at.0;
    }

    /// Remembers that a change was applied: all of it, or only what no lease guards.
    pub(super) fn note_applied(&mut self, changing: &UpdateCommand, is_part: bool) {
        let once = changing.once;
        self.applied
            .push(if is_part { in_part(once) } else { once });
        if self.applied.len() > REMEMBERED {
            self.applied.remove(0);
        }
    }

    /// Returns whether an earlier delivery of a change has applied what no lease guards, and nothing else.
    pub(super) fn has_applied_part(&self, changing: &UpdateCommand) -> bool {
        self.applied.contains(&in_part(changing.once))
    }

    /// Returns whether a change was already applied.
    pub(super) fn has_applied(&self, order: &Operation) -> bool {
        matches!(order, Operation::Change(changing) if self.applied.contains(&changing.once))
    }

    /// Returns the lease that is valid at `now`.
    pub(super) fn lease_at(&self, now: UnixMillis) -> Option<Lease> {
        (now.0 < self.lease_until).then_some(Lease {
            token: self.fence,
            until: UnixMillis(self.lease_until),
            is_exclusive: self.exclusive_fence == Some(self.fence),
        })
    }

    /// Extends the lease, or issues one with a higher token than any before. An exclusive lease stays exclusive.
    pub(super) fn set_lease(
        &mut self,
        now: UnixMillis,
        until: UnixMillis,
        is_exclusive: bool,
    ) -> Lease {
        if self.lease_at(now).is_none() {
            self.fence += 1;
        }
        self.lease_until = until.0;
        if is_exclusive {
            self.exclusive_fence = Some(self.fence);
        }
        Lease {
            token: self.fence,
            until,
            is_exclusive: self.exclusive_fence == Some(self.fence),
        }
    }

    pub(super) fn end_lease(&mut self) {
        self.lease_until = 0;
    }

    /// Sets the listed tag and returns whether it changed.
    pub(super) fn list_under(&mut self, tag: Option<UserTag>) -> bool {
        let listed = Some(tag.map(|tag| tag.to_vec()).unwrap_or_default());
        let changed = self.listed != listed;
        self.listed = listed;
        changed
    }

    /// Returns whether the listed end is too early, and extends it. It adds one idle limit, if the session can last
    /// that long, so the list is updated once per idle limit instead of once per touch.
    pub(super) fn list_until(&mut self, now: UnixSeconds, latest: UnixSeconds) -> bool {
        let is_short = self.expires > self.listed_until;
        if is_short {
            let ahead = self.expires() + self.expires().since(now);
            self.listed_until = ahead.min(latest).max(self.expires()).0;
        }
        is_short
    }

    /// Returns the time until which the list shows the session.
    pub(super) fn listed_until(&self) -> UnixSeconds {
        UnixSeconds(self.listed_until).max(self.expires())
    }

    /// Removes the session from the list and returns whether it was listed.
    pub(super) fn list_no_more(&mut self) -> bool {
        self.listed.take().is_some()
    }

    /// Returns the listed tag: empty for a guest, `None` if the session is not listed.
    pub(super) fn listed(&self) -> Option<&[u8]> {
        self.listed.as_deref()
    }
}

/// Returns the idempotency key of what no lease guards in a change.
fn in_part(once: u64) -> u64 {
    once ^ (1 << 63)
}

/// Returns the last token that a row has given to a lease.
#[cfg(test)]
pub(crate) fn fence_in(row: &[u8]) -> u64 {
    Row::decode(row).map(|row| row.fence).unwrap_or_default()
}

/// Returns the record in a row.
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
        let first = row.set_lease(UnixMillis(0), UnixMillis(10), true);
        let extended = row.set_lease(UnixMillis(5), UnixMillis(15), false);
        assert_eq!((extended.token, extended.is_exclusive), (first.token, true));
        assert_eq!(row.lease_at(UnixMillis(14)), Some(extended));
        assert_eq!(row.lease_at(UnixMillis(15)), None);
        let next = row.set_lease(UnixMillis(15), UnixMillis(20), false);
        assert!(next.token > first.token);
        assert!(!next.is_exclusive, "that of another holder was");
    }
}
