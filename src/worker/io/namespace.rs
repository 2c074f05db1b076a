//! Binds the KV methods that Vestibule uses.
//!
//! The `worker` crate's `KvStore` looks up five methods each time and keeps no text in the JavaScript heap. It also
//! passes options and lists through a second `serde` format, which would add 20 kB to the module.

use js_sys::futures::JsFuture;
use js_sys::{Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;

#[wasm_bindgen]
extern "C" {
    /// KV binding.
    pub(in crate::worker) type Namespace;

    /// Reads a key; resolves to null if it is missing.
    #[wasm_bindgen(method, catch)]
    pub(in crate::worker) fn get(
        this: &Namespace,
        key: &str,
        options: &Options,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = put)]
    fn begin_put(
        this: &Namespace,
        key: &str,
        value: &JsValue,
        options: &JsValue,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = delete)]
    fn begin_delete(this: &Namespace, key: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = list)]
    fn begin_list(this: &Namespace, options: &Options) -> Result<Promise, JsValue>;

    /// Options of any of the methods.
    pub(in crate::worker) type Options;

    #[wasm_bindgen(method, setter, js_name = type)]
    fn set_type(this: &Options, value: &str);

    #[wasm_bindgen(method, setter, js_name = cacheTtl)]
    fn set_cache_ttl(this: &Options, seconds: u32);

    #[wasm_bindgen(method, setter, js_name = expirationTtl)]
    fn set_expiration_ttl(this: &Options, seconds: f64);

    #[wasm_bindgen(method, setter)]
    fn set_prefix(this: &Options, prefix: &str);

    #[wasm_bindgen(method, setter)]
    fn set_cursor(this: &Options, cursor: &str);

    /// Page of a list.
    type Page;

    #[wasm_bindgen(method, getter)]
    fn keys(this: &Page) -> Vec<Key>;

    #[wasm_bindgen(method, getter, js_name = list_complete)]
    fn list_complete(this: &Page) -> bool;

    #[wasm_bindgen(method, getter)]
    fn cursor(this: &Page) -> Option<String>;

    type Key;

    #[wasm_bindgen(method, getter)]
    fn name(this: &Key) -> String;
}

impl Options {
    fn new() -> Self {
        Object::new().unchecked_into()
    }

    /// Creates the options of a read: a text, or bytes (`arrayBuffer`), with the maximum age in the location's cache.
    pub(in crate::worker) fn of_read(value_type: &str, cache_ttl_seconds: u32) -> Self {
        let options = Self::new();
        options.set_type(value_type);
        options.set_cache_ttl(cache_ttl_seconds);
        options
    }
}

impl Namespace {
    /// Returns a binding.
    ///
    /// # Errors
    /// Returns an exception of the lookup. A missing binding throws when it is used.
    pub(in crate::worker) fn bound(env: &Env, binding: &str) -> Result<Self, JsValue> {
        Ok(Reflect::get(env, &binding.into())?.unchecked_into())
    }

    /// Stores a text.
    ///
    /// # Errors
    /// Returns KV's exception.
    pub(in crate::worker) async fn put(&self, key: &str, text: &str) -> Result<(), JsValue> {
        let put = self.begin_put(key, &text.into(), &JsValue::UNDEFINED)?;
        JsFuture::from(put).await.map(drop)
    }

    /// Stores bytes for this many seconds.
    ///
    /// # Errors
    /// Returns KV's exception.
    #[expect(clippy::cast_precision_loss, reason = "at most 400 days")]
    pub(in crate::worker) async fn put_bytes(
        &self,
        key: &str,
        bytes: &[u8],
        ttl_seconds: u64,
    ) -> Result<(), JsValue> {
        let options = Options::new();
        options.set_expiration_ttl(ttl_seconds as f64);
        let bytes = Uint8Array::from(bytes).buffer();
        let put = self.begin_put(key, &bytes, &options)?;
        JsFuture::from(put).await.map(drop)
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// Returns KV's exception.
    pub(in crate::worker) async fn delete(&self, key: &str) -> Result<(), JsValue> {
        JsFuture::from(self.begin_delete(key)?).await.map(drop)
    }

    /// Adds at most 1,000 names with a prefix to `names`. Returns the cursor of the next page, if there is one.
    ///
    /// # Errors
    /// Returns KV's exception.
    pub(in crate::worker) async fn list(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        names: &mut Vec<String>,
    ) -> Result<Option<String>, JsValue> {
        let options = Options::new();
        options.set_prefix(prefix);
        if let Some(cursor) = cursor {
            options.set_cursor(cursor);
        }
        let page = JsFuture::from(self.begin_list(&options)?).await?;
        let page: Page = page.unchecked_into();
        names.extend(page.keys().iter().map(Key::name));
        Ok(page.cursor().filter(|_| !page.list_complete()))
    }
}
