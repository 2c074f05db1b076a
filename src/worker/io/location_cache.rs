//! Caches tenants' files in the location's cache (`caches.default`). A runtime without one throws, which is ignored.

use js_sys::futures::JsFuture;
use js_sys::{Promise, Uint8Array, encode_uri_component};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::web_sys::{Headers, Response, ResponseInit};

use super::body;
use crate::clock::UnixMillis;
use crate::effect::asset::MAX_LENGTH;
use crate::effect::asset::cache::{File, USABLE_MS};

// `worker::Cache` would end the instance in a runtime without a cache.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["caches", "default"], js_name = "match", catch)]
    fn cache_match(url: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["caches", "default"], js_name = put, catch)]
    fn cache_put(url: &str, response: &Response) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["caches", "default"], js_name = delete, catch)]
    fn cache_delete(url: &str) -> Result<Promise, JsValue>;
}

/// Header with the time at which the source returned the file.
const FETCHED: &str = "x-fetched";

/// Returns the cache key of a file: a URL that no server has.
fn address(name: &str) -> String {
    let name: String = encode_uri_component(name).into();
    format!("https://assets.invalid/{name}")
}

/// Finds a file.
pub(super) async fn find(name: &str) -> Option<File<Uint8Array>> {
    found(name).await.ok().flatten()
}

async fn found(name: &str) -> Result<Option<File<Uint8Array>>, JsValue> {
    let found = JsFuture::from(cache_match(&address(name))?).await?;
    let Some(response) = found.dyn_ref::<Response>() else {
        return Ok(None);
    };
    let headers = response.headers();
    let etag = headers.get("etag")?.unwrap_or_default();
    let hash = etag
        .strip_prefix('"')
        .and_then(|etag| etag.strip_suffix('"'));
    let fetched = headers.get(FETCHED)?.and_then(|ms| ms.parse().ok());
    let body = body::read(response.body(), MAX_LENGTH).await?;
    let (Some(hash), Some(fetched), Some(body)) = (hash, fetched, body) else {
        return Ok(None);
    };
    let bytes = body.join();
    Ok(Some(File {
        media_type: headers.get("content-type")?.unwrap_or_default(),
        hash: hash.to_owned(),
        length: bytes.length(),
        fetched: UnixMillis(fetched),
        bytes,
    }))
}

/// Stores a file.
pub(super) async fn put(name: &str, file: &File<Uint8Array>) {
    if let Ok(work) = response(file).and_then(|response| cache_put(&address(name), &response)) {
        let _ = JsFuture::from(work).await;
    }
}

/// Deletes a file.
pub(super) async fn delete(name: &str) {
    if let Ok(work) = cache_delete(&address(name)) {
        let _ = JsFuture::from(work).await;
    }
}

fn response(file: &File<Uint8Array>) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set("content-type", &file.media_type)?;
    headers.set("etag", &format!("\"{}\"", file.hash))?;
    headers.set(FETCHED, &file.fetched.0.to_string())?;
    let lifetime = format!("public, max-age={}", USABLE_MS / 1_000);
    headers.set("cache-control", &lifetime)?;
    let init = ResponseInit::new();
    init.set_headers(&headers);
    Response::new_with_opt_buffer_source_and_init(Some(&file.bytes), &init)
}
