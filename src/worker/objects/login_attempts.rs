//! Runs the object that counts attempts and recent changes of an account: stores the row, and deletes it when it is no
//! longer needed.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::DurableObjectState;
use worker::{Env, State};

use super::answered;
use super::storage::Storage;
use crate::auth::login_throttle::{self, Change};
use crate::worker::io;

/// Storage key of the row.
const ROW: &str = "row";

/// Durable Object of an account, or of a token that is valid once.
#[wasm_bindgen]
pub struct AttemptObject(Storage);

#[wasm_bindgen]
impl AttemptObject {
    /// Creates the object.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: DurableObjectState, _env: Env) -> Self {
        Self(Storage::of(&State::from(state)))
    }

    /// Applies a command.
    pub fn call(&self, _name: &str, command: &str) -> Promise {
        match self.apply(command) {
            Ok(answer) => answered(answer.as_bytes()),
            Err(error) => Promise::reject(&error),
        }
    }

    fn apply(&self, command: &str) -> Result<String, JsValue> {
        #[cfg(feature = "planted-faults")]
        crate::worker::fault_injection::inject_next("attempts");
        let stored = self.0.text(ROW)?;
        let outcome = login_throttle::apply(stored.as_deref(), command, io::now());
        match outcome.change {
            Change::Store { row, until } => {
                // The alarm comes first. If the instance dies in between, an early alarm is set again; without an alarm
                // the row would stay for ever.
                self.0.set_alarm(until)?;
                #[cfg(feature = "planted-faults")]
                crate::worker::fault_injection::inject_next("attempts-alarm");
                self.0.put(ROW, &JsValue::from_str(&row))?;
            }
            Change::DeleteAll => drop(self.0.delete_all()?),
            Change::Nothing => {}
        }
        Ok(outcome.reply.to_text())
    }

    /// Handles the alarm.
    pub fn alarm(&self) -> Promise {
        self.forget()
            .unwrap_or_else(|error| Promise::reject(&error))
    }

    /// Deletes the row unless it is still needed.
    fn forget(&self) -> Result<Promise, JsValue> {
        let stored = self.0.text(ROW)?;
        match login_throttle::kept_until(stored.as_deref(), io::now()) {
            Some(until) => {
                self.0.set_alarm(until)?;
                Ok(Promise::resolve(&JsValue::UNDEFINED))
            }
            None => self.0.delete_all(),
        }
    }
}
