//! Runs a tenant's directory object: stores revocations and listed sessions, and ends surplus sessions.

use core::cell::{Cell, RefCell};

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::DurableObjectState;
use worker::{Env, State};

use super::storage::Storage;
use super::{answered, call, run_in_background};
use crate::effect::Class;
use crate::store::session_index::object::sql::{self, Database, SCHEMA, Sql};
use crate::store::session_index::object::{self, Failure, Surplus, TableError};
use crate::telemetry::log::{Event, Level};
use crate::telemetry::metric;
use crate::worker::log::{self, Describe as _};
use crate::worker::{counters, exporter, io, millis};

/// Storage key of the last epoch.
const LAST: &str = "last";

/// Durable Object of a tenant's directory.
#[wasm_bindgen]
pub struct DirectoryObject {
    state: State,
    env: Env,
    storage: Storage,
    has_tables: Cell<bool>,
    object: RefCell<object::DirectoryObject>,
}

#[wasm_bindgen]
impl DirectoryObject {
    /// Creates the object.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: DurableObjectState, env: Env) -> Self {
        let state = State::from(state);
        let storage = Storage::of(&state);
        Self {
            state,
            env,
            storage,
            has_tables: Cell::new(false),
            object: RefCell::default(),
        }
    }

    /// Applies a command.
    pub fn call(&self, tenant: &str, command: &str) -> Promise {
        if !self.has_tables.get() {
            if let Err(error) = self.storage.run(SCHEMA, Vec::new()) {
                return Promise::reject(&error);
            }
            self.has_tables.set(true);
        }
        #[cfg(feature = "planted-faults")]
        crate::worker::fault_injection::inject_next("directory");
        let mut rows = Sql(Rows(&self.storage));
        let mut object = self.object.borrow_mut();
        match object.command(&mut rows, tenant, command, io::now()) {
            Ok(outcome) => {
                for surplus in outcome.surplus {
                    self.end(tenant, surplus);
                }
                answered(outcome.answer.as_bytes())
            }
            Err(error) => {
                if matches!(error, Failure::Unknown(_)) {
                    log::write(&Event::new(Level::Error, "directory_command_unreadable"));
                }
                Promise::reject(&js_sys::Error::new(&error.to_string()).into())
            }
        }
    }

    /// Ends a surplus session of its user.
    fn end(&self, tenant: &str, surplus: Surplus) {
        let env = self.env.clone();
        let tenant = tenant.to_owned();
        run_in_background(&self.state, async move {
            #[cfg(feature = "planted-faults")]
            crate::worker::fault_injection::inject_next("surplus");
            match call(&env, Class::Session, &surplus.object, &surplus.command).await {
                Ok(_) => {
                    counters::count(metric::SESSIONS_ENDED, &[&tenant, "surplus"], 1);
                    exporter::flush_if_idle(&env).await;
                }
                Err(error) => log::report("surplus_not_ended", &error),
            }
        });
    }
}

/// Database of the object.
struct Rows<'a>(&'a Storage);

fn database_error(error: &JsValue) -> TableError {
    TableError::Database(error.describe())
}

impl Database for Rows<'_> {
    fn run(
        &mut self,
        statement: &str,
        values: Vec<sql::Cell>,
    ) -> Result<Vec<Vec<sql::Cell>>, TableError> {
        self.0
            .run(statement, values)
            .map_err(|error| database_error(&error))
    }

    fn number(&mut self) -> Result<u64, TableError> {
        let number = self
            .0
            .number(LAST)
            .map_err(|error| database_error(&error))?;
        Ok(millis(number.unwrap_or_default()).0)
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
    fn set_number(&mut self, number: u64) -> Result<(), TableError> {
        let number = JsValue::from_f64(number as f64);
        self.0
            .put(LAST, &number)
            .map_err(|error| database_error(&error))
    }
}
