//! Many seeds, each a run of its own. A seed that fails is told as the command that replays it:
//! `SEED=7 cargo test --lib simulation::runs`; `SEEDS=1000000` runs longer.

use std::collections::BTreeSet;

use super::discipline;
use super::history::{Violation, check};
use super::world::{FaultRates, InjectedBug, World};

/// How many seeds are run under each consistency unless the environment says otherwise. Each injected bug is found
/// within the first two hundred.
const SEEDS: u64 = 2_000;

/// The seed chooses the weather too: calm, windy, and everything at once.
fn weather(seed: u64) -> FaultRates {
    let quiet = FaultRates {
        reads: 0,
        writes: 0,
        calls: 0,
        deaths: 0,
        cancels: 0,
        slowest_ms: 60_000,
        reorders: false,
    };
    match seed % 5 {
        0 => quiet,
        1 => FaultRates {
            slowest_ms: 180_000,
            reorders: true,
            ..quiet
        },
        2 => FaultRates {
            reads: 100,
            writes: 100,
            cancels: 20,
            ..quiet
        },
        3 => FaultRates {
            calls: 100,
            deaths: 20,
            ..quiet
        },
        _ => FaultRates {
            reads: 50,
            writes: 200,
            calls: 50,
            deaths: 10,
            cancels: 10,
            slowest_ms: 120_000,
            reorders: true,
        },
    }
}

fn run(seed: u64, ordered: bool, planted: Option<InjectedBug>) -> Vec<Violation> {
    let mut world = World::new(seed, weather(seed), ordered);
    world.planted = planted;
    world.run(3, 25);
    if number("TRACE").is_some() {
        world.history.iter().for_each(|one| eprintln!("{one:?}"));
    }
    let mut violations = check(&world.history, &World::limits(ordered));
    violations.extend(discipline::check(&world.history));
    violations
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run_all(ordered: bool) {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS),
    };
    let failed = seeds
        .map(|seed| (seed, run(seed, ordered, None)))
        .find(|(_, violations)| !violations.is_empty());
    if let Some((seed, violations)) = failed {
        panic!(
            "SEED={seed} cargo test --lib simulation::runs (ordered: {ordered})\n{violations:#?}"
        );
    }
}

#[test]
fn nothing_is_lost_or_resurrected_where_an_object_orders_changes() {
    run_all(true);
}

/// The guarantees that are broken within the first seeds.
fn broken_by(planted: InjectedBug) -> BTreeSet<&'static str> {
    (0..200)
        .flat_map(|seed| run(seed, true, Some(planted)))
        .map(|violation| violation.0)
        .collect()
}

#[test]
fn an_object_that_forgets_is_found_out() {
    let broken = broken_by(InjectedBug::Forgets);
    assert!(
        broken.is_superset(&BTreeSet::from(["G1", "G3"])),
        "{broken:?}"
    );
}

#[test]
fn a_directory_that_tells_nobody_is_found_out() {
    assert!(broken_by(InjectedBug::Deaf).contains("G4"));
}

#[test]
fn a_directory_that_forgets_sessions_while_they_last_is_found_out() {
    assert!(broken_by(InjectedBug::Tidy).contains("G9"));
}

#[test]
fn an_object_that_begins_anew_is_found_out() {
    let broken = broken_by(InjectedBug::Amnesia);
    assert!(broken.contains("G3"), "{broken:?}");
}

#[test]
fn a_cookie_that_does_not_tell_what_was_seen_is_found_out() {
    let broken = broken_by(InjectedBug::Gullible);
    assert!(
        broken.is_superset(&BTreeSet::from(["G1", "G2"])),
        "{broken:?}"
    );
}

#[test]
fn nobody_sees_what_is_somebody_elses_with_kv_alone() {
    run_all(false);
}
