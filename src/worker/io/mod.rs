//! Performs what decisions need: every [`Need`] is matched here, once.

#[allow(dead_code, reason = "not all of its users are here yet")]
pub(super) mod body;
#[allow(dead_code, reason = "not all of its users are here yet")]
pub(super) mod fetch;
pub(super) mod legacy;

use js_sys::Date;

use super::millis;
use super::runtime::RequestContext;
use super::timing::sleep;
use crate::clock::UnixMillis;
use crate::effect::asset::Asset;
use crate::effect::{Answers, Body, Found, Need};

/// What came of a need.
pub(super) enum Answered {
    /// What was found under a key, and when that was asked. It may have been somebody else's question: an answer is as
    /// old as its question.
    Found {
        key: String,
        found: Found,
        asked: UnixMillis,
    },
    /// Whether the writes were acknowledged.
    Written(bool),
    /// The request's body.
    Body(Body),
    /// A tenant's file; its bytes stay outside the wasm memory, which never shrinks.
    Asset {
        source: String,
        asset: Asset,
        bytes: Option<js_sys::Uint8Array>,
    },
}

impl Answered {
    /// Returns what a need's key holds.
    fn bytes(key: String, bytes: Vec<u8>, asked: UnixMillis) -> Self {
        let found = Found::Bytes(bytes);
        Self::Found { key, found, asked }
    }

    /// Files it among a decision's answers.
    pub(super) fn file_in(self, answers: &mut Answers) {
        match self {
            Self::Found { key, found, asked } => answers.add(&key, found, asked),
            Self::Written(acknowledged) => answers.set_written(acknowledged),
            Self::Body(body) => answers.set_body(body),
            Self::Asset { source, asset, .. } => answers.set_asset(&source, asset),
        }
    }

    /// Returns what a trace calls it.
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

/// Returns what a trace calls the stage in which a need is met; `None` for those that are not traced.
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
        | Need::Body { .. }
        | Need::Pause { .. } => None,
    }
}

/// Meets a need, and adds it to the request's trace.
pub(super) async fn perform(need: Need, context: &RequestContext) -> Answered {
    let stage = stage(&need);
    let begun = Date::now();
    let answered = answer(need, context).await;
    if let Some(stage) = stage {
        context.passed(stage, begun, answered.result());
    }
    answered
}

async fn answer(need: Need, context: &RequestContext) -> Answered {
    match need {
        // What was decided and must be found again.
        Need::Note { key, text } => {
            context.note(&key, &text);
            Answered::bytes(key, text.into_bytes(), now())
        }
        Need::Pause { key, ms } => {
            sleep(ms).await;
            let (found, asked) = (Found::Absent, now());
            Answered::Found { key, found, asked }
        }
        need @ (Need::Read { .. }
        | Need::List { .. }
        | Need::Store
        | Need::Call { .. }
        | Need::Document { .. }
        | Need::Documents { .. }
        | Need::Keep { .. }
        | Need::Asset { .. }
        | Need::Limit { .. }
        | Need::Fetch { .. }
        | Need::Verify { .. }
        | Need::Sign { .. }
        | Need::PublicKey { .. }
        | Need::CheckPassword { .. }
        | Need::HashPassword { .. }
        | Need::Fold { .. }
        | Need::Body { .. }) => legacy::answer(need, context).await,
    }
}

/// Returns the time, in milliseconds since 1970.
pub(super) fn now() -> UnixMillis {
    millis(Date::now())
}
