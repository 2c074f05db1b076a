//! Defines the names of a session. Each has one purpose, and none can be converted into a stronger one.
//!
//! * [`SessionId`]: the secret in the cookie. Changes at every rotation.
//! * [`Handle`]: the public name, sent to origins. A hash of the first id, so that a guest has one before anything is
//!   stored; afterwards the record keeps it. It also selects the origin, so rotation moves no session.
//! * [`RecordName`]: the storage key, a hash of the handle. A copy of the namespace yields no cookie, and cannot be
//!   matched with an origin's logs.

use core::fmt;
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use chacha20::rand_core::Rng;
use hmac::Mac as _;
use sha2::{Digest as _, Sha256};

use crate::encoding;
use crate::keys::KeyRing;
use crate::tenant_id::TenantId;

/// Length of a session id in bytes: 128 random bits.
pub(crate) const SESSION_ID_BYTES: usize = 16;

/// Secret id in the cookie. It cannot be printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId([u8; SESSION_ID_BYTES]);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(secret)")
    }
}

impl SessionId {
    /// First id of a session that an origin recorded by its name, which says only the id's hash
    /// ([`Handle::derive`]).
    pub(crate) const UNKNOWN: Self = Self([0; SESSION_ID_BYTES]);

    /// Generates an id from a cryptographic random source.
    #[must_use]
    pub(crate) fn generate(random: &mut impl Rng) -> Self {
        let mut bytes = [0; SESSION_ID_BYTES];
        random.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Restores an id from a cookie or record.
    #[must_use]
    pub(crate) const fn from_bytes(bytes: [u8; SESSION_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes for the cookie.
    #[must_use]
    pub(crate) fn as_bytes(&self) -> &[u8; SESSION_ID_BYTES] {
        &self.0
    }

    /// Derives the tag of the sign-in that created this id. It reveals nothing about the id.
    #[must_use]
    pub(crate) fn sign_in(&self) -> SignIn {
        let hash = Sha256::new()
            .chain_update(b"v1/sign-in/")
            .chain_update(self.0)
            .finalize();
        SignIn(hash.first_chunk().copied().unwrap_or_default())
    }

    /// Derives the id that follows at a rotation from the old id and a secret key. Concurrent rotations of one session
    /// thus agree on the successor without communication.
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

/// Tag that distinguishes the sign-ins of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignIn(pub [u8; 6]);

impl SignIn {
    /// Formats the tag for a public name.
    #[must_use]
    pub(crate) fn to_text(self) -> String {
        encoding::base64url(&self.0)
    }

    /// Reverses [`SignIn::to_text`].
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        encoding::from_base64url_exact(text).map(Self)
    }
}

/// Public name of a session: 128 bits, 22 base64url characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handle(pub [u8; 16]);

/// Map by handle. A handle is the hash of an id that Vestibule draws, so its own bytes spread the entries, and no client
/// can choose handles that collide.
pub(crate) type HandleMap<V> = HashMap<Handle, V, BuildHasherDefault<HandleHasher>>;

/// Takes the first eight bytes of a handle as its hash.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HandleHasher(u64);

impl Hasher for HandleHasher {
    fn write(&mut self, bytes: &[u8]) {
        // The length, which comes first, is overwritten.
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Handle {
    /// Derives the handle of a session from its first id.
    #[must_use]
    pub(crate) fn derive(tenant: &TenantId, id: &SessionId) -> Self {
        Self(
            hash("handle", tenant, &id.0)
                .first_chunk()
                .copied()
                .unwrap_or_default(),
        )
    }

    /// Formats the handle as sent to origins.
    #[must_use]
    pub(crate) fn to_text(self) -> String {
        encoding::base64url(&self.0)
    }

    /// Reverses [`Handle::to_text`]; returns `None` for other text.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        encoding::from_base64url_exact(text).map(Self)
    }
}

/// Name of a session for origins and operators (`X-Session-Id`): `<handle>` for a guest, `<handle>.<sign-in>` after a
/// sign-in.
///
/// Each sign-in changes the name. A name learned from a guest's copied cookie thus does not reach the user that the
/// guest became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicName {
    /// Handle of the session.
    pub handle: Handle,
    /// Tag of its sign-in; `None` for a guest.
    pub sign_in: Option<SignIn>,
}

impl PublicName {
    /// Reverses [`PublicName::to_text`]; returns `None` for other text.
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

    /// Formats the name as sent to origins.
    #[must_use]
    pub(crate) fn to_text(self) -> String {
        let handle = self.handle.to_text();
        match self.sign_in {
            None => handle,
            Some(tag) => [handle, tag.to_text()].join("."),
        }
    }

    /// Returns whether the name matches a session with the same handle and this sign-in.
    #[must_use]
    pub(crate) fn is_of(&self, sign_in: Option<SignIn>) -> bool {
        self.sign_in == sign_in
    }

    /// Returns whether an operator's name matches. Logs contain only the handle, so a bare handle matches any sign-in.
    /// A named sign-in must be the session's.
    #[must_use]
    pub(crate) fn is_of_for_operators(&self, sign_in: Option<SignIn>) -> bool {
        self.sign_in.is_none() || self.is_of(sign_in)
    }
}

/// Prefix of the storage keys of records.
pub(crate) const RECORDS: &str = "s:";

/// Storage key of a session's record: `s:<tenant>:<43 base64url characters>`. It stays the same for the session's whole
/// life, so a rotation is one atomic write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RecordName(String);

impl RecordName {
    /// Derives the storage key of a session, independent of its current id.
    #[must_use]
    pub(crate) fn derive(tenant: &TenantId, handle: Handle) -> Self {
        let hash = encoding::base64url(&hash("record", tenant, &handle.0));
        Self(format!("{RECORDS}{tenant}:{hash}"))
    }

    /// Returns the name of the record that is stored under a key.
    #[must_use]
    pub(crate) fn of_key(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// Returns the key of the copy of an unreadable record, kept for the operator.
    #[must_use]
    pub(crate) fn quarantine(&self) -> String {
        format!("q:{}", self.0)
    }

    /// Returns the storage key.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the tenant of a storage key, if a session's record is stored under it.
    #[must_use]
    pub(crate) fn tenant_in(key: &str) -> Option<TenantId> {
        let (tenant, _) = key.strip_prefix(RECORDS)?.split_once(':')?;
        TenantId::parse(tenant)
    }
}

/// Hashes 128 random bits, which a plain hash protects from reversal. No deployment key is involved: key rotation must
/// neither rename a session nor lose its record.
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
