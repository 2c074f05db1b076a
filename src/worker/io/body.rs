//! Reads bodies up to a limit, which bounds the memory.

use js_sys::futures::JsFuture;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::web_sys::{ReadableStream, ReadableStreamDefaultReader};

/// Chunks of a complete body. They are in the JavaScript heap, because wasm memory never shrinks.
pub(in crate::worker) struct Chunks {
    chunks: Vec<Uint8Array>,
    length: u32,
}

impl Chunks {
    /// Copies them into wasm memory.
    pub(in crate::worker) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.length).unwrap_or_default()];
        let mut rest = bytes.as_mut_slice();
        for chunk in &self.chunks {
            let length = usize::try_from(chunk.length()).unwrap_or_default();
            let Some((room, after)) = rest.split_at_mut_checked(length) else {
                break;
            };
            chunk.copy_to(room);
            rest = after;
        }
        bytes
    }

    /// Joins them in the JavaScript heap.
    pub(in crate::worker) fn join(&self) -> Uint8Array {
        let bytes = Uint8Array::new_with_length(self.length);
        let mut at = 0;
        for chunk in &self.chunks {
            bytes.set(chunk, at);
            at += chunk.length();
        }
        bytes
    }
}

/// Reads a body to its end. Cancels a body above `limit` bytes and returns `None`. A missing body has no bytes.
///
/// # Errors
/// Returns the runtime's error if the body breaks off.
pub(in crate::worker) async fn read(
    body: Option<ReadableStream>,
    limit: usize,
) -> Result<Option<Chunks>, JsValue> {
    let mut read = Chunks {
        chunks: Vec::new(),
        length: 0,
    };
    let Some(body) = body else {
        return Ok(Some(read));
    };
    let reader = ReadableStreamDefaultReader::new(&body)?;
    loop {
        let part = JsFuture::from(reader.read()).await?;
        if Reflect::get(&part, &"done".into())?.is_truthy() {
            return Ok(Some(read));
        }
        let chunk: Uint8Array = Reflect::get(&part, &"value".into())?.dyn_into()?;
        read.length = read.length.saturating_add(chunk.length());
        if usize::try_from(read.length).map_or(true, |length| length > limit) {
            // The result is irrelevant: reading ends here.
            let _ = JsFuture::from(reader.cancel()).await;
            return Ok(None);
        }
        read.chunks.push(chunk);
    }
}
