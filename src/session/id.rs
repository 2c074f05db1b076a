//! The names of a session, each for one purpose and none convertible into a stronger one.
//!
//! * [`SessionId`]: the secret in the cookie. Changes at every rotation.
//! * [`Handle`]: the public name, told to origins. Derived from the first id by a hash, so that a
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
pub const SESSION_ID_BYTES: usize = 16;

/// The secret id in the cookie. Cannot be printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; SESSION_ID_BYTES]);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(secret)")
    }
}

impl SessionId {
    /// A new id from a cryptographic random source.
    #[must_use]
    pub fn generate(random: &mut impl Rng) -> Self {
        let mut bytes = [0; SESSION_ID_BYTES];
        random.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// An id read from a cookie or a record.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SESSION_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes that go into the cookie.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; SESSION_ID_BYTES] {
        &self.0
    }

    /// What tells a sign-in that led to this id from others. Says nothing about the id.
    #[must_use]
    pub fn sign_in(&self) -> SignIn {
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
    pub fn successor(&self, keys: &KeyRing) -> Self {
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
pub struct SignIn(pub [u8; 6]);

/// The public name of a session: 128 bits, 22 base64url characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(pub [u8; 16]);

impl Handle {
    /// The handle of a session whose first id is `id`.
    #[must_use]
    pub fn derive(tenant: &TenantId, id: &SessionId) -> Self {
        Self(
            hash("handle", tenant, &id.0)
                .first_chunk()
                .copied()
                .unwrap_or_default(),
        )
    }

    /// As it is told to origins.
    #[must_use]
    pub fn to_text(self) -> String {
        encoding::base64url(&self.0)
    }

    /// The handle an origin or an operator names, by itself or as a part of a public name; `None`
    /// when it cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (handle, sign_in) = text.split_once('.').unwrap_or((text, ""));
        let sound = sign_in.len() <= 8 && encoding::from_base64url(sign_in).is_some();
        encoding::from_base64url_exact(handle)
            .filter(|_| sound)
            .map(Self)
    }
}

/// The storage key of a session's record: `s:<tenant>:<43 base64url characters>`. One key for all of
/// the session's life, so that a rotation is one write, whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordName(String);

impl RecordName {
    /// Where the record of the session is kept, whatever its id is at the moment.
    #[must_use]
    pub fn derive(tenant: &TenantId, handle: Handle) -> Self {
        let hash = encoding::base64url(&hash("record", tenant, &handle.0));
        Self(format!("s:{tenant}:{hash}"))
    }

    /// Where an unreadable record is set aside, for the operator to look at.
    #[must_use]
    pub fn quarantine(&self) -> String {
        format!("q:{}", self.0)
    }

    /// The storage key.
    #[must_use]
    pub fn as_str(&self) -> &str {
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
