//! The core by itself, without the edge: `npm run bench -- --native`.
//!
//! `cargo bench --bench core` tells times. With `--counted` every case is run so many times in one
//! function that callgrind is told to watch, and the cases are named in the order of its dumps.
//! `--counted=anonymous` takes only those with that in their names.
#![expect(clippy::print_stdout, reason = "the program's result")]

use divan::Bencher;
use vestibule::internals::cases::{CASES, Case};

fn main() {
    match std::env::args().find_map(|arg| Some(arg.strip_prefix("--counted")?.to_owned())) {
        Some(only) => count(only.trim_start_matches('=')),
        None => divan::main(),
    }
}

#[divan::bench(args = CASES)]
fn core(bencher: Bencher<'_, '_>, case: &Case) {
    bencher.bench_local((case.make)());
}

fn count(only: &str) {
    for case in CASES.iter().filter(|case| case.name.contains(only)) {
        let mut act = (case.make)();
        // What happens once is not counted.
        act();
        counted(case.times, &mut *act);
        println!("{}\t{}", case.name, case.times);
    }
}

/// What callgrind watches, by this name.
#[inline(never)]
fn counted(times: u32, act: &mut dyn FnMut()) {
    for _ in 0..times {
        act();
    }
}
