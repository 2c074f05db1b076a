//! Logs edge events: one JSON line each, written at once. They are counted and shown in the console like the core's
//! events.

use js_sys::{Date, Error};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};

use super::{counters, io, service};
use crate::telemetry::log::{Detail, Event, Level};
use crate::telemetry::metric;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = log)]
    fn console_log(line: &str);
    #[wasm_bindgen(js_namespace = console, js_name = warn)]
    fn console_warn(line: &str);
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(line: &str);
}

/// Description of an error for the log. The platform's messages contain a status ("429 Too Many Requests"), never a key
/// or value; our own errors (`error.to_string().as_str()`) follow the same rule.
pub(super) trait Describe {
    /// Returns the message.
    fn describe(&self) -> String;
}

impl Describe for str {
    fn describe(&self) -> String {
        self.to_owned()
    }
}

impl Describe for JsValue {
    fn describe(&self) -> String {
        // A thrown value that is not an error may contain anything.
        self.dyn_ref::<Error>()
            .map_or_else(|| "unknown".to_owned(), |error| error.message().into())
    }
}

impl Describe for worker::Error {
    fn describe(&self) -> String {
        match self {
            Self::UnknownJsError { message, .. } => message.clone(),
            Self::Internal(thrown) => thrown.describe(),
            Self::JsError(_) => "unknown".to_owned(),
            other => other.to_string(),
        }
    }
}

/// Logs a failure with the error's message.
pub(super) fn report(event: &'static str, error: &(impl Describe + ?Sized)) {
    let detail = error.describe();
    emit(Event::new(Level::Warn, event).with("detail", Detail(&detail)));
}

/// Logs a loss.
pub(super) fn alarm(event: &'static str) {
    emit(Event::new(Level::Error, event));
}

/// Events that the data plane logs.
#[cfg(feature = "standalone")]
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub enum DataPlaneEvent {
    /// Vestibule closed a WebSocket.
    SocketClosed = "socket_closed",
    /// An event stream was ended because its session is over.
    StreamClosed = "stream_closed",
    /// An event stream broke off, or was silent for too long.
    StreamBroken = "stream_broken",
    /// Another response broke off, or was silent for too long.
    AnswerBroken = "answer_broken",
    /// A session could not be revalidated.
    RevalidationFailed = "revalidation_failed",
    /// A background write was given up.
    BackgroundWriteDropped = "background_write_dropped",
}

/// Logs an event of the data plane.
#[cfg(feature = "standalone")]
#[wasm_bindgen]
pub fn warn(event: DataPlaneEvent) {
    emit(Event::new(Level::Warn, event.to_str()));
}

/// Writes an event without a tenant, counts it, and shows it in the console.
pub(super) fn emit(event: Event) {
    let event = event.with("at", io::now().0);
    counters::count(metric::EVENTS, &["", event.name()], 1);
    counters::show(&event);
    write(&event);
}

/// Writes an event to the runtime's log.
pub(super) fn write(event: &Event) {
    let timestamp = String::from(Date::new_0().to_iso_string());
    let line = event.to_line(&timestamp, &service());
    match event.level() {
        Level::Info => console_log(&line),
        Level::Warn => console_warn(&line),
        Level::Error => console_error(&line),
    }
}
