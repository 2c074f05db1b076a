//! Exports functions that the data plane calls in addition to the [`steps`](super::steps) of a request.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;

use super::{ISOLATE, Isolate, futures, io, log, millis, runtime, serve, service, with_ready};
use crate::clock::Seconds;
use crate::deployment::Deployment;
use crate::effect;
use crate::gateway::{IGNORED_HEADERS, NEGOTIATION_HEADERS};
use crate::http::engine_io;
use crate::protocol;
use crate::response::problem::{Audience, Problem};
use crate::telemetry::log::{Event, Faults, Level};
use crate::upstream::{closing, response_headers};

/// Reads the settings from the first request's bindings; called once. See [`Deployment::from_bindings`].
#[wasm_bindgen]
pub fn configure(bindings: &str) {
    let served = Deployment::from_bindings(bindings)
        .map_err(|misconfigured| misconfigured.to_string())
        .and_then(|deployment| serve(deployment).map_err(|error| error.to_string()));
    if let Err(faults) = served {
        log::write(&Event::new(Level::Error, "misconfigured").with("detail", Faults(&faults)));
        ISOLATE.set(Isolate::Misconfigured(faults));
    }
}

/// Describes the text format of decisions for the data plane; see [`protocol::description`].
#[wasm_bindgen(js_name = describeWire)]
#[must_use]
pub fn describe_wire() -> String {
    protocol::description()
}

/// Draws `count` traces for a tenant's requests with cached decisions.
#[wasm_bindgen(js_name = drawTraces)]
#[must_use]
pub fn draw_traces(tenant: &str, count: usize) -> String {
    ISOLATE.with_borrow_mut(|isolate| match isolate {
        Isolate::Ready(router) => router
            .gateway(tenant)
            .map_or_else(String::new, |gateway| protocol::traces(gateway, count)),
        Isolate::Misconfigured(_) => String::new(),
    })
}

/// Returns the client headers that no decision depends on.
#[wasm_bindgen(js_name = ignoredHeaders)]
#[must_use]
pub fn ignored_headers() -> Vec<String> {
    IGNORED_HEADERS.map(str::to_owned).to_vec()
}

/// Returns the client headers that affect only the text of our own responses.
#[wasm_bindgen(js_name = negotiationHeaders)]
#[must_use]
pub fn negotiation_headers() -> Vec<String> {
    NEGOTIATION_HEADERS.map(str::to_owned).to_vec()
}

/// Returns the origin's response headers that the core must handle, in addition to those with the prefix of
/// [`session_controls`](crate::upstream::session_controls).
#[wasm_bindgen(js_name = concerningHeaders)]
#[must_use]
pub fn concerning_headers() -> Vec<String> {
    response_headers::CONCERNING.map(str::to_owned).to_vec()
}

/// Returns the prefix of the reserved paths.
#[wasm_bindgen(js_name = reservedPrefix)]
#[must_use]
pub fn reserved_prefix() -> String {
    ISOLATE.with_borrow(|isolate| match isolate {
        Isolate::Ready(router) => router.prefix().to_owned(),
        Isolate::Misconfigured(_) => String::new(),
    })
}

/// Returns the name of this Worker in log lines.
#[wasm_bindgen(js_name = serviceName)]
#[must_use]
pub fn service_name() -> String {
    service()
}

/// Records that an origin responded well after a gateway error. `place` is `tenant/origin`.
#[wasm_bindgen]
pub fn recovered(place: &str, now: f64) {
    runtime::state_changed();
    with_ready(|router| router.recovered(place, millis(now)));
}

/// Returns whether an origin's response may be an Engine.IO handshake; a `length` of 0 is unknown.
#[wasm_bindgen(js_name = mayBeHandshake)]
#[must_use]
pub fn may_be_handshake(status: u16, media_type: &str, length: f64) -> bool {
    engine_io::may_be_handshake(status, media_type, length)
}

/// Returns the length of an Engine.IO handshake's response up to the end of its `sid`, given its beginning. Returns 0
/// if more bytes are needed, and a negative number if it is no handshake.
#[wasm_bindgen(js_name = endOfSid)]
#[must_use]
pub fn end_of_sid(begins: &[u8]) -> i32 {
    match engine_io::end_of_sid(begins) {
        engine_io::Sid::EndsAt(at) => i32::try_from(at).unwrap_or(-1),
        engine_io::Sid::Unknown => 0,
        engine_io::Sid::None => -1,
    }
}

/// Selects the close code for both ends; see [`closing::code_for_both`].
#[wasm_bindgen(js_name = codeForBoth)]
#[must_use]
pub fn code_for_both(code: u16, reason: &str, is_clean: bool) -> u16 {
    closing::code_for_both(code, reason, is_clean)
}

/// Stores a value in the background. The promise settles once the value is stored or lost.
#[wasm_bindgen(js_name = storeInBackground)]
pub fn store_in_background(env: Env, key: String, value: Vec<u8>, ttl_s: f64) -> Promise {
    let ttl = Seconds(millis(ttl_s).0);
    let stored = io::store_in_background(env, effect::Write { key, value, ttl });
    futures::promise(async move {
        stored.await;
        Ok(JsValue::TRUE)
    })
}

/// Returns the response to a request after an internal error.
#[wasm_bindgen(js_name = internalError)]
#[must_use]
pub fn internal_error() -> String {
    protocol::answer(&Problem::Internal.answer(Audience::Program, ""))
}
