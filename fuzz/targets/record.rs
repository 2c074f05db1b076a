//! Stored bytes: the seal, the packing and the fields. Nothing panics, and what is read can be
//! written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::internals::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::record(bytes));
