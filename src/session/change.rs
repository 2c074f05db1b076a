//! How a session changes: what is asked of it, and what it becomes.
//!
//! The one place where a session's state moves, whoever asks and whoever orders the writes. Order of
//! effects within one change: the end wins over everything; else identity, data, limits and pin
//! change, and the id rotates last.

use serde_json::{Map, Value, json};

use crate::clock::{Seconds, UnixSeconds};
use crate::keys::KeyRing;
use crate::session::data::{BadPatch, Data};
use crate::session::grant::Grant;
use crate::session::identity::Identity;
use crate::session::lifetime::Lifetime;
use crate::session::record::{Entry, Epoch, Previous, Record, Version};
use crate::session::vault::{Kept, Vault};

/// What is asked of a session: by the origin, or by the gateway itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Merge patch on the data.
    pub patch: Option<String>,
    /// Who it is, as JSON; see [`Identity::parse`].
    pub identify: Option<String>,
    /// How many of its groups are not in that; beside it, because an older release's object knows no such
    /// member in an identity.
    pub groups_omitted: u32,
    /// When that was proved, if it was not now.
    pub authenticated: Option<UnixSeconds>,
    /// It was proved to us, just now: whatever id the session had before serves nobody any more, not
    /// even for what is on its way.
    pub proved: bool,
    /// What an identity provider gave with it.
    pub grant: Option<Grant>,
    /// Cookies the origin set, that are kept here.
    pub keep: Vec<Kept>,
    /// A new idle limit.
    pub idle: Option<Seconds>,
    /// A new id.
    pub rotate: bool,
    /// The end of the session.
    pub end: bool,
    /// Note that it is in use.
    pub touch: bool,
    /// Note that a connection was opened whose end nobody sees; that is use, too.
    pub open: bool,
    /// Where the conversation is: by name when the hash would choose another origin, else none.
    pub pin: Option<Option<String>>,
}

/// What was not granted. The answer still reaches the client; this is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub &'static str);

/// The session after the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the session is now.
    pub entry: Entry,
    /// It must be stored.
    pub written: bool,
    /// What was not granted.
    pub refused: Vec<Refused>,
}

impl Outcome {
    /// The names of what was not granted.
    #[must_use]
    pub fn refused_names(&self) -> Vec<String> {
        self.refused
            .iter()
            .map(|refused| refused.0.to_owned())
            .collect()
    }
}

/// The rules and the circumstances of a change.
pub struct Circumstances<'a> {
    /// The tenant's limits.
    pub lifetime: &'a Lifetime,
    /// The tenant's keys.
    pub keys: &'a KeyRing,
    /// The last revocation known: a session that is first stored, or given an identity, now is not
    /// subject to it.
    pub epoch: Epoch,
    /// The time.
    pub now: UnixSeconds,
}

impl Change {
    /// To note that a session is in use.
    #[must_use]
    pub fn touch() -> Self {
        Self {
            touch: true,
            ..Self::default()
        }
    }

    /// To note that a connection was opened whose end nobody sees.
    #[must_use]
    pub fn opening() -> Self {
        Self {
            open: true,
            // What an older release understands of it.
            touch: true,
            ..Self::default()
        }
    }

    /// What may still be granted to a request that came with the id before the last rotation: not
    /// another rotation, and no sign-in.
    #[must_use]
    pub fn in_grace(self) -> Self {
        Self {
            rotate: false,
            identify: None,
            groups_omitted: 0,
            grant: None,
            ..self
        }
    }

    /// Takes out what can be granted to no session at all, and says what that was: nobody needs to
    /// be troubled with it.
    pub fn sift(&mut self, lifetime: &Lifetime) -> Vec<Refused> {
        let mut refused = Vec::new();
        if self
            .identify
            .take_if(|asked| Identity::parse(asked).is_err())
            .is_some()
        {
            refused.push(Refused("identify"));
        }
        let is_object =
            |patch: &str| serde_json::from_str::<Value>(patch).is_ok_and(|patch| patch.is_object());
        if self.patch.take_if(|patch| !is_object(patch)).is_some() {
            refused.push(Refused("patch"));
        }
        if self
            .idle
            .take_if(|idle| !lifetime.allows_idle(*idle))
            .is_some()
        {
            refused.push(Refused("ttl"));
        }
        refused
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As JSON, for the object that orders a session's writes.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        for (name, text) in [("patch", &self.patch), ("identify", &self.identify)] {
            if let Some(text) = text {
                put(name, json!(text));
            }
        }
        if self.groups_omitted > 0 {
            put("groups_omitted", json!(self.groups_omitted));
        }
        if let Some(at) = self.authenticated {
            put("authenticated", json!(at.0));
        }
        if let Some(grant) = &self.grant {
            put("grant", grant.to_json());
        }
        if !self.keep.is_empty() {
            put("keep", self.keep.iter().map(Kept::to_json).collect());
        }
        if let Some(idle) = self.idle {
            put("idle", json!(idle.0));
        }
        for (name, asked) in [
            ("rotate", self.rotate),
            ("proved", self.proved),
            ("end", self.end),
            ("touch", self.touch),
            ("open", self.open),
        ] {
            if asked {
                put(name, json!(true));
            }
        }
        if let Some(pin) = &self.pin {
            put("pin", json!(pin));
        }
        Value::Object(object)
    }

    /// The counterpart of [`Change::to_json`]; what is not understood is not asked.
    #[must_use]
    pub fn from_json(value: &Value) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let flag = |name: &str| value.get(name).and_then(Value::as_bool) == Some(true);
        Self {
            patch: text("patch"),
            identify: text("identify"),
            groups_omitted: value
                .get("groups_omitted")
                .and_then(Value::as_u64)
                .map_or(0, |omitted| u32::try_from(omitted).unwrap_or(u32::MAX)),
            authenticated: value
                .get("authenticated")
                .and_then(Value::as_u64)
                .map(UnixSeconds),
            grant: value.get("grant").and_then(Grant::from_json),
            keep: value
                .get("keep")
                .and_then(Value::as_array)
                .map(|cookies| cookies.iter().filter_map(Kept::from_json).collect())
                .unwrap_or_default(),
            idle: value.get("idle").and_then(Value::as_u64).map(Seconds),
            rotate: flag("rotate"),
            proved: flag("proved"),
            end: flag("end"),
            touch: flag("touch"),
            open: flag("open"),
            pin: value
                .get("pin")
                .map(|pin| pin.as_str().map(ToOwned::to_owned)),
        }
    }

    /// Applies the change to the freshest `record` known.
    #[must_use]
    pub fn apply(&self, record: &Record, circumstances: &Circumstances<'_>) -> Outcome {
        let Circumstances {
            lifetime,
            keys,
            epoch,
            now,
        } = circumstances;
        let stored = record.version > Version::UNSTORED;
        if self.end {
            return Outcome {
                entry: Entry::Ended { at: *now },
                written: true,
                refused: Vec::new(),
            };
        }
        let mut refused = Vec::new();
        let mut next = record.clone();
        let mut by_sign_in = false;
        if let Some(asked) = &self.identify {
            match Identity::parse(asked) {
                Ok((mut identity, remember)) => {
                    identity.groups_omitted = self.groups_omitted;
                    let before = record.identity.as_ref().map(|who| who.user.as_str());
                    // A rise in privilege, or another person: whoever knew the old id must not
                    // profit. The same person once more only proves it anew, and what was revoked
                    // meanwhile stays so.
                    let is_another = before != Some(identity.user.as_str());
                    by_sign_in = is_another || self.proved;
                    if is_another {
                        next.user_epoch = *epoch;
                    }
                    // What the origin and the provider gave was for whoever it was before, a guest
                    // included.
                    if is_another {
                        next.vault = Vault::default();
                        next.grant = None;
                    }
                    // What was somebody else's is not shown to this one.
                    if is_another && before.is_some() {
                        next.data = Data::default();
                        next.idle = None;
                    }
                    next.identity = Some(identity);
                    next.remembered = remember;
                    next.authenticated = Some(self.authenticated.unwrap_or(*now).min(*now));
                }
                Err(_) => refused.push(Refused("identify")),
            }
        }
        // What was given with an earlier proof goes with it.
        if self.proved || self.grant.is_some() {
            let earlier = next.grant.take();
            let given = self.grant.clone();
            next.grant = given.map(|given| given.following(earlier.as_ref()));
        }
        for cookie in &self.keep {
            if next.vault.set(cookie.clone(), *now).is_err() {
                refused.push(Refused("vault"));
            }
        }
        if let Some(patch) = &self.patch {
            match next.data.patched(patch) {
                Ok(data) => next.data = data,
                Err(BadPatch::TooLarge) => refused.push(Refused("patch_too_large")),
                Err(BadPatch::NotJson | BadPatch::NotAnObject | BadPatch::Name) => {
                    refused.push(Refused("patch"));
                }
            }
        }
        match self.idle {
            Some(idle) if lifetime.allows_idle(idle) => next.idle = Some(idle),
            Some(_) => refused.push(Refused("ttl")),
            None => {}
        }
        if let Some(pin) = &self.pin {
            next.pin.clone_from(pin);
        }
        if self.rotate || by_sign_in {
            next.id = record.id.successor(keys);
            next.previous = Some(Previous {
                id: record.id,
                at: *now,
                by_sign_in,
            });
            if by_sign_in {
                next.sign_in = Some(next.id.sign_in());
            }
        }
        let changed = next != *record;
        if changed {
            next.version = record.version.next();
        }
        if !stored {
            next.epoch = *epoch;
        }
        // Whoever changes a session uses it.
        if changed || (self.touch && stored) {
            next.seen = record.seen.max(*now);
        }
        let written = changed || (self.touch && stored);
        if self.open && written {
            next.opened = Some(*now);
        }
        Outcome {
            entry: Entry::Live(next),
            written,
            refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::base64url;
    use crate::keys::DeploymentKeys;
    use crate::session::id::{Handle, SessionId};
    use crate::session::record::Fit;
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
            &Circumstances {
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
    fn nothing_asked_nothing_written() {
        let outcome = run(&stored(), &Change::default());
        assert_eq!(outcome.entry, Entry::Live(stored()));
        assert!(!outcome.written);
    }

    #[test]
    fn noting_use_writes_a_stored_session_without_a_new_version_and_never_a_guest() {
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
    fn an_opening_is_noted_like_use_and_kept_when_a_session_is_first_stored() {
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
    fn a_patch_raises_the_version_and_an_empty_one_does_not() {
        let after = live(run(&guest(), &patch(r#"{"a":1}"#)));
        assert_eq!(
            (after.version, after.data.to_json(), after.seen, after.epoch),
            (Version(1), r#"{"a":1}"#, NOW, Epoch(50))
        );
        assert!(!run(&after, &patch("{}")).written);
    }

    #[test]
    fn what_cannot_be_granted_is_reported_and_the_rest_is_done() {
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
    fn what_can_be_granted_to_nobody_is_sifted_out() {
        let mut change = Change {
            idle: Some(Seconds(5)),
            identify: Some("{}".to_owned()),
            rotate: true,
            ..patch("[]")
        };
        assert_eq!(change.sift(&LIFETIME).len(), 3);
        let rotate = Change {
            rotate: true,
            ..Change::default()
        };
        assert_eq!(change, rotate);
        assert!(change.sift(&LIFETIME).is_empty());
    }

    #[test]
    fn an_id_in_grace_neither_rotates_nor_signs_in() {
        let asked = Change {
            rotate: true,
            identify: identify("u1").identify,
            ..patch("{}")
        };
        assert_eq!(asked.in_grace(), patch("{}"));
    }

    #[test]
    fn rotation_keeps_handle_and_data_and_lets_the_old_id_finish() {
        let rotate = Change {
            rotate: true,
            ..Change::default()
        };
        let record = live(run(&guest(), &rotate));
        assert_eq!(
            (record.handle, record.version),
            (guest().handle, Version(1))
        );
        assert_eq!(record.fit(&record.id, NOW), Fit::Current);
        assert_eq!(record.fit(&ID, UnixSeconds(2_030)), Fit::Grace);
        assert_eq!(record.fit(&ID, UnixSeconds(2_031)), Fit::Outdated);
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
    fn signing_in_rotates_and_proving_it_again_does_not() {
        let signed_in = live(run(&stored(), &identify("u1")));
        assert_ne!(signed_in.id, ID);
        assert_eq!(signed_in.authenticated, Some(NOW));
        assert_eq!(signed_in.fit(&ID, NOW), Fit::Replaced, "no grace");
        assert_eq!(live(run(&signed_in, &identify("u1"))).id, signed_in.id);
        assert_ne!(live(run(&signed_in, &identify("u2"))).id, signed_in.id);
    }

    #[test]
    fn proving_it_anew_leaves_no_use_for_the_id_before() {
        let first = live(run(&stored(), &identify("u1")));
        let first = live(run(&first, &patch(r#"{"a":1}"#)));
        let anew = Change {
            proved: true,
            ..identify("u1")
        };
        let second = live(run(&first, &anew));
        assert_eq!(second.fit(&first.id, NOW), Fit::Replaced);
        assert_eq!(second.data.to_json(), r#"{"a":1}"#);
        assert_eq!(second.user_epoch, first.user_epoch);
    }

    #[test]
    fn another_user_is_not_shown_what_the_first_one_left() {
        let first = live(run(&stored(), &identify("u1")));
        let first = live(run(&first, &patch(r#"{"secret":1}"#)));
        let change = Change {
            patch: Some(r#"{"own":2}"#.to_owned()),
            ..identify("u2")
        };
        assert_eq!(live(run(&first, &change)).data.to_json(), r#"{"own":2}"#);
    }

    #[test]
    fn what_origin_and_provider_gave_goes_with_the_user() {
        let cookie = |line: &str| vec![Kept::parse(line, "/", NOW).unwrap()];
        let guest = Change {
            keep: cookie("token=guest; Path=/"),
            ..Change::default()
        };
        let guest = live(run(&stored(), &guest));
        assert_eq!(guest.vault.header("/", NOW), "token=guest");
        let granted = Change {
            grant: Some(Grant::default()),
            authenticated: Some(UnixSeconds(1_990)),
            ..identify("u1")
        };
        let first = live(run(&guest, &granted));
        assert_eq!(first.vault, Vault::default());
        assert_eq!(first.grant, Some(Grant::default()));
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
    fn proving_it_again_takes_no_revocation_back() {
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
    fn the_end_wins() {
        let change = Change {
            end: true,
            ..patch(r#"{"a":1}"#)
        };
        let outcome = run(&stored(), &change);
        assert_eq!(outcome.entry, Entry::Ended { at: NOW });
        assert!(outcome.written);
    }

    #[test]
    fn a_change_comes_through_as_it_was_sent() {
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
            grant: Some(Grant::default()),
            keep: vec![Kept::parse("a=b; Path=/", "/", NOW).unwrap()],
            ..patch("{}")
        };
        assert_eq!(Change::from_json(&change.to_json()), change);
        let nothing = Change::default();
        assert_eq!(Change::from_json(&nothing.to_json()), nothing);
    }
}
