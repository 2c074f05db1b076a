//! What the module exports beside its memory: three places and three functions.
//!
//! The caller writes into the places, calls, and reads from a place. `Cell` lets it do so between two calls
//! without a reference that would forbid it, so nothing in here has to be promised to the compiler but
//! that the names are taken once.
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

/// Where a password goes: 1024 bytes.
#[unsafe(no_mangle)]
extern "C" fn password() -> *mut u8 {
    PASSWORD.with(Cell::as_ptr).cast()
}

/// Where the salt of a new hash goes: 16 bytes.
#[unsafe(no_mangle)]
extern "C" fn salt() -> *mut u8 {
    SALT.with(Cell::as_ptr).cast()
}

/// Where what is stored goes, and comes: 192 bytes.
#[unsafe(no_mangle)]
extern "C" fn stored() -> *mut u8 {
    STORED.with(Cell::as_ptr).cast()
}

/// Returns how much memory checking takes, in KiB, against so many bytes that are stored; 0 if no password is right
/// with them.
#[unsafe(no_mangle)]
extern "C" fn memory_for(stored_length: usize) -> u32 {
    read(stored_length).map_or(0, |stored| stored.cost().memory)
}

/// Returns how many passes checking takes; see [`memory_for`].
#[unsafe(no_mangle)]
extern "C" fn passes_for(stored_length: usize) -> u32 {
    read(stored_length).map_or(0, |stored| stored.cost().passes)
}

/// Checks as many bytes of a password against as many that are stored; against none of them it is wrong after the same
/// time. Returns 1 if it is right, 0 if it is wrong, or less: the number of a [`Fault`].
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

/// Hashes as many bytes of a new password with the salt. Returns the length of what is to be stored, or less than
/// nothing: the number of a [`Fault`].
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

/// Takes the password out of its place and wipes that.
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
