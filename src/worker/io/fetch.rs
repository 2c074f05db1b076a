//! Sends Vestibule's own requests: without client data, and never to an address that a client chooses.
//!
//! They have a `User-Agent`, because some servers refuse requests without one. A redirect is returned, not followed: it
//! leads to an address that the configuration does not name, and the request may contain secrets.

use js_sys::futures::JsFuture;
use js_sys::{Array, Object, Reflect, Uint8Array};
use thiserror::Error;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::web_sys::{self, AbortSignal, Headers, RequestInit, RequestRedirect};

use super::body::{self, Chunks};
use crate::worker::runtime::{self, RequestContext};

/// Product and version in the `User-Agent` of every own request (RFC 9110 section 10.1.5).
pub(in crate::worker) const USER_AGENT: &str = concat!("Vestibule/", env!("CARGO_PKG_VERSION"));

/// Reasons why an own request has no usable response. The texts contain no URL and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::worker) enum FetchError {
    /// The deadline passed.
    #[error("deadline")]
    Deadline,
    /// The body exceeds the limit in bytes.
    #[error("more than {0} bytes")]
    TooLarge(usize),
    /// The body is not UTF-8.
    #[error("not UTF-8")]
    NotText,
    /// The connection failed or broke; the platform's error text.
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

/// Own request.
pub(in crate::worker) struct Request<'a> {
    url: &'a str,
    body: Option<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
    deadline_ms: Option<u32>,
    is_cached: bool,
}

impl<'a> Request<'a> {
    /// Creates a GET.
    pub(in crate::worker) fn get(url: &'a str) -> Self {
        Self {
            url,
            body: None,
            headers: Vec::new(),
            deadline_ms: None,
            is_cached: false,
        }
    }

    /// Creates a POST.
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

    /// Limits the request, including the response's body, to this many milliseconds.
    pub(in crate::worker) fn deadline(mut self, ms: u32) -> Self {
        self.deadline_ms = Some(ms);
        self
    }

    /// Lets the zone's cache answer. Its key is the URL alone, so use it only for responses that are the same for all
    /// clients.
    pub(in crate::worker) fn through_zone_cache(mut self) -> Self {
        self.is_cached = true;
        self
    }

    /// Sends the request, and returns the response once its headers arrived.
    ///
    /// # Errors
    /// Returns [`FetchError::Deadline`] or [`FetchError::Lost`]; any status is a response.
    pub(in crate::worker) async fn send(self) -> Result<Response, FetchError> {
        let sent = runtime::fetch(self.url, &self.init()?)?;
        let response: web_sys::Response = JsFuture::from(sent).await?.dyn_into()?;
        Ok(Response(response))
    }

    /// Sends the request once per decision. Returns the response's status and body of at most `limit` bytes of UTF-8.
    /// If the instance dies meanwhile, the next one gets this response instead of sending the request again.
    ///
    /// # Errors
    /// Returns why there is no response, or no complete body.
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

/// Returns the options that bypass the zone's cache. They equal `cache: "no-store"`, which would also add
/// `Cache-Control` and `Pragma` to the request.
fn uncached() -> Result<Object, JsValue> {
    let cf = Object::new();
    Reflect::set(&cf, &"cacheTtl".into(), &(-1).into())?;
    Reflect::set(&cf, &"cacheLevel".into(), &"bypass".into())?;
    Ok(cf)
}

/// Response to an own request. Read its body or [`discard`](Self::discard) it: an unread body occupies the connection.
pub(in crate::worker) struct Response(web_sys::Response);

impl Response {
    /// Returns the status.
    pub(in crate::worker) fn status(&self) -> u16 {
        self.0.status()
    }

    /// Returns whether the status is a success.
    pub(in crate::worker) fn is_ok(&self) -> bool {
        self.0.ok()
    }

    /// Returns a header's value.
    pub(in crate::worker) fn header(&self, name: &str) -> Option<String> {
        self.0.headers().get(name).ok().flatten()
    }

    /// Cancels the body.
    pub(in crate::worker) async fn discard(self) {
        if let Some(body) = self.0.body() {
            let _ = JsFuture::from(body.cancel()).await;
        }
    }

    /// Reads the body, at most `limit` bytes, into the JavaScript heap.
    ///
    /// # Errors
    /// Returns why there is no complete body.
    pub(in crate::worker) async fn bytes(self, limit: usize) -> Result<Uint8Array, FetchError> {
        Ok(self.chunks(limit).await?.join())
    }

    /// Reads the body, at most `limit` bytes, as UTF-8 without a byte order mark.
    ///
    /// # Errors
    /// Returns why there is no complete body, or [`FetchError::NotText`].
    pub(in crate::worker) async fn text(self, limit: usize) -> Result<String, FetchError> {
        text(self.chunks(limit).await?.to_vec())
    }

    async fn chunks(self, limit: usize) -> Result<Chunks, FetchError> {
        let read = body::read(self.0.body(), limit).await?;
        read.ok_or(FetchError::TooLarge(limit))
    }
}

/// Decodes UTF-8 and removes a byte order mark.
fn text(bytes: Vec<u8>) -> Result<String, FetchError> {
    let text = String::from_utf8(bytes).map_err(|_| FetchError::NotText)?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}
