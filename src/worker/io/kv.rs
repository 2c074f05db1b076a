//! Reads, lists and writes the sessions' namespaces (Workers KV, binding `SESSIONS` or a tenant's own). A read finds a
//! value, finds none, or fails; a write is acknowledged or not. The core decides where, when and how often:
//! [`store::namespaces`](crate::store::namespaces), [`store::breaker`](crate::store::breaker),
//! [`store::single_flight`](crate::store::single_flight), [`store::write_queue`](crate::store::write_queue).

use core::cell::RefCell;

use js_sys::Uint8Array;
use js_sys::futures::JsFuture;
use thiserror::Error;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;

use super::namespace::{Namespace, Options};
use super::single_flight::{self, Flights};
use super::{Answered, now};
use crate::clock::UnixMillis;
use crate::effect::{Found, Write};
use crate::flat_map::FlatMap;
use crate::gateway::write_behind::Merged;
use crate::store::breaker::Breaker;
use crate::store::namespaces::Namespaces;
use crate::store::write_queue::{Attempt, Next, Outcome, PUT_DEADLINE_MS, Submission, WriteQueue};
use crate::telemetry::metric;
use crate::tenant_id::TenantId;
use crate::worker::counters::{Operation, count, counted, counted_lookup};
use crate::worker::log::{self, alarm, report};
use crate::worker::timing::{DeadlineExceeded, sleep, within};
use crate::worker::{drain, futures, runtime, with_ready};

/// Minimum time for which KV may serve a read from its location's cache, in seconds.
const CACHE_TTL_S: u32 = 30;

/// Maximum time of a read before storage counts as unavailable, and of a page of a list, in milliseconds.
const READ_DEADLINE_MS: u32 = 500;
const PAGE_DEADLINE_MS: u32 = 2_000;

/// Maximum number of pages of a list; each has 1,000 names.
const MAX_PAGES: usize = 20;

thread_local! {
    static NAMESPACES: RefCell<Namespaces> = RefCell::default();
    /// A breaker per binding, because one namespace may fail alone. The shared one's name is empty.
    static BREAKERS: RefCell<FlatMap<String, Breaker>> = RefCell::default();
    static READS: Flights<Result<Option<Vec<u8>>, StorageError>> = Flights::default();
    static LISTS: Flights<Result<Vec<u8>, StorageError>> = Flights::default();
    static QUEUE: RefCell<WriteQueue> = RefCell::default();
    static READ_OPTIONS: Options = Options::of_read("arrayBuffer", CACHE_TTL_S);
}

/// Binding with a getter, which is faster on the request path than a lookup by name.
#[wasm_bindgen]
extern "C" {
    type Bindings;

    #[wasm_bindgen(method, getter, js_name = SESSIONS)]
    fn sessions(this: &Bindings) -> Namespace;
}

/// Reasons why storage has not answered.
#[derive(Clone, Debug, Error)]
enum StorageError {
    #[error("deadline")]
    Deadline,
    /// Error text of the platform.
    #[error("{0}")]
    Failed(String),
    /// The breaker refused the read after failures of others.
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

/// Reads a key, after a delay in milliseconds.
pub(super) async fn read(env: &Env, key: String, after_ms: u32) -> Answered {
    if after_ms > 0 {
        sleep(after_ms).await;
    }
    let (found, asked) = find(env, &key).await;
    Answered::Found { key, found, asked }
}

/// Reads a key. Returns the time at which the read began, too.
async fn find(env: &Env, key: &str) -> (Found, UnixMillis) {
    let (read, asked) = single_flight::ask(&READS, key, || read_admitted(env, key)).await;
    let found = match read {
        Ok(Some(bytes)) => Found::Bytes(bytes),
        Ok(None) => Found::Absent,
        // The breaker refused the read, so there is nothing to log.
        Err(StorageError::NotAsked) => Found::Unavailable,
        Err(error) => {
            report("store_read_failed", error.to_string().as_str());
            Found::Unavailable
        }
    };
    (found, asked)
}

/// Reads a key if the breaker admits it.
async fn read_admitted(env: &Env, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
    let binding = own_binding(key).unwrap_or_default();
    let permit = with_breaker(&binding, |breaker| breaker.admit(now()));
    let permit = permit.ok_or(StorageError::NotAsked)?;
    let read = async { within(READ_DEADLINE_MS, get(env, key)).await? };
    let read = counted_lookup(Operation::KvRead, read).await;
    with_breaker(&binding, |breaker| match &read {
        Ok(_) => breaker.record_success(permit),
        Err(_) => breaker.record_failure(permit, now()),
    });
    read
}

/// Gives tenants namespaces of their own.
pub(in crate::worker) fn use_namespaces(tenants: &[TenantId]) {
    NAMESPACES.set(Namespaces::of(tenants));
}

/// Returns the namespace of a key or prefix.
///
/// # Errors
/// Returns an exception of the lookup.
pub(in crate::worker) fn namespace_of(key: &str, env: &Env) -> Result<Namespace, JsValue> {
    match own_binding(key) {
        None => Ok(env.unchecked_ref::<Bindings>().sessions()),
        Some(binding) => Namespace::bound(env, &binding),
    }
}

fn own_binding(key: &str) -> Option<String> {
    NAMESPACES.with_borrow(|namespaces| namespaces.binding(key).map(str::to_owned))
}

fn with_breaker<T>(binding: &str, act: impl FnOnce(&mut Breaker) -> T) -> T {
    BREAKERS.with_borrow_mut(|breakers| act(breakers.or_default(binding.to_owned())))
}

async fn get(env: &Env, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
    let namespace = namespace_of(key, env)?;
    let reading = READ_OPTIONS.with(|options| namespace.get(key, options))?;
    let value = JsFuture::from(reading).await?;
    Ok((!value.is_null()).then(|| Uint8Array::new(&value).to_vec()))
}

/// Lists the names with a prefix, one per line.
pub(super) async fn list(env: &Env, prefix: String) -> Answered {
    let (listed, asked) = single_flight::ask(&LISTS, &prefix, || list_all(env, &prefix)).await;
    Answered::of(prefix, listed, "store_list_failed", asked)
}

async fn list_all(env: &Env, prefix: &str) -> Result<Vec<u8>, StorageError> {
    let kv = namespace_of(prefix, env)?;
    let mut names = Vec::new();
    let mut cursor = None;
    for _ in 0..MAX_PAGES {
        let page = async {
            let listing = kv.list(prefix, cursor.as_deref(), &mut names);
            Ok::<_, StorageError>(within(PAGE_DEADLINE_MS, listing).await??)
        };
        let next = counted(Operation::KvList, page).await?;
        if next.is_none() {
            return Ok(names.join("\n").into_bytes());
        }
        cursor = next;
    }
    alarm("store_list_cut");
    Ok(names.join("\n").into_bytes())
}

/// Stores values, and returns whether all are acknowledged.
pub(super) async fn store_durably(env: &Env, writes: Vec<Write>) -> bool {
    let submissions: Vec<Submission> = writes
        .into_iter()
        .map(|write| {
            runtime::superseded(&write.key);
            QUEUE.with_borrow_mut(|queue| queue.submit_durable(write, now()))
        })
        .collect();
    let stored = submissions.iter().map(|submission| store(env, submission));
    let outcomes = futures::all(stored).await;
    outcomes.iter().all(|outcome| *outcome == Outcome::Stored)
}

/// Submits a value. The returned future ends once the value is stored or lost.
pub(in crate::worker) fn store_in_background(
    env: Env,
    write: Write,
) -> impl Future<Output = ()> + 'static {
    let submission = QUEUE.with_borrow_mut(|queue| queue.submit(write, now()));
    async move {
        store(&env, &submission).await;
    }
}

/// Drives a key until the submitted value, or a later one, is stored or lost.
async fn store(env: &Env, submission: &Submission) -> Outcome {
    loop {
        let next = QUEUE.with_borrow_mut(|queue| queue.next(submission, now()));
        report_unwritten();
        match next {
            Next::Put(attempt) => {
                store_attempt(env, attempt).await;
                report_unwritten();
            }
            Next::Wait(ms) => sleep(ms).await,
            Next::Done(outcome) => return outcome,
        }
    }
}

/// Puts the value of an attempt, merged with what storage shows if need be.
async fn store_attempt(env: &Env, mut attempt: Attempt) {
    let reads_first = with_ready(|router| router.reads_first(&attempt.write.key));
    let mut merged = Merged::AsIs;
    if reads_first == Some(true) {
        let (found, asked) = find(env, &attempt.write.key).await;
        let Some(renewed) = QUEUE.with_borrow_mut(|queue| queue.renew(&attempt, now())) else {
            return;
        };
        attempt = renewed;
        let found = (&found, asked);
        let done = with_ready(|router| {
            let merged = router.merge(&attempt.write, found, now());
            drain(router, js_sys::Date::now());
            merged
        });
        merged = done.unwrap_or(Merged::AsIs);
        runtime::state_changed();
    }
    let mut acknowledged = match &merged {
        Merged::AsIs => put(env, &attempt.write).await,
        Merged::Instead(write) => put(env, write).await,
        Merged::Nothing => true,
        Merged::Unknown => false,
    };
    if acknowledged {
        // Otherwise the next attempt merges and puts the session again.
        acknowledged = with_ready(|router| router.stored(&attempt.write)).unwrap_or(true);
    }
    QUEUE.with_borrow_mut(|queue| queue.finish(&attempt, acknowledged, now()));
}

async fn put(env: &Env, write: &Write) -> bool {
    let putting = async {
        let Write { key, value, ttl } = write;
        let kv = namespace_of(key, env)?;
        let put = kv.put_bytes(key, value, ttl.0);
        Ok::<_, StorageError>(within(PUT_DEADLINE_MS, put).await??)
    };
    let put = counted(Operation::KvWrite, putting).await;
    if let Err(error) = &put {
        report("store_write_failed", error.to_string().as_str());
    }
    put.is_ok()
}

/// Reports the queue's coalesced and lost values, to the router, too.
fn report_unwritten() {
    let report = QUEUE.with_borrow_mut(WriteQueue::take_report);
    if report.coalesced > 0 {
        count(metric::WRITES_COALESCED, &[], report.coalesced.into());
    }
    for write in report.lost {
        with_ready(|router| router.lost(&write));
        count(metric::WRITES_LOST, &[], 1);
        alarm("store_write_lost");
    }
}
