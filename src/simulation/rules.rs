//! The simulation runs the rules that are shipped: without each of them a seed fails.

use super::history::Violation;
use super::runs::run;
use crate::rule::{Rule, without};

/// How many seeds are run at most, until one fails.
const SEEDS: u64 = 400;

/// Whether an object orders changes.
const STRONG: &[bool] = &[true];
const EVENTUAL: &[bool] = &[false];
const EITHER: &[bool] = &[true, false];

/// A rule of the tenant's object and the sessions' objects, and what fails without it: a guarantee, or words of what broke it.
const OBJECTS: &[(Rule, &str)] = &[
    (Rule::UniqueEpoch, "G4"),
    (Rule::StoredLastEpoch, "G8"),
    (Rule::LongestUntil, "G4"),
    (Rule::PurgeExpired, "G11"),
    (Rule::SurplusEnds, "more sessions than they may"),
    (Rule::SurplusOldestFirst, "before an older one"),
    (Rule::SurplusCountsLive, "no more than they may"),
    (Rule::EndedUnlisted, "no more than they may"),
    (Rule::TenantEpoch, "G8"),
    (Rule::UserEpoch, "G8"),
    (Rule::OutdatedId, "an id that was replaced"),
    (Rule::Idempotency, "came twice"),
    (Rule::IfVersion, "another version"),
    (Rule::LeaseToken, "a lease that is over"),
    (Rule::LeaseHeld, "while another holds"),
    (Rule::WaitForAnnouncement, "before all others"),
    (Rule::RepeatedEndWaits, "before all others"),
    (Rule::AnnounceFirst, "before all others"),
    (Rule::AnnounceAgain, "G4"),
    (Rule::OutboxSerial, "another record in the end"),
    (Rule::OutboxRetry, "in the end"),
    (Rule::OutboxPause, "without a pause"),
    (Rule::OutboxAlarm, "left as it is"),
    (Rule::OneItemAtATime, "two outbox items"),
    (Rule::OneProviderCall, "asked twice at a time"),
    (Rule::RowForgotten, "G11"),
    (Rule::RowKept, "G1"),
];

/// A rule by which isolates ask and store, and what fails without it under which consistency.
const ISOLATES: &[(Rule, &[bool], &str)] = &[
    (Rule::WriteSpacing, EVENTUAL, "P7"),
    (Rule::OnePut, EVENTUAL, "P15"),
    (Rule::PutDeadline, EITHER, "P13"),
    (Rule::QueuePatience, EVENTUAL, "P14"),
    (Rule::QueueSerial, EVENTUAL, "P9"),
    (Rule::SingleFlight, STRONG, "P11"),
    (Rule::FlightPatience, STRONG, "P13"),
    (Rule::FlightFinish, STRONG, "P16"),
    (Rule::FlightFinishOwn, EITHER, "P11"),
    (Rule::Breaker, EVENTUAL, "P10"),
    (Rule::SingleProbe, EVENTUAL, "P10"),
    (Rule::StaleProbe, EVENTUAL, "P10"),
    (Rule::RetryLimit, STRONG, "P12"),
    (Rule::RetryDelay, STRONG, "P12"),
    (Rule::RetryOverload, STRONG, "P12"),
];

/// The first seed that fails like this without a rule.
fn failing(rule: Rule, modes: &[bool], fault: &str) -> Option<u64> {
    let fails = |broken: &Violation| broken.0 == fault || broken.1.contains(fault);
    (0..SEEDS).find(|seed| {
        let run = |ordered: &bool| without(rule, || run(*seed, *ordered, None));
        modes.iter().any(|ordered| run(ordered).iter().any(fails))
    })
}

#[test]
fn a_seed_fails_without_each_rule_of_the_objects() {
    let missing = OBJECTS
        .iter()
        .filter(|(rule, fault)| failing(*rule, STRONG, fault).is_none());
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "no seed fails without {missing:?}");
}

#[test]
fn a_seed_fails_without_each_rule_of_the_isolates() {
    let missing = ISOLATES
        .iter()
        .filter(|(rule, modes, fault)| failing(*rule, modes, fault).is_none());
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "no seed fails without {missing:?}");
}
