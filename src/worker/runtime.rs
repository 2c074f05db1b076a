//! Declares what the data plane (`src/worker/js/`) offers to the control plane.

use js_sys::{Array, Map, Promise, Set, Uint8Array, WebAssembly};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::web_sys::RequestInit;

#[wasm_bindgen]
extern "C" {
    /// The request on its way, as the data plane carries it. After the request (a revalidation, work in the
    /// background) there is neither a body nor anything to trace.
    pub type RequestContext;

    /// Returns the bindings.
    #[wasm_bindgen(method, getter)]
    pub fn env(this: &RequestContext) -> Env;

    /// Returns the times of the request, if there is one.
    #[wasm_bindgen(method, getter)]
    fn trace(this: &RequestContext) -> Option<RequestTrace>;

    /// Returns what was kept for the next instance: keys and texts, one after the other.
    #[wasm_bindgen(method, getter)]
    pub fn notes(this: &RequestContext) -> Array;

    /// Reads the request's body, once: resolves to its bytes (`Uint8Array`), or to `undefined` if there are more of
    /// them than `limit`.
    #[wasm_bindgen(method, js_name = readBody)]
    pub fn read_body(this: &RequestContext, limit: f64) -> Promise;

    /// Sends a request, once: resolves to the response's status and body (`Uint8Array`), `undefined` in place of a body
    /// with more bytes than `limit`. The same question later in this decision resolves to the same answer, though
    /// another instance may ask it.
    #[wasm_bindgen(method, js_name = sendOnce)]
    pub fn send_once(
        this: &RequestContext,
        question: &str,
        url: &str,
        init: &RequestInit,
        limit: f64,
    ) -> Promise;

    /// Forgets what was sent once: it is dealt with.
    #[wasm_bindgen(method, js_name = forgetSent)]
    pub fn forget_sent(this: &RequestContext);

    /// Hands over the bytes of a tenant's file, the body of the response that is about to be decided.
    #[wasm_bindgen(method, setter)]
    pub fn set_file(this: &RequestContext, bytes: &Uint8Array);
}

impl RequestContext {
    /// Adds a stage that has ended to the request's trace; `begun` is in milliseconds since 1970.
    pub fn passed(&self, stage: &str, begun: f64, result: &str) {
        if let Some(trace) = self.trace() {
            trace.passed(stage, begun, result);
        }
    }

    /// Keeps what was drawn at random and must not be drawn twice: it is given again should the decision be driven again.
    pub fn note(&self, key: &str, text: &str) {
        let notes = self.notes();
        notes.push(&key.into());
        notes.push(&text.into());
    }

    /// Returns how many notes there are.
    pub fn noted(&self) -> u32 {
        self.notes().length() / 2
    }

    /// Forgets the oldest note.
    pub fn forget_oldest_note(&self) {
        let notes = self.notes();
        notes.shift();
        notes.shift();
    }

    /// Forgets what was kept: it is dealt with.
    pub fn forget_notes(&self) {
        self.notes().set_length(0);
    }
}

#[wasm_bindgen]
extern "C" {
    /// What the data plane records: see `js/telemetry/window.js`.
    pub type Recorder;

    /// Takes what was counted. What comes from now on opens the next window.
    #[wasm_bindgen(method, js_name = takeCounted)]
    pub fn take_counted(this: &Recorder) -> Counted;

    /// Returns what is under way at origins.
    #[wasm_bindgen(method, js_name = inFlight)]
    pub fn in_flight(this: &Recorder) -> Vec<InFlight>;

    /// Takes the log lines for the console.
    #[wasm_bindgen(method, js_name = takeLines)]
    pub fn take_lines(this: &Recorder) -> Vec<String>;

    /// Returns the traces that wait to be exported, of requests that failed.
    #[wasm_bindgen(method, getter, js_name = failedTraces)]
    pub fn failed_traces(this: &Recorder) -> Array;

    /// Returns the traces that wait to be exported, of other requests.
    #[wasm_bindgen(method, getter, js_name = goodTraces)]
    pub fn good_traces(this: &Recorder) -> Array;

    /// Writes the log lines that wait.
    #[wasm_bindgen(method, js_name = writeLines)]
    pub fn write_lines(this: &Recorder);

    /// Returns the batches that wait to be acknowledged, by number, the oldest first.
    #[wasm_bindgen(method, getter)]
    pub fn batches(this: &Recorder) -> Map;

    /// Says whether somebody looks at the console.
    #[wasm_bindgen(method, js_name = setWatched)]
    pub fn set_watched(this: &Recorder, is_watched: bool);

    /// What was counted: see `js/telemetry/counters.js`.
    pub type Counted;

    /// Returns the durations of each kind of request, by its labels: an array of numbers.
    #[wasm_bindgen(method, getter)]
    pub fn requests(this: &Counted) -> Map;

    /// Returns the sessions in use: tenants and handles.
    #[wasm_bindgen(method, getter)]
    pub fn sessions(this: &Counted) -> Set;

    /// Returns what was added to counters, and what gauges are now, by metric and labels.
    #[wasm_bindgen(method, getter)]
    pub fn numbers(this: &Counted) -> Map;

    /// What is under way at an origin: see `js/telemetry/in_flight.js`.
    pub type InFlight;

    /// Returns the tenant and the origin's name.
    #[wasm_bindgen(method, getter)]
    pub fn place(this: &InFlight) -> String;

    /// Returns how much is under way.
    #[wasm_bindgen(method, getter, js_name = underWay)]
    pub fn under_way(this: &InFlight) -> u32;

    /// Returns after how many milliseconds answers begin, on average.
    #[wasm_bindgen(method, getter, js_name = firstByteMs)]
    pub fn first_byte_ms(this: &InFlight) -> f64;

    /// Returns how many WebSockets the origin has accepted since the isolate began.
    #[wasm_bindgen(method, getter)]
    pub fn opened(this: &InFlight) -> u32;

    /// A request that was answered: see `js/telemetry/request_trace.js`. Times are in milliseconds since 1970, and 0 for
    /// what did not happen.
    pub type RequestTrace;

    /// Adds a stage that has ended.
    #[wasm_bindgen(method)]
    fn passed(this: &RequestTrace, stage: &str, begun: f64, result: &str);

    /// Returns the response's status.
    #[wasm_bindgen(method, getter)]
    pub fn status(this: &RequestTrace) -> u16;

    /// Returns when the request came.
    #[wasm_bindgen(method, getter)]
    pub fn begun(this: &RequestTrace) -> f64;

    /// Returns when the response went out.
    #[wasm_bindgen(method, getter)]
    pub fn ended(this: &RequestTrace) -> f64;

    /// Returns when it was sent to an origin.
    #[wasm_bindgen(method, getter)]
    pub fn sent(this: &RequestTrace) -> f64;

    /// Returns when the origin answered.
    #[wasm_bindgen(method, getter)]
    pub fn answered(this: &RequestTrace) -> f64;

    /// Returns when the last origin that did not answer was given up.
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

    /// A stage of a request that waited.
    pub type TraceStage;

    /// Returns its name.
    #[wasm_bindgen(method, getter)]
    pub fn name(this: &TraceStage) -> String;

    /// Returns when it began.
    #[wasm_bindgen(method, getter)]
    pub fn begun(this: &TraceStage) -> f64;

    /// Returns when it ended.
    #[wasm_bindgen(method, getter)]
    pub fn ended(this: &TraceStage) -> f64;

    /// Returns what came of it.
    #[wasm_bindgen(method, getter)]
    pub fn result(this: &TraceStage) -> String;
}

#[wasm_bindgen(raw_module = "vestibule-runtime")]
extern "C" {
    /// Drops the cached decisions: the core may have learned something they depend on.
    #[wasm_bindgen(js_name = stateChanged)]
    pub fn state_changed();

    /// Says that what runs from now on serves this request, or none that is known.
    pub fn attribute(context: Option<&RequestContext>);

    /// Returns the module that hashes passwords, compiled.
    #[wasm_bindgen(js_name = argon2Module)]
    pub fn argon2_module() -> WebAssembly::Module;

    /// Keeps the request at hand alive until this is settled.
    #[wasm_bindgen(catch, js_name = waitUntil)]
    pub fn wait_until(work: &Promise) -> Result<(), JsValue>;

    /// Returns a file of the console, as the build has compressed it.
    #[wasm_bindgen(js_name = consoleFile)]
    pub fn console_file(name: &str) -> Option<Uint8Array>;

    /// Stores a value after the response, on this instance or on a later one; `ttl_s` is in seconds.
    #[wasm_bindgen(js_name = storeLater)]
    pub fn store_later(key: &str, value: Vec<u8>, ttl_s: f64);

    /// Says that a later value of this key is being stored than the one that is stored in the background.
    pub fn superseded(key: &str);

    /// Returns what the data plane records.
    pub fn recorder() -> Recorder;
}
