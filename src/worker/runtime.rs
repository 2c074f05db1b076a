//! Declares the functions and objects of the data plane (`src/worker/js/`) that the control plane uses.

use js_sys::{Array, Map, Promise, Uint8Array, WebAssembly};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::web_sys::RequestInit;

#[wasm_bindgen]
extern "C" {
    /// Context of a request in the data plane. After the request (revalidation, background work) it has neither a body
    /// nor a trace.
    pub type RequestContext;

    /// Returns the bindings.
    #[wasm_bindgen(method, getter)]
    pub fn env(this: &RequestContext) -> Env;

    /// Returns the trace of the request, if there is one.
    #[wasm_bindgen(method, getter)]
    fn trace(this: &RequestContext) -> Option<RequestTrace>;

    /// Returns the notes kept for the next instance: keys and texts, alternating.
    #[wasm_bindgen(method, getter)]
    pub fn notes(this: &RequestContext) -> Array;

    /// Reads the request's body once. Resolves to its bytes (`Uint8Array`), or to `undefined` above `limit` bytes.
    #[wasm_bindgen(method, js_name = readBody)]
    pub fn read_body(this: &RequestContext, limit: f64) -> Promise;

    /// Sends a request once. Resolves to the response's status and body (`Uint8Array`), or `undefined` for a body above
    /// `limit` bytes. A later call with the same `question` resolves to the same response, even from another instance.
    #[wasm_bindgen(method, js_name = sendOnce)]
    pub fn send_once(
        this: &RequestContext,
        question: &str,
        url: &str,
        init: &RequestInit,
        limit: f64,
    ) -> Promise;

    /// Forgets the responses of [`send_once`](RequestContext::send_once), which are no longer needed.
    #[wasm_bindgen(method, js_name = forgetSent)]
    pub fn forget_sent(this: &RequestContext);

    /// Sets the bytes of a tenant's file as the body of the next response.
    #[wasm_bindgen(method, setter)]
    pub fn set_file(this: &RequestContext, bytes: &Uint8Array);
}

impl RequestContext {
    /// Adds a finished stage to the request's trace; `begun` is in milliseconds since 1970, and `parent`
    /// is empty if the stage is part of the request alone.
    pub fn passed(&self, stage: &str, begun: f64, result: &str, parent: &str) {
        if let Some(trace) = self.trace() {
            trace.passed(stage, begun, result, parent);
        }
    }

    /// Keeps a random value that a repeated decision must find again.
    pub fn note(&self, key: &str, text: &str) {
        let notes = self.notes();
        notes.push(&key.into());
        notes.push(&text.into());
    }

    /// Returns the number of notes.
    pub fn noted(&self) -> u32 {
        self.notes().length() / 2
    }

    /// Forgets the oldest note.
    pub fn forget_oldest_note(&self) {
        let notes = self.notes();
        notes.shift();
        notes.shift();
    }

    /// Forgets all notes, which are no longer needed.
    pub fn forget_notes(&self) {
        self.notes().set_length(0);
    }
}

#[wasm_bindgen]
extern "C" {
    /// Recorder of the data plane; see `js/telemetry/window.js`.
    pub type Recorder;

    /// Takes the counts. Later counts open the next window.
    #[wasm_bindgen(method, js_name = takeCounted)]
    pub fn take_counted(this: &Recorder) -> Counted;

    /// Returns the requests in flight at origins.
    #[wasm_bindgen(method, js_name = inFlight)]
    pub fn in_flight(this: &Recorder) -> Vec<InFlight>;

    /// Takes the log lines for the console.
    #[wasm_bindgen(method, js_name = takeLines)]
    pub fn take_lines(this: &Recorder) -> Vec<String>;

    /// Returns the unexported traces of failed requests.
    #[wasm_bindgen(method, getter, js_name = failedTraces)]
    pub fn failed_traces(this: &Recorder) -> Array;

    /// Returns the unexported traces of other requests.
    #[wasm_bindgen(method, getter, js_name = goodTraces)]
    pub fn good_traces(this: &Recorder) -> Array;

    /// Writes the buffered log lines.
    #[wasm_bindgen(method, js_name = writeLines)]
    pub fn write_lines(this: &Recorder);

    /// Returns the unacknowledged batches by number, oldest first.
    #[wasm_bindgen(method, getter)]
    pub fn batches(this: &Recorder) -> Map;

    /// Sets whether an operator views the console.
    #[wasm_bindgen(method, js_name = setWatched)]
    pub fn set_watched(this: &Recorder, is_watched: bool);

    /// Counts of the data plane; see `js/telemetry/counters.js`.
    pub type Counted;

    /// Returns the durations of requests by labels: an array of numbers each.
    #[wasm_bindgen(method, getter)]
    pub fn requests(this: &Counted) -> Map;

    /// Returns the requests of sessions: by tenant and handle, those that opened a WebSocket apart.
    #[wasm_bindgen(method, getter)]
    pub fn sessions(this: &Counted) -> Map;

    /// Returns increments of counters and values of gauges, by metric and labels.
    #[wasm_bindgen(method, getter)]
    pub fn numbers(this: &Counted) -> Map;

    /// Requests in flight at an origin; see `js/telemetry/in_flight.js`.
    pub type InFlight;

    /// Returns the tenant and the origin's name.
    #[wasm_bindgen(method, getter)]
    pub fn place(this: &InFlight) -> String;

    /// Returns the number of requests in flight.
    #[wasm_bindgen(method, getter, js_name = underWay)]
    pub fn under_way(this: &InFlight) -> u32;

    /// Returns the average time to the first byte, in milliseconds.
    #[wasm_bindgen(method, getter, js_name = firstByteMs)]
    pub fn first_byte_ms(this: &InFlight) -> f64;

    /// Returns the number of WebSockets the origin has accepted since the last report.
    #[wasm_bindgen(method, getter)]
    pub fn opened(this: &InFlight) -> u32;

    /// Trace of an answered request; see `js/telemetry/request_trace.js`. Times are in milliseconds since 1970, or 0.
    pub type RequestTrace;

    /// Adds a finished stage.
    #[wasm_bindgen(method)]
    fn passed(this: &RequestTrace, stage: &str, begun: f64, result: &str, parent: &str);

    /// Returns the response's status.
    #[wasm_bindgen(method, getter)]
    pub fn status(this: &RequestTrace) -> u16;

    /// Returns the time when the request arrived.
    #[wasm_bindgen(method, getter)]
    pub fn begun(this: &RequestTrace) -> f64;

    /// Returns the time of the response.
    #[wasm_bindgen(method, getter)]
    pub fn ended(this: &RequestTrace) -> f64;

    /// Returns the time when it was sent to an origin.
    #[wasm_bindgen(method, getter)]
    pub fn sent(this: &RequestTrace) -> f64;

    /// Returns the time of the origin's response.
    #[wasm_bindgen(method, getter)]
    pub fn answered(this: &RequestTrace) -> f64;

    /// Returns the time when the last failed attempt at an origin ended.
    #[wasm_bindgen(method, getter, js_name = gaveUp)]
    pub fn gave_up(this: &RequestTrace) -> f64;

    /// Returns `http` or `https`.
    #[wasm_bindgen(method, getter)]
    pub fn scheme(this: &RequestTrace) -> String;

    /// Returns the members of the log line.
    #[wasm_bindgen(method, getter)]
    pub fn members(this: &RequestTrace) -> String;

    /// Returns the stages that waited.
    #[wasm_bindgen(method, getter)]
    pub fn stages(this: &RequestTrace) -> Vec<TraceStage>;

    /// Stage of a request that waited.
    pub type TraceStage;

    /// Returns its name.
    #[wasm_bindgen(method, getter)]
    pub fn name(this: &TraceStage) -> String;

    /// Returns its begin.
    #[wasm_bindgen(method, getter)]
    pub fn begun(this: &TraceStage) -> f64;

    /// Returns its end.
    #[wasm_bindgen(method, getter)]
    pub fn ended(this: &TraceStage) -> f64;

    /// Returns its result.
    #[wasm_bindgen(method, getter)]
    pub fn result(this: &TraceStage) -> String;

    /// Returns what it is part of; empty if that is only the request.
    #[wasm_bindgen(method, getter)]
    pub fn parent(this: &TraceStage) -> String;
}

#[wasm_bindgen(raw_module = "vestibule-runtime")]
extern "C" {
    /// Drops the cached decisions, because state that they depend on may have changed.
    #[wasm_bindgen(js_name = stateChanged)]
    pub fn state_changed();

    /// Attributes the following work to this request, or to none.
    pub fn attribute(context: Option<&RequestContext>);

    /// Returns the compiled module that hashes passwords.
    #[wasm_bindgen(js_name = argon2Module)]
    pub fn argon2_module() -> WebAssembly::Module;

    /// Keeps the current request alive until a promise settles.
    #[wasm_bindgen(catch, js_name = waitUntil)]
    pub fn wait_until(work: &Promise) -> Result<(), JsValue>;

    /// Returns the files that the build packed.
    #[wasm_bindgen(js_name = packedFiles)]
    pub fn packed_files() -> Uint8Array;

    /// Sends a request; `service:NAME URL` goes through that service binding. Throws if there is none.
    #[wasm_bindgen(catch, js_name = send)]
    pub fn fetch(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;

    /// Stores a value after the response, in this instance or a later one; `ttl_s` is in seconds.
    #[wasm_bindgen(js_name = storeLater)]
    pub fn store_later(key: &str, value: Vec<u8>, ttl_s: f64);

    /// Cancels the background write of this key, because a later value is being stored.
    pub fn superseded(key: &str);

    /// Returns the data plane's recorder.
    pub fn recorder() -> Recorder;
}
