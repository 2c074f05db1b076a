//! The messages of a tenant's directory object.

use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;
use crate::message::{self, MessageError, Pair};

/// A command to the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Command {
    /// Returns what was revoked after a point in history: [`Feed`].
    Feed {
        /// The point.
        since: u64,
    },
    /// Revokes these: [`Revoked`].
    Revoke {
        /// Subjects, as texts.
        subjects: Vec<String>,
        /// Until when a session from before may still exist.
        until: UnixSeconds,
    },
    /// Lists a session: [`Done`].
    ListIn {
        /// When it began, in Unix seconds.
        created: u64,
        /// The command to its object that ends it.
        #[serde(default)]
        end: String,
        /// The maximum number of sessions of its user.
        most: Option<u64>,
        /// Its handle.
        session: String,
        /// Until when it is listed.
        until: UnixSeconds,
        /// Its user's tag; empty for a guest.
        user: String,
    },
    /// Removes a session from the list: [`Done`].
    ListOut {
        /// Its handle.
        session: String,
    },
    /// Returns which sessions there are: [`Page`].
    List {
        /// The `next` of the page before.
        after: Option<String>,
        /// The maximum number of sessions on the page.
        limit: usize,
        /// Tags of the user whose sessions are meant; all of the tenant's if none.
        users: Option<Vec<String>>,
    },
}

impl Command {
    /// Reads a command.
    ///
    /// # Errors
    /// Returns why it is none of this release.
    pub(crate) fn parse(text: &str) -> Result<Self, MessageError> {
        message::read(text.as_bytes())
    }

    /// Returns the command as text.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        message::write_command(self)
    }
}

/// What was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Feed {
    /// The last point in history.
    pub epoch: u64,
    /// Subjects and their points in history, the earliest first.
    pub revoked: Vec<Pair>,
}

/// The point in history that a revocation was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revoked {
    /// The point.
    pub epoch: u64,
}

/// A page of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page {
    /// What the next page begins after.
    #[serde(default)]
    pub next: Option<String>,
    /// Handles, and when each session began.
    pub sessions: Vec<Pair>,
}

/// Says nothing but that the command was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {}
