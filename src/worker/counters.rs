//! Collects counts for this isolate's next batch, from the control plane and the data plane.
//!
//! Nothing here borrows the core, so any code can call it.

use core::cell::RefCell;
use core::future::Future;

use super::io;
use crate::telemetry::batch::Batch;
use crate::telemetry::log::Event;
use crate::telemetry::metric;
use crate::telemetry::series::SEPARATOR;

thread_local! {
    static BATCH: RefCell<Batch> = RefCell::default();
}

/// Kind of operation: the values of the label `kind` of [`metric::STORAGE`].
#[derive(Clone, Copy)]
pub(super) enum Operation {
    KvRead,
    KvList,
    KvWrite,
    Object,
    Document,
    Provider,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::KvRead => "kv_read",
            Self::KvList => "kv_list",
            Self::KvWrite => "kv_write",
            Self::Object => "object",
            Self::Document => "document",
            Self::Provider => "provider",
        }
    }
}

/// Result of an operation: the values of the label `result` of [`metric::STORAGE`].
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Ok,
    Absent,
    Error,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Error => "error",
        }
    }
}

/// Adds to a counter.
pub(super) fn count(metric: &'static str, labels: &[&str], by: u64) {
    let labels = labels.join(SEPARATOR.encode_utf8(&mut [0; 4]));
    BATCH.with_borrow_mut(|batch| batch.count(metric, &labels, by));
}

/// Counts an operation with its duration in milliseconds.
pub(super) fn count_operation(operation: Operation, outcome: Outcome, ms: u64) {
    count(metric::STORAGE, &[operation.as_str(), outcome.as_str()], 1);
    BATCH.with_borrow_mut(|batch| {
        batch.observe(metric::STORAGE_DURATION, operation.as_str(), ms);
    });
}

/// Performs an operation, and counts it as `ok` or `error`.
pub(super) async fn counted<T, E>(
    operation: Operation,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    counted_as(operation, work, |_| Outcome::Ok).await
}

/// Performs a lookup, and counts it as `ok`, `absent` or `error`.
pub(super) async fn counted_lookup<T, E>(
    operation: Operation,
    work: impl Future<Output = Result<Option<T>, E>>,
) -> Result<Option<T>, E> {
    let outcome = |found: &Option<T>| match found {
        Some(_) => Outcome::Ok,
        None => Outcome::Absent,
    };
    counted_as(operation, work, outcome).await
}

/// Performs an operation, and counts it; `outcome` classifies a success.
async fn counted_as<T, E>(
    operation: Operation,
    work: impl Future<Output = Result<T, E>>,
    outcome: impl FnOnce(&T) -> Outcome,
) -> Result<T, E> {
    let begun = io::now();
    let result = work.await;
    let outcome = result.as_ref().map_or(Outcome::Error, outcome);
    count_operation(operation, outcome, io::now().millis_since(begun));
    result
}

/// Adds anything else to the next batch.
pub(super) fn with_batch(add: impl FnOnce(&mut Batch)) {
    BATCH.with_borrow_mut(add);
}

/// Adds an event for the console.
pub(super) fn show(event: &Event) {
    BATCH.with_borrow_mut(|batch| batch.show(event.to_json()));
}

/// Takes all counts since the last call.
pub(super) fn take() -> Batch {
    BATCH.take()
}
