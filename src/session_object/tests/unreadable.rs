//! Tests that data which this release or its keys cannot read stays unchanged.

use super::*;

#[test]
fn unreadable_row_is_left_unchanged() {
    let mut object = Object::new();
    object.row = Some(b"rubbish".to_vec());
    let tenant = tenant();
    let result = Executor {
        tenant: &tenant,
        handle: HANDLE,
        keys: &keys(&tenant),
        random: &mut ChaCha20Rng::seed_from_u64(1),
        now: NOW,
    }
    .command(&command(Operation::Read), object.row.as_deref());
    assert_eq!(result.err(), Some(BadRow::Malformed { bytes: 7 }));
}

#[test]
fn record_of_an_unknown_key_or_later_release_is_neither_changed_nor_replaced() {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    object.run();
    let sealed = object.send(Operation::Read).sealed;
    for at in [0, 1] {
        // Change the format, and the key id.
        let mut foreign = sealed.clone();
        foreign[at] += 1;
        let mut fresh = Object::new();
        let adopting = Command {
            adopt: Some(foreign),
            ..command(Operation::Change(Box::new(patch(r#"{"b":1}"#, 2))))
        };
        let verdict = fresh.apply(&adopting);
        assert_eq!((verdict.reply.is, verdict.row), (Status::Unreadable, None));
    }
    let before = object.row.clone();
    let mut row = Row::decode(before.as_deref().unwrap()).unwrap();
    row.sealed[1] ^= 1;
    object.row = Some(row.encode());
    let before = object.row.clone();
    let reply = object.change(patch(r#"{"b":1}"#, 3));
    // The caller gets the record, which it may be able to read.
    assert_eq!(
        (reply.is, reply.sealed.is_empty()),
        (Status::Unreadable, false)
    );
    assert_eq!(object.send(lease(1, false)).is, Status::Unreadable);
    assert_eq!(object.row, before);
}
