//! Declares what the data plane (`src/worker/js/`) offers to the control plane.

use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;

#[wasm_bindgen]
extern "C" {
    /// The request on its way, as the data plane carries it. After the request (a revalidation, work in the
    /// background) there is neither a body nor anything to trace.
    pub type RequestContext;

    /// Returns the bindings.
    #[wasm_bindgen(method, getter)]
    pub fn env(this: &RequestContext) -> Env;

    /// Adds a stage that has ended to the request's trace; `begun` is in milliseconds since 1970.
    #[wasm_bindgen(method)]
    pub fn passed(this: &RequestContext, stage: &str, begun: f64, result: &str);

    /// Keeps what was drawn at random and must not be drawn twice: it is given again should the decision be driven anew.
    #[wasm_bindgen(method)]
    pub fn note(this: &RequestContext, key: &str, text: &str);

    /// Hands over the bytes of a tenant's file, the body of the response that is about to be decided.
    #[wasm_bindgen(method, js_name = setFile)]
    pub fn set_file(this: &RequestContext, bytes: &js_sys::Uint8Array);
}

#[wasm_bindgen(raw_module = "vestibule-runtime")]
extern "C" {
    /// Drops the cached decisions: the core may have learned something they depend on.
    #[wasm_bindgen(js_name = stateChanged)]
    pub fn state_changed();

    /// Says that what runs from now on serves this request.
    pub fn enter(context: &RequestContext);

    /// Says that what runs from now on serves no request that is known.
    pub fn leave();

    /// Meets a need that is still met in JavaScript: see [`super::io`].
    #[wasm_bindgen(js_name = meetLegacy)]
    pub fn meet_legacy(need: &str, context: &RequestContext) -> js_sys::Promise;
}
