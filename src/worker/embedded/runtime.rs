//! Replaces the data plane in a library, where the embedding Worker carries requests. Has the same names as
//! `worker/runtime.rs`.

use core::cell::RefCell;

use js_sys::futures::JsFuture;
use js_sys::{Array, Promise, Uint8Array, WebAssembly};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;
use worker::web_sys::{self, RequestInit, Response};

use super::futures;
use super::io::body;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetch)]
    pub(super) fn fetch(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

/// Context of a request.
pub(super) struct RequestContext {
    env: Env,
    /// Request of the client; `None` for work after it.
    request: Option<web_sys::Request>,
    file: RefCell<Option<Uint8Array>>,
}

impl RequestContext {
    /// Creates the context of a request, or of work after one.
    pub(super) fn new(env: Env, request: Option<web_sys::Request>) -> Self {
        Self {
            env,
            request,
            file: RefCell::default(),
        }
    }

    /// Returns the bindings.
    pub(super) fn env(&self) -> Env {
        self.env.clone()
    }

    /// Does nothing: a library does not trace stages.
    pub(super) fn passed(&self, _stage: &str, _begun: f64, _result: &str, _parent: &str) {}

    /// Does nothing: a library does not repeat decisions on another instance, so a trap loses the work in progress.
    pub(super) fn note(&self, _key: &str, _text: &str) {}

    /// Reads the request's body once. Resolves to its bytes, or to `undefined` above `limit` bytes.
    pub(super) fn read_body(&self, limit: f64) -> Promise {
        let body = self.request.as_ref().and_then(web_sys::Request::body);
        futures::promise(async move { read(body, limit).await })
    }

    /// Sends a request. Resolves to the response's status and body, or `undefined` for a body above `limit` bytes.
    pub(super) fn send_once(
        &self,
        _question: &str,
        url: &str,
        init: &RequestInit,
        limit: f64,
    ) -> Promise {
        let sent = fetch(url, init);
        futures::promise(async move {
            let response: Response = JsFuture::from(sent?).await?.dyn_into()?;
            let body = read(response.body(), limit).await?;
            Ok(Array::of2(&response.status().into(), &body).into())
        })
    }

    /// Sets the bytes of a tenant's file as the body of the next response.
    pub(super) fn set_file(&self, bytes: &Uint8Array) {
        self.file.replace(Some(bytes.clone()));
    }

    /// Takes the bytes of the file.
    pub(super) fn take_file(&self) -> Option<Uint8Array> {
        self.file.take()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
async fn read(body: Option<web_sys::ReadableStream>, limit: f64) -> Result<JsValue, JsValue> {
    let read = body::read(body, limit as usize).await?;
    Ok(read.map_or(JsValue::UNDEFINED, |read| read.join().into()))
}

/// Does nothing: a library has no decision cache outside the core.
pub(super) fn state_changed() {}

/// Does nothing: a library does not replace an instance that traps.
pub(super) fn attribute(_context: Option<&RequestContext>) {}

/// Returns no module, so password checks fail.
pub(super) fn argon2_module() -> WebAssembly::Module {
    JsValue::UNDEFINED.unchecked_into()
}

/// Does nothing: the embedding Worker decides how long background work runs.
#[expect(clippy::unnecessary_wraps, reason = "as the data plane's")]
pub(super) fn wait_until(_work: &Promise) -> Result<(), JsValue> {
    Ok(())
}

/// Returns none: a library has no console.
pub(super) fn packed_files() -> Uint8Array {
    Uint8Array::new_with_length(0)
}

/// Does nothing: a library holds no background writes elsewhere.
pub(super) fn superseded(_key: &str) {}
