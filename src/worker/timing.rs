//! Waits: for a while, and for something no longer than that.

use core::future::Future;
use core::pin::pin;
use core::time::Duration;

use futures_util::future::{Either, select};
use thiserror::Error;
use worker::Delay;

/// The time was over before there was a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("deadline")]
pub(super) struct DeadlineExceeded;

/// Waits for so many milliseconds.
pub(super) async fn sleep(ms: impl Into<u64>) {
    Delay::from(Duration::from_millis(ms.into())).await;
}

/// Waits for the result of `work`, for at most so many milliseconds; after that `work` is dropped.
pub(super) async fn within<T>(
    ms: impl Into<u64>,
    work: impl Future<Output = T>,
) -> Result<T, DeadlineExceeded> {
    match select(pin!(work), pin!(sleep(ms))).await {
        Either::Left((result, _)) => Ok(result),
        Either::Right(_) => Err(DeadlineExceeded),
    }
}
