//! Hashes and checks passwords, in a wasm module of its own (`tools/argon2`), which decides what is stored of one.
//!
//! A password is its UTF-8 bytes in Unicode's normal form C, so that it does not matter how a keyboard
//! composes an accent. That is what remains of RFC 8265's OpaqueString: spaces stay as they are, and
//! nothing is refused but by length.
//!
//! One instance of the module does all hashes of an isolate. An instance for each would leave its 19 MiB
//! to the garbage collector, which takes its time: after thirty sign-ins 400 MB were waiting for it, and
//! an isolate has 128 MB. One instance has 19 MiB for good, and hashes a fifth faster, in memory it has
//! already.

use core::cell::Cell;

use js_sys::{JsString, Object, Uint8Array, WebAssembly};
use thiserror::Error;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};

use crate::worker::log;
use crate::worker::runtime;

/// Sizes of the module's places, in bytes; `tools/argon2` knows them too.
const MAX_PASSWORD_LENGTH: usize = 1024;
const SALT_LENGTH: usize = 16;
const MAX_STORED_LENGTH: usize = 192;

#[wasm_bindgen]
extern "C" {
    /// What the module exports: see `tools/argon2/src/exports.rs`.
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

/// Why a password was neither hashed nor checked.
#[derive(Debug, Error)]
pub(super) enum PasswordError {
    /// It has more bytes than a password may have.
    #[error("the password is too long")]
    TooLong,
    /// The module says so: see `Fault` in `tools/argon2`.
    #[error("argon2: fault {0}")]
    Fault(i32),
    /// The module trapped, or could not be started.
    #[error("argon2: {0}")]
    Trapped(String),
    /// The runtime gave no random numbers.
    #[error("there is no source of random numbers")]
    NoRandomNumbers,
}

impl From<JsValue> for PasswordError {
    fn from(thrown: JsValue) -> Self {
        Self::Trapped(log::Describe::describe(&thrown))
    }
}

/// Returns whether a password is the one that was stored, which says itself what checking costs. With anything but a
/// PHC string that we can afford no password is right; nor is one without `stored`, after the time that checking takes.
///
/// # Errors
/// Returns why that cannot be said.
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

/// Returns what is to be stored of a new password, a PHC string.
///
/// # Errors
/// Returns why there is none.
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

/// An instance of the module.
struct Instance {
    exports: Exports,
    /// The most memory a hash in it has taken, in KiB.
    most: u32,
}

/// Uses the isolate's instance. One that failed is not used again: it may have trapped.
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

impl Instance {
    fn start(most: u32) -> Result<Self, JsValue> {
        let instance = WebAssembly::Instance::new(&runtime::argon2_module(), &Object::new())?;
        Ok(Self {
            exports: instance.exports().unchecked_into(),
            most,
        })
    }

    /// Makes room for a hash that takes so much memory; returns whether that took a new instance. One that has had less
    /// would add it to what it has.
    fn make_room(&mut self, memory: u32) -> Result<bool, JsValue> {
        let is_lacking = memory > self.most;
        if is_lacking {
            *self = Self::start(memory)?;
        }
        Ok(is_lacking)
    }

    /// Puts bytes into one of the module's places, and returns how many.
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

    /// Returns so many bytes of the module's memory. That may have grown since, and its buffer is another one then.
    fn view(&self, at: u32, length: u32) -> Uint8Array {
        Uint8Array::new_with_byte_offset_and_length(&self.exports.memory().buffer(), at, length)
    }
}
