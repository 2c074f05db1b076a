//! Asks the platform's rate limit on new sessions.

use thiserror::Error;
use worker::Env;

use crate::worker::log::Describe as _;
use crate::worker::timing::{DeadlineExceeded, within};

/// The binding.
const LIMITER: &str = "NEW_SESSION_LIMITER";

/// Time that the limit has for its answer, in milliseconds.
const DEADLINE_MS: u32 = 500;

/// Why the limit did not answer.
#[derive(Debug, Error)]
pub(super) enum LimitError {
    /// It took too long.
    #[error(transparent)]
    Deadline(#[from] DeadlineExceeded),
    /// It is not bound, or failed.
    #[error("{0}")]
    Failed(String),
}

impl From<worker::Error> for LimitError {
    fn from(error: worker::Error) -> Self {
        Self::Failed(error.describe())
    }
}

/// Counts one more under this key, and returns whether that is within the limit.
///
/// # Errors
/// Returns why there is no answer.
pub(super) async fn is_within(env: &Env, key: &str) -> Result<bool, LimitError> {
    let limiter = env.rate_limiter(LIMITER)?;
    let outcome = within(DEADLINE_MS, limiter.limit(key.to_owned())).await??;
    Ok(outcome.success)
}
