//! Defines the messages of a tenant's pool object.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::waiting_queue::{Arrival, Turn};
use crate::clock::UnixMillis;
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
        /// Lists of origins that it uses: see [`OriginLists::ask`](super::origin_lists::OriginLists::ask).
        #[serde(default, skip_serializing_if = "message::is_neutral")]
        lists: Value,
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
    /// Asks for a newcomer's turn in the queue. An object of release 0.2 ignores it.
    Wait {
        /// Time of the newcomer's arrival, in Unix milliseconds.
        arrived: u64,
        /// Random number of the arrival.
        id: u32,
        /// Maximum number of places.
        places: u32,
        /// Number of new sessions that the origins accept.
        room: u32,
        /// Time after which a place is given up, in seconds.
        timeout: u64,
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

/// State of a tenant's origins and of its queue, as the object knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Names of the drained origins.
    pub drained: Vec<String>,
    /// All origins with any known state.
    pub origins: Vec<OriginReport>,
    /// Names of the origins that are ejected because they are not ready.
    #[serde(default, skip_serializing_if = "message::is_neutral")]
    pub unready: Vec<String>,
    /// Turn of the newcomer that the command asks for.
    #[serde(default, skip_serializing_if = "message::is_neutral")]
    pub turn: Option<TurnReport>,
    /// Number of newcomers who wait.
    #[serde(default, skip_serializing_if = "message::is_neutral")]
    pub waiting: u32,
    /// Lists of origins, in the form of [`ListView`](super::origin_lists::ListView).
    #[serde(default, skip_serializing_if = "message::is_neutral")]
    pub lists: Value,
}

/// Turn of a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TurnReport {
    /// Time of the newcomer's arrival, in Unix milliseconds.
    pub arrived: u64,
    /// Random number of the arrival.
    pub id: u32,
    /// Place, counted from 1; 0 if the newcomer is admitted, nothing if no place is free or the ticket is used up.
    pub place: Option<u32>,
    /// Whether the ticket is used up.
    #[serde(default, skip_serializing_if = "message::is_neutral")]
    pub spent: bool,
}

impl TurnReport {
    /// Describes the turn of the newcomer who arrived so.
    #[must_use]
    pub(crate) fn new(arrival: Arrival, turn: Turn) -> Self {
        Self {
            arrived: arrival.at.0,
            id: arrival.id,
            place: match turn {
                Turn::Admitted => Some(0),
                Turn::Waits(place) => Some(place),
                Turn::Refused | Turn::Spent => None,
            },
            spent: turn == Turn::Spent,
        }
    }

    /// Returns the turn that this describes, and the arrival.
    #[must_use]
    pub(crate) fn turn(self) -> (Turn, Arrival) {
        let arrival = Arrival {
            at: UnixMillis(self.arrived),
            id: self.id,
        };
        let turn = match self.place {
            Some(0) => Turn::Admitted,
            Some(place) => Turn::Waits(place),
            None if self.spent => Turn::Spent,
            None => Turn::Refused,
        };
        (turn, arrival)
    }
}
