//! What storage holds of a session.

use serde::{Deserialize, Serialize};

use crate::clock::{Seconds, UnixSeconds};
use crate::session::data::Data;
use crate::session::id::{Handle, PublicName, SessionId, SignIn};
use crate::session::identity::Identity;
use crate::session::lifetime::Span;
use crate::session::token_set::TokenSet;
use crate::session::vault::Vault;

/// How long requests that were on their way when the id rotated may still use the old one.
pub(crate) const ROTATION_GRACE: Seconds = Seconds(30);

/// Counts the changes of a record's content. 0: never stored. Noting activity is not a change.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(crate) struct Version(pub u64);

impl Version {
    /// The version of a session that holds nothing and was never stored.
    pub(crate) const UNSTORED: Self = Self(0);

    /// The version after one more change.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A point in a tenant's history of revocations. A session that began at an earlier point than its
/// user, or its tenant, was revoked at is over.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(crate) struct Epoch(pub u64);

/// The id a session had before its last rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    /// That id.
    pub id: SessionId,
    /// When it was replaced.
    pub at: UnixSeconds,
    /// It was replaced because somebody signed in: it serves nobody any more, or whoever planted it
    /// would be signed in too.
    pub by_sign_in: bool,
}

/// A live session's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Public name, where the record is kept, and what decides the origin. Survives rotation.
    pub handle: Handle,
    /// The id that is valid now.
    pub id: SessionId,
    /// The one before, for requests that were on their way.
    pub previous: Option<Previous>,
    /// When the session began.
    pub created: UnixSeconds,
    /// When it was last noted to be used.
    pub seen: UnixSeconds,
    /// When a socket or an event stream was last opened whose end nobody sees.
    pub opened: Option<UnixSeconds>,
    /// How often the content changed.
    pub version: Version,
    /// Which revocations of the tenant it is not subject to: those up to this one. Never raised, or
    /// what was revoked could come back.
    pub epoch: Epoch,
    /// The same for those of its user; set when it becomes this user's.
    pub user_epoch: Epoch,
    /// This session's own idle limit, if the origin asked for one.
    pub idle: Option<Seconds>,
    /// The visitor asked to stay signed in.
    pub remembered: bool,
    /// Who it is, once known.
    pub identity: Option<Identity>,
    /// When that was last proved.
    pub authenticated: Option<UnixSeconds>,
    /// What its public name has more since it is this user's.
    pub sign_in: Option<SignIn>,
    /// The origin that holds the conversation, by name, when it is not the one the hash chooses.
    pub pin: Option<String>,
    /// What kind of device it began on, for the visitor's own list.
    pub device: Option<String>,
    /// The country it began in, as two letters, for the visitor's own list.
    pub country: Option<String>,
    /// The application's data.
    pub data: Data,
    /// What an identity provider gave with the sign-in.
    pub grant: Option<TokenSet>,
    /// The origin's own cookies.
    pub vault: Vault,
    /// Fields of a newer release, as they were read; written back untouched.
    pub unknown: Vec<u8>,
}

/// What is stored under a session's name.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every entry is the large one, and none is kept in bulk"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The session lives.
    Live(Record),
    /// The session was ended; a late write must not bring it back.
    Ended {
        /// When that was.
        at: UnixSeconds,
    },
}

/// How an id relates to a live record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdMatch {
    /// It is the valid one.
    Current,
    /// It was replaced a moment ago and still serves what was on its way.
    Grace,
    /// It was replaced a moment ago by a sign-in: the browser has, or is about to get, the new one.
    Replaced,
    /// It was replaced, too long ago.
    Outdated,
}

impl Record {
    /// A session that has nothing stored yet.
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
            data: Data::default(),
            grant: None,
            vault: Vault::default(),
            unknown: Vec::new(),
        }
    }

    /// What origins see: `X-Session-Id`. Changes when somebody signs in, because a guest's
    /// first cookie, which names no version and so is never looked up, must not pass for the session
    /// that came of it.
    #[must_use]
    pub(crate) fn public_name(&self) -> String {
        self.name().to_text()
    }

    /// [`Record::public_name`], in its parts.
    #[must_use]
    pub(crate) fn name(&self) -> PublicName {
        PublicName {
            handle: self.handle,
            sign_in: self.sign_in,
        }
    }

    /// The times that decide whether it still lives.
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

    /// An even spread for this session's touches.
    #[must_use]
    pub(crate) fn spread(&self) -> u8 {
        let [.., last] = self.handle.0;
        last
    }

    /// Whether `id` may use this session at `now`.
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
