//! What `telemetry.js` and `telemetry-object.js` call: taking in what was counted, adding up what isolates told,
//! and traces for export.

use std::cell::RefCell;

use wasm_bindgen::prelude::wasm_bindgen;

use super::{ISOLATE, Isolate, counters, millis};
use crate::flat_map::FlatMap;
use crate::telemetry::collection::Collection;
use crate::telemetry::{metric, otlp};

thread_local! {
    /// By the object's name; an isolate may hold several.
    static COLLECTIONS: RefCell<FlatMap<String, Collection>> = RefCell::default();
}

/// The upper bounds of the buckets durations are counted in, in milliseconds.
#[wasm_bindgen(js_name = durationBounds)]
#[must_use]
pub fn duration_bounds() -> Vec<u32> {
    metric::BOUNDS.to_vec()
}

/// Takes in what the edge counted.
#[wasm_bindgen]
pub fn tally(counted: &str) {
    ISOLATE.with_borrow_mut(|isolate| {
        if let Isolate::Ready(reception) = isolate {
            reception.tally(counted);
        }
    });
}

/// The next batch for the object; empty if there is none.
#[wasm_bindgen(js_name = takeBatch)]
#[must_use]
pub fn take_batch(now: f64) -> String {
    ISOLATE.with_borrow_mut(|isolate| match isolate {
        Isolate::Ready(reception) => {
            reception.take_in(counters::take());
            reception.take_batch(millis(now))
        }
        Isolate::Misconfigured(_) => String::new(),
    })
}

/// Requests as an export of their traces.
#[wasm_bindgen]
pub struct Export(otlp::Export);

#[wasm_bindgen]
impl Export {
    /// The body.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn body(&self) -> String {
        self.0.body.clone()
    }

    /// How many spans it has.
    #[wasm_bindgen(getter)]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "some hundreds")]
    pub fn spans(&self) -> u32 {
        self.0.spans as u32
    }
}

/// Makes an export of requests that were answered.
#[wasm_bindgen(js_name = exportTraces)]
#[must_use]
pub fn export_traces(journeys: &str) -> Export {
    Export(otlp::export(journeys))
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
