//! Defines the messages of a tenant's pool object.

use serde::{Deserialize, Serialize};

use crate::message::{self, MessageError};

/// Command to the object, which responds with an [`Answer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Command {
    /// Reports an isolate's view.
    Gather {
        /// Id of the isolate.
        #[serde(default)]
        isolate: String,
        /// Origins that it knows.
        origins: Vec<OriginReport>,
    },
    /// Starts or ends the drain of an origin.
    Drain {
        /// Whether to drain it.
        drained: bool,
        /// Name of the origin.
        origin: String,
    },
    /// Reports the result of a health check.
    Checked {
        /// Name of the origin.
        origin: String,
        /// Whether it is ready.
        ready: bool,
    },
    /// Changes nothing, like any command of a later release. The object responds with an [`Answer`] all the same.
    #[serde(other)]
    Tell,
}

impl Command {
    /// Parses a command.
    ///
    /// # Errors
    /// Returns an error if the text is not a command.
    pub(crate) fn parse(text: &str) -> Result<Self, MessageError> {
        message::read(text.as_bytes())
    }

    /// Returns the command as text.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        message::write_command(self)
    }
}

/// State of an origin: one isolate's report, or the object's summary of all other isolates. An array; readers ignore
/// elements that a later release adds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OriginReport(
    /// Name of the origin.
    pub String,
    /// Number of requests in flight.
    pub u32,
    /// Last reported load, in thousandths.
    pub Option<u64>,
    /// End of the ejection, in Unix milliseconds.
    pub u64,
    /// Estimated number of open sockets there that nothing follows. Isolates of release 0.2.0 do not report it.
    #[serde(default)]
    pub u32,
);

/// State of a tenant's origins, as the object knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Names of the drained origins.
    pub drained: Vec<String>,
    /// All origins with any known state.
    pub origins: Vec<OriginReport>,
}
