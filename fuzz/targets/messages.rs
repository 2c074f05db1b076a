//! What objects, directories, namespaces and callers say: none of it makes anything panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::internals::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::messages(bytes));
