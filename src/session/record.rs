//! What storage holds under a session's name.

use crate::clock::{Seconds, UnixSeconds};
use crate::session::data::Data;
use crate::session::id::{Handle, SessionId};
use crate::session::lifetime::Span;

/// Counts the changes of a record's content. 0: never stored. Noting activity is not a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The version of a session that holds nothing and was never stored.
    pub const UNSTORED: Self = Self(0);

    /// The version after one more change.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A live session's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Public name, and what decides the origin. Survives rotation.
    pub handle: Handle,
    /// When the session began.
    pub created: UnixSeconds,
    /// When it was last noted to be used.
    pub seen: UnixSeconds,
    /// How often the content changed.
    pub version: Version,
    /// This session's own idle limit, if the origin asked for one.
    pub idle: Option<Seconds>,
    /// The origin that holds the conversation, by name, when it is not the one the hash chooses.
    pub pin: Option<String>,
    /// The application's data.
    pub data: Data,
}

/// What is stored under a session id's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The session lives.
    Live(Record),
    /// The id was rotated; requests already on their way may still use it for a short while.
    Moved {
        /// The id that took its place.
        successor: SessionId,
        /// When that was.
        at: UnixSeconds,
    },
    /// The session was ended; a late write must not bring it back.
    Ended {
        /// When that was.
        at: UnixSeconds,
    },
}

impl Record {
    /// A session that has nothing stored yet.
    #[must_use]
    pub fn unstored(handle: Handle, created: UnixSeconds, seen: UnixSeconds) -> Self {
        Self {
            handle,
            created,
            seen,
            version: Version::UNSTORED,
            idle: None,
            pin: None,
            data: Data::default(),
        }
    }

    /// The times that decide whether it still lives.
    #[must_use]
    pub fn span(&self) -> Span {
        Span {
            created: self.created,
            seen: self.seen,
            idle: self.idle,
        }
    }

    /// An even spread for this session's touches.
    #[must_use]
    pub fn spread(&self) -> u8 {
        let [.., last] = self.handle.0;
        last
    }
}
