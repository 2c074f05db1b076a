//! Meets needs through the JavaScript that is not replaced yet.

use js_sys::futures::JsFuture;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};

use super::Answered;
use crate::effect::asset::{Asset, Facts, Trouble};
use crate::effect::{Body, Found, Need};
use crate::worker::runtime::{self, RequestContext};
use crate::worker::{millis, wire};

/// Meets a need; what fails is as if nobody had answered.
pub(super) async fn answer(need: Need, context: &RequestContext) -> Answered {
    let line = wire::lines(core::slice::from_ref(&need));
    match JsFuture::from(runtime::meet_legacy(&line, context)).await {
        Ok(answer) => read(&answer.unchecked_into()),
        Err(_) => Answered::Written(false),
    }
}

/// Reads kind, key, bytes, when it was asked, whether it was acknowledged, type, hash, trouble.
fn read(answer: &Array) -> Answered {
    let text = |at: u32| answer.get(at).as_string().unwrap_or_default();
    let bytes: JsValue = answer.get(2);
    let asked = millis(answer.get(3).as_f64().unwrap_or_default());
    let found = |found: Found| Answered::Found {
        key: text(1),
        found,
        asked,
    };
    let given = || Uint8Array::new(&bytes);
    let trouble = text(7);
    match text(0).as_str() {
        "found" => found(Found::Bytes(given().to_vec())),
        "absent" => found(Found::Absent),
        "written" => Answered::Written(answer.get(4).is_truthy()),
        "body" => Answered::Body(Body::Bytes(given().to_vec())),
        "body-too-large" => Answered::Body(Body::TooLarge),
        "asset" => Answered::Asset {
            source: text(1),
            asset: Asset::AtHand(Facts {
                media_type: text(5),
                hash: text(6),
                length: given().length(),
                trouble: (!trouble.is_empty()).then(|| Trouble::new(&trouble)),
            }),
            bytes: Some(given()),
        },
        "no-asset" => Answered::Asset {
            source: text(1),
            asset: Asset::Missing(Trouble::new(&trouble)),
            bytes: None,
        },
        _ => found(Found::Unavailable),
    }
}
