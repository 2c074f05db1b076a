//! Tests the effect of each change on a session.

use super::*;
use crate::encoding::base64url;
use crate::keys::DeploymentKeys;
use crate::message;
use crate::session::id::{Handle, SessionId};
use crate::session::record::IdMatch;
use crate::tenant_id::TenantId;

const LIFETIME: Lifetime = Lifetime {
    idle: Seconds(1_800),
    absolute: Seconds(43_200),
    remember: Seconds(86_400),
};
const NOW: UnixSeconds = UnixSeconds(2_000);
const ID: SessionId = SessionId::from_bytes([1; 16]);

fn run(record: &Record, change: &Change) -> Outcome {
    let keys = DeploymentKeys::parse(&base64url(&[1; 32])).unwrap();
    let keys = KeyRing::derive(&keys, &TenantId::parse("t").unwrap()).unwrap();
    change.apply(
        record,
        &ApplyContext {
            lifetime: &LIFETIME,
            keys: &keys,
            epoch: Epoch(50),
            now: NOW,
        },
    )
}

fn live(outcome: Outcome) -> Record {
    match outcome.entry {
        Entry::Live(record) => record,
        ended @ Entry::Ended { .. } => panic!("{ended:?}"),
    }
}

fn guest() -> Record {
    Record::unstored(Handle([2; 16]), ID, UnixSeconds(1_000), UnixSeconds(1_000))
}

fn stored() -> Record {
    Record {
        version: Version(4),
        ..guest()
    }
}

fn patch(json: &str) -> Change {
    Change {
        patch: Some(json.to_owned()),
        ..Change::default()
    }
}

fn identify(user: &str) -> Change {
    Change {
        identify: Some(format!(r#"{{"user":"{user}"}}"#)),
        ..Change::default()
    }
}

#[test]
fn empty_change_writes_nothing() {
    let outcome = run(&stored(), &Change::default());
    assert_eq!(outcome.entry, Entry::Live(stored()));
    assert!(!outcome.written);
}

#[test]
fn touch_writes_a_stored_session_with_the_same_version_and_never_a_guest() {
    let touch = Change {
        touch: true,
        ..Change::default()
    };
    let outcome = run(&stored(), &touch);
    assert!(outcome.written);
    let noted = live(outcome);
    assert_eq!((noted.seen, noted.version), (NOW, Version(4)));
    assert!(!run(&guest(), &touch).written);
}

#[test]
fn opening_counts_as_use_and_survives_the_first_write() {
    let noted = live(run(&stored(), &Change::opening()));
    assert_eq!(
        (noted.opened, noted.seen, noted.version),
        (Some(NOW), NOW, Version(4))
    );
    assert!(!run(&guest(), &Change::opening()).written);
    let first = Change {
        open: true,
        ..patch(r#"{"a":1}"#)
    };
    assert_eq!(live(run(&guest(), &first)).opened, Some(NOW));
}

#[test]
fn patch_increments_the_version_unless_empty() {
    let after = live(run(&guest(), &patch(r#"{"a":1}"#)));
    assert_eq!(
        (after.version, after.data.to_json(), after.seen, after.epoch),
        (Version(1), r#"{"a":1}"#, NOW, Epoch(50))
    );
    assert!(!run(&after, &patch("{}")).written);
}

#[test]
fn invalid_parts_of_a_change_are_reported_and_the_rest_applied() {
    let change = Change {
        idle: Some(Seconds(5)),
        identify: Some("{}".to_owned()),
        pin: Some(Some("blue".to_owned())),
        ..patch("[]")
    };
    let outcome = run(&stored(), &change);
    let names: Vec<_> = outcome.refused.iter().map(|refused| refused.0).collect();
    assert_eq!(names, ["identify", "patch", "ttl"]);
    assert_eq!(live(outcome).pin.as_deref(), Some("blue"));
}

#[test]
fn always_invalid_parts_are_removed_by_validation() {
    let mut change = Change {
        idle: Some(Seconds(5)),
        identify: Some("{}".to_owned()),
        rotate: true,
        ..patch("[]")
    };
    assert_eq!(change.validate(&LIFETIME).len(), 3);
    let rotate = Change {
        rotate: true,
        ..Change::default()
    };
    assert_eq!(change, rotate);
    assert!(change.validate(&LIFETIME).is_empty());
}

#[test]
fn id_in_grace_can_neither_rotate_nor_sign_in() {
    let asked = Change {
        rotate: true,
        identify: identify("u1").identify,
        ..patch("{}")
    };
    let refused: Vec<Refused> = asked.refused_in_grace().collect();
    assert_eq!(refused, [Refused("identify"), Refused("rotate")]);
    let granted = asked.in_grace();
    assert_eq!(granted, patch("{}"));
    assert_eq!(granted.refused_in_grace().count(), 0);
}

#[test]
fn rotation_keeps_handle_and_data_and_grants_the_old_id_a_grace_period() {
    let rotate = Change {
        rotate: true,
        ..Change::default()
    };
    let record = live(run(&guest(), &rotate));
    assert_eq!(
        (record.handle, record.version),
        (guest().handle, Version(1))
    );
    assert_eq!(record.fit(&record.id, NOW), IdMatch::Current);
    assert_eq!(record.fit(&ID, UnixSeconds(2_030)), IdMatch::Grace);
    assert_eq!(record.fit(&ID, UnixSeconds(2_031)), IdMatch::Outdated);
    assert_eq!(
        live(run(&guest(), &rotate)).id,
        record.id,
        "two at once agree"
    );
    assert_ne!(
        live(run(&record, &rotate)).id,
        record.id,
        "the next differs"
    );
}

#[test]
fn sign_in_rotates_and_reauthentication_does_not() {
    let signed_in = live(run(&stored(), &identify("u1")));
    assert_ne!(signed_in.id, ID);
    assert_eq!(signed_in.authenticated, Some(NOW));
    assert_eq!(signed_in.fit(&ID, NOW), IdMatch::Replaced, "no grace");
    assert_eq!(live(run(&signed_in, &identify("u1"))).id, signed_in.id);
    assert_ne!(live(run(&signed_in, &identify("u2"))).id, signed_in.id);
}

#[test]
fn reauthentication_ends_the_previous_id() {
    let first = live(run(&stored(), &identify("u1")));
    let first = live(run(&first, &patch(r#"{"a":1}"#)));
    let anew = Change {
        proved: true,
        ..identify("u1")
    };
    let second = live(run(&first, &anew));
    assert_eq!(second.fit(&first.id, NOW), IdMatch::Replaced);
    assert_eq!(second.data.to_json(), r#"{"a":1}"#);
    assert_eq!(second.user_epoch, first.user_epoch);
}

#[test]
fn change_of_user_clears_the_data() {
    let first = live(run(&stored(), &identify("u1")));
    let first = live(run(&first, &patch(r#"{"secret":1}"#)));
    let change = Change {
        patch: Some(r#"{"own":2}"#.to_owned()),
        ..identify("u2")
    };
    assert_eq!(live(run(&first, &change)).data.to_json(), r#"{"own":2}"#);
}

#[test]
fn vault_and_tokens_end_with_the_user() {
    let cookie = |line: &str| vec![StoredCookie::parse(line, "/", NOW).unwrap()];
    let guest = Change {
        keep: cookie("token=guest; Path=/"),
        ..Change::default()
    };
    let guest = live(run(&stored(), &guest));
    assert_eq!(guest.vault.header("/", NOW), "token=guest");
    let granted = Change {
        grant: Some(TokenSet::default()),
        authenticated: Some(UnixSeconds(1_990)),
        ..identify("u1")
    };
    let first = live(run(&guest, &granted));
    assert_eq!(first.vault, Vault::default());
    assert_eq!(first.grant, Some(TokenSet::default()));
    assert_eq!(first.authenticated, Some(UnixSeconds(1_990)));
    let own = Change {
        keep: cookie("token=u1; Path=/"),
        ..identify("u1")
    };
    let again = live(run(&first, &own));
    assert_eq!(again.vault.header("/", NOW), "token=u1");
    assert!(again.grant.is_some());
    let second = live(run(&again, &identify("u2")));
    assert_eq!((second.vault, second.grant), (Vault::default(), None));
}

#[test]
fn reauthentication_does_not_undo_a_revocation() {
    let signed_in = live(run(&stored(), &identify("u1")));
    assert_eq!(
        (signed_in.epoch, signed_in.user_epoch),
        (Epoch(0), Epoch(50))
    );
    let earlier = Record {
        user_epoch: Epoch(3),
        ..signed_in
    };
    assert_eq!(live(run(&earlier, &identify("u1"))).user_epoch, Epoch(3));
}

#[test]
fn destroy_overrides_other_changes() {
    let change = Change {
        end: true,
        ..patch(r#"{"a":1}"#)
    };
    let outcome = run(&stored(), &change);
    assert_eq!(outcome.entry, Entry::Ended { at: NOW });
    assert!(outcome.written);
}

#[test]
fn change_round_trips() {
    let change = Change {
        idle: Some(Seconds(60)),
        rotate: true,
        touch: true,
        open: true,
        end: true,
        pin: Some(None),
        identify: Some("{}".to_owned()),
        authenticated: Some(UnixSeconds(3)),
        proved: true,
        grant: Some(TokenSet::default()),
        keep: vec![StoredCookie::parse("a=b; Path=/", "/", NOW).unwrap()],
        ..patch("{}")
    };
    for change in [change, Change::default()] {
        let text = message::write(&change);
        assert_eq!(message::read::<Change>(text.as_bytes()).unwrap(), change);
    }
}
