//! Performs the needs of decisions: the only `match` over every [`Need`].

mod assets;
pub(super) mod body;
mod built_files;
mod documents;
pub(super) mod fetch;
mod kv;
mod location_cache;
mod names;
pub(super) mod namespace;
mod objects;
pub(super) mod packed_files;
mod password;
mod provider;
mod rate_limit;
pub(super) mod single_flight;
mod webcrypto;

use core::error::Error;
use core::pin::Pin;

#[cfg(feature = "standalone")]
pub(super) use kv::namespace_of;
pub(super) use kv::{store_in_background, use_namespaces};
#[cfg(feature = "standalone")]
pub(super) use password::memory as password_memory;

use js_sys::futures::JsFuture;
use js_sys::{Date, Uint8Array};
use wasm_bindgen::JsCast;

use super::log::report;
use super::millis;
use super::runtime::RequestContext;
use super::timing::sleep;
use crate::clock::UnixMillis;
use crate::effect::asset::Asset;
use crate::effect::{Answers, Body, Class, Found, Need, Write};
use crate::gateway::session_lookup::LOOKUPS;
use crate::gateway::update::CHANGES;
use crate::session::id::RECORDS;
use crate::telemetry::otlp;

/// Future of a need's result.
type Answering<'a> = Pin<Box<dyn Future<Output = Answered> + 'a>>;

/// Result of a need.
pub(super) enum Answered {
    /// Result under a key, with the time of its request. If another caller made the shared call, the time is that of
    /// its call.
    Found {
        key: String,
        found: Found,
        asked: UnixMillis,
    },
    /// Whether the writes were acknowledged.
    Written(bool),
    /// Body of the request.
    Body(Body),
    /// File of a tenant; its bytes stay outside wasm memory, which never shrinks.
    Asset {
        source: String,
        asset: Asset,
        bytes: Option<Uint8Array>,
    },
}

impl Answered {
    /// Creates the answer with these bytes.
    fn bytes(key: String, bytes: Vec<u8>, asked: UnixMillis) -> Self {
        let found = Found::Bytes(bytes);
        Self::Found { key, found, asked }
    }

    /// Creates the answer of an outcome; logs a failure as `event`.
    fn of<E: Error>(
        key: String,
        outcome: Result<Vec<u8>, E>,
        event: &'static str,
        asked: UnixMillis,
    ) -> Self {
        let found = reported(event, outcome).map_or(Found::Unavailable, Found::Bytes);
        Self::Found { key, found, asked }
    }

    /// Adds the result to a decision's answers.
    pub(super) fn file_in(self, answers: &mut Answers) {
        match self {
            Self::Found { key, found, asked } => answers.add(&key, found, asked),
            Self::Written(acknowledged) => answers.set_written(acknowledged),
            Self::Body(body) => answers.set_body(body),
            Self::Asset { source, asset, .. } => answers.set_asset(&source, asset),
        }
    }

    /// Returns the result in a trace.
    fn result(&self) -> &'static str {
        match self {
            Self::Found { found, .. } => match found {
                Found::Bytes(_) => "ok",
                Found::Absent => "absent",
                Found::Unavailable => "error",
            },
            Self::Written(false) => "error",
            Self::Written(true) | Self::Body(_) | Self::Asset { .. } => "ok",
        }
    }
}

/// Returns the stage of a need in a trace; `None` if it is not traced.
fn stage(need: &Need) -> Option<&'static str> {
    match need {
        Need::Read { .. } | Need::List { .. } | Need::Store => Some("kv"),
        Need::Call { .. } => Some("object"),
        Need::Document { .. } | Need::Documents { .. } | Need::Keep { .. } => Some("document"),
        Need::Asset { .. } => Some("asset"),
        Need::Fetch { .. }
        | Need::Verify { .. }
        | Need::CheckPassword { .. }
        | Need::HashPassword { .. } => Some("login"),
        Need::Limit { .. }
        | Need::Sign { .. }
        | Need::PublicKey { .. }
        | Need::Fold { .. }
        | Need::Note { .. }
        | Need::BuiltFile { .. }
        | Need::Body { .. }
        | Need::Pause { .. } => None,
    }
}

/// Returns the parent of a stage: the session lookup, a sign-in, or none.
fn parent(need: &Need) -> &'static str {
    match need {
        Need::Read { key, .. } if key.starts_with(RECORDS) => otlp::LOOKUP,
        Need::Call { class, key, .. } => match class {
            Class::Session if key.starts_with(LOOKUPS) => otlp::LOOKUP,
            Class::Attempts => otlp::SIGN_IN,
            _ => "",
        },
        Need::Fetch { .. }
        | Need::Verify { .. }
        | Need::CheckPassword { .. }
        | Need::HashPassword { .. } => otlp::SIGN_IN,
        _ => "",
    }
}

/// Returns the size of the session data that a need stores, if it stores any: of a sealed record, or of a change as the
/// session's object receives it.
fn serialised(need: &Need, writes: &[Write]) -> Option<usize> {
    match need {
        Need::Store => {
            let mut records = writes.iter().filter(|write| write.key.starts_with(RECORDS));
            records.next().map(|record| record.value.len())
        }
        Need::Call {
            class: Class::Session,
            command,
            key,
            ..
        } => key.starts_with(CHANGES).then_some(command.len()),
        _ => None,
    }
}

/// Performs a need, and adds it to the request's trace. `writes` are the values of [`Need::Store`].
pub(super) async fn perform(need: Need, writes: Vec<Write>, context: &RequestContext) -> Answered {
    let (stage, parent) = (stage(&need), parent(&need));
    let begun = Date::now();
    if let Some(bytes) = serialised(&need, &writes) {
        context.passed(otlp::SERIALISED, begun, &bytes.to_string(), "");
    }
    let answered = answer(need, writes, millis(begun), context).await;
    if let Some(stage) = stage {
        context.passed(stage, begun, answered.result(), parent);
    }
    answered
}

/// Begins to answer a need. Each kind has a future of its own, in a box: in one future of all kinds, the runtime would
/// compile the code of all of them at the first need of an isolate, an eighth of what a cold start compiles.
fn answer(
    need: Need,
    writes: Vec<Write>,
    asked: UnixMillis,
    context: &RequestContext,
) -> Answering<'_> {
    match need {
        Need::Read { key, after_ms } => {
            Box::pin(async move { kv::read(&context.env(), key, after_ms).await })
        }
        Need::List { prefix } => Box::pin(async { kv::list(&context.env(), prefix).await }),
        Need::Store => {
            Box::pin(async { Answered::Written(kv::store_durably(&context.env(), writes).await) })
        }
        Need::Call {
            class,
            name,
            command,
            key,
            deadline_ms,
        } => Box::pin(async move {
            objects::call(&context.env(), class, &name, &command, key, deadline_ms).await
        }),
        // A repeated decision must find this value again.
        Need::Note { key, text } => {
            context.note(&key, &text);
            at_once(Answered::bytes(key, text.into_bytes(), asked))
        }
        Need::Pause { key, ms } => Box::pin(async move {
            sleep(ms).await;
            let (found, asked) = (Found::Absent, now());
            Answered::Found { key, found, asked }
        }),
        Need::Limit { key } => Box::pin(async move {
            let outcome = rate_limit::is_within(&context.env(), &key).await;
            Answered::of(key, outcome.map(flag), "limiter_failed", asked)
        }),
        Need::Verify {
            key,
            jwk,
            algorithm,
            input,
            signature,
        } => Box::pin(async move {
            let outcome = webcrypto::is_signed(&jwk, algorithm, &input, &signature).await;
            // An unusable key has signed nothing.
            let is_good = reported("key_unusable", outcome).unwrap_or_default();
            Answered::bytes(key, flag(is_good), asked)
        }),
        Need::Sign {
            key,
            private,
            input,
        } => Box::pin(async move {
            let outcome = webcrypto::signed(&private, &input).await;
            Answered::of(key, outcome.map(String::into_bytes), "key_unusable", asked)
        }),
        Need::PublicKey { key, private } => Box::pin(async move {
            let outcome = webcrypto::public_half(&private).await;
            Answered::of(key, outcome.map(String::into_bytes), "key_unusable", asked)
        }),
        Need::CheckPassword {
            key,
            password,
            hash,
        } => Box::pin(async move {
            let outcome = password::is_right(&password, hash.as_deref());
            Answered::of(key, outcome.map(flag), "password_not_checked", asked)
        }),
        Need::HashPassword { key, password } => Box::pin(async move {
            let outcome = password::hashed(&password);
            Answered::of(key, outcome, "password_not_hashed", asked)
        }),
        Need::Fold { key, text } => at_once(Answered::bytes(
            key,
            names::folded(&text).into_bytes(),
            asked,
        )),
        Need::Body { limit } => {
            Box::pin(async move { Answered::Body(read_body(context, limit).await) })
        }
        Need::Document { key } => Box::pin(async { documents::read(&context.env(), key).await }),
        Need::Documents { prefix } => {
            Box::pin(async { documents::list(&context.env(), prefix).await })
        }
        Need::Keep { puts, deletes } => {
            Box::pin(async move { documents::keep(&context.env(), &puts, &deletes).await })
        }
        Need::Asset { tenant, source } => {
            Box::pin(async move { assets::answer(&context.env(), &tenant, source).await })
        }
        Need::BuiltFile { name, coding } => Box::pin(built_files::answer(name, coding)),
        Need::Fetch { key, call } => Box::pin(async move {
            let (outcome, answer_asked) = provider::answer(&call, context).await;
            let asked = if outcome.is_ok() { answer_asked } else { asked };
            Answered::of(key, outcome, "provider_unreachable", asked)
        }),
    }
}

/// Answers without waiting.
fn at_once<'a>(answered: Answered) -> Answering<'a> {
    Box::pin(core::future::ready(answered))
}

/// Encodes yes or no.
fn flag(is_so: bool) -> Vec<u8> {
    if is_so { b"1" } else { b"0" }.to_vec()
}

/// Logs a failure.
fn reported<T, E: Error>(event: &'static str, outcome: Result<T, E>) -> Option<T> {
    outcome
        .map_err(|error| report(event, error.to_string().as_str()))
        .ok()
}

/// Reads the request's body.
async fn read_body(context: &RequestContext, limit: usize) -> Body {
    #[expect(clippy::cast_precision_loss, reason = "some kilobytes")]
    let body = JsFuture::from(context.read_body(limit as f64)).await;
    match body.map(JsCast::dyn_into::<Uint8Array>) {
        Ok(Ok(bytes)) => Body::Bytes(bytes.to_vec()),
        Ok(Err(_)) => Body::TooLarge,
        Err(_) => Body::Broken,
    }
}

/// Returns the time, in milliseconds since 1970.
pub(super) fn now() -> UnixMillis {
    millis(Date::now())
}
