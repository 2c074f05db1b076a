//! What `pool-object.js` calls: what isolates told of the origins, tenant by tenant.

use std::cell::RefCell;

use wasm_bindgen::prelude::wasm_bindgen;

use super::{log, millis};
use crate::flat_map::FlatMap;
use crate::route::gathering::{Gathering, Obeyed};
use crate::telemetry::log::{Event, Level};

thread_local! {
    /// Several tenants' objects may live in one isolate.
    static GATHERINGS: RefCell<FlatMap<String, Gathering>> = RefCell::default();
}

/// What a command came to.
#[wasm_bindgen]
pub struct PoolObeyed {
    answer: String,
    drained: Option<String>,
}

#[wasm_bindgen]
impl PoolObeyed {
    /// What the caller is told; empty if the command is not one.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn answer(&self) -> String {
        self.answer.clone()
    }

    /// The drained origins, as JSON, if they changed.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn drained(&self) -> Option<String> {
        self.drained.clone()
    }
}

/// Applies a command to what is known of this tenant's origins.
#[wasm_bindgen(js_name = poolCommand)]
#[must_use]
pub fn pool_command(tenant: &str, command: &str, drained: &str, now: f64) -> PoolObeyed {
    let now = millis(now);
    let obeyed = GATHERINGS.with_borrow_mut(|gatherings| {
        gatherings.retain(|_, gathering| !gathering.is_forgotten(now));
        let gathering = gatherings.or_default(tenant.to_owned());
        gathering.obey(command, Some(drained), now)
    });
    let Some(Obeyed { answer, drained }) = obeyed else {
        log::write(&Event::new(Level::Error, "pool_command_unreadable"));
        return PoolObeyed {
            answer: String::new(),
            drained: None,
        };
    };
    PoolObeyed { answer, drained }
}
