//! Defines the messages of the object that counts attempts.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::message::{self, MessageError};

/// Command to the object. With `account: true` the reply also holds a recent change of the account; an earlier release
/// neither sends nor understands that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Command {
    /// Requests one more attempt, which counts as a failure until [`Command::Succeeded`].
    Try {
        /// See [`Command`].
        #[serde(default)]
        account: bool,
        /// Id that distinguishes concurrent attempts.
        by: u64,
    },
    /// Reports success, which resets the count.
    Succeeded {
        /// See [`Command`].
        #[serde(default)]
        account: bool,
    },
    /// Requests a recent change of the account.
    Account {
        /// See [`Command`].
        #[serde(default)]
        account: bool,
    },
    /// Reports a change of the account.
    Changed {
        /// See [`Command`].
        #[serde(default)]
        account: bool,
        /// Change to remember.
        change: AccountChange,
    },
    /// Checks whether the token was used, without using it.
    Seen,
    /// Uses the token, which is allowed once.
    Once {
        /// Id of the caller, which may repeat the command if the reply was lost.
        by: u64,
        /// Time after which the token is invalid anyway, in Unix milliseconds.
        until: u64,
    },
}

impl Command {
    /// Creates the command that requests one more attempt.
    #[must_use]
    pub(crate) const fn attempt(by: u64) -> Self {
        Self::Try { account: true, by }
    }

    /// Creates the command that reports success.
    #[must_use]
    pub(crate) const fn succeeded() -> Self {
        Self::Succeeded { account: true }
    }

    /// Creates the command that requests a recent change of the account.
    #[must_use]
    pub(crate) const fn account() -> Self {
        Self::Account { account: true }
    }

    /// Creates the command that reports a change of the account.
    #[must_use]
    pub(crate) const fn changed(change: AccountChange) -> Self {
        Self::Changed {
            account: true,
            change,
        }
    }

    /// Parses a command.
    ///
    /// # Errors
    /// Returns an error if the text is not a command of this release.
    pub(crate) fn parse(text: &str) -> Result<Self, MessageError> {
        message::read(text.as_bytes())
    }

    /// Returns the command as text.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        message::write_command(self)
    }

    /// Returns whether the reply should hold a recent change of the account.
    #[must_use]
    pub(crate) const fn requests_change(&self) -> bool {
        match self {
            Self::Try { account, .. }
            | Self::Succeeded { account }
            | Self::Account { account }
            | Self::Changed { account, .. } => *account,
            Self::Seen | Self::Once { .. } => false,
        }
    }
}

/// Decision of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The attempt is allowed.
    Allowed,
    /// The next attempt is allowed after this many seconds.
    Wait(u64),
}

/// Change of an account that storage may not show everywhere yet. A sign-in calls the object anyway, so it learns the
/// change there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountChange {
    /// The account after the change; `None` if it was deleted.
    #[serde(default)]
    pub account: Option<String>,
    /// The account's `changed`, which rises with every change.
    pub at: u64,
}

impl fmt::Debug for AccountChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountChange({})", self.at)
    }
}

/// Reply of the object: the seconds to wait, and a recent change in a second line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Decision on the attempt.
    pub verdict: Verdict,
    /// Recent change of the account, if requested.
    pub change: Option<AccountChange>,
}

impl Reply {
    /// Returns the reply as text.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        let seconds = match self.verdict {
            Verdict::Allowed => 0,
            Verdict::Wait(seconds) => seconds,
        };
        match &self.change {
            None => seconds.to_string(),
            Some(change) => format!("{seconds}\n{}", message::write(change)),
        }
    }

    /// Parses a reply from [`Reply::to_text`].
    #[must_use]
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        let (seconds, change) = match text.split_once('\n') {
            None => (text, None),
            Some((seconds, change)) => (seconds, Some(message::read(change.as_bytes()).ok()?)),
        };
        let verdict = match seconds.parse().ok()? {
            0 => Verdict::Allowed,
            seconds => Verdict::Wait(seconds),
        };
        Some(Self { verdict, change })
    }
}
