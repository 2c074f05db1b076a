//! Provides timers and deadlines.

use core::future::Future;
use core::pin::pin;
use core::time::Duration;

use futures_util::future::{Either, select};
use thiserror::Error;
use worker::Delay;

/// Error after a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("deadline")]
pub(super) struct DeadlineExceeded;

/// Waits for this many milliseconds.
pub(super) async fn sleep(ms: impl Into<u64>) {
    Delay::from(Duration::from_millis(ms.into())).await;
}

/// Awaits `work` for at most this many milliseconds, then drops it.
pub(super) async fn within<T>(
    ms: impl Into<u64>,
    work: impl Future<Output = T>,
) -> Result<T, DeadlineExceeded> {
    match select(pin!(work), pin!(sleep(ms))).await {
        Either::Left((result, _)) => Ok(result),
        Either::Right(_) => Err(DeadlineExceeded),
    }
}
