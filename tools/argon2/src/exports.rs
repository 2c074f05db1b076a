//! What the module exports beside its memory: three places and a function.
//!
//! The caller writes password and salt into their places, calls `hash`, and reads the hash from its
//! place. `Cell` lets it do so between two calls without a reference that would forbid it, so nothing
//! in here has to be promised to the compiler but that the names are taken once.
#![allow(
    unsafe_code,
    reason = "an exported name is an unsafe attribute: it must not be another symbol's; these are in no library we link"
)]

use std::cell::Cell;

use crate::HASH_LENGTH;

/// The longest password, in bytes; `src/worker/js/argon2id.js` knows it too.
const LONGEST_PASSWORD: usize = 1024;

/// The longest salt, in bytes, of what other programs have hashed; ours has 16.
const LONGEST_SALT: usize = 48;

thread_local! {
    static PASSWORD: Cell<[u8; LONGEST_PASSWORD]> = const { Cell::new([0; LONGEST_PASSWORD]) };
    static SALT: Cell<[u8; LONGEST_SALT]> = const { Cell::new([0; LONGEST_SALT]) };
    static HASH: Cell<[u8; HASH_LENGTH]> = const { Cell::new([0; HASH_LENGTH]) };
}

/// Where the password goes: 1024 bytes.
#[unsafe(no_mangle)]
extern "C" fn password() -> *mut u8 {
    PASSWORD.with(Cell::as_ptr).cast()
}

/// Where the salt goes: 48 bytes.
#[unsafe(no_mangle)]
extern "C" fn salt() -> *mut u8 {
    SALT.with(Cell::as_ptr).cast()
}

/// Where the hash comes: 32 bytes.
#[unsafe(no_mangle)]
extern "C" fn output() -> *const u8 {
    HASH.with(Cell::as_ptr).cast()
}

/// Hashes as many bytes of password and salt as it is told, with `memory` KiB in `passes` passes, and
/// wipes the password from its place. Returns 0, or the number of a [`crate::Fault`].
#[unsafe(no_mangle)]
extern "C" fn hash(password_length: usize, salt_length: usize, memory: u32, passes: u32) -> u32 {
    let (password, salt) = (PASSWORD.replace([0; LONGEST_PASSWORD]), SALT.get());
    let (Some(password), Some(salt)) = (password.get(..password_length), salt.get(..salt_length))
    else {
        return crate::Fault::OutOfBounds as u32;
    };
    match crate::hash(password, salt, memory, passes) {
        Ok(hash) => {
            HASH.set(hash);
            0
        }
        Err(fault) => fault as u32,
    }
}
