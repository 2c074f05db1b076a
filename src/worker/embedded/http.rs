//! Converts requests and responses between the `worker` crate and the core.

use js_sys::{Array, Object, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::web_sys::{self, RequestInit};
use worker::{EncodeBody, Headers, Request, Response, ResponseBuilder};

use super::Error;
use crate::embed::Changes;
use crate::gateway::Forward;
use crate::http;
use crate::http::canonical::canonical;
use crate::response::Answer;
use crate::upstream::request_headers::FORWARDED_HEADERS;
use crate::upstream::response_headers::Edits;

/// Returns the runtime's request.
pub(super) fn raw(request: &Request) -> web_sys::Request {
    // `Request::clone` would call JavaScript's, which copies the body.
    Clone::clone(request.inner())
}

/// Returns the own members of an object.
pub(super) fn entries(object: &JsValue) -> impl Iterator<Item = (String, JsValue)> {
    let entries = Object::entries(object.unchecked_ref());
    entries.into_iter().filter_map(|entry| {
        let entry: Array = entry.unchecked_into();
        Some((entry.get(0).as_string()?, entry.get(1)))
    })
}

/// Packs a request; see [`crate::http::request`].
pub(super) fn packed(request: &Request) -> Result<String, Error> {
    let raw = request.inner();
    let mut packed = [raw.method(), raw.url()].join("\n");
    for (name, value) in request.headers() {
        for line in [name, value] {
            packed.push('\n');
            packed.push_str(&line);
        }
    }
    Ok(packed)
}

/// Builds the request for the origin, under its canonical URL.
pub(super) fn forwarded(
    raw: &web_sys::Request,
    packed: &str,
    forward: &Forward,
) -> Result<Request, Error> {
    let Some(request) = http::request::Request::parse(packed) else {
        return Err(Error::Runtime(
            "a request that was judged is none".to_owned(),
        ));
    };
    let headers = Headers::new();
    for ((name, value), kept) in request.headers.iter().zip(forward.headers.kept.bytes()) {
        if kept == b'+' {
            headers.append(name, value)?;
        }
    }
    let mut own = forward.headers.own.split('\n');
    for (name, value) in FORWARDED_HEADERS.iter().zip(own.by_ref()) {
        if !value.is_empty() {
            headers.set(name, value)?;
        }
    }
    // The tenant's additional headers follow, as names and values.
    while let (Some(name), Some(value)) = (own.next(), own.next()) {
        headers.set(name, value)?;
    }
    let init = RequestInit::new();
    init.set_headers(headers.as_ref());
    let made = match canonical(&request.location) {
        Ok(Some(url)) => {
            let copy = web_sys::Request::new_with_request(raw)?;
            let same = web_sys::Request::new_with_str_and_init(&url, copy.unchecked_ref())?;
            web_sys::Request::new_with_request_and_init(&same, &init)?
        }
        _ => web_sys::Request::new_with_request_and_init(raw, &init)?,
    };
    Ok(made.into())
}

/// Packs the headers of a response. The requested changes become control headers, as an origin would send them.
pub(super) fn packed_response(response: &Response, changes: &Changes) -> Result<String, Error> {
    let mut lines = Vec::new();
    for (name, value) in response.headers() {
        if name != "set-cookie" {
            lines.extend([name, value]);
        }
    }
    for line in response.headers().get_all("set-cookie")? {
        lines.extend(["set-cookie".to_owned(), line]);
    }
    for (name, value) in changes.controls() {
        lines.extend([name.to_owned(), value]);
    }
    Ok(lines.join("\n"))
}

/// Applies edits to a response; the body is passed on unchanged.
pub(super) fn edited(response: Response, edits: &Edits) -> Result<Response, Error> {
    let headers = Headers::new();
    for (name, value) in response.headers() {
        headers.append(&name, &value)?;
    }
    for name in &edits.remove {
        headers.delete(name)?;
    }
    for (name, value) in &edits.append {
        headers.append(name, value)?;
    }
    Ok(response.with_headers(headers))
}

/// Builds our own response; `file` is its body, if set.
pub(super) fn response(answer: Answer, file: Option<Uint8Array>) -> Result<Response, Error> {
    let headers = Headers::new();
    for (name, value) in &answer.headers {
        headers.append(name, value)?;
    }
    let builder = ResponseBuilder::new()
        .with_status(answer.status)
        .with_headers(headers);
    Ok(match file {
        // A file is sent as it is, compressed or not.
        Some(file) => builder
            .with_encode_body(EncodeBody::Manual)
            .fixed(file.to_vec()),
        None if answer.body.is_empty() => builder.empty(),
        None => builder.fixed(answer.body.into_bytes()),
    })
}

/// Returns whether a response is a WebSocket or event stream.
pub(super) fn stays_open(response: &Response) -> bool {
    let media_type = response.headers().get("content-type").ok().flatten();
    response.status_code() == 101
        || media_type.is_some_and(|it| it.starts_with("text/event-stream"))
}
