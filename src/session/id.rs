//! The names of a session, each for one purpose and none convertible into a stronger one.
//!
//! * [`SessionId`]: the secret in the cookie. Changes at every rotation.
//! * [`Handle`]: the public name, sent to origins. Derived from the first id by a hash, so that a
//!   guest has one before anything is stored; afterwards kept in the record. Also what decides
//!   the origin, so rotation moves nobody.
//! * [`RecordName`]: where storage keeps the record: a hash of the handle, so that a copy of the
//!   namespace yields no cookie and cannot be matched with an origin's logs.

use core::fmt;

use chacha20::rand_core::Rng;
use hmac::Mac as _;
use sha2::{Digest as _, Sha256};

use crate::encoding;
use crate::keys::KeyRing;
use crate::tenant_id::TenantId;

/// Length of a session id: 128 random bits.
pub(crate) const SESSION_ID_BYTES: usize = 16;

/// The secret id in the cookie. Cannot be printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId([u8; SESSION_ID_BYTES]);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(secret)")
    }
}

impl SessionId {
    /// A new id from a cryptographic random source.
    #[must_use]
    pub(crate) fn generate(random: &mut impl Rng) -> Self {
        let mut bytes = [0; SESSION_ID_BYTES];
        random.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// An id read from a cookie or a record.
    #[must_use]
    pub(crate) const fn from_bytes(bytes: [u8; SESSION_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes that go into the cookie.
    #[must_use]
    pub(crate) fn as_bytes(&self) -> &[u8; SESSION_ID_BYTES] {
        &self.0
    }

    /// What tells a sign-in that led to this id from others. Says nothing about the id.
    #[must_use]
    pub(crate) fn sign_in(&self) -> SignIn {
        let hash = Sha256::new()
            .chain_update(b"v1/sign-in/")
            .chain_update(self.0)
            .finalize();
        SignIn(hash.first_chunk().copied().unwrap_or_default())
    }

    /// The id that follows this one at a rotation. A function of the old id and a secret key, so
    /// that requests rotating the same session at the same time agree on one successor without
    /// asking each other.
    #[must_use]
    pub(crate) fn successor(&self, keys: &KeyRing) -> Self {
        let mac = keys
            .signing()
            .cookie_mac
            .clone()
            .chain_update(b"vestibule/v1/successor")
            .chain_update(self.0)
            .finalize();
        Self(mac.as_bytes().first_chunk().copied().unwrap_or(self.0))
    }
}

/// Tells the sign-ins of a session apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignIn(pub [u8; 6]);

impl SignIn {
    /// As a part of a public name.
    #[must_use]
    pub(crate) fn to_text(self) -> String {
        encoding::base64url(&self.0)
    }

    /// The counterpart of [`SignIn::to_text`].
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        encoding::from_base64url_exact(text).map(Self)
    }
}

/// The public name of a session: 128 bits, 22 base64url characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handle(pub [u8; 16]);

impl Handle {
    /// The handle of a session whose first id is `id`.
    #[must_use]
    pub(crate) fn derive(tenant: &TenantId, id: &SessionId) -> Self {
        Self(
            hash("handle", tenant, &id.0)
                .first_chunk()
                .copied()
                .unwrap_or_default(),
        )
    }

    /// As origins see it.
    #[must_use]
    pub(crate) fn to_text(self) -> String {
        encoding::base64url(&self.0)
    }

    /// The counterpart of [`Handle::to_text`]; `None` when it cannot be one.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        encoding::from_base64url_exact(text).map(Self)
    }
}

/// The name that origins and operators know a session by (`X-Session-Id`): `<handle>` while it is a
/// guest's, `<handle>.<sign-in>` once somebody has signed in.
///
/// Each sign-in makes another name, so a name that was learned from a guest's copied cookie does not
/// reach the user whom the guest became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicName {
    /// The session.
    pub handle: Handle,
    /// Its sign-in; none for a guest.
    pub sign_in: Option<SignIn>,
}

impl PublicName {
    /// The counterpart of [`PublicName::to_text`]; `None` when it cannot be one.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some((handle, tag)) = text.split_once('.') else {
            let handle = Handle::parse(text)?;
            return Some(Self {
                handle,
                sign_in: None,
            });
        };
        Some(Self {
            handle: Handle::parse(handle)?,
            sign_in: Some(SignIn::parse(tag)?),
        })
    }

    /// As origins see it.
    #[must_use]
    pub(crate) fn to_text(self) -> String {
        let handle = self.handle.to_text();
        match self.sign_in {
            None => handle,
            Some(tag) => [handle, tag.to_text()].join("."),
        }
    }

    /// Whether this is the name of a session of the same handle whose sign-in is `sign_in`.
    #[must_use]
    pub(crate) fn is_of(&self, sign_in: Option<SignIn>) -> bool {
        self.sign_in == sign_in
    }

    /// The same for operators, who may end and see any session: logs call a session by its handle alone,
    /// so that means whoever has signed in. A sign-in that is named must still be the session's.
    #[must_use]
    pub(crate) fn is_of_for_operators(&self, sign_in: Option<SignIn>) -> bool {
        self.sign_in.is_none() || self.is_of(sign_in)
    }
}

/// The storage key of a session's record: `s:<tenant>:<43 base64url characters>`. One key for all of
/// the session's life, so that a rotation is one write, whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RecordName(String);

impl RecordName {
    /// Where the record of the session is kept, whatever its id is at the moment.
    #[must_use]
    pub(crate) fn derive(tenant: &TenantId, handle: Handle) -> Self {
        let hash = encoding::base64url(&hash("record", tenant, &handle.0));
        Self(format!("s:{tenant}:{hash}"))
    }

    /// Where an unreadable record is set aside, for the operator to look at.
    #[must_use]
    pub(crate) fn quarantine(&self) -> String {
        format!("q:{}", self.0)
    }

    /// The storage key.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is hashed are 128 random bits, so a plain hash cannot be run backwards. No deployment key
/// goes in: key rotation must neither rename a session nor lose its record.
fn hash(purpose: &str, tenant: &TenantId, secret: &[u8; 16]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in ["v1/", purpose, "/", tenant.as_str(), "/"] {
        hash.update(part.as_bytes());
    }
    hash.update(secret);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handle_round_trips_and_other_text_is_rejected() {
        let handle = Handle([7; 16]);
        for sign_in in [None, Some(SignIn([1, 2, 3, 4, 5, 6]))] {
            let name = PublicName { handle, sign_in };
            assert_eq!(PublicName::parse(&name.to_text()), Some(name));
        }
        let text = handle.to_text();
        for odd in [
            String::new(),
            ".".to_owned(),
            format!("{text}."),
            format!("{text}.AAAAAAA"),
            format!("{text}.AAAAAAAAA"),
            format!("{text}.AAAA AAA"),
            format!("{text}.AAAAAAAA.AAAAAAAA"),
            format!("{text}A"),
        ] {
            assert_eq!(PublicName::parse(&odd), None, "{odd}");
        }
    }
}
