//! Reads and changes tenants' documents in the bound backend; see [`crate::config::backend`].

use core::cell::RefCell;

use js_sys::futures::JsFuture;
use js_sys::{Array, JsString, Reflect, Uint8Array};
use thiserror::Error;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;
use worker::worker_sys::types::{D1Database, D1Result};

use super::fetch::{FetchError, Request};
use super::namespace::{Namespace, Options};
use super::single_flight::{self, Flights};
use super::{Answered, now};
use crate::config::backend::{self, Backend, CACHE_TTL_SECONDS, Change, DEADLINE_MS, NoBackend};
use crate::config::service::{self, Answer, Memory, Unexpected};
use crate::effect::Found;
use crate::effect::asset::Trouble;
use crate::worker::counters::{Operation, counted, counted_lookup};
use crate::worker::log;
use crate::worker::timing::{DeadlineExceeded, within};

/// Text under a key, or `None`. It stays in the JavaScript heap, because files are long.
pub(super) type Text = Option<JsString>;

thread_local! {
    static READS: Flights<Result<Text, DocumentError>> = Flights::default();
    /// Last answer of the service.
    static SERVICE: RefCell<Memory<JsString>> = RefCell::default();
}

#[wasm_bindgen]
extern "C" {
    type TextDecoder;
    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<TextDecoder, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn decode(this: &TextDecoder, bytes: &Uint8Array) -> Result<JsString, JsValue>;
}

/// Reasons why documents are not read or changed. The texts contain no key and no document.
#[derive(Clone, Debug, Error)]
pub(super) enum DocumentError {
    /// The deadline passed.
    #[error(transparent)]
    Deadline(#[from] DeadlineExceeded),
    /// No backend is bound.
    #[error(transparent)]
    NoBackend(#[from] NoBackend),
    /// The service answered with an unexpected status.
    #[error(transparent)]
    Status(#[from] Unexpected),
    /// The service gave no usable answer.
    #[error(transparent)]
    Service(#[from] FetchError),
    /// Error text of KV or D1.
    #[error("{0}")]
    Platform(String),
}

impl DocumentError {
    /// Returns the corresponding trouble of a file.
    pub(super) fn trouble(&self) -> Trouble {
        match self {
            Self::Deadline(_) | Self::Service(FetchError::Deadline) => Trouble::Deadline,
            _ => Trouble::NoAnswer,
        }
    }
}

impl From<JsValue> for DocumentError {
    fn from(thrown: JsValue) -> Self {
        Self::Platform(log::Describe::describe(&thrown))
    }
}

/// Reads a document.
pub(super) async fn read(env: &Env, key: String) -> Answered {
    let begun = now();
    let work = || {
        counted_lookup(Operation::Document, async {
            within(DEADLINE_MS, find(env, &key)).await?
        })
    };
    let (found, asked) = match single_flight::ask(&READS, &key, work).await {
        (Ok(Some(text)), asked) => (Found::Bytes(String::from(text).into_bytes()), asked),
        (Ok(None), asked) => (Found::Absent, asked),
        (Err(error), _) => {
            log::report("document_not_read", error.to_string().as_str());
            (Found::Unavailable, begun)
        }
    };
    Answered::Found { key, found, asked }
}

/// Lists the keys with a prefix, one per line.
pub(super) async fn list(env: &Env, prefix: String) -> Answered {
    let asked = now();
    let keys = counted(Operation::Document, async {
        within(DEADLINE_MS, keys(env, &prefix)).await?
    });
    let found = match keys.await {
        Ok(keys) => Found::Bytes(keys.join("\n").into_bytes()),
        Err(error) => {
            log::report("documents_not_listed", error.to_string().as_str());
            Found::Unavailable
        }
    };
    Answered::Found {
        key: prefix,
        found,
        asked,
    }
}

/// Stores texts, then deletes keys, one after the other.
pub(super) async fn keep(env: &Env, puts: &[(String, String)], deletes: &[String]) -> Answered {
    let kept = change(env, &backend::in_order(puts, deletes)).await;
    if let Err(error) = &kept {
        log::report("document_not_kept", error.to_string().as_str());
    }
    Answered::Written(kept.is_ok())
}

/// Returns the text under a key, of a document or a file.
pub(super) async fn find(env: &Env, key: &str) -> Result<Text, DocumentError> {
    match backend::for_read(key, bound(env))? {
        Backend::Table => find_in_table(&table(env), key).await,
        Backend::Service => find_at_service(env, key).await,
        namespace @ (Backend::Users | Backend::Tenants) => {
            let options = Options::of_read("text", CACHE_TTL_SECONDS);
            let namespace = Namespace::bound(env, namespace.binding())?;
            text(JsFuture::from(namespace.get(key, &options)?).await?)
        }
    }
}

async fn keys(env: &Env, prefix: &str) -> Result<Vec<String>, DocumentError> {
    let backend = backend::for_list(prefix, bound(env))?;
    if backend == Backend::Table {
        return rows(&table(env), prefix).await;
    }
    let namespace = Namespace::bound(env, backend.binding())?;
    let mut keys = Vec::new();
    let mut cursor = None;
    loop {
        cursor = namespace.list(prefix, cursor.as_deref(), &mut keys).await?;
        if cursor.is_none() {
            return Ok(keys);
        }
    }
}

async fn change(env: &Env, changes: &[Change<'_>]) -> Result<(), DocumentError> {
    let backend = backend::for_changes(changes, bound(env))?;
    if backend == Backend::Table {
        return change_table(&table(env), changes).await;
    }
    let namespace = Namespace::bound(env, backend.binding())?;
    for change in changes {
        match *change {
            Change::Put(key, text) => namespace.put(key, text).await?,
            Change::Delete(key) => namespace.delete(key).await?,
        }
    }
    Ok(())
}

async fn find_in_table(table: &D1Database, key: &str) -> Result<Text, DocumentError> {
    let query = table.prepare("SELECT value FROM tenants WHERE key = ?")?;
    let found = query.bind(values(&[key.into()]))?.first(Some("value"))?;
    text(JsFuture::from(found).await?)
}

async fn rows(table: &D1Database, prefix: &str) -> Result<Vec<String>, DocumentError> {
    let query =
        table.prepare("SELECT key FROM tenants WHERE substr(key, 1, ?) = ? ORDER BY key")?;
    let length = u32::try_from(prefix.chars().count()).unwrap_or(u32::MAX);
    let query = query.bind(values(&[length.into(), prefix.into()]))?;
    let result: D1Result = JsFuture::from(query.all()?).await?.unchecked_into();
    let rows = result.results()?.unwrap_or_default();
    let keys = rows.iter().map(|row| Reflect::get(&row, &"key".into()));
    keys.map(|key| Ok(key?.as_string().unwrap_or_default()))
        .collect()
}

/// Applies all changes atomically.
async fn change_table(table: &D1Database, changes: &[Change<'_>]) -> Result<(), DocumentError> {
    let put = table.prepare("INSERT OR REPLACE INTO tenants (key, value) VALUES (?, ?)")?;
    let delete = table.prepare("DELETE FROM tenants WHERE key = ?")?;
    let statements = Array::new();
    for change in changes {
        let statement = match *change {
            Change::Put(key, text) => put.bind(values(&[key.into(), text.into()]))?,
            Change::Delete(key) => delete.bind(values(&[key.into()]))?,
        };
        statements.push(&statement);
    }
    JsFuture::from(table.batch(statements)?).await?;
    Ok(())
}

async fn find_at_service(env: &Env, key: &str) -> Result<Text, DocumentError> {
    let base = binding(env, Backend::Service).as_string();
    let url = service::url(&base.unwrap_or_default(), key);
    let token = setting(env, "TENANTS_TOKEN").as_string();
    let token = token.filter(|token| !token.is_empty());
    let authorization = token.map(|token| format!("Bearer {}", token.trim()));
    let known = SERVICE.with_borrow(|memory| memory.known(&url));

    let mut request = Request::get(&url).deadline(DEADLINE_MS);
    if let Some(known) = &known {
        request = request.header("if-none-match", &known.etag);
    }
    if let Some(authorization) = &authorization {
        request = request.header("authorization", authorization);
    }
    let response = request.send().await?;
    let answer = service::read(response.status(), known);
    if !matches!(answer, Ok(Answer::Given)) {
        response.discard().await;
        return match answer? {
            Answer::Unchanged(text) => Ok(Some(text)),
            Answer::Given | Answer::Absent => {
                SERVICE.with_borrow_mut(|memory| memory.forget(&url));
                Ok(None)
            }
        };
    }
    let etag = response.header("etag");
    let bytes = response.bytes(service::limit(key)).await?;
    let text = TextDecoder::new()?.decode(&bytes)?;
    let length = usize::try_from(bytes.length()).unwrap_or(usize::MAX);
    SERVICE.with_borrow_mut(|memory| memory.remember(&url, etag, length, text.clone()));
    Ok(Some(text))
}

/// Returns which backends are bound.
fn bound(env: &Env) -> impl Fn(Backend) -> bool {
    |backend| binding(env, backend).is_truthy()
}

fn binding(env: &Env, backend: Backend) -> JsValue {
    setting(env, backend.binding())
}

fn setting(env: &Env, name: &str) -> JsValue {
    Reflect::get(env, &name.into()).unwrap_or_default()
}

fn table(env: &Env) -> D1Database {
    binding(env, Backend::Table).unchecked_into()
}

fn values(values: &[JsValue]) -> Array {
    values.iter().collect()
}

/// Converts a found text.
fn text(found: JsValue) -> Result<Text, DocumentError> {
    if found.is_null() || found.is_undefined() {
        return Ok(None);
    }
    Ok(Some(found.dyn_into()?))
}
