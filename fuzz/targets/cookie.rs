//! The `Cookie` header and the cookie's value: nothing verifies but what was minted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::internals::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::cookie(bytes));
