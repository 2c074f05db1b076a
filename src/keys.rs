//! Derives each tenant's keys from the deployment's keys: the first signs and seals, every listed one verifies and
//! opens.
//!
//! HKDF-SHA256 (RFC 5869) derives one key per tenant and purpose. So a cookie or record of one tenant is useless at
//! another (`docs/guide/tenants.md`), and no key serves two purposes.

use core::fmt;

use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::encoding;
use crate::tenant_id::TenantId;

/// Length of a key id in cookies and records, in bytes.
pub(crate) const KEY_ID_BYTES: usize = 4;

/// Minimum length of a deployment key, in bytes: the length of the MAC's hash (RFC 2104 section 3).
pub(crate) const MIN_KEY_BYTES: usize = 32;

/// Id of a key: the first bytes of a hash of the key, which reveal nothing about it.
pub(crate) type KeyId = [u8; KEY_ID_BYTES];

/// Fault of the configured keys. Never holds key material.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadKeys {
    /// No key is configured.
    #[error("the secret SESSION_KEYS is not set")]
    Missing,
    /// An entry is not base64url.
    #[error("key {position} of the secret SESSION_KEYS is not base64url")]
    NotBase64Url {
        /// Position in the list, from 1.
        position: usize,
    },
    /// An entry is shorter than [`MIN_KEY_BYTES`].
    #[error(
        "key {position} of the secret SESSION_KEYS has {bytes} bytes; at least {MIN_KEY_BYTES} are needed"
    )]
    TooShort {
        /// Position in the list, from 1.
        position: usize,
        /// Length in bytes.
        bytes: usize,
    },
}

/// Secret keys of the deployment. `Debug` shows only their number.
#[derive(Clone)]
pub(crate) struct DeploymentKeys(Vec<Vec<u8>>);

impl fmt::Debug for DeploymentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeploymentKeys({} keys)", self.0.len())
    }
}

impl DeploymentKeys {
    /// Parses a comma-separated list of base64url keys; the first is the signing key. Blanks and line breaks around an
    /// entry are allowed.
    ///
    /// # Errors
    /// Returns [`BadKeys`], which names the entry by position, never by content.
    pub(crate) fn parse(list: &str) -> Result<Self, BadKeys> {
        let entries = list
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        let mut keys = Vec::new();
        for (index, entry) in entries.enumerate() {
            let position = index + 1;
            let key = encoding::from_base64url(entry.trim_end_matches('='))
                .ok_or(BadKeys::NotBase64Url { position })?;
            if key.len() < MIN_KEY_BYTES {
                return Err(BadKeys::TooShort {
                    position,
                    bytes: key.len(),
                });
            }
            keys.push(key);
        }
        if keys.is_empty() {
            Err(BadKeys::Missing)
        } else {
            Ok(Self(keys))
        }
    }
}

/// Keys of one tenant, derived from one deployment key.
pub(crate) struct TenantKey {
    /// Id of the deployment key, as cookies and records hold it.
    pub id: KeyId,
    /// HMAC state with the cookie key absorbed; cloned for each use.
    pub cookie_mac: Hmac<Sha256>,
    /// Cipher that seals and opens records.
    pub record_cipher: XChaCha20Poly1305,
    /// Private key (P-256) that signs assertions.
    pub assertion_key: [u8; 32],
    /// HMAC state that turns a user's name into a [`UserTag`].
    user_mac: Hmac<Sha256>,
}

/// Keyed hash of a user's name, under which the user's sessions are listed and revoked. Only the key links it to the
/// user.
pub(crate) type UserTag = [u8; 16];

/// Keys of one tenant: the signing key and the retired ones.
pub(crate) struct KeyRing {
    signing: TenantKey,
    retired: Vec<TenantKey>,
}

impl KeyRing {
    /// Derives the tenant's keys from every deployment key. Returns `None` only for an empty list, which
    /// [`DeploymentKeys::parse`] rejects.
    #[must_use]
    pub(crate) fn derive(keys: &DeploymentKeys, tenant: &TenantId) -> Option<Self> {
        let mut derived = keys.0.iter().filter_map(|key| derive_one(key, tenant));
        let signing = derived.next()?;
        Some(Self {
            signing,
            retired: derived.collect(),
        })
    }

    /// Returns the key that signs and seals.
    #[must_use]
    pub(crate) fn signing(&self) -> &TenantKey {
        &self.signing
    }

    /// Finds a listed key by its id.
    #[must_use]
    pub(crate) fn find(&self, id: &[u8]) -> Option<&TenantKey> {
        core::iter::once(&self.signing)
            .chain(&self.retired)
            .find(|key| key.id.as_slice() == id)
    }

    /// Iterates over all listed keys, the signing key first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &TenantKey> {
        core::iter::once(&self.signing).chain(&self.retired)
    }

    /// Returns the user's tags under the signing key and every retired one. A revocation names all of them and a
    /// session checks all of them, so a key rotation loses no revocation.
    pub(crate) fn user_tags(&self, user: &str) -> impl Iterator<Item = UserTag> {
        core::iter::once(&self.signing)
            .chain(&self.retired)
            .map(move |key| {
                let mac = key.user_mac.clone().chain_update(user).finalize();
                mac.as_bytes().first_chunk().copied().unwrap_or_default()
            })
    }

    /// Returns whether this id names the signing key.
    #[must_use]
    pub(crate) fn is_signing(&self, id: &KeyId) -> bool {
        self.signing.id == *id
    }
}

fn derive_one(key: &[u8], tenant: &TenantId) -> Option<TenantKey> {
    let hash = Sha256::new()
        .chain_update(b"vestibule/v1/key-id")
        .chain_update(key)
        .finalize();
    let id = hash.first_chunk().copied()?;
    let expand = |purpose: &str| {
        let mut okm = [0_u8; 32];
        let info = [
            b"vestibule/v1/",
            purpose.as_bytes(),
            b"/",
            tenant.as_str().as_bytes(),
        ]
        .concat();
        Hkdf::<Sha256>::new(None, key)
            .expand(&info, &mut okm)
            .ok()?;
        Some(okm)
    };
    Some(TenantKey {
        id,
        cookie_mac: <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&expand("cookie")?).ok()?,
        record_cipher: XChaCha20Poly1305::new(&expand("record")?.into()),
        assertion_key: below_order(expand("assertion")?),
        user_mac: <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&expand("user")?).ok()?,
    })
}

/// Clears the key's first bit. A private key of P-256 must be below the curve's order, which begins with 32 set bits.
fn below_order(mut key: [u8; 32]) -> [u8; 32] {
    if let Some(first) = key.first_mut() {
        *first &= 0x7f;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_key_is_reported_by_position_not_content() {
        let good = encoding::base64url(&[7; 32]);
        let short = encoding::base64url(&[7; 31]);
        assert!(DeploymentKeys::parse(&good).is_ok());
        assert!(DeploymentKeys::parse(&format!(" {good} ,\n{good}")).is_ok());
        for (list, expected) in [
            (String::new(), BadKeys::Missing),
            (" , ".to_owned(), BadKeys::Missing),
            (
                "not base64!".to_owned(),
                BadKeys::NotBase64Url { position: 1 },
            ),
            (
                format!("{good},{short}"),
                BadKeys::TooShort {
                    position: 2,
                    bytes: 31,
                },
            ),
        ] {
            let error = DeploymentKeys::parse(&list).unwrap_err();
            assert_eq!(error, expected, "{list}");
            assert!(list.trim_matches([' ', ',']).is_empty() || !error.to_string().contains(&list));
        }
    }

    #[test]
    fn debug_output_hides_keys() {
        let keys = DeploymentKeys::parse(&encoding::base64url(&[65; 32])).unwrap();
        assert_eq!(format!("{keys:?}"), "DeploymentKeys(1 keys)");
    }
}
