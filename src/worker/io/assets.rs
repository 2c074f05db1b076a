//! Loads tenants' files from this isolate's memory, the location's cache, or their sources; see
//! [`crate::effect::asset::cache`].
//!
//! The bytes stay in the JavaScript heap, because wasm memory never shrinks.

use core::cell::RefCell;

use js_sys::futures::JsFuture;
use js_sys::{JsString, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;

use super::fetch::{FetchError, Request};
use super::single_flight::{self, Flights};
use super::{Answered, documents, location_cache, now};
use crate::effect::asset::cache::{
    AssetCache, File, LocationUpdate, Lookup, Outcome, SOURCE_DEADLINE_MS, Shown,
};
use crate::effect::asset::{Asset, MAX_LENGTH, Trouble};
use crate::encoding::push_hex;
use crate::tenant_id::TenantId;
use crate::worker::timing::within;
use crate::worker::{futures, runtime};

/// Prefix of sources stored with the tenants' documents; all others are URLs.
const STORED: &str = "asset:";

thread_local! {
    static FILES: RefCell<AssetCache<Uint8Array>> = RefCell::default();
    static REQUESTS: Flights<Outcome<Uint8Array>> = Flights::default();
}

// Bound here, so that texts and bytes of files do not pass through wasm memory.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = JSON, js_name = parse, catch)]
    fn parse(text: &JsString) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = Uint8Array, js_name = fromBase64, catch)]
    fn from_base64(text: &JsValue) -> Result<Uint8Array, JsValue>;
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], catch)]
    fn digest(algorithm: &str, bytes: &Uint8Array) -> Result<Promise, JsValue>;
}

/// Result of a source.
struct Given {
    media_type: String,
    bytes: Uint8Array,
}

/// Loads a file.
pub(super) async fn answer(env: &Env, tenant: &TenantId, source: String) -> Answered {
    let name = format!("{tenant}/{source}");
    let fresh = FILES.with_borrow_mut(|files| files.fresh(&name, now()));
    let outcome = match fresh {
        Some(file) => Ok(Shown {
            file,
            trouble: None,
        }),
        None => {
            let work = || renewed(env, &name, &source);
            single_flight::ask(&REQUESTS, &name, work).await.0
        }
    };
    let (asset, bytes) = match outcome.map(Shown::into_parts) {
        Ok((asset, bytes)) => (asset, Some(bytes)),
        Err(trouble) => (Asset::Missing(trouble), None),
    };
    Answered::Asset {
        source,
        asset,
        bytes,
    }
}

/// Loads a file that is not fresh here.
async fn renewed(env: &Env, name: &str, source: &str) -> Outcome<Uint8Array> {
    let near = location_cache::find(name).await;
    let looked = FILES.with_borrow_mut(|files| files.lookup(name, near, now()));
    let usable = match looked {
        Lookup::Decided(outcome) => return outcome,
        Lookup::Ask(usable) => usable,
    };
    let given = obtained(env, source).await;
    let (outcome, update) = FILES.with_borrow_mut(|files| files.renew(name, usable, given, now()));
    apply(name.to_owned(), update);
    outcome
}

/// Updates the location's cache after the response.
fn apply(name: String, update: LocationUpdate<Uint8Array>) {
    if matches!(update, LocationUpdate::None) {
        return;
    }
    let work = futures::promise(async move {
        match update {
            LocationUpdate::None => {}
            LocationUpdate::Put(file) => location_cache::put(&name, &file).await,
            LocationUpdate::Delete => location_cache::delete(&name).await,
        }
        Ok(JsValue::UNDEFINED)
    });
    // The request may be over already; the update then continues as far as it can.
    let _ = runtime::wait_until(&work);
}

/// Requests a file from its source, without any client data.
async fn obtained(env: &Env, source: &str) -> Result<File<Uint8Array>, Trouble> {
    let Given { media_type, bytes } = if source.starts_with(STORED) {
        let stored = within(SOURCE_DEADLINE_MS, stored(env, source));
        stored.await.map_err(|_| Trouble::Deadline)??
    } else {
        fetched(source).await?
    };
    if let Some(trouble) = Trouble::of_media_type(&media_type) {
        return Err(trouble);
    }
    Ok(File {
        media_type,
        hash: hash(&bytes).await.map_err(|_| Trouble::NoAnswer)?,
        length: bytes.length(),
        fetched: now(),
        bytes,
    })
}

async fn fetched(url: &str) -> Result<Given, Trouble> {
    // The file is the same for all clients.
    let request = Request::get(url).deadline(SOURCE_DEADLINE_MS);
    let response = request.through_zone_cache().send().await?;
    if let Some(trouble) = Trouble::of_status(response.status()) {
        response.discard().await;
        return Err(trouble);
    }
    Ok(Given {
        media_type: response.header("content-type").unwrap_or_default(),
        bytes: response.bytes(MAX_LENGTH).await?,
    })
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Deadline => Self::Deadline,
            FetchError::TooLarge(_) => Self::TooLarge,
            FetchError::NotText | FetchError::Lost(_) => Self::NoAnswer,
        }
    }
}

/// Reads a file stored with the tenants' documents: `{"type": "image/png", "base64": "…"}`.
async fn stored(env: &Env, key: &str) -> Result<Given, Trouble> {
    let found = documents::find(env, key).await;
    let text = found.map_err(|error| error.trouble())?;
    let text = text.ok_or(Trouble::Absent)?;
    let given = read(&text).map_err(|_| Trouble::Malformed)?;
    let length = usize::try_from(given.bytes.length()).unwrap_or(usize::MAX);
    if length > MAX_LENGTH {
        return Err(Trouble::TooLarge);
    }
    Ok(given)
}

fn read(text: &JsString) -> Result<Given, JsValue> {
    let stored: Object = parse(text)?.into();
    let media_type = Reflect::get(&stored, &"type".into())?;
    Ok(Given {
        media_type: media_type.as_string().unwrap_or_default(),
        bytes: from_base64(&Reflect::get(&stored, &"base64".into())?)?,
    })
}

/// Returns the hash of a file: the first half of its SHA-256, as hex.
pub(super) async fn hash(bytes: &Uint8Array) -> Result<String, JsValue> {
    let digest = JsFuture::from(digest("SHA-256", bytes)?).await?;
    let digest = Uint8Array::new(&digest).to_vec();
    let mut hash = String::with_capacity(32);
    push_hex(&mut hash, digest.get(..16).unwrap_or_default());
    Ok(hash)
}
