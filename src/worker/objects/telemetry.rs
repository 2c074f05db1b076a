//! Runs the object that aggregates all isolates' reports, and stores changed figures after some seconds.

use core::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::DurableObjectState;
use worker::{Env, State};

use super::storage::Storage;
use super::{answered, run_in_background};
use crate::flat_map::FlatMap;
use crate::store::session_index::object::sql;
use crate::telemetry::aggregator::Collection;
use crate::telemetry::aggregator::keeping::{KEEP_AFTER_MS, Keeping, Room};
use crate::telemetry::histogram::Bounds;
use crate::telemetry::log::{Event, Level};
use crate::telemetry::message::Command;
use crate::telemetry::metric;
use crate::worker::runtime::RequestContext;
use crate::worker::timing::sleep;
use crate::worker::{counters, io, log};

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS counted (owner TEXT PRIMARY KEY, series TEXT NOT NULL)";

/// Event for a batch that would be lost if the instance died before storing it.
const BATCH_DROPPED: &str = "unkept_batch_dropped";

thread_local! {
    /// Aggregates by object name. An idle object is evicted long before its instance, so gauges, log lines and history
    /// survive here.
    static COLLECTIONS: RefCell<FlatMap<String, Collection>> = RefCell::default();
}

/// Durable Object of the deployment's telemetry.
#[wasm_bindgen]
pub struct TelemetryObject(Rc<Telemetry>);

struct Telemetry {
    state: State,
    storage: Storage,
    /// Bounds of the histograms with settable bounds.
    bounds: Bounds,
    /// Context with the batches that are not stored yet; it outlives the instance.
    context: RequestContext,
    has_table: Cell<bool>,
    keeping: RefCell<Keeping>,
}

#[wasm_bindgen]
impl TelemetryObject {
    /// Creates the object.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: DurableObjectState, env: &Env, context: RequestContext) -> Self {
        let state = State::from(state);
        let storage = Storage::of(&state);
        let buckets = env.var("METRICS_BUCKETS").ok();
        let buckets = buckets.map(|buckets| buckets.to_string());
        Self(Rc::new(Telemetry {
            state,
            storage,
            bounds: Bounds::of_setting(buckets.as_deref()),
            context,
            has_table: Cell::new(false),
            keeping: RefCell::default(),
        }))
    }

    /// Applies a command. Answers an unknown one with no bytes.
    pub fn call(&self, name: &str, command: &str) -> Promise {
        match self.0.apply(name, command) {
            Ok(answer) => answered(answer.as_bytes()),
            Err(error) => Promise::reject(&error),
        }
    }
}

impl Telemetry {
    fn apply(self: &Rc<Self>, name: &str, text: &str) -> Result<String, JsValue> {
        #[cfg(feature = "planted-faults")]
        crate::worker::fault_injection::inject_next("telemetry");
        let Ok(command) = Command::parse(text) else {
            log::write(&Event::new(Level::Error, "telemetry_command_unreadable"));
            return Ok(String::new());
        };
        if !self.has_table.get() {
            self.storage.run(SCHEMA, Vec::new())?;
            self.has_table.set(true);
        }
        if !COLLECTIONS.with_borrow(|collections| collections.contains_key(name)) {
            let collection = self.restored()?;
            COLLECTIONS.with_borrow_mut(|collections| {
                collections.insert(name.to_owned(), collection);
            });
        }
        let (answer, is_new, keeps) = COLLECTIONS.with_borrow_mut(|collections| {
            let collection = collections.or_default(name.to_owned());
            let before = collection.batches();
            let answer = collection.apply(command, io::now());
            // Queries and repeated batches are not noted.
            let is_new = collection.batches() > before;
            let keeps = self.keeping.borrow_mut().begins(collection);
            (answer, is_new, keeps)
        });
        if is_new {
            self.note(name, text);
        }
        if keeps {
            let (telemetry, name) = (Rc::clone(self), name.to_owned());
            run_in_background(&self.state, async move {
                sleep(KEEP_AFTER_MS).await;
                #[cfg(feature = "planted-faults")]
                crate::worker::fault_injection::inject_next("keep");
                telemetry.keep(&name);
            });
        }
        Ok(answer)
    }

    /// Notes a batch for the next instance, until its figures are stored.
    fn note(&self, name: &str, command: &str) {
        let room = self.keeping.borrow_mut().make_room(self.context.noted());
        match room {
            Room::Free => {}
            Room::Full { is_logged: false } => {
                self.context.forget_oldest_note();
                log::alarm(BATCH_DROPPED);
            }
            Room::Full { is_logged: true } => {
                self.context.forget_oldest_note();
                counters::count(metric::EVENTS, &["", BATCH_DROPPED], 1);
            }
        }
        self.context.note(name, command);
    }

    fn restored(&self) -> Result<Collection, JsValue> {
        let mut collection = Collection::within(self.bounds.clone());
        let rows = self.storage.run("SELECT series FROM counted", Vec::new())?;
        for cell in rows.into_iter().flatten() {
            if let sql::Cell::Text(series) = cell {
                collection.restore(&series);
            }
        }
        // Batches that a dead instance counted and did not store.
        for command in self.context.notes().iter().skip(1).step_by(2) {
            let command = command.as_string();
            if let Some(Ok(command)) = command.as_deref().map(Command::parse) {
                collection.apply(command, io::now());
            }
        }
        Ok(collection)
    }

    /// Stores the changes, then drops the notes. If the instance dies in between, the batches count twice, which is
    /// better than losing them.
    fn keep(&self, name: &str) {
        let kept = COLLECTIONS.with_borrow_mut(|collections| {
            let collection = collections.or_default(name.to_owned());
            self.keeping
                .borrow_mut()
                .keep(collection, |changed| self.store(changed))
        });
        if let Err(error) = kept {
            log::report("figures_not_kept", &error);
        }
    }

    fn store(&self, changed: Vec<(String, String)>) -> Result<(), JsValue> {
        let mut rows = changed.into_iter();
        self.storage.transaction(|| {
            for (owner, series) in &mut rows {
                let values = vec![sql::Cell::Text(owner), sql::Cell::Text(series)];
                let statement = "INSERT OR REPLACE INTO counted VALUES (?, ?)";
                self.storage.run(statement, values)?;
            }
            #[cfg(feature = "planted-faults")]
            crate::worker::fault_injection::fail_next("kept")?;
            Ok(())
        })?;
        self.context.forget_notes();
        Ok(())
    }
}
