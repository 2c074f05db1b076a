//! Meets needs through the JavaScript that is not replaced yet.

use core::fmt::Write as _;

use js_sys::futures::JsFuture;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};

use super::Answered;
use crate::effect::{Found, Need};
use crate::worker::runtime::{self, RequestContext};
use crate::worker::{millis, objects};

/// Meets a need; what fails is as if nobody had answered.
pub(super) async fn answer(need: Need, context: &RequestContext) -> Answered {
    let line = lines(core::slice::from_ref(&need));
    match JsFuture::from(runtime::meet_legacy(&line, context)).await {
        Ok(answer) => read(&answer.unchecked_into()),
        Err(_) => Answered::Written(false),
    }
}

/// Reads kind, key, bytes, when it was asked, whether it was acknowledged.
fn read(answer: &Array) -> Answered {
    let text = |at: u32| answer.get(at).as_string().unwrap_or_default();
    let bytes: JsValue = answer.get(2);
    let asked = millis(answer.get(3).as_f64().unwrap_or_default());
    let found = |found: Found| Answered::Found {
        key: text(1),
        found,
        asked,
    };
    match text(0).as_str() {
        "found" => found(Found::Bytes(Uint8Array::new(&bytes).to_vec())),
        "absent" => found(Found::Absent),
        "written" => Answered::Written(answer.get(4).is_truthy()),
        _ => found(Found::Unavailable),
    }
}

/// A line for each need: a letter and its fields, apart by tabs.
fn lines(needs: &[Need]) -> String {
    listed(needs).trim_start().to_owned()
}

fn listed(needs: &[Need]) -> String {
    let mut text = String::new();
    for need in needs {
        let _ = match need {
            Need::Read { key, after_ms } => write!(text, "\nr\t{key}\t{after_ms}"),
            Need::List { prefix } => write!(text, "\nl\t{prefix}"),
            Need::Call {
                class,
                name,
                command,
                key,
                deadline_ms,
            } => {
                let class = objects::binding(*class);
                write!(
                    text,
                    "\nc\t{key}\t{class}\t{name}\t{deadline_ms}\t{command}"
                )
            }
            Need::Store => write!(text, "\ns"),
            // Met in Rust.
            _ => Ok(()),
        };
    }
    text
}
