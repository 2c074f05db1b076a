//! Performs the outbox items of a session's object.

use thiserror::Error;
use wasm_bindgen::JsValue;
use worker::Env;

use super::call;
use crate::effect::{Class, Write};
use crate::session_object::object::{ITEM_DEADLINE_MS, Item};
use crate::tenant_id::TenantId;
use crate::worker::counters::{Operation, counted};
use crate::worker::io::namespace_of;
use crate::worker::log::{self, Describe as _};
use crate::worker::timing::{DeadlineExceeded, within};

/// Reasons why an item failed.
#[derive(Debug, Error)]
enum ItemError {
    /// The deadline passed.
    #[error(transparent)]
    Deadline(#[from] DeadlineExceeded),
    /// Error text of the platform.
    #[error("{0}")]
    Platform(String),
}

impl From<JsValue> for ItemError {
    fn from(error: JsValue) -> Self {
        Self::Platform(error.describe())
    }
}

impl From<worker::Error> for ItemError {
    fn from(error: worker::Error) -> Self {
        Self::Platform(error.describe())
    }
}

/// Performs an item, and returns whether it succeeded.
pub(super) async fn perform(item: Item, env: &Env) -> bool {
    let result = match item {
        Item::Store(write) => counted(Operation::KvWrite, store(&write, env)).await,
        Item::Directory { tenant, command } => call_directory(&tenant, &command, env).await,
    };
    if let Err(error) = &result {
        log::report("outbox_failed", error.to_string().as_str());
    }
    result.is_ok()
}

async fn store(write: &Write, env: &Env) -> Result<(), ItemError> {
    let namespace = namespace_of(&write.key, env)?;
    let put = namespace.put_bytes(&write.key, &write.value, write.ttl.0);
    Ok(within(ITEM_DEADLINE_MS, put).await??)
}

async fn call_directory(tenant: &TenantId, command: &str, env: &Env) -> Result<(), ItemError> {
    let call = call(env, Class::Directory, tenant.as_str(), command);
    within(ITEM_DEADLINE_MS, call).await??;
    Ok(())
}
