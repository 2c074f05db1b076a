//! Runs many seeds. A failing seed prints the command that replays it: `SEED=7 cargo test --lib simulation::runs`;
//! `SEEDS=1000000` runs longer.

use std::collections::BTreeSet;

use super::discipline;
use super::history::{Violation, check};
use super::world::{InjectedBug, World, fault_rates};

/// Default number of seeds per consistency. The first two hundred find each injected bug.
const SEEDS: u64 = 500;

pub(super) fn run(seed: u64, ordered: bool, injected: Option<InjectedBug>) -> Vec<Violation> {
    let mut world = World::new(seed, fault_rates(seed), ordered);
    world.injected = injected;
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
fn object_loses_and_resurrects_nothing() {
    run_all(true);
}

/// Returns whether the first seeds violate all these guarantees.
fn breaks(injected: InjectedBug, guarantees: &[&str]) -> bool {
    let mut missing = BTreeSet::from_iter(guarantees);
    (0..200).any(|seed| {
        for Violation(broken, _) in run(seed, true, Some(injected)) {
            missing.remove(&broken);
        }
        missing.is_empty()
    })
}

#[test]
fn lost_changes_are_detected() {
    assert!(breaks(InjectedBug::LosesChanges, &["G1", "G3"]));
}

#[test]
fn missing_announcements_are_detected() {
    assert!(breaks(InjectedBug::NoAnnouncements, &["G4"]));
}

#[test]
fn dropped_listings_are_detected() {
    assert!(breaks(InjectedBug::DropsListings, &["G9"]));
}

#[test]
fn restarted_session_is_detected() {
    assert!(breaks(InjectedBug::RestartsSession, &["G3"]));
}

#[test]
fn ignored_versions_are_detected() {
    assert!(breaks(InjectedBug::IgnoresVersions, &["G1", "G2"]));
}

#[test]
fn kv_alone_keeps_users_apart() {
    run_all(false);
}
