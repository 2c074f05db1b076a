//! Runs the object that aggregates isolates' reports on a tenant's origins, and stores the drained ones.

use core::cell::RefCell;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::DurableObjectState;
use worker::{Env, State};

use super::answered;
use super::storage::Storage;
use crate::balancer::pool_aggregate::{CommandResult, PoolAggregate};
use crate::flat_map::FlatMap;
use crate::telemetry::log::{Event, Level};
use crate::worker::{io, log};

/// Storage key of the drained origins.
const DRAINED: &str = "drained";

thread_local! {
    /// Aggregates by tenant. An idle object is evicted long before its instance, so data that is valid for minutes
    /// survives here.
    static AGGREGATES: RefCell<FlatMap<String, PoolAggregate>> = RefCell::default();
}

/// Durable Object of a tenant's origins.
#[wasm_bindgen]
pub struct PoolObject(Storage);

#[wasm_bindgen]
impl PoolObject {
    /// Creates the object.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: DurableObjectState, _env: Env) -> Self {
        Self(Storage::of(&State::from(state)))
    }

    /// Applies a command. Answers an unknown one with no bytes.
    pub fn call(&self, tenant: &str, command: &str) -> Promise {
        match self.apply(tenant, command) {
            Ok(answer) => answered(answer.as_bytes()),
            Err(error) => Promise::reject(&error),
        }
    }

    fn apply(&self, tenant: &str, command: &str) -> Result<String, JsValue> {
        #[cfg(feature = "planted-faults")]
        crate::worker::fault_injection::inject_next("pool");
        let stored = self.0.text(DRAINED)?;
        let now = io::now();
        let result = AGGREGATES.with_borrow_mut(|aggregates| {
            aggregates.retain(|_, aggregate| !aggregate.is_forgotten(now));
            let aggregate = aggregates.or_default(tenant.to_owned());
            aggregate.apply(command, stored.as_deref(), now)
        });
        let Ok(CommandResult { answer, drained }) = result else {
            log::write(&Event::new(Level::Error, "pool_command_unreadable"));
            return Ok(String::new());
        };
        if let Some(drained) = drained {
            self.0.put(DRAINED, &JsValue::from_str(&drained))?;
            #[cfg(feature = "planted-faults")]
            crate::worker::fault_injection::inject_next("drained");
        }
        Ok(answer)
    }
}
