//! Applies a change to a session.
//!
//! All changes of a session's state happen here, for every caller and either order of writes. Within one change an end
//! overrides everything. Otherwise identity, data, limits and pin change first, and the id rotates last.

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

/// Change of a session, requested by the origin or the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Change {
    /// Merge patch for the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// New identity as JSON; see [`Identity::parse`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identify: Option<String>,
    /// Number of groups that the identity omits. Separate from `identify`, because an object of an older release
    /// refuses an identity with that member.
    #[serde(skip_serializing_if = "is_neutral")]
    pub groups_omitted: u32,
    /// Time of the proof of identity, if it is not now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<UnixSeconds>,
    /// Whether the user proved the identity to the gateway just now. The previous id then gets no grace period, not
    /// even for requests under way.
    #[serde(skip_serializing_if = "is_neutral")]
    pub proved: bool,
    /// Tokens that the identity provider issued with the identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<TokenSet>,
    /// Cookies of the origin to keep in the vault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<StoredCookie>,
    /// New idle limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Seconds>,
    /// Whether to rotate the id.
    #[serde(skip_serializing_if = "is_neutral")]
    pub rotate: bool,
    /// Whether to end the session.
    #[serde(skip_serializing_if = "is_neutral")]
    pub end: bool,
    /// Whether to note the session's use.
    #[serde(skip_serializing_if = "is_neutral")]
    pub touch: bool,
    /// Whether to note an opened connection that Vestibule does not follow to its end. Opening counts as use.
    #[serde(skip_serializing_if = "is_neutral")]
    pub open: bool,
    /// New pin: an origin's name, or `None` to use the origin that the hash selects.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub pin: Option<Option<String>>,
}

/// Name of a refused part. The client still gets the response; the refusal is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub &'static str);

/// Maximum time that a change waits for another caller's lease.
pub(crate) const MAX_LEASE_WAIT: Seconds = Seconds(10);

/// Name of what a lease of another caller withheld.
pub(crate) const LEASED: &str = "leased";

/// Result of applying a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Entry after the change.
    pub entry: Entry,
    /// Whether the entry must be stored.
    pub written: bool,
    /// Refused parts of the change.
    pub refused: Vec<Refused>,
}

impl Outcome {
    /// Returns the names of the refused parts.
    #[must_use]
    pub(crate) fn refused_names(&self) -> Vec<String> {
        self.refused
            .iter()
            .map(|refused| refused.0.to_owned())
            .collect()
    }
}

/// Rules and state that a change is applied with.
pub(crate) struct ApplyContext<'a> {
    /// Limits of the tenant.
    pub lifetime: &'a Lifetime,
    /// Keys of the tenant.
    pub keys: &'a KeyRing,
    /// Last known revocation. It does not apply to a session that is first stored, or gets a user, now.
    pub epoch: Epoch,
    /// Current time.
    pub now: UnixSeconds,
}

impl Change {
    /// Creates a change that notes the session's use.
    #[must_use]
    pub(crate) fn touch() -> Self {
        Self {
            touch: true,
            ..Self::default()
        }
    }

    /// Creates a change that notes an opened connection that is not followed to its end.
    #[must_use]
    pub(crate) fn opening() -> Self {
        Self {
            open: true,
            // Older releases read only this member.
            touch: true,
            ..Self::default()
        }
    }

    /// Removes what a request with the id before the last rotation must not do: rotate again or sign in.
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

    /// Names the parts that [`in_grace`](Self::in_grace) removes.
    pub(crate) fn refused_in_grace(&self) -> impl Iterator<Item = Refused> + use<> {
        let identify = self.identify.is_some().then_some(Refused("identify"));
        let rotate = self.rotate.then_some(Refused("rotate"));
        identify.into_iter().chain(rotate)
    }

    /// Removes the parts that no session accepts, and returns their names. The session's object then need not be called
    /// for them.
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

    /// Takes out what an exclusive lease guards: the data and the idle limit. Returns whether there was any of it.
    pub(crate) fn withhold_guarded(&mut self) -> bool {
        let patch = self.patch.take();
        let idle = self.idle.take();
        patch.is_some() || idle.is_some()
    }

    /// Returns only what an exclusive lease guards.
    #[must_use]
    pub(crate) fn guarded(&self) -> Self {
        Self {
            patch: self.patch.clone(),
            idle: self.idle,
            ..Self::default()
        }
    }

    /// Decides whether no lease holds this up: it ends the session, or signs in, which ends the lease too.
    #[must_use]
    pub(crate) fn passes_leases(&self, record: &Record) -> bool {
        let before = record.identity.as_ref().map(|who| who.user.as_str());
        let signs_in = || {
            let identity = self.identify.as_deref().map(Identity::parse);
            let identity = identity.and_then(Result::ok);
            identity.is_some_and(|(who, _)| self.proved || before != Some(who.user.as_str()))
        };
        self.end || signs_in()
    }

    /// Returns whether the change may be applied again to what storage holds later: it replaces members, limits, cookies
    /// or the pin, and depends on nothing else of the session. An end, a rotation and a sign-in do.
    #[must_use]
    pub(crate) fn is_mergeable(&self) -> bool {
        let Self {
            patch: _,
            keep: _,
            idle: _,
            pin: _,
            touch: _,
            open: _,
            groups_omitted: _,
            authenticated: _,
            identify,
            proved,
            grant,
            rotate,
            end,
        } = self;
        !(identify.is_some() || *proved || grant.is_some() || *rotate || *end)
    }

    /// Returns the approximate bytes of its texts.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        let cookie =
            |cookie: &StoredCookie| cookie.name.len() + cookie.value.len() + cookie.path.len();
        let pin = self.pin.iter().flatten().map(String::len);
        let patch = self.patch.iter().map(String::len);
        pin.chain(patch).chain(self.keep.iter().map(cookie)).sum()
    }

    /// Returns whether nothing is requested.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Applies the change to the newest known `record`.
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
                    let before = record
                        .identity
                        .as_ref()
                        .map(|identity| identity.user.as_str());
                    // Rotate, so that an attacker with the old id gains nothing from the sign-in. The same user only
                    // proves the identity again, and earlier revocations of that user still apply.
                    let is_another = before != Some(identity.user.as_str());
                    by_sign_in = is_another || self.proved;
                    if is_another && holds(Rule::UserEpoch) {
                        next.user_epoch = *epoch;
                    }
                    // Tokens and vaulted cookies belong to the previous user or guest.
                    if is_another {
                        next.vault = Vault::default();
                        next.grant = None;
                    }
                    // Data and idle limit of another user must not reach this one.
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
        // A new proof replaces the tokens of an earlier one.
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
        // What an origin begins by its name is recorded though it holds nothing yet.
        let begins = !stored && record.is_unclaimed();
        let changed = next != *record || begins;
        if changed {
            next.version = record.version.next();
        }
        if !stored && holds(Rule::TenantEpoch) {
            next.epoch = *epoch;
        }
        // Changing a session counts as use.
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
