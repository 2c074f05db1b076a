//! Runs many seeds. A failing seed prints the command that replays it: `SEED=7 cargo test --lib simulation::runs`;
//! `SEEDS=1000000` runs longer.

use std::collections::BTreeSet;

use super::discipline;
use super::history::{Violation, check};
use super::world::{InjectedBug, World, weather};

/// Default number of seeds per consistency. The first two hundred find each injected bug.
const SEEDS: u64 = 500;

pub(super) fn run(seed: u64, ordered: bool, planted: Option<InjectedBug>) -> Vec<Violation> {
    let mut world = World::new(seed, weather(seed), ordered);
    world.planted = planted;
    world.run(3, 25);
    if number("TRACE").is_some() {
        world.history.iter().for_each(|one| eprintln!("{one:?}"));
    }
    let mut violations = check(&world.history, &world.limits());
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

/// Returns whether the first seeds violate all these guarantees.
fn breaks(planted: InjectedBug, guarantees: &[&str]) -> bool {
    let mut missing = BTreeSet::from_iter(guarantees);
    (0..200).any(|seed| {
        for Violation(broken, _) in run(seed, true, Some(planted)) {
            missing.remove(&broken);
        }
        missing.is_empty()
    })
}

#[test]
fn an_object_that_forgets_is_found_out() {
    assert!(breaks(InjectedBug::Forgets, &["G1", "G3"]));
}

#[test]
fn a_directory_that_tells_nobody_is_found_out() {
    assert!(breaks(InjectedBug::Deaf, &["G4"]));
}

#[test]
fn a_directory_that_forgets_sessions_while_they_last_is_found_out() {
    assert!(breaks(InjectedBug::Tidy, &["G9"]));
}

#[test]
fn an_object_that_begins_anew_is_found_out() {
    assert!(breaks(InjectedBug::Amnesia, &["G3"]));
}

#[test]
fn a_cookie_that_does_not_tell_what_was_seen_is_found_out() {
    assert!(breaks(InjectedBug::Gullible, &["G1", "G2"]));
}

#[test]
fn nobody_sees_what_is_somebody_elses_with_kv_alone() {
    run_all(false);
}
