//! Defines the stored content of a session.

use serde::{Deserialize, Serialize};

use crate::clock::{Seconds, UnixSeconds};
use crate::session::data::Data;
use crate::session::id::{Handle, PublicName, SessionId, SignIn};
use crate::session::identity::Identity;
use crate::session::lifetime::Span;
use crate::session::token_set::TokenSet;
use crate::session::vault::Vault;

/// Time for which requests under way may still use the id from before a rotation.
pub(crate) const ROTATION_GRACE: Seconds = Seconds(30);

/// Counter of changes to a record's content; 0 if it was never stored. Noting use is not a change.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(crate) struct Version(pub u64);

impl Version {
    /// Version of a session that was never stored.
    pub(crate) const UNSTORED: Self = Self(0);

    /// Returns the version after one more change.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Point in a tenant's history of revocations. A session from an earlier point than the revocation of its user or
/// tenant is over.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(crate) struct Epoch(pub u64);

/// Session id before the last rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    /// Previous id.
    pub id: SessionId,
    /// Time of its replacement.
    pub at: UnixSeconds,
    /// Whether a sign-in replaced it. It is invalid then: otherwise an attacker who planted it would be signed in, too.
    pub by_sign_in: bool,
}

/// Content of a live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Handle, which names the record and selects the origin. Survives rotation.
    pub handle: Handle,
    /// Current id.
    pub id: SessionId,
    /// Previous id, for requests under way.
    pub previous: Option<Previous>,
    /// Time when the session began.
    pub created: UnixSeconds,
    /// Time of the last noted use.
    pub seen: UnixSeconds,
    /// Time when a socket or event stream that is not followed was last opened.
    pub opened: Option<UnixSeconds>,
    /// Number of changes to the content.
    pub version: Version,
    /// Latest revocation of the tenant that does not apply to this session. Never raised, or a revoked session would
    /// become valid.
    pub epoch: Epoch,
    /// Latest revocation of the user that does not apply; set when the session gets this user.
    pub user_epoch: Epoch,
    /// Own idle limit of this session, if the origin requested one.
    pub idle: Option<Seconds>,
    /// Whether the user chose to stay signed in.
    pub remembered: bool,
    /// Identity; `None` for a guest.
    pub identity: Option<Identity>,
    /// Time when the identity was last proved.
    pub authenticated: Option<UnixSeconds>,
    /// Tag that extends the public name since the session got this user.
    pub sign_in: Option<SignIn>,
    /// Name of the origin with the conversation, if the hash selects another one.
    pub pin: Option<String>,
    /// Kind of device it began on, for the user's own list.
    pub device: Option<String>,
    /// Country it began in, as two letters, for the user's own list.
    pub country: Option<String>,
    /// Family of browsers it began in, for the user's own list.
    pub browser: Option<String>,
    /// First segment of the path it began at.
    pub path: Option<String>,
    /// Data of the application.
    pub data: Data,
    /// Tokens that the identity provider issued.
    pub grant: Option<TokenSet>,
    /// Cookies of the origin that the browser does not get.
    pub vault: Vault,
    /// Encoded fields of a later release, written back unchanged.
    pub unknown: Vec<u8>,
}

/// Stored entry of a session.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every entry is the large one, and none is kept in bulk"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Live session.
    Live(Record),
    /// Tombstone of an ended session; a late write must not replace it.
    Ended {
        /// Time of the end.
        at: UnixSeconds,
    },
}

/// Relation of an id to a live record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdMatch {
    /// The id is current.
    Current,
    /// The id was replaced within [`ROTATION_GRACE`] and serves requests under way.
    Grace,
    /// A sign-in replaced the id within [`ROTATION_GRACE`]; the browser has the new id or is about to get it.
    Replaced,
    /// The id was replaced too long ago.
    Outdated,
}

impl Record {
    /// Creates a session that was never stored.
    #[must_use]
    pub(crate) fn unstored(
        handle: Handle,
        id: SessionId,
        created: UnixSeconds,
        seen: UnixSeconds,
    ) -> Self {
        Self {
            handle,
            id,
            previous: None,
            created,
            seen,
            opened: None,
            version: Version::UNSTORED,
            epoch: Epoch::default(),
            user_epoch: Epoch::default(),
            idle: None,
            remembered: false,
            identity: None,
            authenticated: None,
            sign_in: None,
            pin: None,
            device: None,
            country: None,
            browser: None,
            path: None,
            data: Data::default(),
            grant: None,
            vault: Vault::default(),
            unknown: Vec::new(),
        }
    }

    /// Returns whether an origin began the record by the session's name, and no cookie has claimed it yet.
    #[must_use]
    pub(crate) fn is_unclaimed(&self) -> bool {
        self.id == SessionId::UNKNOWN
    }

    /// Returns the value of `X-Session-Id`. It changes at a sign-in: a guest's first cookie names no version and is
    /// never looked up, so it must not equal the user's session.
    #[must_use]
    pub(crate) fn public_name(&self) -> String {
        self.name().to_text()
    }

    /// Returns the parts of [`Record::public_name`].
    #[must_use]
    pub(crate) fn name(&self) -> PublicName {
        PublicName {
            handle: self.handle,
            sign_in: self.sign_in,
        }
    }

    /// Returns the times that decide whether the session is over.
    #[must_use]
    pub(crate) fn span(&self) -> Span {
        Span {
            created: self.created,
            seen: self.seen,
            opened: self.opened,
            idle: self.idle,
            remembered: self.remembered.then_some(self.authenticated).flatten(),
        }
    }

    /// Returns an evenly distributed number for this session's touch interval.
    #[must_use]
    pub(crate) fn spread(&self) -> u8 {
        let [.., last] = self.handle.0;
        last
    }

    /// Returns how `id` relates to this session at `now`.
    #[must_use]
    pub(crate) fn fit(&self, id: &SessionId, now: UnixSeconds) -> IdMatch {
        match &self.previous {
            _ if self.id == *id => IdMatch::Current,
            Some(previous) if previous.id == *id && now.since(previous.at) <= ROTATION_GRACE => {
                if previous.by_sign_in {
                    IdMatch::Replaced
                } else {
                    IdMatch::Grace
                }
            }
            _ => IdMatch::Outdated,
        }
    }
}
