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

/// Returns the members that a later version of another isolate gets.
fn rebased(unstored: &mut WriteBehind, version: u64) -> Option<(String, u64)> {
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
    let rebased = unstored.rebase(&name(), &record(version), None, &context)?;
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
    unstored.stored(name().as_str(), &[2; 16]);
    assert_eq!(rebased(&mut unstored, 3), None, "it is known to be stored");
    assert_eq!(
        rebased(&mut unstored, 7),
        Some((r#"{"c":1}"#.to_owned(), 8))
    );
    assert_eq!(unstored.putting(name().as_str()), Putting::Again);
    unstored.stored(name().as_str(), &[3; 16]);
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
    unstored.stored(name().as_str(), &[2; 16]);
    assert_eq!(unstored.merges(name().as_str()), Some(Handle([1; 16])));
    assert_eq!(
        rebased(&mut unstored, 9),
        Some((r#"{"b":1}"#.to_owned(), 10))
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
