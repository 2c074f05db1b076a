use super::*;
use crate::clock::Seconds;
use crate::clock::UnixSeconds;
use crate::session::lifetime::Lifetime;
use crate::session::record::Epoch;
use crate::simulation::fake_io;
use crate::tenant_id::TenantId;

const ID: SessionId = SessionId::from_bytes([1; 16]);
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn name() -> RecordName {
    RecordName::derive(&TenantId::parse("t").unwrap(), Handle([1; 16]))
}

fn record(version: u64) -> Record {
    let now = UnixSeconds(1_700_000_000);
    Record {
        version: Version(version),
        ..Record::unstored(Handle([1; 16]), ID, now, now)
    }
}

fn patch(json: &str) -> Change {
    Change {
        patch: Some(json.to_owned()),
        ..Change::default()
    }
}

/// Confirms a change that gives the session this version. Its value is sixteen times `seal`.
fn confirm(unstored: &mut WriteBehind, change: &Change, version: u64, seal: u8) {
    let after = record(version);
    let value = [seal; 16];
    unstored.confirm(
        &name(),
        (ID, change),
        Version(version - 1),
        (&after, &value),
        NOW,
    );
}

/// Returns the members that a version in storage gets if the isolate has no copy.
fn rebased(unstored: &mut WriteBehind, version: u64) -> Option<(String, u64)> {
    rebased_with(unstored, version, None)
}

fn rebased_with(
    unstored: &mut WriteBehind,
    version: u64,
    own: Option<&Record>,
) -> Option<(String, u64)> {
    let tenant = TenantId::parse("t").unwrap();
    let day = Seconds(86_400);
    let lifetime = Lifetime {
        idle: day,
        absolute: day,
        remember: day,
    };
    let context = ApplyContext {
        lifetime: &lifetime,
        keys: &fake_io::keys(&tenant),
        epoch: Epoch(0),
        now: NOW.seconds(),
    };
    let rebased = unstored.rebase(&name(), &record(version), own, &context)?;
    assert!(rebased.lost.is_empty());
    let Record { data, version, .. } = rebased.record;
    Some((data.to_json().to_owned(), version.0))
}

#[test]
fn acknowledged_changes_are_not_applied_again() {
    let mut unstored = WriteBehind::default();
    confirm(&mut unstored, &patch(r#"{"a":1}"#), 2, 1);
    confirm(&mut unstored, &patch(r#"{"b":1}"#), 3, 2);
    confirm(&mut unstored, &patch(r#"{"c":1}"#), 4, 3);
    assert!(unstored.stored(name().as_str(), &[2; 16]));
    let own = Some(record(4));
    let known = rebased_with(&mut unstored, 3, own.as_ref());
    assert_eq!(known, None, "it is known to be stored");
    assert_eq!(
        rebased(&mut unstored, 7),
        Some((r#"{"c":1}"#.to_owned(), 8))
    );
    assert_eq!(unstored.putting(name().as_str()), Putting::Again);
    assert!(unstored.stored(name().as_str(), &[3; 16]));
    assert_eq!(unstored.merges(name().as_str()), None);
    assert_eq!((unstored.sessions.len(), unstored.bytes), (0, 0));
}

#[test]
fn value_of_a_fresh_read_is_put_as_it_is_with_later_changes() {
    let mut unstored = WriteBehind::default();
    confirm(&mut unstored, &patch(r#"{"a":1}"#), 2, 1);
    unstored.replace(&name(), Handle([1; 16]), (Version(3), &[2; 16]), NOW);
    confirm(&mut unstored, &patch(r#"{"b":1}"#), 4, 3);
    assert_eq!(unstored.merges(name().as_str()), None);
    assert_eq!(rebased(&mut unstored, 9), None);
    // Once the value is stored, the later change can be merged.
    assert!(unstored.stored(name().as_str(), &[2; 16]));
    assert_eq!(unstored.merges(name().as_str()), Some(Handle([1; 16])));
    assert_eq!(
        rebased(&mut unstored, 9),
        Some((r#"{"b":1}"#.to_owned(), 10))
    );
}

#[test]
fn changes_are_not_lost_with_the_copy_that_has_them() {
    let mut unstored = WriteBehind::default();
    confirm(&mut unstored, &patch(r#"{"a":1}"#), 2, 1);
    assert_eq!(
        rebased(&mut unstored, 1),
        Some((r#"{"a":1}"#.to_owned(), 2))
    );
    // The queued value has them, too.
    assert_eq!(unstored.putting(name().as_str()), Putting::AsIs);
}

#[test]
fn session_that_was_merged_during_a_put_is_put_again() {
    let mut unstored = WriteBehind::default();
    let own = record(2);
    confirm(&mut unstored, &patch(r#"{"a":1}"#), 2, 1);
    assert_eq!(unstored.putting(name().as_str()), Putting::AsIs);
    assert!(rebased_with(&mut unstored, 5, Some(&own)).is_some());
    assert!(!unstored.stored(name().as_str(), &[1; 16]));
    assert_eq!(unstored.putting(name().as_str()), Putting::Again);
    // Another version appears during that put, too.
    assert!(rebased_with(&mut unstored, 8, Some(&own)).is_some());
    assert!(!unstored.stored(name().as_str(), &[1; 16]));
    assert_eq!(unstored.putting(name().as_str()), Putting::Again);
    assert!(unstored.stored(name().as_str(), &[1; 16]));
    assert_eq!((unstored.sessions.len(), unstored.bytes), (0, 0));
}

#[test]
fn change_after_a_whole_value_that_was_given_up_is_merged() {
    let mut unstored = WriteBehind::default();
    unstored.replace(&name(), Handle([1; 16]), (Version(3), &[2; 16]), NOW);
    unstored.lost(name().as_str(), &[1; 16]);
    assert!(!unstored.reads_first(name().as_str()), "another was lost");
    unstored.lost(name().as_str(), &[2; 16]);
    assert!(!unstored.is_pending(NOW));
    confirm(&mut unstored, &patch(r#"{"b":1}"#), 4, 3);
    assert!(unstored.reads_first(name().as_str()) && unstored.is_pending(NOW));
    // Another isolate stored a value of the same version.
    let own = record(4);
    assert_eq!(
        rebased_with(&mut unstored, 3, Some(&own)),
        Some((r#"{"b":1}"#.to_owned(), 5))
    );
}

#[test]
fn memory_is_bounded_and_freed() {
    let mut unstored = WriteBehind::default();
    let large = patch(&format!(r#"{{"a":"{}"}}"#, "x".repeat(60_000)));
    let mut count = 0;
    while unstored.has_room(&name(), &large, NOW) {
        confirm(&mut unstored, &large, count + 2, 1);
        count += 1;
    }
    assert!(unstored.bytes <= MAX_BYTES && count >= 4);
    let later = UnixMillis(NOW.0 + FORGOTTEN_AFTER_MS);
    assert!(unstored.has_room(&name(), &large, later));
    assert_eq!((unstored.sessions.len(), unstored.bytes), (0, 0));
    for count in 0..MAX_CHANGES as u64 {
        assert!(unstored.has_room(&name(), &patch("{}"), later));
        confirm(&mut unstored, &patch("{}"), count + 2, 1);
    }
    assert!(!unstored.has_room(&name(), &patch("{}"), later));
    assert!(unstored.drop_value(name().as_str()));
    assert_eq!(unstored.bytes, 0);
}
