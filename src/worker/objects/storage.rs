//! Binds the synchronous methods of an object's storage. `worker` lacks them, or binds them without `catch`, so an
//! exception would end the instance.

use js_sys::{Array, Number, Promise, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::State;

use crate::clock::UnixMillis;
use crate::store::session_index::object::sql::Cell;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = js_sys::Object)]
    type DurableObjectStorage;

    #[wasm_bindgen(method, catch, getter)]
    fn kv(this: &DurableObjectStorage) -> Result<SyncKv, JsValue>;

    #[wasm_bindgen(method, catch, getter)]
    fn sql(this: &DurableObjectStorage) -> Result<SqlStorage, JsValue>;

    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    fn set_alarm(this: &DurableObjectStorage, at: f64) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction(
        this: &DurableObjectStorage,
        act: &mut dyn FnMut() -> Result<(), JsValue>,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = deleteAll)]
    fn delete_all(this: &DurableObjectStorage) -> Result<Promise, JsValue>;

    type SyncKv;

    #[wasm_bindgen(method, catch)]
    fn get(this: &SyncKv, key: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn put(this: &SyncKv, key: &str, value: &JsValue) -> Result<(), JsValue>;

    type SqlStorage;

    #[wasm_bindgen(method, catch, variadic)]
    fn exec(this: &SqlStorage, statement: &str, values: &Array) -> Result<Cursor, JsValue>;

    type Cursor;

    #[wasm_bindgen(method, catch)]
    fn raw(this: &Cursor) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_namespace = Array, js_name = from)]
    fn to_array(rows: &JsValue) -> Result<Array, JsValue>;
}

/// Storage of an object. The writes of one turn of the event loop are stored atomically before anything leaves the
/// object.
pub(super) struct Storage(DurableObjectStorage);

impl Storage {
    /// Returns the storage of an object.
    pub(super) fn of(state: &State) -> Self {
        Self(JsValue::from(state.storage().as_raw()).unchecked_into())
    }

    /// Reads bytes.
    pub(super) fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>, JsValue> {
        let value = self.0.kv()?.get(key)?;
        Ok(value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec))
    }

    /// Reads a text.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, JsValue> {
        Ok(self.0.kv()?.get(key)?.as_string())
    }

    /// Reads a number.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, JsValue> {
        Ok(self.0.kv()?.get(key)?.as_f64())
    }

    /// Writes bytes.
    pub(super) fn put_bytes(&self, key: &str, bytes: &[u8]) -> Result<(), JsValue> {
        self.put(key, &Uint8Array::from(bytes))
    }

    /// Writes a value.
    pub(super) fn put(&self, key: &str, value: &JsValue) -> Result<(), JsValue> {
        self.0.kv()?.put(key, value)
    }

    /// Sets the alarm and replaces the previous one.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
    pub(super) fn set_alarm(&self, at: UnixMillis) -> Result<(), JsValue> {
        self.0.set_alarm(at.0 as f64).map(drop)
    }

    /// Applies writes atomically.
    pub(super) fn transaction(
        &self,
        mut act: impl FnMut() -> Result<(), JsValue>,
    ) -> Result<(), JsValue> {
        self.0.transaction(&mut act)
    }

    /// Deletes all data, including the alarm.
    pub(super) fn delete_all(&self) -> Result<Promise, JsValue> {
        self.0.delete_all()
    }

    /// Runs a statement, and returns its rows.
    #[expect(clippy::cast_precision_loss, reason = "cells hold what a double holds")]
    pub(super) fn run(
        &self,
        statement: &str,
        values: Vec<Cell>,
    ) -> Result<Vec<Vec<Cell>>, JsValue> {
        let given = Array::new();
        for value in values {
            given.push(&match value {
                Cell::Integer(number) => JsValue::from_f64(number as f64),
                Cell::Text(text) => JsValue::from_str(&text),
            });
        }
        let cursor = self.0.sql()?.exec(statement, &given)?;
        let rows = to_array(&cursor.raw()?)?;
        let cells = |row: JsValue| {
            let row: Array = row.unchecked_into();
            row.iter().map(|value| cell(&value)).collect()
        };
        rows.iter().map(cells).collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is an integer")]
fn cell(value: &JsValue) -> Result<Cell, JsValue> {
    if let Some(text) = value.as_string() {
        return Ok(Cell::Text(text));
    }
    match value.as_f64() {
        Some(number) if Number::is_safe_integer(value) => Ok(Cell::Integer(number as i64)),
        _ => Err(js_sys::Error::new("neither a text nor an integer").into()),
    }
}
