//! Applies a change to a session.
//!
//! The one place where a session's state moves, for every caller and with either order of writes. Order of
//! effects within one change: the end wins over everything; else identity, data, limits and pin
//! change, and the id rotates last.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::{Seconds, UnixSeconds};
use crate::keys::KeyRing;
use crate::message::{is_neutral, present};
use crate::rule::{Rule, holds};
use crate::session::data::{BadPatch, Data};
use crate::session::identity::Identity;
use crate::session::lifetime::Lifetime;
use crate::session::record::{Entry, Epoch, Previous, Record, Version};
use crate::session::token_set::TokenSet;
use crate::session::vault::{StoredCookie, Vault};

/// What is asked of a session: by the origin, or by the gateway itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Change {
    /// Merge patch on the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// Who it is, as JSON; see [`Identity::parse`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identify: Option<String>,
    /// How many of its groups are not in that; beside it, because an older release's object knows no such
    /// member in an identity.
    #[serde(skip_serializing_if = "is_neutral")]
    pub groups_omitted: u32,
    /// When that was proved, if it was not now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<UnixSeconds>,
    /// It was proved to us, just now: whatever id the session had before serves nobody any more, not
    /// even for what is on its way.
    #[serde(skip_serializing_if = "is_neutral")]
    pub proved: bool,
    /// What an identity provider gave with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<TokenSet>,
    /// Cookies the origin set, that are kept here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<StoredCookie>,
    /// A new idle limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Seconds>,
    /// A new id.
    #[serde(skip_serializing_if = "is_neutral")]
    pub rotate: bool,
    /// The end of the session.
    #[serde(skip_serializing_if = "is_neutral")]
    pub end: bool,
    /// Note that it is in use.
    #[serde(skip_serializing_if = "is_neutral")]
    pub touch: bool,
    /// Note that a connection was opened whose end nobody sees; that is use, too.
    #[serde(skip_serializing_if = "is_neutral")]
    pub open: bool,
    /// Where the conversation is: by name when the hash would choose another origin, else none.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub pin: Option<Option<String>>,
}

/// What was not granted. The answer still reaches the client; this is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub &'static str);

/// The session after the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
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
    pub(crate) fn refused_names(&self) -> Vec<String> {
        self.refused
            .iter()
            .map(|refused| refused.0.to_owned())
            .collect()
    }
}

/// The rules and the circumstances of a change.
pub(crate) struct ApplyContext<'a> {
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
    pub(crate) fn touch() -> Self {
        Self {
            touch: true,
            ..Self::default()
        }
    }

    /// To note that a connection was opened whose end nobody sees.
    #[must_use]
    pub(crate) fn opening() -> Self {
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
    pub(crate) fn in_grace(self) -> Self {
        Self {
            rotate: false,
            identify: None,
            groups_omitted: 0,
            grant: None,
            ..self
        }
    }

    /// Names what [`in_grace`](Self::in_grace) takes out.
    pub(crate) fn refused_in_grace(&self) -> impl Iterator<Item = Refused> + use<> {
        let identify = self.identify.is_some().then_some(Refused("identify"));
        let rotate = self.rotate.then_some(Refused("rotate"));
        identify.into_iter().chain(rotate)
    }

    /// Takes out what can be granted to no session at all, and says what that was: nobody needs to
    /// be troubled with it.
    pub(crate) fn validate(&mut self, lifetime: &Lifetime) -> Vec<Refused> {
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
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Applies the change to the freshest `record` known.
    #[must_use]
    pub(crate) fn apply(&self, record: &Record, circumstances: &ApplyContext<'_>) -> Outcome {
        let ApplyContext {
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
                    // profit. The same person once more only proves it again, and what was revoked
                    // meanwhile stays so.
                    let is_another = before != Some(identity.user.as_str());
                    by_sign_in = is_another || self.proved;
                    if is_another && holds(Rule::UserEpoch) {
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
        if !stored && holds(Rule::TenantEpoch) {
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
mod tests;
