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

/// Length of a [`Voucher`], in bytes.
pub(crate) const VOUCHER_BYTES: usize = 1 + VOUCHER_MAC_BYTES;
const VOUCHER_MAC_BYTES: usize = 3;

/// Statement of a listed key that the list of an epoch is signed with another one: the epoch's low byte and a MAC.
///
/// A location with an earlier list verifies it if the two lists share that key. It then knows that a key it has not
/// seen is genuine and newer, although it cannot verify what that key signs. All cookies of a list carry the same
/// voucher, so a copied one is possible; it only turns "forged" into "try again shortly".
pub(crate) type Voucher = [u8; VOUCHER_BYTES];

/// Domain separator, so that no cookie signed with this key passes for a voucher.
const VOUCHER_PURPOSE: &[u8] = b"vestibule/v1/voucher";

/// Prefix of the entry of a key list that numbers it.
const EPOCH: &str = "epoch=";

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
    /// The list's epoch is no number, or is set twice.
    #[error(
        "the epoch of the secret SESSION_KEYS cannot be used; write it once, such as epoch=1, and count up with each change of the list"
    )]
    Epoch,
}

/// Secret keys of the deployment. `Debug` shows only their number.
#[derive(Clone)]
pub(crate) struct DeploymentKeys {
    keys: Vec<Vec<u8>>,
    /// Number of the list, which later lists exceed; 0 if it has none.
    epoch: u32,
}

impl fmt::Debug for DeploymentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeploymentKeys({} keys)", self.keys.len())
    }
}

impl DeploymentKeys {
    /// Parses a comma-separated list of base64url keys; the first is the signing key. One more entry may number the
    /// list, such as `epoch=2`. Blanks and line breaks around an entry are allowed.
    ///
    /// # Errors
    /// Returns [`BadKeys`], which names the entry by position, never by content.
    pub(crate) fn parse(list: &str) -> Result<Self, BadKeys> {
        let entries = list
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        let mut keys = Vec::new();
        let mut epoch = 0;
        for entry in entries {
            if let Some(number) = entry.strip_prefix(EPOCH) {
                if epoch != 0 {
                    return Err(BadKeys::Epoch);
                }
                epoch = number.parse().map_err(|_| BadKeys::Epoch)?;
                if epoch == 0 {
                    return Err(BadKeys::Epoch);
                }
                continue;
            }
            let position = keys.len() + 1;
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
            Ok(Self { keys, epoch })
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
    epoch: u32,
    voucher: Option<Voucher>,
}

impl KeyRing {
    /// Derives the tenant's keys from every deployment key. Returns `None` only for an empty list, which
    /// [`DeploymentKeys::parse`] rejects.
    #[must_use]
    pub(crate) fn derive(keys: &DeploymentKeys, tenant: &TenantId) -> Option<Self> {
        let mut derived = keys.keys.iter().filter_map(|key| derive_one(key, tenant));
        let signing = derived.next()?;
        let retired: Vec<TenantKey> = derived.collect();
        let epoch = keys.epoch;
        // The next key is the one that signed before, which every location with an earlier list has.
        let previous = retired.first().unwrap_or(&signing);
        let voucher = (epoch > 0).then(|| previous.vouch(&signing.id, epoch));
        Some(Self {
            signing,
            retired,
            epoch,
            voucher,
        })
    }

    /// Returns the key that signs and seals.
    #[must_use]
    pub(crate) fn signing(&self) -> &TenantKey {
        &self.signing
    }

    /// Returns the voucher of the signing key, if the list has an epoch.
    #[must_use]
    pub(crate) fn voucher(&self) -> Option<&Voucher> {
        self.voucher.as_ref()
    }

    /// Returns whether a listed key vouches that a later list than this one is signed with the key `id`.
    ///
    /// A voucher of this epoch or an earlier one says nothing: a key that is missing here was removed.
    #[must_use]
    pub(crate) fn vouches(&self, id: &KeyId, voucher: &Voucher) -> bool {
        let [own, ..] = self.epoch.to_le_bytes();
        let [low, ..] = *voucher;
        // The nearest epoch with this low byte, as in serial number arithmetic (RFC 1982).
        let ahead = low.wrapping_sub(own);
        let epoch = self.epoch.wrapping_add(ahead.into());
        (1..=127).contains(&ahead) && self.all().any(|key| key.vouch(id, epoch) == *voucher)
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

impl TenantKey {
    fn vouch(&self, id: &KeyId, epoch: u32) -> Voucher {
        let mac = self.cookie_mac.clone().chain_update(VOUCHER_PURPOSE);
        let mac = mac.chain_update(id).chain_update(epoch.to_be_bytes());
        let mac = mac.finalize();
        let [low, ..] = epoch.to_le_bytes();
        let mut voucher = [low; VOUCHER_BYTES];
        for (to, from) in voucher.iter_mut().skip(1).zip(mac.as_bytes()) {
            *to = *from;
        }
        voucher
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
        assert!(DeploymentKeys::parse(&format!("epoch=2, {good}")).is_ok());
        for epoch in [
            "epoch=",
            "epoch=0",
            "epoch=x",
            "epoch=4294967296",
            "epoch=1,epoch=2",
        ] {
            let error = DeploymentKeys::parse(&format!("{epoch},{good}")).unwrap_err();
            assert_eq!(error, BadKeys::Epoch, "{epoch}");
        }
        for (list, expected) in [
            (String::new(), BadKeys::Missing),
            (" , ".to_owned(), BadKeys::Missing),
            (
                "not base64!".to_owned(),
                BadKeys::NotBase64Url { position: 1 },
            ),
            ("epoch=1".to_owned(), BadKeys::Missing),
            (
                format!("{good},epoch=1,{short}"),
                BadKeys::TooShort {
                    position: 2,
                    bytes: 31,
                },
            ),
        ] {
            let error = DeploymentKeys::parse(&list).unwrap_err();
            assert_eq!(error, expected, "{list}");
            assert!(list.trim_matches([' ', ',']).is_empty() || !error.to_string().contains(&list));
            assert!(!error.to_string().contains(&short));
        }
    }

    #[test]
    fn debug_output_hides_keys() {
        let keys = DeploymentKeys::parse(&encoding::base64url(&[65; 32])).unwrap();
        assert_eq!(format!("{keys:?}"), "DeploymentKeys(1 keys)");
    }
}
