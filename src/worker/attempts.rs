//! What `attempt-object.js` calls: how often something was tried.

use wasm_bindgen::prelude::wasm_bindgen;

use super::millis;
use crate::sign_in::attempts::{self, Change};

/// What a command came to.
#[wasm_bindgen]
pub struct AttemptObeyed {
    answer: String,
    row: Option<String>,
    until: f64,
}

#[wasm_bindgen]
impl AttemptObeyed {
    /// What the caller is told.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn answer(&self) -> String {
        self.answer.clone()
    }

    /// What is to be remembered; none for nothing.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn row(&self) -> Option<String> {
        self.row.clone()
    }

    /// Until when, in milliseconds since 1970.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn until(&self) -> f64 {
        self.until
    }
}

/// Applies a command to what is remembered.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
#[wasm_bindgen(js_name = attemptCommand)]
#[must_use]
pub fn attempt_command(command: &str, row: &str, now: f64) -> AttemptObeyed {
    let stored = (!row.is_empty()).then_some(row);
    let outcome = attempts::obey(stored, command, millis(now));
    let (row, until) = match outcome.change {
        Change::Store { row, until } => (Some(row), until.0),
        Change::DeleteAll | Change::Nothing => (None, 0),
    };
    AttemptObeyed {
        answer: outcome.reply.to_text(),
        row,
        until: until as f64,
    }
}
