//! Seals texts that the browser stores and can neither read, change, nor use for another purpose.
//!
//! Uses XChaCha20-Poly1305 under the tenant's key. The purpose is authenticated, so no text passes for another kind or
//! for a record.

use chacha20::rand_core::Rng;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead as _, Payload};

use crate::encoding;
use crate::keys::{KEY_ID_BYTES, KeyRing};

const NONCE_BYTES: usize = 24;

/// Seals a text for a `purpose`.
#[must_use]
pub(crate) fn seal(
    text: &str,
    purpose: &str,
    keys: &KeyRing,
    random: &mut impl Rng,
) -> Option<String> {
    let key = keys.signing();
    let mut nonce = [0; NONCE_BYTES];
    random.fill_bytes(&mut nonce);
    let payload = Payload {
        msg: text.as_bytes(),
        aad: &associated(purpose),
    };
    let sealed = key
        .record_cipher
        .encrypt(&XNonce::from(nonce), payload)
        .ok()?;
    let bytes = [key.id.as_slice(), &nonce, &sealed].concat();
    Some(encoding::base64url(&bytes))
}

/// Opens a text that was sealed for this purpose under any listed key.
#[must_use]
pub(crate) fn open(sealed: &str, purpose: &str, keys: &KeyRing) -> Option<String> {
    let bytes = encoding::from_base64url(sealed)?;
    let (key_id, rest) = bytes.split_first_chunk::<KEY_ID_BYTES>()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload {
        msg: sealed,
        aad: &associated(purpose),
    };
    let key = keys.find(key_id)?;
    let plain = key
        .record_cipher
        .decrypt(&XNonce::from(*nonce), payload)
        .ok()?;
    String::from_utf8(plain).ok()
}

/// Returns the associated data. It cannot equal a record's, which begins with a format byte below 32.
fn associated(purpose: &str) -> Vec<u8> {
    [b"text/", purpose.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::DeploymentKeys;
    use crate::tenant_id::TenantId;
    use chacha20::ChaCha20Rng;
    use chacha20::rand_core::SeedableRng as _;

    fn keys(list: &[u8], tenant: &str) -> KeyRing {
        let list: Vec<String> = list
            .iter()
            .map(|byte| encoding::base64url(&[*byte; 32]))
            .collect();
        let keys = DeploymentKeys::parse(&list.join(",")).unwrap();
        KeyRing::derive(&keys, &TenantId::parse(tenant).unwrap()).unwrap()
    }

    #[test]
    fn sealed_cookie_opens_for_its_purpose_and_tenant_only() {
        let mut random = ChaCha20Rng::seed_from_u64(1);
        let sealed = seal("text", "login", &keys(&[1], "a"), &mut random).unwrap();
        assert_eq!(
            open(&sealed, "login", &keys(&[2, 1], "a")).as_deref(),
            Some("text")
        );
        assert_eq!(open(&sealed, "other", &keys(&[1], "a")), None);
        assert_eq!(open(&sealed, "login", &keys(&[1], "b")), None);
        assert_eq!(open(&sealed, "login", &keys(&[2], "a")), None);
        for bad in ["", "x", "====", &sealed[1..], &sealed[..sealed.len() - 4]] {
            assert_eq!(open(bad, "login", &keys(&[1], "a")), None);
        }
    }
}
