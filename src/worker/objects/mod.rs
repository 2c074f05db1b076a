//! Runs the Durable Objects: performs the core's decisions.
//!
//! A command runs in one turn of the event loop, so no other command comes between reading storage and writing it.
//! JavaScript restores an object from its storage when its instance was replaced (`js/objects.js`).

#[cfg(feature = "standalone")]
mod calls;
#[cfg(feature = "standalone")]
mod login_attempts;
#[cfg(feature = "standalone")]
mod outbox;
#[cfg(feature = "standalone")]
mod pool;
#[cfg(feature = "standalone")]
mod session;
#[cfg(feature = "standalone")]
mod storage;
#[cfg(feature = "standalone")]
mod telemetry;
#[cfg(feature = "standalone")]
mod tenant;

use js_sys::futures::JsFuture;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Env, State};

use crate::effect::Class;
use crate::worker::futures;

#[wasm_bindgen]
extern "C" {
    /// Stub of an object.
    type Stub;

    #[wasm_bindgen(method, catch)]
    fn call(this: &Stub, name: &str, command: &str) -> Result<Promise, JsValue>;
}

/// Returns the binding of a class of objects.
pub(super) fn binding(class: Class) -> &'static str {
    match class {
        Class::Session => "SESSION_OBJECTS",
        Class::Directory => "DIRECTORY_OBJECTS",
        Class::Pool => "POOL_OBJECTS",
        Class::Attempts => "ATTEMPT_OBJECTS",
        Class::Telemetry => "TELEMETRY_OBJECTS",
    }
}

/// Sends a command to an object once, and returns its answer.
pub(super) async fn call(
    env: &Env,
    class: Class,
    name: &str,
    command: &str,
) -> Result<JsValue, worker::Error> {
    let stub = env.durable_object(binding(class))?.get_by_name(name)?;
    let answer = stub.into_rpc::<Stub>().call(name, command)?;
    Ok(JsFuture::from(answer).await?)
}

/// Answers a call.
fn answered(bytes: &[u8]) -> Promise {
    Promise::resolve(&JsValue::from(Uint8Array::from(bytes)))
}

/// Runs work after the answer of an object.
fn run_in_background(state: &State, work: impl Future<Output = ()> + 'static) {
    let promise = futures::promise(async move {
        work.await;
        Ok(JsValue::UNDEFINED)
    });
    // Ignore the result: an object lives as long as it has work in progress.
    let _ = state.as_raw().wait_until(&promise);
}
