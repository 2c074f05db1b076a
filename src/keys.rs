//! The deployment's keys: the first signs and seals, every listed one verifies and opens.
//!
//! Each key is stretched by HKDF-SHA256 (RFC 5869) into one key per tenant and purpose, so that a
//! cookie or a record of one tenant is worthless at another (`docs/guide/tenants.md`) and no key serves
//! two ends.

use core::fmt;

use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::encoding;
use crate::tenant_id::TenantId;

/// Length of a key's identifier in a cookie and in a record.
pub(crate) const KEY_ID_BYTES: usize = 4;

/// The shortest deployment key that is accepted: as long as the MAC's hash (RFC 2104 section 3).
pub(crate) const MIN_KEY_BYTES: usize = 32;

/// Names a key without telling anything about it: the start of a hash of the key.
pub(crate) type KeyId = [u8; KEY_ID_BYTES];

/// Why the configured keys cannot be used. Never holds key material.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadKeys {
    /// No key is configured at all.
    #[error("the secret SESSION_KEYS is not set")]
    Missing,
    /// The entry at this position (from 1) is not base64url.
    #[error("key {position} of the secret SESSION_KEYS is not base64url")]
    NotBase64Url {
        /// Position in the list, from 1.
        position: usize,
    },
    /// The entry at this position (from 1) has too few bytes.
    #[error(
        "key {position} of the secret SESSION_KEYS has {bytes} bytes; at least {MIN_KEY_BYTES} are needed"
    )]
    TooShort {
        /// Position in the list, from 1.
        position: usize,
        /// How many bytes it has.
        bytes: usize,
    },
}

/// The deployment's secret keys. Cannot be printed.
#[derive(Clone)]
pub(crate) struct DeploymentKeys(Vec<Vec<u8>>);

impl fmt::Debug for DeploymentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeploymentKeys({} keys)", self.0.len())
    }
}

impl DeploymentKeys {
    /// Parses a comma-separated list of base64url keys, the signing one first. Spaces and line
    /// breaks around an entry are allowed.
    ///
    /// # Errors
    /// [`BadKeys`] naming the entry by position, never by content.
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

/// One deployment key, stretched for one tenant.
pub(crate) struct TenantKey {
    /// How cookies and records name this key.
    pub id: KeyId,
    /// HMAC state with the cookie key already absorbed; cloned per use.
    pub cookie_mac: Hmac<Sha256>,
    /// Seals and opens records.
    pub record_cipher: XChaCha20Poly1305,
    /// Signs assertions: a P-256 private key.
    pub assertion_key: [u8; 32],
    /// Makes a user's name into what it is listed and revoked under.
    user_mac: Hmac<Sha256>,
}

/// What a user is listed and revoked under: tells nobody without the key who it is.
pub(crate) type UserTag = [u8; 16];

/// The keys of one tenant; never empty.
pub(crate) struct KeyRing {
    signing: TenantKey,
    retired: Vec<TenantKey>,
}

impl KeyRing {
    /// Stretches every deployment key for `tenant`. `None` only if there is no key, which
    /// [`DeploymentKeys::parse`] has ruled out.
    #[must_use]
    pub(crate) fn derive(keys: &DeploymentKeys, tenant: &TenantId) -> Option<Self> {
        let mut derived = keys.0.iter().filter_map(|key| derive_one(key, tenant));
        let signing = derived.next()?;
        Some(Self {
            signing,
            retired: derived.collect(),
        })
    }

    /// The key that signs and seals.
    #[must_use]
    pub(crate) fn signing(&self) -> &TenantKey {
        &self.signing
    }

    /// The listed key of that name.
    #[must_use]
    pub(crate) fn find(&self, id: &[u8]) -> Option<&TenantKey> {
        core::iter::once(&self.signing)
            .chain(&self.retired)
            .find(|key| key.id.as_slice() == id)
    }

    /// Every listed key, the signing one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &TenantKey> {
        core::iter::once(&self.signing).chain(&self.retired)
    }

    /// What `user` is listed under, and was under each retired key. A revocation names all of them,
    /// and a session checks all of them, so that rotating keys forgets no revocation.
    pub(crate) fn user_tags(&self, user: &str) -> impl Iterator<Item = UserTag> {
        core::iter::once(&self.signing)
            .chain(&self.retired)
            .map(move |key| {
                let mac = key.user_mac.clone().chain_update(user).finalize();
                mac.as_bytes().first_chunk().copied().unwrap_or_default()
            })
    }

    /// Whether that key is the one that signs.
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

/// A private key of P-256 has to be below the curve's order, which begins with 32 set bits: without the
/// first it always is.
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
