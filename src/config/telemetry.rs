//! Defines the telemetry section of a tenant document.

use serde_json::{Map, Value};

use super::object_macro::{choice, object};
use super::parse::{FromDocument, Reader, described};
use super::route_pattern::RoutePattern;
use crate::encoding::json;
use crate::policy::LogLevel;

object! {
    /// Logs, metrics and traces of the tenant's requests.
    pub(crate) struct Telemetry {
        /// info: a line per request. warn: failed requests and events. error: events that need action. off: nothing.
        log: LogLevel = "info",
        /// Exports the trace of one in this many requests, and of every failed one; 0: only failed ones.
        trace_one_in: u64 = 100,
        /// true: exports also the traces of requests whose caller exports its own.
        trace_callers: bool = false,
        /// true: responses carry Server-Timing.
        server_timing: bool = false,
        /// Path patterns, at most 32, by which the duration of requests is counted: /items/{id} for any one segment, /files/* for everything below. The first match counts; requests that match none are _other.
        routes: Vec<RoutePattern>,
    }
}

choice! { LogLevel { "info" => Info, "warn" => Warn, "error" => Error, "off" => Off } }
