//! The messages of a tenant's pool object.

use serde::{Deserialize, Serialize};

use crate::message::{self, MessageError};

/// A command to the object. It is answered with an [`Answer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Command {
    /// Takes what an isolate knows.
    Gather {
        /// The isolate.
        #[serde(default)]
        isolate: String,
        /// The origins it knows.
        origins: Vec<OriginReport>,
    },
    /// Drains an origin, or lifts that.
    Drain {
        /// Whether to drain it.
        drained: bool,
        /// The origin.
        origin: String,
    },
    /// Takes the result of a health check.
    Checked {
        /// The origin.
        origin: String,
        /// Whether it is ready.
        ready: bool,
    },
    /// Changes nothing. So does a command of a later release: what is known is answered all the same.
    #[serde(other)]
    Tell,
}

impl Command {
    /// Reads a command.
    ///
    /// # Errors
    /// Returns why it is none.
    pub(crate) fn parse(text: &str) -> Result<Self, MessageError> {
        message::read(text.as_bytes())
    }

    /// Returns the command as text.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        message::write_command(self)
    }
}

/// What an isolate knows of an origin, or what the object knows of it from all other isolates. An array: elements that a
/// later release adds are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OriginReport(
    /// The origin's name.
    pub String,
    /// Number of requests under way there.
    pub u32,
    /// The load it reported last, in parts of a thousand.
    pub Option<u64>,
    /// Until when it is passed over, in Unix milliseconds.
    pub u64,
    /// Estimated number of open sockets there that nothing follows. Isolates of release 0.2.0 do not report it.
    #[serde(default)]
    pub u32,
);

/// What the object knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The names of the drained origins.
    pub drained: Vec<String>,
    /// All origins of which anything is known.
    pub origins: Vec<OriginReport>,
}
