//! Reads, lists and writes the sessions' namespace (Workers KV, binding `SESSIONS`). A read has found something, has
//! found nothing, or has failed; a write is acknowledged, or is not. When, and how often, the core decides:
//! [`store::breaker`](crate::store::breaker), [`store::single_flight`](crate::store::single_flight),
//! [`store::write_queue`](crate::store::write_queue).

use core::cell::RefCell;

use futures_util::future::join_all;
use js_sys::futures::JsFuture;
use js_sys::{Object, Promise, Uint8Array};
use thiserror::Error;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;
use worker::kv::KvStore;

use super::single_flight::{self, Flights};
use super::{Answered, now};
use crate::effect::{Found, Write};
use crate::store::breaker::Breaker;
use crate::store::write_queue::{Attempt, Next, Outcome, PUT_DEADLINE_MS, Ticket, WriteQueue};
use crate::telemetry::metric;
use crate::worker::counters::{Operation, count, counted, counted_lookup};
use crate::worker::log::{self, alarm, report};
use crate::worker::runtime;
use crate::worker::timing::{DeadlineExceeded, sleep, within};

const BINDING: &str = "SESSIONS";

/// Minimum time for which KV may serve a read from its location's cache, in seconds.
const CACHE_TTL_S: u32 = 30;

/// How long a read may take before storage counts as not answering, in milliseconds; a page of a list.
const READ_DEADLINE_MS: u32 = 500;
const PAGE_DEADLINE_MS: u32 = 2_000;

/// Maximum number of pages of a list that are read; each has 1,000 names.
const MAX_PAGES: usize = 20;

thread_local! {
    static BREAKER: RefCell<Breaker> = RefCell::default();
    static READS: Flights<Result<Option<Vec<u8>>, StorageError>> = Flights::default();
    static LISTS: Flights<Result<Vec<u8>, StorageError>> = Flights::default();
    static QUEUE: RefCell<WriteQueue> = RefCell::default();
    static READ_OPTIONS: ReadOptions = ReadOptions::new();
}

/// Reads are on the way of requests: the `worker` crate's builder looks five methods up, and makes the options, each
/// time.
#[wasm_bindgen]
extern "C" {
    type Bindings;

    #[wasm_bindgen(method, getter, js_name = SESSIONS)]
    fn sessions(this: &Bindings) -> Namespace;

    type Namespace;

    #[wasm_bindgen(method, catch)]
    fn get(this: &Namespace, key: &str, options: &ReadOptions) -> Result<Promise, JsValue>;

    type ReadOptions;

    #[wasm_bindgen(method, setter, js_name = type)]
    fn set_type(this: &ReadOptions, value: &str);

    #[wasm_bindgen(method, setter, js_name = cacheTtl)]
    fn set_cache_ttl(this: &ReadOptions, seconds: u32);
}

impl ReadOptions {
    fn new() -> Self {
        let options: Self = Object::new().unchecked_into();
        options.set_type("arrayBuffer");
        options.set_cache_ttl(CACHE_TTL_S);
        options
    }
}

/// Why storage has not answered.
#[derive(Clone, Debug, Error)]
enum StorageError {
    #[error("deadline")]
    Deadline,
    /// In the platform's words.
    #[error("{0}")]
    Failed(String),
    /// It was not asked, because it has not answered others.
    #[error("not asked")]
    NotAsked,
}

impl From<DeadlineExceeded> for StorageError {
    fn from(_: DeadlineExceeded) -> Self {
        Self::Deadline
    }
}

impl From<JsValue> for StorageError {
    fn from(thrown: JsValue) -> Self {
        Self::Failed(log::Describe::describe(&thrown))
    }
}

impl From<worker::kv::KvError> for StorageError {
    fn from(error: worker::kv::KvError) -> Self {
        Self::Failed(log::Describe::describe(&error))
    }
}

impl From<worker::Error> for StorageError {
    fn from(error: worker::Error) -> Self {
        Self::Failed(log::Describe::describe(&error))
    }
}

/// Reads a key, after so many milliseconds.
pub(super) async fn read(env: &Env, key: String, after_ms: u32) -> Answered {
    if after_ms > 0 {
        sleep(after_ms).await;
    }
    let (read, asked) = single_flight::ask(&READS, &key, || read_admitted(env, &key)).await;
    let found = match read {
        Ok(Some(bytes)) => Found::Bytes(bytes),
        Ok(None) => Found::Absent,
        // Nothing has happened.
        Err(StorageError::NotAsked) => Found::Unavailable,
        Err(error) => {
            report("store_read_failed", error.to_string().as_str());
            Found::Unavailable
        }
    };
    Answered::Found { key, found, asked }
}

/// Reads a key, unless storage counts as not answering.
async fn read_admitted(env: &Env, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
    let permit = BREAKER.with_borrow_mut(|breaker| breaker.admit(now()));
    let permit = permit.ok_or(StorageError::NotAsked)?;
    let read = async { within(READ_DEADLINE_MS, get(env, key)).await? };
    let read = counted_lookup(Operation::KvRead, read).await;
    BREAKER.with_borrow_mut(|breaker| match &read {
        Ok(_) => breaker.record_success(permit),
        Err(_) => breaker.record_failure(permit, now()),
    });
    read
}

async fn get(env: &Env, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
    let namespace = env.unchecked_ref::<Bindings>().sessions();
    let reading = READ_OPTIONS.with(|options| namespace.get(key, options))?;
    let value = JsFuture::from(reading).await?;
    Ok((!value.is_null()).then(|| Uint8Array::new(&value).to_vec()))
}

/// Lists the names that begin so, a line each.
pub(super) async fn list(env: &Env, prefix: String) -> Answered {
    let (listed, asked) = single_flight::ask(&LISTS, &prefix, || list_all(env, &prefix)).await;
    Answered::of(prefix, listed, "store_list_failed", asked)
}

async fn list_all(env: &Env, prefix: &str) -> Result<Vec<u8>, StorageError> {
    let kv = env.kv(BINDING)?;
    let mut names = Vec::new();
    let mut cursor = None;
    for _ in 0..MAX_PAGES {
        let mut page = kv.list().prefix(prefix.to_owned());
        if let Some(cursor) = cursor.take() {
            page = page.cursor(cursor);
        }
        let listing = async {
            let listed = within(PAGE_DEADLINE_MS, page.execute()).await?;
            Ok::<_, StorageError>(listed?)
        };
        let page = counted(Operation::KvList, listing).await?;
        names.extend(page.keys.into_iter().map(|key| key.name));
        if page.list_complete {
            return Ok(names.join("\n").into_bytes());
        }
        cursor = page.cursor;
    }
    alarm("store_list_cut");
    Ok(names.join("\n").into_bytes())
}

/// Stores values, and returns whether all are acknowledged.
pub(super) async fn store_durably(env: &Env, writes: Vec<Write>) -> bool {
    let tickets: Vec<Ticket> = writes
        .into_iter()
        .map(|write| {
            runtime::superseded(&write.key);
            QUEUE.with_borrow_mut(|queue| queue.submit_durable(write, now()))
        })
        .collect();
    let stored = tickets.iter().map(|ticket| store(env, ticket));
    let outcomes = join_all(stored).await;
    outcomes.iter().all(|outcome| *outcome == Outcome::Stored)
}

/// Submits a value; what is returned ends once that is stored or lost.
pub(in crate::worker) fn store_in_background(
    env: Env,
    write: Write,
) -> impl Future<Output = ()> + 'static {
    let ticket = QUEUE.with_borrow_mut(|queue| queue.submit(write, now()));
    async move {
        store(&env, &ticket).await;
    }
}

/// Drives a key until the submitted value, or a later one, is stored or lost.
async fn store(env: &Env, ticket: &Ticket) -> Outcome {
    loop {
        let next = QUEUE.with_borrow_mut(|queue| queue.next(ticket, now()));
        report_counts();
        match next {
            Next::Put(attempt) => {
                let acknowledged = put(env, &attempt).await;
                QUEUE.with_borrow_mut(|queue| queue.finish(&attempt, acknowledged, now()));
                report_counts();
            }
            Next::Wait(ms) => sleep(ms).await,
            Next::Done(outcome) => return outcome,
        }
    }
}

async fn put(env: &Env, attempt: &Attempt) -> bool {
    let putting = async {
        let kv: KvStore = env.kv(BINDING)?;
        let put = kv.put_bytes(&attempt.write.key, &attempt.write.value)?;
        let put = put.expiration_ttl(attempt.write.ttl.0).execute();
        within(PUT_DEADLINE_MS, put).await??;
        Ok::<_, StorageError>(())
    };
    let put = counted(Operation::KvWrite, putting).await;
    if let Err(error) = &put {
        report("store_write_failed", error.to_string().as_str());
    }
    put.is_ok()
}

/// Tells the operator what the queue has coalesced and lost.
fn report_counts() {
    let counts = QUEUE.with_borrow_mut(WriteQueue::take_counts);
    if counts.coalesced > 0 {
        count(metric::WRITES_COALESCED, &[], counts.coalesced.into());
    }
    for _ in 0..counts.lost {
        count(metric::WRITES_LOST, &[], 1);
        alarm("store_write_lost");
    }
}
