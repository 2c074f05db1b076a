//! Runs the object that aggregates isolates' reports on a tenant's origins, and stores the drained ones.

use core::cell::{Cell, RefCell};

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::DurableObjectState;
use worker::{Env, State};

use super::storage::Storage;
use super::{answered, run_in_background};
use crate::balancer::pool_aggregate::{CommandResult, PoolAggregate};
use crate::flat_map::FlatMap;
use crate::telemetry::gauge::Milli;
use crate::telemetry::log::{Event, Level};
use crate::telemetry::metric;
use crate::worker::{counters, exporter, io, log};

/// Storage key of the drained origins.
const DRAINED: &str = "drained";

thread_local! {
    /// Aggregates by tenant. An idle object is evicted long before its instance, so data that is valid for minutes
    /// survives here.
    static AGGREGATES: RefCell<FlatMap<String, PoolAggregate>> = RefCell::default();
}

/// Durable Object of a tenant's origins, and of its newcomers who wait.
#[wasm_bindgen]
pub struct PoolObject {
    state: State,
    env: Env,
    storage: Storage,
    /// Number of newcomers who waited when it was last reported.
    waiting: Cell<u32>,
}

#[wasm_bindgen]
impl PoolObject {
    /// Creates the object.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: DurableObjectState, env: Env) -> Self {
        let state = State::from(state);
        Self {
            storage: Storage::of(&state),
            state,
            env,
            waiting: Cell::default(),
        }
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
        let stored = self.storage.text(DRAINED)?;
        let now = io::now();
        let result = AGGREGATES.with_borrow_mut(|aggregates| {
            aggregates.retain(|_, aggregate| !aggregate.is_forgotten(now));
            let aggregate = aggregates.or_default(tenant.to_owned());
            aggregate.apply(command, stored.as_deref(), now)
        });
        let Ok(result) = result else {
            log::write(&Event::new(Level::Error, "pool_command_unreadable"));
            return Ok(String::new());
        };
        self.count_queue(tenant, &result);
        let CommandResult {
            answer, drained, ..
        } = result;
        if let Some(drained) = drained {
            self.storage.put(DRAINED, &JsValue::from_str(&drained))?;
            #[cfg(feature = "planted-faults")]
            crate::worker::fault_injection::inject_next("drained");
        }
        Ok(answer)
    }

    /// Counts newcomers who wait and who left. Nothing is counted while nobody waits.
    fn count_queue(&self, tenant: &str, result: &CommandResult) {
        if self.waiting.replace(result.waiting) + result.waiting + result.given_up == 0 {
            return;
        }
        counters::count(
            metric::QUEUE_LEFT,
            &[tenant, "given_up"],
            result.given_up.into(),
        );
        let waiting = Milli::of(result.waiting.into());
        counters::with_batch(|batch| {
            batch.set_gauge(metric::QUEUE_WAITING, tenant.to_owned(), waiting);
        });
        let env = self.env.clone();
        run_in_background(&self.state, async move {
            exporter::flush_if_idle(&env).await;
        });
    }
}
