//! What the data plane offers to the control plane, where there is none of ours: a request is carried by the Worker that
//! embeds Vestibule. The same names as in `worker/runtime.rs`.

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
    fn fetch(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

/// The request on its way.
pub(super) struct RequestContext {
    env: Env,
    /// The client's; none for what goes on after it.
    request: Option<web_sys::Request>,
    file: RefCell<Option<Uint8Array>>,
}

impl RequestContext {
    /// Makes the context of a request, or of what goes on after one.
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

    /// Nobody traces the stages of a request here.
    pub(super) fn passed(&self, _stage: &str, _begun: f64, _result: &str) {}

    /// Nobody drives a decision again on another instance here: what an instance that traps was doing is lost with it.
    pub(super) fn note(&self, _key: &str, _text: &str) {}

    /// Reads the request's body, once: resolves to its bytes, or to `undefined` if there are more of them than `limit`.
    pub(super) fn read_body(&self, limit: f64) -> Promise {
        let body = self.request.as_ref().and_then(web_sys::Request::body);
        futures::promise(async move { read(body, limit).await })
    }

    /// Sends a request: resolves to the response's status and body, `undefined` in place of a body with more bytes than
    /// `limit`.
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

    /// Takes the bytes of a tenant's file: the body of the response that is about to be decided.
    pub(super) fn set_file(&self, bytes: &Uint8Array) {
        self.file.replace(Some(bytes.clone()));
    }

    /// Returns the bytes of the file that was asked for.
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

/// No decision is cached outside the core here.
pub(super) fn state_changed() {}

/// Nobody replaces an instance that traps here.
pub(super) fn attribute(_context: Option<&RequestContext>) {}

/// Returns the module that hashes passwords: there is none here, so that checking one fails.
pub(super) fn argon2_module() -> WebAssembly::Module {
    JsValue::UNDEFINED.unchecked_into()
}

/// What runs after a request runs as long as its Worker lets it.
#[expect(clippy::unnecessary_wraps, reason = "as the data plane's")]
pub(super) fn wait_until(_work: &Promise) -> Result<(), JsValue> {
    Ok(())
}

/// There is no console here.
pub(super) fn console_file(_name: &str) -> Option<Uint8Array> {
    None
}

/// What is stored in the background is held by nobody else here.
pub(super) fn superseded(_key: &str) {}
