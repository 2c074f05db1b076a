//! Defines the messages of a tenant's directory object.

use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;
use crate::message::{self, MessageError, Pair};

/// Command to the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Command {
    /// Returns the revocations after an epoch: [`Feed`].
    Feed {
        /// Epoch.
        since: u64,
    },
    /// Revokes subjects: [`Revoked`].
    Revoke {
        /// Subjects, as texts.
        subjects: Vec<String>,
        /// Time until which an earlier session may still exist.
        until: UnixSeconds,
    },
    /// Lists a session: [`Done`].
    ListIn {
        /// Time when it began, in Unix seconds.
        created: u64,
        /// Command to its object that ends it.
        #[serde(default)]
        end: String,
        /// Maximum number of sessions of its user.
        most: Option<u64>,
        /// Its handle.
        session: String,
        /// Time until which it is listed.
        until: UnixSeconds,
        /// Its user's tag; empty for a guest.
        user: String,
    },
    /// Removes a session from the list: [`Done`].
    ListOut {
        /// Its handle.
        session: String,
    },
    /// Returns a page of the list: [`Page`].
    List {
        /// Cursor: the `next` of the previous page.
        after: Option<String>,
        /// Maximum number of sessions on the page.
        limit: usize,
        /// Tags of the user; `None` lists all of the tenant's sessions.
        users: Option<Vec<String>>,
    },
    /// Counts the listed sessions: [`Count`].
    Count {},
}

impl Command {
    /// Parses a command.
    ///
    /// # Errors
    /// Returns why the text is not a command of this release.
    pub(crate) fn parse(text: &str) -> Result<Self, MessageError> {
        message::read(text.as_bytes())
    }

    /// Serializes the command.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        message::write_command(self)
    }
}

/// Revocations after an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Feed {
    /// Last epoch.
    pub epoch: u64,
    /// Subjects and their epochs, earliest first.
    pub revoked: Vec<Pair>,
}

/// Epoch that a revocation was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revoked {
    /// Epoch.
    pub epoch: u64,
}

/// Page of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page {
    /// Cursor of the next page.
    #[serde(default)]
    pub next: Option<String>,
    /// Handles with the times when the sessions began.
    pub sessions: Vec<Pair>,
}

/// Number of listed sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    /// Sessions, at most a few seconds ago.
    pub sessions: u64,
}

/// Confirmation that the command was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {}
