//! The messages of the object that counts attempts.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::message::{self, MessageError};

/// A command to the object. With `account` it is answered with what was changed of the account lately, too; an earlier
/// release neither asks for that nor says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Command {
    /// Asks whether it may be tried once more. Counts as a failure until the contrary is said.
    Try {
        /// See [`Command`].
        #[serde(default)]
        account: bool,
        /// Tells this attempt from others at the same moment.
        by: u64,
    },
    /// Says that it was no failure: counting begins again.
    Succeeded {
        /// See [`Command`].
        #[serde(default)]
        account: bool,
    },
    /// Asks whether the account was changed lately.
    Account {
        /// See [`Command`].
        #[serde(default)]
        account: bool,
    },
    /// Says that the account was changed.
    Changed {
        /// See [`Command`].
        #[serde(default)]
        account: bool,
        /// The change.
        change: AccountChange,
    },
    /// Asks whether there has been a first time.
    Seen,
    /// Asks whether this is the first time.
    Once {
        /// Who asks: the same may ask again, because the answer was lost.
        by: u64,
        /// When it does not matter any more, in Unix milliseconds.
        until: u64,
    },
}

impl Command {
    /// Returns the command that asks whether it may be tried once more.
    #[must_use]
    pub(crate) const fn attempt(by: u64) -> Self {
        Self::Try { account: true, by }
    }

    /// Returns the command that says that it was no failure.
    #[must_use]
    pub(crate) const fn succeeded() -> Self {
        Self::Succeeded { account: true }
    }

    /// Returns the command that asks whether the account was changed lately.
    #[must_use]
    pub(crate) const fn account() -> Self {
        Self::Account { account: true }
    }

    /// Returns the command that says that the account was changed.
    #[must_use]
    pub(crate) const fn changed(change: AccountChange) -> Self {
        Self::Changed {
            account: true,
            change,
        }
    }

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

    /// Whether the answer says what was changed of the account lately.
    #[must_use]
    pub(crate) const fn asks_for_changes(&self) -> bool {
        match self {
            Self::Try { account, .. }
            | Self::Succeeded { account }
            | Self::Account { account }
            | Self::Changed { account, .. } => *account,
            Self::Seen | Self::Once { .. } => false,
        }
    }
}

/// What the object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Allowed,
    /// Not before so many seconds.
    Wait(u64),
}

/// A change of an account that storage may not show everywhere yet. Whoever is about to sign in asks here
/// anyway.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountChange {
    /// The account as it is stored since; none if it was deleted.
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

/// The object's answer: the seconds to wait, and in a second line what was changed lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Whether to go on.
    pub verdict: Verdict,
    /// What was changed lately, if an account was asked about.
    pub change: Option<AccountChange>,
}

impl Reply {
    /// Returns the answer as text.
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

    /// Parses the answer; the counterpart of [`Reply::to_text`].
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
