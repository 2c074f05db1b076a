//! The object that adds up what all isolates tell of themselves: stores the figures, some seconds after they changed.

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
use crate::telemetry::log::{Event, Level};
use crate::telemetry::message::Command;
use crate::telemetry::metric;
use crate::worker::runtime::RequestContext;
use crate::worker::timing::sleep;
use crate::worker::{counters, io, log};

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS counted (owner TEXT PRIMARY KEY, series TEXT NOT NULL)";

/// The event of a batch whose figures are lost should the instance die before they are stored.
const BATCH_DROPPED: &str = "unkept_batch_dropped";

thread_local! {
    /// By the object's name. An object that is idle is evicted long before its instance: gauges, the last log lines and
    /// the history outlive it here.
    static COLLECTIONS: RefCell<FlatMap<String, Collection>> = RefCell::default();
}

/// The Durable Object of the deployment's figures.
#[wasm_bindgen]
pub struct TelemetryObject(Rc<Telemetry>);

struct Telemetry {
    state: State,
    storage: Storage,
    /// Has the batches whose figures are not stored yet: they outlive the instance.
    context: RequestContext,
    has_table: Cell<bool>,
    keeping: RefCell<Keeping>,
}

#[wasm_bindgen]
impl TelemetryObject {
    /// Makes the object.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: DurableObjectState, _env: Env, context: RequestContext) -> Self {
        let state = State::from(state);
        let storage = Storage::of(&state);
        Self(Rc::new(Telemetry {
            state,
            storage,
            context,
            has_table: Cell::new(false),
            keeping: RefCell::default(),
        }))
    }

    /// Takes a command. What is none is answered with nothing.
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
            // What only asks is not, and a batch that comes again is known.
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
        let mut collection = Collection::default();
        let rows = self.storage.run("SELECT series FROM counted", Vec::new())?;
        for cell in rows.into_iter().flatten() {
            if let sql::Cell::Text(series) = cell {
                collection.restore(&series);
            }
        }
        // What an instance that died has taken and not stored.
        for command in self.context.notes().iter().skip(1).step_by(2) {
            let command = command.as_string();
            if let Some(Ok(command)) = command.as_deref().map(Command::parse) {
                collection.apply(command, io::now());
            }
        }
        Ok(collection)
    }

    /// Stores what changed. Then the notes are not needed any more: should the instance die in between, they are counted
    /// once more, which is better than not at all.
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
