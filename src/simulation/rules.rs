//! Deletes each shipped rule in turn, and requires that a seed fails without it.

use core::iter;

use super::history::Violation;
use super::queue;
use super::runs::run;
use crate::rule::{Rule, without};

/// Maximum number of seeds per rule.
const SEEDS: u64 = 400;

/// Whether an object orders changes.
const STRONG: &[bool] = &[true];
const EVENTUAL: &[bool] = &[false];
const EITHER: &[bool] = &[true, false];

/// Rules of the tenant's object and the sessions' objects. Each has the guarantee that fails without it, or words of the
/// violation, and a seed that shows it, which is tried first.
const OBJECTS: &[(Rule, &str, u64)] = &[
    (Rule::UniqueEpoch, "G4", 31),
    (Rule::StoredLastEpoch, "G8", 14),
    (Rule::LongestUntil, "G4", 14),
    (Rule::PurgeExpired, "G11", 0),
    (Rule::SurplusEnds, "more sessions than they may", 35),
    (Rule::SurplusOldestFirst, "before an older one", 35),
    (Rule::SurplusCountsLive, "no more than they may", 26),
    (Rule::EndedUnlisted, "no more than they may", 28),
    (Rule::TenantEpoch, "G8", 14),
    (Rule::UserEpoch, "G8", 57),
    (Rule::OutdatedId, "an id that was replaced", 0),
    (Rule::Idempotency, "came twice", 44),
    (Rule::IfVersion, "another version", 0),
    (Rule::LeaseToken, "a lease that is over", 0),
    (Rule::LeaseGuards, "without the token", 0),
    (Rule::LeaseHeld, "while another holds", 0),
    (Rule::WaitForAnnouncement, "before all others", 0),
    (Rule::RepeatedEndWaits, "before all others", 36),
    (Rule::AnnounceFirst, "before all others", 0),
    (Rule::AnnounceAgain, "G4", 196),
    (Rule::OutboxSerial, "another record in the end", 0),
    (Rule::OutboxRetry, "in the end", 2),
    (Rule::OutboxPause, "without a pause", 2),
    (Rule::OutboxAlarm, "left as it is", 13),
    (Rule::OneItemAtATime, "two outbox items", 0),
    (Rule::OneProviderCall, "asked twice at a time", 0),
    (Rule::RowForgotten, "G11", 0),
    (Rule::RowKept, "G1", 0),
];

/// Rules of an isolate's calls and writes, with the consistencies that each is tested under.
const ISOLATES: &[(Rule, &[bool], &str, u64)] = &[
    (Rule::WriteSpacing, EVENTUAL, "P7", 0),
    (Rule::OnePut, EVENTUAL, "P15", 2),
    (Rule::PutDeadline, EITHER, "P13", 2),
    (Rule::QueuePatience, EVENTUAL, "P14", 4),
    (Rule::QueueSerial, EVENTUAL, "P9", 6),
    (Rule::MergedWrite, EVENTUAL, "P17", 2),
    (Rule::EndedNotRevived, EVENTUAL, "P18", 2),
    (Rule::SingleFlight, STRONG, "P11", 0),
    (Rule::FlightPatience, STRONG, "P13", 12),
    (Rule::FlightFinish, STRONG, "P16", 0),
    (Rule::FlightFinishOwn, EITHER, "P11", 14),
    (Rule::Breaker, EVENTUAL, "P10", 2),
    (Rule::SingleProbe, EVENTUAL, "P10", 12),
    (Rule::StaleProbe, EVENTUAL, "P10", 94),
    (Rule::RetryLimit, STRONG, "P12", 218),
    (Rule::RetryDelay, STRONG, "P12", 3),
    (Rule::RetryOverload, STRONG, "P12", 8),
];

/// Rules of the queue of newcomers, with the guarantee that fails without each.
const QUEUE: &[(Rule, &str)] = &[
    (Rule::QueueOrder, "Q1"),
    (Rule::QueueLateBlocksNone, "Q2"),
    (Rule::QueueUnseen, "Q3"),
    (Rule::QueueBound, "Q4"),
    (Rule::QueueTicketSpent, "Q5"),
    (Rule::QueueGivenUp, "Q6"),
];

/// Returns a seed with this violation when a rule is deleted: `known`, or else the first. A changed simulation runs the
/// same seeds differently.
fn failing(rule: Rule, modes: &[bool], fault: &str, known: u64) -> Option<u64> {
    let fails = |broken: &Violation| broken.0 == fault || broken.1.contains(fault);
    iter::once(known).chain(0..SEEDS).find(|seed| {
        let run = |ordered: &bool| without(rule, || run(*seed, *ordered, None));
        modes.iter().any(|ordered| run(ordered).iter().any(fails))
    })
}

#[test]
fn each_rule_of_objects_has_a_failing_seed() {
    let missing = OBJECTS
        .iter()
        .filter(|(rule, fault, known)| failing(*rule, STRONG, fault, *known).is_none());
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "no seed fails without {missing:?}");
}

#[test]
fn each_rule_of_isolates_has_a_failing_seed() {
    let missing = ISOLATES
        .iter()
        .filter(|(rule, modes, fault, known)| failing(*rule, modes, fault, *known).is_none());
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "no seed fails without {missing:?}");
}

#[test]
fn each_rule_of_the_queue_has_a_failing_seed() {
    let fails = |rule: Rule, guarantee: &str| {
        let mut runs = (0..SEEDS).flat_map(|seed| without(rule, || queue::run(seed)));
        runs.any(|broken| broken.0 == guarantee)
    };
    let missing = QUEUE
        .iter()
        .filter(|(rule, guarantee)| !fails(*rule, guarantee));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "no seed fails without {missing:?}");
}
