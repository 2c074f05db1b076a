//! Injects faults for `tests/traps*.test.mjs`. Only the feature `planted-faults` compiles it, and no product has that.
//!
//! A text that reaches a point and holds `planted-<point>-<fault>` triggers the fault there. The faults are `panic`,
//! `memory` (all of it is allocated) and `throw` (a binding throws an exception that Rust does not catch).
//!
//! No text of a visitor's reaches some points. A command to a session's object that holds `planted-next-<point>-<fault>`
//! triggers the fault when its instance comes to such a point next, once. Where something may fail, the fault `fail` makes
//! it fail until the instance dies.

use core::cell::RefCell;
use core::hint::black_box;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// Bytes that are allocated at once.
const CHUNK: usize = 1 << 20;

#[wasm_bindgen]
extern "C" {
    /// Throws for a text that is not JSON: it is declared without `catch`.
    #[wasm_bindgen(js_namespace = JSON, js_name = parse)]
    fn parse_or_throw(text: &str) -> JsValue;
}

thread_local! {
    /// The text that asks for a fault at a later point.
    static NEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Takes note of a text that asks for a fault at a later point.
pub(super) fn arm(text: &str) {
    if text.contains("planted-next-") {
        NEXT.set(text.to_owned());
    }
}

/// Triggers the fault that was asked for at this point. The next instance knows nothing of it.
pub(super) fn inject_next(point: &str) {
    let text = NEXT.with_borrow(Clone::clone);
    inject(&format!("next-{point}"), &text);
}

/// Fails at this point if that was asked for, until the instance dies.
pub(super) fn fail_next(point: &str) -> Result<(), JsValue> {
    let is_planted = NEXT.with_borrow(|text| text.contains(&format!("planted-next-{point}-fail")));
    if is_planted {
        return Err(js_sys::Error::new("planted").into());
    }
    Ok(())
}

/// Triggers the fault that `text` asks for at this point.
pub(super) fn inject(point: &str, text: &str) {
    let Some((_, fault)) = text.split_once(&format!("planted-{point}-")) else {
        return;
    };
    if fault.starts_with("panic") {
        panic_now();
    } else if fault.starts_with("memory") {
        exhaust_memory();
    } else if fault.starts_with("throw") {
        drop(parse_or_throw("{"));
    }
}

#[expect(clippy::panic, reason = "what is tested")]
fn panic_now() {
    panic!("planted");
}

fn exhaust_memory() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; CHUNK]));
    }
}
