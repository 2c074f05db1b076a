//! Injects faults for `tests/traps*.test.mjs`. Only the feature `planted-faults`, which no product enables, compiles
//! it.
//!
//! A text that reaches a point and contains `planted-<point>-<fault>` triggers the fault there. The faults are `panic`,
//! `memory` (allocates all of it) and `throw` (a binding throws an exception that Rust does not catch).
//!
//! Some points see no client text. A command to a session's object with `planted-next-<point>-<fault>` triggers the
//! fault once, when its instance next reaches that point. The fault `fail` makes an operation that can fail do so until
//! the instance dies.

use core::cell::RefCell;
use core::hint::black_box;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// Bytes of one allocation.
const CHUNK: usize = 1 << 20;

#[wasm_bindgen]
extern "C" {
    /// Throws for a text that is not JSON: it is declared without `catch`.
    #[wasm_bindgen(js_namespace = JSON, js_name = parse)]
    fn parse_or_throw(text: &str) -> JsValue;
}

thread_local! {
    /// Text that requests a fault at a later point.
    static NEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Stores a text that requests a fault at a later point.
pub(super) fn arm(text: &str) {
    if text.contains("planted-next-") {
        NEXT.set(text.to_owned());
    }
}

/// Triggers the requested fault at this point. The next instance starts without it.
pub(super) fn inject_next(point: &str) {
    let text = NEXT.with_borrow(Clone::clone);
    inject(&format!("next-{point}"), &text);
}

/// Fails at this point, if requested, until the instance dies.
pub(super) fn fail_next(point: &str) -> Result<(), JsValue> {
    let is_planted = NEXT.with_borrow(|text| text.contains(&format!("planted-next-{point}-fail")));
    if is_planted {
        return Err(js_sys::Error::new("planted").into());
    }
    Ok(())
}

/// Triggers the fault that `text` requests at this point.
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
