//! How one answer of the origin changes a session.
//!
//! Takes the freshest record known and says what it becomes and what must be written. Order of
//! effects within one answer: destroy wins over everything; else data, limits and pin change, and
//! the id rotates last.

use crate::clock::{Seconds, UnixSeconds};
use crate::keys::KeyRing;
use crate::session::data::BadPatch;
use crate::session::id::SessionId;
use crate::session::lifetime::Lifetime;
use crate::session::record::{Entry, Record, Version};

/// What is asked of a session: by the origin, or by the gateway itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Merge patch on the data.
    pub patch: Option<String>,
    /// A new idle limit.
    pub idle: Option<Seconds>,
    /// A new id.
    pub rotate: bool,
    /// The end of the session.
    pub destroy: bool,
    /// Note that it is in use.
    pub touch: bool,
    /// Where the conversation is: by name when the hash would choose another origin, else none.
    pub pin: Option<Option<String>>,
}

/// A wish that was not granted. The answer still reaches the client; this is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The patch could not be merged.
    Patch(BadPatch),
    /// The idle limit is outside the tenant's bounds.
    Idle(Seconds),
}

/// The session after the wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the session is now.
    pub session: Option<(SessionId, Record)>,
    /// What must be stored, each under its id.
    pub writes: Vec<(SessionId, Entry)>,
    /// What was not granted.
    pub refused: Vec<Refused>,
}

/// Applies `wishes` to the session `id`, whose freshest known record is `record`.
#[must_use]
pub fn apply(
    id: SessionId,
    record: &Record,
    wishes: &Wishes,
    lifetime: &Lifetime,
    keys: &KeyRing,
    now: UnixSeconds,
) -> Outcome {
    let stored = record.version > Version::UNSTORED;
    if wishes.destroy {
        let tombstone = (id, Entry::Ended { at: now });
        return Outcome {
            session: None,
            writes: stored.then_some(tombstone).into_iter().collect(),
            refused: Vec::new(),
        };
    }
    let mut refused = Vec::new();
    let mut next = record.clone();
    if let Some(patch) = &wishes.patch {
        match record.data.patched(patch) {
            Ok(data) => next.data = data,
            Err(reason) => refused.push(Refused::Patch(reason)),
        }
    }
    match wishes.idle {
        Some(idle) if lifetime.allows_idle(idle) => next.idle = Some(idle),
        Some(idle) => refused.push(Refused::Idle(idle)),
        None => {}
    }
    if let Some(pin) = &wishes.pin {
        next.pin.clone_from(pin);
    }
    let changed = next != *record || wishes.rotate;
    if changed {
        next.version = record.version.next();
    }
    // Whoever changes a session uses it.
    next.seen = if changed || wishes.touch {
        now
    } else {
        record.seen
    };

    let mut writes = Vec::new();
    let mut current = id;
    if wishes.rotate {
        current = id.successor(keys, record.version.0);
        // Also for a session that was never stored: its old cookie must lead to the new id.
        writes.push((
            id,
            Entry::Moved {
                successor: current,
                at: now,
            },
        ));
    }
    if changed || (wishes.touch && stored) {
        writes.push((current, Entry::Live(next.clone())));
    }
    Outcome {
        session: Some((current, next)),
        writes,
        refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::base64url;
    use crate::keys::DeploymentKeys;
    use crate::session::id::Handle;
    use crate::tenant_id::TenantId;

    const LIFETIME: Lifetime = Lifetime {
        idle: Seconds(1_800),
        absolute: Seconds(43_200),
    };
    const NOW: UnixSeconds = UnixSeconds(2_000);
    const ID: SessionId = SessionId::from_bytes([1; 16]);

    fn run(record: &Record, wishes: &Wishes) -> Outcome {
        let keys = DeploymentKeys::parse(&base64url(&[1; 32])).unwrap();
        let keys = KeyRing::derive(&keys, &TenantId::parse("t").unwrap()).unwrap();
        apply(ID, record, wishes, &LIFETIME, &keys, NOW)
    }

    fn guest() -> Record {
        Record::unstored(Handle([2; 16]), UnixSeconds(1_000), UnixSeconds(1_000))
    }

    fn stored() -> Record {
        Record {
            version: Version(4),
            ..guest()
        }
    }

    #[test]
    fn nothing_wished_nothing_written() {
        let outcome = run(&stored(), &Wishes::default());
        assert_eq!(outcome.session, Some((ID, stored())));
        assert!(outcome.writes.is_empty());
    }

    #[test]
    fn noting_use_writes_a_stored_session_without_a_new_version_and_never_a_guest() {
        let touch = Wishes {
            touch: true,
            ..Wishes::default()
        };
        let outcome = run(&stored(), &touch);
        let noted = Record {
            seen: NOW,
            ..stored()
        };
        assert_eq!(outcome.writes, [(ID, Entry::Live(noted))]);
        assert!(run(&guest(), &touch).writes.is_empty());
    }

    #[test]
    fn a_patch_raises_the_version_and_an_empty_one_does_not() {
        let patch = |json: &str| Wishes {
            patch: Some(json.to_owned()),
            ..Wishes::default()
        };
        let (_, after) = run(&guest(), &patch(r#"{"a":1}"#)).session.unwrap();
        assert_eq!(
            (after.version, after.data.to_json(), after.seen),
            (Version(1), r#"{"a":1}"#, NOW)
        );
        assert!(run(&after, &patch("{}")).writes.is_empty());
    }

    #[test]
    fn what_cannot_be_granted_is_reported_and_the_rest_is_done() {
        let wishes = Wishes {
            patch: Some("[]".to_owned()),
            idle: Some(Seconds(5)),
            pin: Some(Some("blue".to_owned())),
            ..Wishes::default()
        };
        let outcome = run(&stored(), &wishes);
        assert_eq!(
            outcome.refused,
            [
                Refused::Patch(BadPatch::NotAnObject),
                Refused::Idle(Seconds(5))
            ]
        );
        assert_eq!(outcome.session.unwrap().1.pin.as_deref(), Some("blue"));
    }

    #[test]
    fn rotation_leaves_a_pointer_and_keeps_handle_and_data() {
        let wishes = Wishes {
            rotate: true,
            ..Wishes::default()
        };
        let outcome = run(&guest(), &wishes);
        let (id, record) = outcome.session.clone().unwrap();
        assert_ne!(id, ID);
        assert_eq!(
            (record.handle, record.version),
            (guest().handle, Version(1))
        );
        assert_eq!(
            outcome.writes,
            [
                (
                    ID,
                    Entry::Moved {
                        successor: id,
                        at: NOW
                    }
                ),
                (id, Entry::Live(record))
            ]
        );
        assert_eq!(
            run(&guest(), &wishes).session.unwrap().0,
            id,
            "two at once agree"
        );
        assert_ne!(
            run(&stored(), &wishes).session.unwrap().0,
            id,
            "another rotation differs"
        );
    }

    #[test]
    fn ending_leaves_a_tombstone_where_something_was_stored() {
        let wishes = Wishes {
            destroy: true,
            patch: Some(r#"{"a":1}"#.to_owned()),
            ..Wishes::default()
        };
        let outcome = run(&stored(), &wishes);
        assert_eq!(
            (outcome.session, outcome.writes),
            (None, vec![(ID, Entry::Ended { at: NOW })])
        );
        assert!(run(&guest(), &wishes).writes.is_empty());
    }
}
