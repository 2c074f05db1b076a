//! Benchmarks the core natively, without the Worker: `npm run bench -- --native`.
//!
//! `cargo bench --bench core` measures time. With `--counted` each case runs a fixed number of times inside one
//! function, where callgrind counts instructions. The program prints the cases in the order of callgrind's dumps.
//! `--counted=anonymous` runs only cases with that in their names.
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
        // The first run does work that is not repeated, so it is not counted.
        act();
        counted(case.times, &mut *act);
        println!("{}\t{}", case.name, case.times);
    }
}

/// Repeats a case. Callgrind selects this function by its name.
#[inline(never)]
fn counted(times: u32, act: &mut dyn FnMut()) {
    for _ in 0..times {
        act();
    }
}
