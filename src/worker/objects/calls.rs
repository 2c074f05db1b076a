//! Holds the unanswered calls of a Durable Object.

use core::cell::{Cell, RefCell};

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::session_object::object::CallId;

#[wasm_bindgen]
extern "C" {
    /// Promise with the functions that settle it.
    type Deferred;

    #[wasm_bindgen(js_namespace = Promise, js_name = withResolvers)]
    fn deferred() -> Deferred;

    #[wasm_bindgen(method, getter)]
    fn promise(this: &Deferred) -> Promise;

    #[wasm_bindgen(method)]
    fn resolve(this: &Deferred, value: &JsValue);

    #[wasm_bindgen(method)]
    fn reject(this: &Deferred, reason: &JsValue);
}

/// Unanswered calls. Each has a promise, not a future, because the code that answers it may run in another call.
#[derive(Default)]
pub(super) struct Calls {
    waiting: RefCell<Vec<(CallId, Deferred)>>,
    last: Cell<u64>,
}

impl Calls {
    /// Begins a call, and returns the promise for its caller.
    pub(super) fn begin(&self) -> (CallId, Promise) {
        let call = CallId(self.last.get() + 1);
        self.last.set(call.0);
        let deferred = deferred();
        let promise = deferred.promise();
        self.waiting.borrow_mut().push((call, deferred));
        (call, promise)
    }

    /// Answers a call with a value or promise.
    pub(super) fn answer(&self, call: CallId, value: &JsValue) {
        let mut waiting = self.waiting.borrow_mut();
        if let Some(at) = waiting.iter().position(|(other, _)| *other == call) {
            waiting.swap_remove(at).1.resolve(value);
        }
    }

    /// Fails all calls.
    pub(super) fn fail(&self, error: &JsValue) {
        for (_, deferred) in self.waiting.take() {
            deferred.reject(error);
        }
    }
}
