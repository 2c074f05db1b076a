//! Exports what the data plane calls besides the [`steps`](super::steps) of a request.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;

use super::{ISOLATE, Isolate, futures, io, log, millis, runtime, serve, with_ready};
use crate::clock::Seconds;
use crate::deployment::Deployment;
use crate::effect;
use crate::gateway::{IGNORED_HEADERS, NEGOTIATION_HEADERS};
use crate::http::engine_io;
use crate::protocol;
use crate::response::problem::{Audience, Problem};
use crate::telemetry::log::{Event, Faults, Level};
use crate::upstream::{closing, response_headers};

/// Reads the settings; called once, with the first request's bindings. See
/// [`Deployment::from_bindings`].
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

/// Describes the text in which decisions cross to the data plane: see [`protocol::description`].
#[wasm_bindgen(js_name = describeWire)]
#[must_use]
pub fn describe_wire() -> String {
    protocol::description()
}

/// So many traces for a tenant's requests whose decisions are repeated.
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

/// Returns the client's headers that no decision depends on.
#[wasm_bindgen(js_name = ignoredHeaders)]
#[must_use]
pub fn ignored_headers() -> Vec<String> {
    IGNORED_HEADERS.map(str::to_owned).to_vec()
}

/// Returns the client's headers by which only the words of our own responses are chosen.
#[wasm_bindgen(js_name = negotiationHeaders)]
#[must_use]
pub fn negotiation_headers() -> Vec<String> {
    NEGOTIATION_HEADERS.map(str::to_owned).to_vec()
}

/// Returns the headers of an origin's response that the core has to handle; those with the prefix of
/// [`session_controls`](crate::upstream::session_controls) have, too.
#[wasm_bindgen(js_name = concerningHeaders)]
#[must_use]
pub fn concerning_headers() -> Vec<String> {
    response_headers::CONCERNING.map(str::to_owned).to_vec()
}

/// Where the reserved paths are.
#[wasm_bindgen(js_name = reservedPrefix)]
#[must_use]
pub fn reserved_prefix() -> String {
    ISOLATE.with_borrow(|isolate| match isolate {
        Isolate::Ready(router) => router.prefix().to_owned(),
        Isolate::Misconfigured(_) => String::new(),
    })
}

/// Takes note that an origin that has answered with a gateway error before has answered well. `place` is its tenant
/// and its name.
#[wasm_bindgen]
pub fn recovered(place: &str, now: f64) {
    runtime::state_changed();
    with_ready(|router| router.recovered(place, millis(now)));
}

/// Whether an origin's answer may be that to an Engine.IO handshake; a `length` of 0 is not known.
#[wasm_bindgen(js_name = mayBeHandshake)]
#[must_use]
pub fn may_be_handshake(status: u16, media_type: &str, length: f64) -> bool {
    engine_io::may_be_handshake(status, media_type, length)
}

/// Length of an Engine.IO handshake's response up to the end of its `sid`, given how it begins; 0 if that
/// is not known yet, negative if it is none.
#[wasm_bindgen(js_name = endOfSid)]
#[must_use]
pub fn end_of_sid(begins: &[u8]) -> i32 {
    match engine_io::end_of_sid(begins) {
        engine_io::Sid::EndsAt(at) => i32::try_from(at).unwrap_or(-1),
        engine_io::Sid::Unknown => 0,
        engine_io::Sid::None => -1,
    }
}

/// See [`closing::code_for_both`].
#[wasm_bindgen(js_name = codeForBoth)]
#[must_use]
pub fn code_for_both(code: u16, reason: &str, is_clean: bool) -> u16 {
    closing::code_for_both(code, reason, is_clean)
}

/// Stores a value in the background. The promise is settled once the value is stored or lost.
#[wasm_bindgen(js_name = storeInBackground)]
pub fn store_in_background(env: Env, key: String, value: Vec<u8>, ttl_s: f64) -> Promise {
    let ttl = Seconds(millis(ttl_s).0);
    let stored = io::store_in_background(env, effect::Write { key, value, ttl });
    futures::promise(async move {
        stored.await;
        Ok(JsValue::TRUE)
    })
}

/// The answer to a request whose handling failed in a way that should not be possible.
#[wasm_bindgen(js_name = internalError)]
#[must_use]
pub fn internal_error() -> String {
    protocol::answer(&Problem::Internal.answer(Audience::Program, ""))
}
