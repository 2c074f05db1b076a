//! Exports three buffers and four functions, in addition to the memory.
//!
//! The caller writes into the buffers, calls a function, and reads a buffer. `Cell` allows that between two calls
//! without any Rust reference to the bytes. So the only unsafe promise here is that the exported names are unique.
#![allow(
    unsafe_code,
    reason = "an exported name is an unsafe attribute: it must not be another symbol's; these are in no library we link"
)]

use std::cell::Cell;

use crate::Fault;
use crate::password::{MAX_PASSWORD_LENGTH, MAX_STORED_LENGTH, SALT_LENGTH, Stored};

thread_local! {
    static PASSWORD: Cell<[u8; MAX_PASSWORD_LENGTH]> = const { Cell::new([0; MAX_PASSWORD_LENGTH]) };
    static SALT: Cell<[u8; SALT_LENGTH]> = const { Cell::new([0; SALT_LENGTH]) };
    static STORED: Cell<[u8; MAX_STORED_LENGTH]> = const { Cell::new([0; MAX_STORED_LENGTH]) };
}

/// Returns the buffer for a password: 1024 bytes.
#[unsafe(no_mangle)]
extern "C" fn password() -> *mut u8 {
    PASSWORD.with(Cell::as_ptr).cast()
}

/// Returns the buffer for the salt of a new hash: 16 bytes.
#[unsafe(no_mangle)]
extern "C" fn salt() -> *mut u8 {
    SALT.with(Cell::as_ptr).cast()
}

/// Returns the buffer for a stored PHC string, read and written: 192 bytes.
#[unsafe(no_mangle)]
extern "C" fn stored() -> *mut u8 {
    STORED.with(Cell::as_ptr).cast()
}

/// Returns the memory that checking against a stored string takes, in KiB; 0 if the string is invalid, so that no
/// password matches.
#[unsafe(no_mangle)]
extern "C" fn memory_for(stored_length: usize) -> u32 {
    read(stored_length).map_or(0, |stored| stored.cost().memory)
}

/// Returns the number of passes that checking takes; see [`memory_for`].
#[unsafe(no_mangle)]
extern "C" fn passes_for(stored_length: usize) -> u32 {
    read(stored_length).map_or(0, |stored| stored.cost().passes)
}

/// Checks a password against a stored string. Returns 1 if it matches, 0 if not, or the negative number of a
/// [`Fault`]. With length 0 for the stored string the password fails after the same time.
#[unsafe(no_mangle)]
extern "C" fn check(password_length: usize, stored_length: usize) -> i32 {
    let outcome = with_password(password_length, |password| {
        if stored_length == 0 {
            return Stored::decoy().matches(password).map(|_| false);
        }
        read(stored_length).map_or(Ok(false), |stored| stored.matches(password))
    });
    outcome.map_or_else(fault, i32::from)
}

/// Hashes a new password with the salt. Returns the length of the string to store, or the negative number of a
/// [`Fault`].
#[unsafe(no_mangle)]
extern "C" fn make(password_length: usize) -> i32 {
    let outcome = with_password(password_length, |password| {
        let text = Stored::new(password, &SALT.get())?.to_text();
        let mut place = [0; MAX_STORED_LENGTH];
        let room = place.get_mut(..text.len()).ok_or(Fault::OutOfBounds)?;
        room.copy_from_slice(&text);
        STORED.set(place);
        i32::try_from(text.len()).map_err(|_| Fault::OutOfBounds)
    });
    outcome.unwrap_or_else(fault)
}

fn read(length: usize) -> Option<Stored> {
    let place = STORED.get();
    Stored::read(place.get(..length)?)
}

/// Takes the password out of its buffer and wipes the buffer.
fn with_password<T>(
    length: usize,
    act: impl FnOnce(&[u8]) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let password = PASSWORD.replace([0; MAX_PASSWORD_LENGTH]);
    act(password.get(..length).ok_or(Fault::OutOfBounds)?)
}

fn fault(fault: Fault) -> i32 {
    -(fault as i32)
}
