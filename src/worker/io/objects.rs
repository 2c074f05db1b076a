//! Calls Durable Objects, and shares identical calls. [`store::retry`](crate::store::retry) decides on retries.

use js_sys::{Math, Reflect, Uint8Array};
use thiserror::Error;
use wasm_bindgen::JsCast as _;
use worker::Env;

use super::single_flight::{self, Flights};
use super::{Answered, now};
use crate::effect::Class;
use crate::store::retry::{Cause, Next, Retry};
use crate::worker::counters::{Operation, counted};
use crate::worker::log::Describe as _;
use crate::worker::objects;
use crate::worker::timing::{DeadlineExceeded, sleep, within};

thread_local! {
    static CALLS: Flights<Result<Vec<u8>, CallError>> = Flights::default();
}

/// Reasons why an object has not answered.
#[derive(Clone, Debug, Error)]
enum CallError {
    #[error("deadline")]
    Deadline,
    /// Error text of the platform or the object.
    #[error("{message}")]
    Failed { cause: Cause, message: String },
}

impl From<DeadlineExceeded> for CallError {
    fn from(_: DeadlineExceeded) -> Self {
        Self::Deadline
    }
}

impl From<worker::Error> for CallError {
    fn from(error: worker::Error) -> Self {
        let overloaded = Reflect::get(&error.to_js_value(), &"overloaded".into());
        let cause = match overloaded {
            Ok(overloaded) if overloaded.is_truthy() => Cause::Overloaded,
            _ => Cause::Other,
        };
        let message = error.describe();
        Self::Failed { cause, message }
    }
}

/// Calls an object, with a deadline in milliseconds.
pub(super) async fn call(
    env: &Env,
    class: Class,
    name: &str,
    command: &str,
    key: String,
    deadline_ms: u32,
) -> Answered {
    let question = format!("{}/{name}/{command}", objects::binding(class));
    let ask = || {
        counted(
            Operation::Object,
            attempts(env, class, name, command, deadline_ms),
        )
    };
    let (answer, asked) = single_flight::ask(&CALLS, &question, ask).await;
    Answered::of(key, answer, "object_call_failed", asked)
}

async fn attempts(
    env: &Env,
    class: Class,
    name: &str,
    command: &str,
    deadline_ms: u32,
) -> Result<Vec<u8>, CallError> {
    let mut retry = Retry::begin(deadline_ms, now());
    loop {
        let left_ms = retry.left_ms(now());
        let attempted = within(left_ms, attempt(env, class, name, command)).await?;
        let Err(error) = attempted else {
            return attempted;
        };
        let CallError::Failed { cause, .. } = &error else {
            return Err(error);
        };
        match retry.after_failure(*cause, random(), now()) {
            Next::After(ms) => sleep(ms).await,
            Next::GiveUp => return Err(error),
        }
    }
}

/// Calls an object once. Each attempt gets its own stub, because one that has thrown stays broken.
async fn attempt(env: &Env, class: Class, name: &str, command: &str) -> Result<Vec<u8>, CallError> {
    let answer = objects::call(env, class, name, command).await?;
    let bytes: Uint8Array = answer.dyn_into().map_err(worker::Error::from)?;
    Ok(bytes.to_vec())
}

/// Draws the random number for the jitter of retries.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 2^32"
)]
fn random() -> u32 {
    (Math::random() * 4_294_967_296.0) as u32
}
