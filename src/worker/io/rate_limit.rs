//! Checks the platform's rate limit on new sessions.

use js_sys::futures::JsFuture;
use js_sys::{Object, Reflect};
use thiserror::Error;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;
use worker::worker_sys::RateLimiter;

use crate::worker::log::Describe as _;
use crate::worker::timing::{DeadlineExceeded, within};

/// Binding of the rate limiter.
const LIMITER: &str = "NEW_SESSION_LIMITER";

/// Maximum time of the limiter's answer, in milliseconds.
const DEADLINE_MS: u32 = 500;

/// Reasons why the limiter did not answer.
#[derive(Debug, Error)]
pub(super) enum LimitError {
    /// The deadline passed.
    #[error(transparent)]
    Deadline(#[from] DeadlineExceeded),
    /// The limiter is not bound, or failed.
    #[error("{0}")]
    Failed(String),
}

impl From<worker::Error> for LimitError {
    fn from(error: worker::Error) -> Self {
        Self::Failed(error.describe())
    }
}

impl From<JsValue> for LimitError {
    fn from(thrown: JsValue) -> Self {
        Self::Failed(thrown.describe())
    }
}

/// Counts one event under this key, and returns whether it is within the limit.
///
/// # Errors
/// Returns why there is no answer.
pub(super) async fn is_within(env: &Env, key: &str) -> Result<bool, LimitError> {
    // `worker`'s own method converts key and outcome through a second `serde` format.
    let limiter: RateLimiter = JsValue::from(env.rate_limiter(LIMITER)?).unchecked_into();
    let question = Object::new();
    Reflect::set(&question, &"key".into(), &key.into())?;
    let asked = JsFuture::from(limiter.limit(question)?);
    let outcome = within(DEADLINE_MS, asked).await??;
    Ok(Reflect::get(&outcome, &"success".into())?.is_truthy())
}
