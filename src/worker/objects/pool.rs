//! Runs the object that aggregates isolates' reports on a tenant's origins, and stores the drained ones. It reads the
//! lists of origins, too.

use core::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::futures::JsFuture;
use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::DurableObjectState;
use worker::{Env, State};

use super::storage::Storage;
use super::{answered, run_in_background};
use crate::balancer::discovery::{DEADLINE_MS, MAX_BYTES, Source};
use crate::balancer::origin_lists::Found;
use crate::balancer::pool_aggregate::{CommandResult, PoolAggregate};
use crate::config::server_list;
use crate::flat_map::FlatMap;
use crate::telemetry::gauge::Milli;
use crate::telemetry::log::{ConfigName, Detail, Event, Level};
use crate::telemetry::metric;
use crate::tenant_id::TenantId;
use crate::worker::io::fetch::Request;
use crate::worker::{counters, exporter, futures, io, log};

/// Storage key of the drained origins.
const DRAINED: &str = "drained";

/// Storage key of the lists of origins.
const LISTS: &str = "lists";

/// Command that only reads the state.
const TELL: &str = r#"{"do":"tell"}"#;

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
    storage: Rc<Storage>,
    /// Number of newcomers who waited when it was last reported.
    waiting: Cell<u32>,
    /// Last attempt to read lists of origins. It always succeeds.
    reading: RefCell<Option<Promise>>,
}

#[wasm_bindgen]
impl PoolObject {
    /// Creates the object.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: DurableObjectState, env: Env) -> Self {
        let state = State::from(state);
        Self {
            storage: Rc::new(Storage::of(&state)),
            state,
            env,
            waiting: Cell::default(),
            reading: RefCell::default(),
        }
    }

    /// Applies a command. Answers an unknown one with no bytes. The first answer about a list waits for the first attempt to read it.
    pub fn call(&self, tenant: &str, command: &str) -> Promise {
        let answer = match self.apply(tenant, command) {
            Ok(answer) => answer,
            Err(error) => return Promise::reject(&error),
        };
        let is_settled = with_aggregate(tenant, |aggregate| aggregate.has_settled_lists());
        match self.reading.borrow().clone().filter(|_| !is_settled) {
            None => answered(answer.as_bytes()),
            Some(reading) => {
                let tenant = tenant.to_owned();
                let storage = Rc::clone(&self.storage);
                futures::promise(async move {
                    JsFuture::from(reading).await?;
                    let drained = storage.text(DRAINED)?;
                    let answer = with_aggregate(&tenant, |aggregate| {
                        aggregate.apply(TELL, drained.as_deref(), io::now())
                    });
                    let answer = answer.map(|result| result.answer).unwrap_or_default();
                    Ok(Uint8Array::from(answer.as_bytes()).into())
                })
            }
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
            if aggregate.lacks_lists() {
                aggregate.load_lists(self.storage.text(LISTS)?.as_deref(), now);
            }
            Ok::<_, JsValue>(aggregate.apply(command, stored.as_deref(), now))
        })?;
        let Ok(result) = result else {
            log::write(&Event::new(Level::Error, "pool_command_unreadable"));
            return Ok(String::new());
        };
        self.count_queue(tenant, &result);
        let CommandResult {
            answer,
            drained,
            due,
            ..
        } = result;
        if !due.is_empty() {
            self.read_lists(tenant, due);
        }
        if let Some(drained) = drained {
            self.storage.put(DRAINED, &JsValue::from_str(&drained))?;
            #[cfg(feature = "planted-faults")]
            crate::worker::fault_injection::inject_next("drained");
        }
        Ok(answer)
    }

    /// Reads lists of origins in the background.
    fn read_lists(&self, tenant: &str, due: Vec<String>) {
        let readings = Array::new();
        for source in due {
            let (env, tenant) = (self.env.clone(), tenant.to_owned());
            let storage = Rc::clone(&self.storage);
            readings.push(&futures::promise(async move {
                if let Some(place) = Source::parse(&source) {
                    let found = find_servers(&place, &tenant).await;
                    learn(&storage, &tenant, &source, &place.name(), found);
                    exporter::flush_if_idle(&env).await;
                }
                Ok(JsValue::UNDEFINED)
            }));
        }
        let reading = Promise::all_settled(&readings);
        // Ignore the result: an object lives as long as it has work in progress.
        let _ = self.state.as_raw().wait_until(&reading);
        self.reading.replace(Some(reading));
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

/// Runs `act` on a tenant's aggregate.
fn with_aggregate<T>(tenant: &str, act: impl FnOnce(&mut PoolAggregate) -> T) -> T {
    AGGREGATES.with_borrow_mut(|aggregates| act(aggregates.or_default(tenant.to_owned())))
}

/// Applies what a list says, and stores its servers if they changed.
fn learn(storage: &Storage, tenant: &str, source: &str, name: &str, found: Result<Found, String>) {
    let outcome = if found.is_ok() { "ok" } else { "error" };
    counters::count(metric::ORIGIN_LIST_READS, &[tenant, name, outcome], 1);
    let (change, stored) = with_aggregate(tenant, |aggregate| {
        aggregate.learn_list(source, found, io::now())
    });
    let event = |level, event| {
        let event = Event::new(level, event).with("list", ConfigName(name));
        match TenantId::parse(tenant) {
            Some(tenant) => event.of(&tenant),
            None => event,
        }
    };
    if let Some(error) = &change.failure {
        log::emit(event(Level::Warn, "origin_list_failed").with("detail", Detail(error)));
    }
    if change.added + change.removed > 0 {
        let event = event(Level::Info, "origin_list_changed").with("added", change.added);
        log::emit(event.with("removed", change.removed));
    }
    if let Some(text) = stored
        && let Err(error) = storage.put(LISTS, &JsValue::from_str(&text))
    {
        log::report("origin_list_not_stored", &error);
    }
}

/// Asks for the servers of a list.
async fn find_servers(place: &Source<'_>, tenant: &str) -> Result<Found, String> {
    let resolver = with_aggregate(tenant, |aggregate| aggregate.resolver().to_owned());
    let (url, accept) = place.request(&resolver);
    let request = Request::get(&url).header("accept", accept);
    let sent = request.deadline(DEADLINE_MS).send().await;
    let answer = sent.map_err(|error| error.to_string())?;
    let status = answer.status();
    if status != 200 {
        answer.discard().await;
        return Err(format!("the status is {status}, not 200"));
    }
    let text = answer.text(MAX_BYTES).await;
    let text = text.map_err(|error| error.to_string())?;
    server_list::read(place, &text).map_err(|bad| bad.to_string())
}
