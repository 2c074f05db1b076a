//! What an exclusive lease withholds, and what passes it.

use super::*;
use crate::session::change::LEASED;

/// A session with data, under an exclusive lease; returns the lease's token.
fn leased() -> (Object, u64) {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    let reply = object.send(lease(2, true));
    assert!(reply.exclusive);
    (object, reply.lease.unwrap().0)
}

fn ttl(once: u64) -> UpdateCommand {
    let change = Change {
        idle: Some(Seconds(120)),
        ..Change::default()
    };
    UpdateCommand::new(change, once, Epoch(1))
}

fn identify(user: &str, once: u64) -> UpdateCommand {
    let change = Change {
        identify: Some(format!(r#"{{"user":"{user}"}}"#)),
        patch: Some(format!(r#"{{"by":"{user}"}}"#)),
        ..Change::default()
    };
    UpdateCommand::new(change, once, Epoch(1))
}

#[test]
fn change_without_the_token_is_refused_until_the_lease_ends() {
    let (mut object, token) = leased();
    let until = UnixMillis(object.now.0 + 30_000);
    for refused in [patch(r#"{"a":2}"#, 3), ttl(4)] {
        let reply = object.change(refused.clone());
        assert_eq!(
            (reply.is, reply.lease),
            (Status::Held, Some((token, until))),
            "{refused:?}"
        );
    }
    assert_eq!(object.data(), r#"{"a":1}"#);
    let own = UpdateCommand {
        lease: Some(token),
        ..patch(r#"{"a":3}"#, 5)
    };
    assert_eq!(object.change(own).is, Status::Live);
    object.now = until;
    assert_eq!(object.change(patch(r#"{"a":4}"#, 6)).is, Status::Live);
    assert_eq!(object.data(), r#"{"a":4}"#);
}

#[test]
fn repeated_change_says_again_what_the_lease_withheld() {
    let (mut object, token) = leased();
    let until = UnixMillis(object.now.0 + 30_000);
    let mut both = patch(r#"{"a":2}"#, 3);
    both.change.rotate = true;
    for delivery in 0..2 {
        let reply = object.change(both.clone());
        assert_eq!(
            (reply.is, reply.lease, reply.refused),
            (Status::Live, Some((token, until)), vec![LEASED.to_owned()]),
            "{delivery}"
        );
    }
    assert_eq!(object.data(), r#"{"a":1}"#);
    object.now = until;
    let reply = object.change(both);
    assert_eq!((reply.is, reply.refused), (Status::Live, Vec::new()));
    assert_eq!(object.data(), r#"{"a":2}"#);
}

#[test]
fn lease_that_is_not_exclusive_withholds_nothing() {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    assert!(!object.send(lease(2, false)).exclusive);
    assert_eq!(object.change(patch(r#"{"a":2}"#, 3)).is, Status::Live);
    assert_eq!(object.data(), r#"{"a":2}"#);
}

#[test]
fn rest_of_a_change_is_applied() {
    let (mut object, token) = leased();
    let mixed = Change {
        patch: Some(r#"{"a":2}"#.to_owned()),
        pin: Some(Some("b".to_owned())),
        ..Change::default()
    };
    let reply = object.change(UpdateCommand::new(mixed, 3, Epoch(1)));
    assert_eq!(
        (reply.is, reply.refused),
        (Status::Live, vec![LEASED.to_owned()])
    );
    assert_eq!(reply.lease.map(|(token, _)| token), Some(token));
    assert_eq!(object.data(), r#"{"a":1}"#);
    assert_eq!(object.record().pin.as_deref(), Some("b"));
}

#[test]
fn token_that_has_ended_withholds_only_the_data() {
    let (mut object, token) = leased();
    object.now.0 += 30_000;
    let mixed = Change {
        patch: Some(r#"{"a":2}"#.to_owned()),
        rotate: true,
        ..Change::default()
    };
    let late = UpdateCommand {
        lease: Some(token),
        ..UpdateCommand::new(mixed, 3, Epoch(1))
    };
    let reply = object.change(late);
    assert_eq!(reply.refused, vec![LEASED.to_owned()]);
    assert_eq!(reply.lease, None, "nobody holds one");
    assert_eq!(object.data(), r#"{"a":1}"#);
    assert_ne!(object.record().id, ID);
}

#[test]
fn end_passes_every_lease() {
    let (mut object, _) = leased();
    assert_eq!(object.change(end(3)).is, Status::Ended);
}

#[test]
fn sign_in_passes_and_ends_the_lease() {
    let (mut object, token) = leased();
    let reply = object.change(identify("alice", 3));
    assert_eq!((reply.is, reply.refused), (Status::Live, vec![]));
    assert_eq!(object.data(), r#"{"a":1,"by":"alice"}"#);
    assert_eq!(object.change(patch(r#"{"a":2}"#, 4)).is, Status::Live);
    let late = UpdateCommand {
        lease: Some(token),
        ..patch(r#"{"a":3}"#, 5)
    };
    assert_eq!(object.change(late).is, Status::Held);
}

#[test]
fn naming_the_same_user_again_passes_no_lease() {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    object.change(identify("alice", 2));
    object.send(lease(3, true));
    let reply = object.change(UpdateCommand {
        change: Change {
            patch: Some(r#"{"a":2}"#.to_owned()),
            ..identify("alice", 4).change
        },
        ..identify("alice", 4)
    });
    assert_eq!(reply.refused, vec![LEASED.to_owned()]);
    assert_eq!(object.data(), r#"{"a":1,"by":"alice"}"#);
}

#[test]
fn repeated_change_is_answered_like_the_first_time() {
    let (mut object, _) = leased();
    assert_eq!(object.change(patch(r#"{"a":1}"#, 1)).is, Status::Live);
}
