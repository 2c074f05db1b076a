//! What `telemetry-object.js` calls: adding up what isolates told.

use std::cell::RefCell;

use wasm_bindgen::prelude::wasm_bindgen;

use super::millis;
use crate::flat_map::FlatMap;
use crate::telemetry::collection::Collection;

thread_local! {
    /// By the object's name; an isolate may hold several.
    static COLLECTIONS: RefCell<FlatMap<String, Collection>> = RefCell::default();
}

/// Whether the object of that name knows here what it kept.
#[wasm_bindgen(js_name = telemetryIsLoaded)]
#[must_use]
pub fn telemetry_is_loaded(name: &str) -> bool {
    COLLECTIONS.with_borrow(|collections| collections.contains_key(name))
}

/// Takes up what the object kept before, a text each.
#[wasm_bindgen(js_name = telemetryLoad)]
pub fn telemetry_load(name: &str, kept: Vec<String>) {
    let mut collection = Collection::default();
    for text in kept {
        collection.restore(&text);
    }
    COLLECTIONS.with_borrow_mut(|collections| collections.insert(name.to_owned(), collection));
}

/// Obeys a command; the answer is empty if it was none.
#[wasm_bindgen(js_name = telemetryCommand)]
#[must_use]
pub fn telemetry_command(name: &str, command: &str, now: f64) -> String {
    COLLECTIONS
        .with_borrow_mut(|collections| {
            let collection = collections.get_mut(name)?;
            collection.obey(command, millis(now))
        })
        .unwrap_or_default()
}

/// What is to be kept: names and texts, one after the other.
#[wasm_bindgen(js_name = telemetryUnkept)]
#[must_use]
pub fn telemetry_unkept(name: &str) -> Vec<String> {
    let unkept = COLLECTIONS.with_borrow_mut(|collections| {
        let collection = collections.get_mut(name)?;
        Some(collection.take_unkept())
    });
    let unkept = unkept.unwrap_or_default().into_iter();
    unkept.flat_map(|(owner, text)| [owner, text]).collect()
}
