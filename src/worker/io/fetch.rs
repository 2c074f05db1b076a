//! Sends requests of our own: none of a visitor's, and to no address that a visitor chooses.
//!
//! They say who asks, because some servers refuse whoever does not say. A redirect is an answer like any other: it
//! leads where nobody has agreed to, and what is said here is for nobody else.

use js_sys::futures::JsFuture;
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use thiserror::Error;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::web_sys::{self, AbortSignal, Headers, RequestInit, RequestRedirect};

use super::body::{self, Chunks};
use crate::worker::runtime::RequestContext;

/// Product and version, by which every request of our own names its sender (`User-Agent`, RFC 9110 section 10.1.5).
pub(in crate::worker) const USER_AGENT: &str = concat!("Vestibule/", env!("CARGO_PKG_VERSION"));

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetch)]
    fn fetch(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

/// Why a request of our own has no usable answer. The words name no URL and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::worker) enum FetchError {
    /// Its time was over.
    #[error("deadline")]
    Deadline,
    /// The answer's body has more bytes than are read.
    #[error("more than {0} bytes")]
    TooLarge(usize),
    /// The answer's body is not UTF-8.
    #[error("not UTF-8")]
    NotText,
    /// There was no connection, or it broke; in the platform's words.
    #[error("{0}")]
    Lost(String),
}

impl From<JsValue> for FetchError {
    fn from(error: JsValue) -> Self {
        let Some(error) = error.dyn_ref::<js_sys::Error>() else {
            return Self::Lost("unknown".to_owned());
        };
        if error.name() == "TimeoutError" {
            return Self::Deadline;
        }
        Self::Lost(error.message().into())
    }
}

/// A request of our own.
pub(in crate::worker) struct Request<'a> {
    url: &'a str,
    body: Option<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
    deadline_ms: Option<u32>,
    is_cached: bool,
}

impl<'a> Request<'a> {
    /// Makes a GET.
    pub(in crate::worker) fn get(url: &'a str) -> Self {
        Self {
            url,
            body: None,
            headers: Vec::new(),
            deadline_ms: None,
            is_cached: false,
        }
    }

    /// Makes a POST.
    pub(in crate::worker) fn post(url: &'a str, body: &'a str) -> Self {
        Self {
            body: Some(body),
            ..Self::get(url)
        }
    }

    /// Adds a header; a later one of the same name replaces it.
    pub(in crate::worker) fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Ends the request, and the transfer of its answer's body, after so many milliseconds.
    pub(in crate::worker) fn deadline(mut self, ms: u32) -> Self {
        self.deadline_ms = Some(ms);
        self
    }

    /// Lets the zone's cache answer. It is keyed on the URL alone, and is passed by unless what is asked for is the
    /// same for everybody.
    pub(in crate::worker) fn through_zone_cache(mut self) -> Self {
        self.is_cached = true;
        self
    }

    /// Sends it, and returns the answer once its headers are there.
    ///
    /// # Errors
    /// Returns [`FetchError::Deadline`] or [`FetchError::Lost`]; any status is an answer.
    pub(in crate::worker) async fn send(self) -> Result<Response, FetchError> {
        let sent = fetch(self.url, &self.init()?)?;
        let response: web_sys::Response = JsFuture::from(sent).await?.dyn_into()?;
        Ok(Response(response))
    }

    /// Sends it once for a decision, and returns the answer's status and body, which has at most so many bytes of UTF-8.
    /// If the instance dies meanwhile, the next one gets this answer instead of sending the request again.
    ///
    /// # Errors
    /// Returns why there is no answer, or no whole body.
    pub(in crate::worker) async fn send_once(
        self,
        context: &RequestContext,
        limit: usize,
    ) -> Result<(u16, String), FetchError> {
        let question = format!("{}\n{}", self.url, self.body.unwrap_or_default());
        #[expect(clippy::cast_precision_loss, reason = "some kilobytes")]
        let sent = context.send_once(&question, self.url, &self.init()?, limit as f64);
        let answer: Array = JsFuture::from(sent).await?.dyn_into()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a status"
        )]
        let status = answer.get(0).as_f64().unwrap_or_default() as u16;
        let body: Uint8Array = answer
            .get(1)
            .dyn_into()
            .map_err(|_| FetchError::TooLarge(limit))?;
        Ok((status, text(body.to_vec())?))
    }

    fn init(&self) -> Result<RequestInit, JsValue> {
        let headers = Headers::new()?;
        headers.set("user-agent", USER_AGENT)?;
        for (name, value) in &self.headers {
            headers.set(name, value)?;
        }
        let init = RequestInit::new();
        init.set_headers(&headers);
        init.set_redirect(RequestRedirect::Manual);
        if let Some(body) = self.body {
            init.set_method("POST");
            init.set_body(&JsValue::from_str(body));
        }
        if let Some(ms) = self.deadline_ms {
            init.set_signal(Some(&AbortSignal::timeout_with_u32(ms)));
        }
        if !self.is_cached {
            Reflect::set(&init, &"cf".into(), &uncached()?.into())?;
        }
        Ok(init)
    }
}

/// Returns what keeps a request past the zone's cache: what the runtime makes of `cache: "no-store"`, without the
/// `Cache-Control` and `Pragma` that this would add to the request.
fn uncached() -> Result<Object, JsValue> {
    let cf = Object::new();
    Reflect::set(&cf, &"cacheTtl".into(), &(-1).into())?;
    Reflect::set(&cf, &"cacheLevel".into(), &"bypass".into())?;
    Ok(cf)
}

/// The answer to a request of our own. Read its body or [`discard`](Self::discard) it: it would keep the connection.
pub(in crate::worker) struct Response(web_sys::Response);

impl Response {
    /// Returns the status.
    pub(in crate::worker) fn status(&self) -> u16 {
        self.0.status()
    }

    /// Whether the status is one of success.
    pub(in crate::worker) fn is_ok(&self) -> bool {
        self.0.ok()
    }

    /// Returns a header's value.
    pub(in crate::worker) fn header(&self, name: &str) -> Option<String> {
        self.0.headers().get(name).ok().flatten()
    }

    /// Cuts the body.
    pub(in crate::worker) async fn discard(self) {
        if let Some(body) = self.0.body() {
            let _ = JsFuture::from(body.cancel()).await;
        }
    }

    /// Reads the body, at most so many bytes, into the JavaScript heap.
    ///
    /// # Errors
    /// Returns why there is no whole body.
    pub(in crate::worker) async fn bytes(self, limit: usize) -> Result<Uint8Array, FetchError> {
        Ok(self.chunks(limit).await?.join())
    }

    /// Reads the body, at most so many bytes, as UTF-8; a byte order mark is left out.
    ///
    /// # Errors
    /// Returns why there is no whole body, or [`FetchError::NotText`].
    pub(in crate::worker) async fn text(self, limit: usize) -> Result<String, FetchError> {
        text(self.chunks(limit).await?.to_vec())
    }

    async fn chunks(self, limit: usize) -> Result<Chunks, FetchError> {
        let read = body::read(self.0.body(), limit).await?;
        read.ok_or(FetchError::TooLarge(limit))
    }
}

/// Decodes UTF-8; a byte order mark is left out.
fn text(bytes: Vec<u8>) -> Result<String, FetchError> {
    let text = String::from_utf8(bytes).map_err(|_| FetchError::NotText)?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}
