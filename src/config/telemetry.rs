//! Defines the telemetry section of a tenant document.

use serde_json::{Map, Value, json};

use super::object_macro::{choice, object};
use super::parse::{FromDocument, Reader, described};
use crate::policy::LogLevel;

object! {
    /// What is told of the requests, and to whom.
    pub(crate) struct Telemetry {
        /// info: a line per request. warn: requests and events that went wrong. error: what somebody must act on. off: nothing.
        log: LogLevel = "info",
        /// Of one in so many requests the trace is exported, beside those that fail; 0 for none but these.
        trace_one_in: u64 = 100,
        /// Whoever exports the trace of a request it makes here has ours exported too.
        trace_callers: bool = false,
        /// Answers tell the client what took how long (Server-Timing).
        server_timing: bool = false,
    }
}

choice! { LogLevel { "info" => Info, "warn" => Warn, "error" => Error, "off" => Off } }
