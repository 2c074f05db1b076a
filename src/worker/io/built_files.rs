//! Loads files that the build compressed, such as the console's.

use core::cell::RefCell;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::web_sys::{ReadableStream, Response};

use super::{Answered, assets, body, packed_files};
use crate::effect::asset::{Asset, Coding, FileMetadata, Trouble};
use crate::flat_map::FlatMap;

thread_local! {
    /// Hash of each file.
    static HASHES: RefCell<FlatMap<&'static str, String>> = RefCell::default();
}

#[wasm_bindgen]
extern "C" {
    type DecompressionStream;
    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<DecompressionStream, JsValue>;

    type Readable;
    #[wasm_bindgen(method, catch, js_name = pipeThrough)]
    fn pipe_through(
        this: &Readable,
        transform: &DecompressionStream,
    ) -> Result<ReadableStream, JsValue>;
}

/// Loads a file in a coding.
pub(super) async fn answer(name: &'static str, coding: Coding) -> Answered {
    let (asset, bytes) = match found(name, coding).await {
        Ok(Some((hash, bytes))) => {
            let metadata = FileMetadata {
                hash,
                length: bytes.length(),
                ..FileMetadata::default()
            };
            (Asset::Available(metadata), Some(bytes))
        }
        Ok(None) => (Asset::Missing(Trouble::Absent), None),
        Err(_) => (Asset::Missing(Trouble::Malformed), None),
    };
    Answered::Asset {
        source: name.to_owned(),
        asset,
        bytes,
    }
}

async fn found(
    name: &'static str,
    coding: Coding,
) -> Result<Option<(String, Uint8Array)>, JsValue> {
    let Some(compressed) = packed_files::find(&["files/", name].concat()) else {
        return Ok(None);
    };
    let known = HASHES.with_borrow(|hashes| hashes.get(name).cloned());
    let hash = match known {
        Some(hash) => hash,
        None => {
            let hash = assets::hash(&compressed).await?;
            HASHES.with_borrow_mut(|hashes| hashes.insert(name, hash.clone()));
            hash
        }
    };
    let bytes = match coding {
        Coding::Gzip => compressed,
        Coding::Identity => decompressed(&compressed).await?,
    };
    Ok(Some((hash, bytes)))
}

async fn decompressed(compressed: &Uint8Array) -> Result<Uint8Array, JsValue> {
    let body = Response::new_with_opt_buffer_source(Some(compressed))?.body();
    let Some(body) = body else {
        return Ok(Uint8Array::new_with_length(0));
    };
    let gzip = DecompressionStream::new("gzip")?;
    let plain = body.unchecked_into::<Readable>().pipe_through(&gzip)?;
    let read = body::read(Some(plain), usize::MAX).await?;
    Ok(read.map_or_else(|| Uint8Array::new_with_length(0), |read| read.join()))
}
