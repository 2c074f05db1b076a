//! Hashes and checks passwords in a separate wasm module (`tools/argon2`), which defines the stored form.
//!
//! A password is the UTF-8 of its Unicode normal form C, so different keyboard input of an accent is equal. This is the
//! remaining part of RFC 8265's OpaqueString: spaces are kept, and only the length is restricted.
//!
//! One instance of the module computes all hashes of an isolate. An instance per hash would leave its 19 MiB to the
//! garbage collector: after thirty sign-ins 400 MB were uncollected, and an isolate has 128 MB. One instance keeps 19
//! MiB, and hashes a fifth faster in memory it already has.

use core::cell::Cell;

use js_sys::{JsString, Object, Uint8Array, WebAssembly};
use thiserror::Error;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};

use crate::worker::log;
use crate::worker::runtime;

/// Sizes of the module's buffers in bytes, which `tools/argon2` defines, too.
const MAX_PASSWORD_LENGTH: usize = 1024;
const SALT_LENGTH: usize = 16;
const MAX_STORED_LENGTH: usize = 192;

#[wasm_bindgen]
extern "C" {
    /// Exports of the module; see `tools/argon2/src/exports.rs`.
    type Exports;

    #[wasm_bindgen(method, getter)]
    fn memory(this: &Exports) -> WebAssembly::Memory;

    #[wasm_bindgen(method, catch)]
    fn password(this: &Exports) -> Result<u32, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn salt(this: &Exports) -> Result<u32, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn stored(this: &Exports) -> Result<u32, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn memory_for(this: &Exports, stored_length: u32) -> Result<u32, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn check(this: &Exports, password_length: u32, stored_length: u32) -> Result<i32, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn make(this: &Exports, password_length: u32) -> Result<i32, JsValue>;
}

/// Reasons why a password was neither hashed nor checked.
#[derive(Debug, Error)]
pub(super) enum PasswordError {
    /// The password has too many bytes.
    #[error("the password is too long")]
    TooLong,
    /// The module reported a fault; see `Fault` in `tools/argon2`.
    #[error("argon2: fault {0}")]
    Fault(i32),
    /// The module trapped, or could not be started.
    #[error("argon2: {0}")]
    Trapped(String),
    /// The runtime provides no random numbers.
    #[error("there is no source of random numbers")]
    NoRandomNumbers,
}

impl From<JsValue> for PasswordError {
    fn from(thrown: JsValue) -> Self {
        Self::Trapped(log::Describe::describe(&thrown))
    }
}

/// Returns whether a password matches `stored`, a PHC string with its own cost parameters. Returns `false` for another
/// form or unaffordable costs. Without `stored` returns `false` after the usual time of a check.
///
/// # Errors
/// Returns why the check failed.
pub(super) fn is_right(password: &str, stored: Option<&str>) -> Result<bool, PasswordError> {
    let password = normalized(password);
    let stored_length = stored.map_or(1, str::len);
    if password.len() > MAX_PASSWORD_LENGTH || !(1..=MAX_STORED_LENGTH).contains(&stored_length) {
        return Ok(false);
    }
    with_instance(|instance| {
        let stored = stored.unwrap_or_default().as_bytes();
        let stored_length = instance.place(Exports::stored, stored)?;
        if stored_length > 0 {
            let memory = instance.exports.memory_for(stored_length)?;
            if memory == 0 {
                return Ok(false);
            }
            if instance.make_room(memory)? {
                instance.place(Exports::stored, stored)?;
            }
        }
        let password_length = instance.place(Exports::password, &password)?;
        match instance.exports.check(password_length, stored_length)? {
            0 => Ok(false),
            1 => Ok(true),
            fault => Err(PasswordError::Fault(fault)),
        }
    })
}

/// Hashes a new password into a PHC string for storage.
///
/// # Errors
/// Returns why hashing failed.
pub(super) fn hashed(password: &str) -> Result<Vec<u8>, PasswordError> {
    let password = normalized(password);
    if password.len() > MAX_PASSWORD_LENGTH {
        return Err(PasswordError::TooLong);
    }
    let mut salt = [0; SALT_LENGTH];
    getrandom::fill(&mut salt).map_err(|_| PasswordError::NoRandomNumbers)?;
    with_instance(|instance| {
        let password_length = instance.place(Exports::password, &password)?;
        instance.place(Exports::salt, &salt)?;
        let outcome = instance.exports.make(password_length)?;
        let length = u32::try_from(outcome).map_err(|_| PasswordError::Fault(outcome))?;
        let at = instance.exports.stored()?;
        Ok(instance.view(at, length).to_vec())
    })
}

/// Returns the bytes of a password.
fn normalized(password: &str) -> Vec<u8> {
    if password.is_ascii() {
        return password.as_bytes().to_vec();
    }
    String::from(JsString::from(password).normalize("NFC")).into_bytes()
}

thread_local! {
    static INSTANCE: Cell<Option<Instance>> = const { Cell::new(None) };
}

/// Instance of the module.
struct Instance {
    exports: Exports,
    /// Maximum memory of a hash in it so far, in KiB.
    most: u32,
}

/// Runs `act` on the isolate's instance. A failed instance is dropped, because it may have trapped.
fn with_instance<T>(
    act: impl FnOnce(&mut Instance) -> Result<T, PasswordError>,
) -> Result<T, PasswordError> {
    let mut instance = match INSTANCE.take() {
        Some(instance) => instance,
        None => Instance::start(0)?,
    };
    let result = act(&mut instance)?;
    INSTANCE.set(Some(instance));
    Ok(result)
}

/// Returns how much memory the isolate's instance has, in bytes, if there is one.
#[cfg(feature = "standalone")]
pub(in crate::worker) fn memory() -> Option<u64> {
    let instance = INSTANCE.take()?;
    let bytes = instance
        .exports
        .memory()
        .buffer()
        .unchecked_into::<js_sys::ArrayBuffer>();
    let length = u64::from(bytes.byte_length());
    INSTANCE.set(Some(instance));
    Some(length)
}

impl Instance {
    fn start(most: u32) -> Result<Self, JsValue> {
        let instance = WebAssembly::Instance::new(&runtime::argon2_module(), &Object::new())?;
        Ok(Self {
            exports: instance.exports().unchecked_into(),
            most,
        })
    }

    /// Ensures memory for a hash; returns whether that required a new instance. A smaller one would add the memory to
    /// its own.
    fn make_room(&mut self, memory: u32) -> Result<bool, JsValue> {
        let is_lacking = memory > self.most;
        if is_lacking {
            *self = Self::start(memory)?;
        }
        Ok(is_lacking)
    }

    /// Copies bytes into one of the module's buffers, and returns their number.
    fn place(
        &self,
        place: impl FnOnce(&Exports) -> Result<u32, JsValue>,
        bytes: &[u8],
    ) -> Result<u32, PasswordError> {
        let length = u32::try_from(bytes.len()).map_err(|_| PasswordError::TooLong)?;
        let at = place(&self.exports)?;
        self.view(at, length).copy_from(bytes);
        Ok(length)
    }

    /// Returns a view of the module's memory. It is created each time, because growing the memory replaces its buffer.
    fn view(&self, at: u32, length: u32) -> Uint8Array {
        Uint8Array::new_with_byte_offset_and_length(&self.exports.memory().buffer(), at, length)
    }
}
