//! Seals records for storage: CBOR fields, compressed, encrypted by XChaCha20-Poly1305.
//!
//! | bytes | |
//! | --- | --- |
//! | 1 | format, 3; 2 is read |
//! | 4 | key id |
//! | 24 | nonce, random |
//! | rest | ciphertext and its 16-byte tag |
//!
//! The associated data contains format, tenant and storage key. A record copied to another key or tenant does not open.
//! The extended nonce makes random nonces safe for any number of writes.

use chacha20::rand_core::Rng;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead as _, Payload};
use thiserror::Error;

use crate::keys::{KEY_ID_BYTES, KeyRing};
use crate::session::cbor::{self, BadFields};
use crate::session::compress;
use crate::session::id::RecordName;
use crate::session::record::Entry;

/// Format of written records. The previous release must read it, because both serve during a deployment. A new format
/// takes two releases: the first raises [`NEWEST`], the second this (`docs/internals/releases.md`).
const FORMAT: u8 = 3;
/// Newest format that this release reads.
const NEWEST: u8 = 3;
/// Oldest format that this release reads. It differs in the compression only; the format tells a release that cannot
/// decompress a record from damage.
const OLDEST: u8 = 2;
const _: () = assert!(OLDEST <= FORMAT && FORMAT <= NEWEST);
const NONCE_BYTES: usize = 24;

/// Maximum bytes of a stored value to open; ours are far smaller.
const LARGEST_SEALED: usize = 256 * 1024;

/// Reasons why stored bytes are not a readable record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Unreadable {
    /// The value is too short, too long, or not written by Vestibule.
    #[error("the record is malformed")]
    Malformed,
    /// A later release wrote the record.
    #[error("the record has the format of a later release")]
    NewerFormat,
    /// The record is sealed under a key that is not, or no longer, listed.
    #[error("the record is sealed under a key that is not listed")]
    UnknownKey,
    /// The seal is invalid: the record is damaged, or belongs to another tenant or session.
    #[error("the seal of the record does not fit")]
    SealBroken,
}

/// Seals an entry for storage under `name`.
#[must_use]
pub(crate) fn seal(
    entry: &Entry,
    name: &RecordName,
    keys: &KeyRing,
    random: &mut impl Rng,
) -> Option<Vec<u8>> {
    let key = keys.signing();
    let mut nonce = [0; NONCE_BYTES];
    random.fill_bytes(&mut nonce);
    let [numbers, texts] = cbor::encode(entry);
    let plain = compress::compress(&numbers, &texts);
    let payload = Payload {
        msg: &plain,
        aad: &associated(FORMAT, name),
    };
    let sealed = key
        .record_cipher
        .encrypt(&XNonce::from(nonce), payload)
        .ok()?;
    Some([&[FORMAT], key.id.as_slice(), &nonce, &sealed].concat())
}

/// Opens the value stored under `name`.
///
/// # Errors
/// Returns [`Unreadable`]; the stored bytes must then stay unchanged.
pub(crate) fn open(bytes: &[u8], name: &RecordName, keys: &KeyRing) -> Result<Entry, Unreadable> {
    if bytes.len() > LARGEST_SEALED {
        return Err(Unreadable::Malformed);
    }
    let (format, rest) = bytes.split_first().ok_or(Unreadable::Malformed)?;
    match *format {
        OLDEST..=NEWEST => {}
        newer if newer > NEWEST && newer < 32 => return Err(Unreadable::NewerFormat),
        _ => return Err(Unreadable::Malformed),
    }
    let (key_id, rest) = rest
        .split_first_chunk::<KEY_ID_BYTES>()
        .ok_or(Unreadable::Malformed)?;
    let (nonce, sealed) = rest
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(Unreadable::Malformed)?;
    let key = keys.find(key_id).ok_or(Unreadable::UnknownKey)?;
    let payload = Payload {
        msg: sealed,
        aad: &associated(*format, name),
    };
    let plain = key
        .record_cipher
        .decrypt(&XNonce::from(*nonce), payload)
        .map_err(|_| Unreadable::SealBroken)?;
    // The seal is valid, so a Vestibule release wrote these bytes.
    let plain = compress::decompress(&plain).ok_or(if compress::is_of_later_release(&plain) {
        Unreadable::NewerFormat
    } else {
        Unreadable::Malformed
    })?;
    cbor::decode(&plain).map_err(|bad| match bad {
        BadFields::Malformed => Unreadable::Malformed,
        BadFields::NewerKind => Unreadable::NewerFormat,
    })
}

/// Returns the associated data. The name contains the tenant and the hash of the handle.
fn associated(format: u8, name: &RecordName) -> Vec<u8> {
    [&[format], name.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod sizes;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Seconds, UnixSeconds};
    use crate::encoding::base64url;
    use crate::keys::DeploymentKeys;
    use crate::session::data::Data;
    use crate::session::id::{Handle, SessionId};
    use crate::session::record::{Record, Version};
    use crate::tenant_id::TenantId;
    use chacha20::ChaCha20Rng;
    use chacha20::rand_core::SeedableRng as _;
    use proptest::prelude::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    pub(super) fn keys(keys: &[u8], id: &str) -> KeyRing {
        let list: Vec<String> = keys.iter().map(|byte| base64url(&[*byte; 32])).collect();
        KeyRing::derive(
            &DeploymentKeys::parse(&list.join(",")).unwrap(),
            &tenant(id),
        )
        .unwrap()
    }

    pub(super) fn name(id: &str, byte: u8) -> RecordName {
        RecordName::derive(&tenant(id), Handle([byte; 16]))
    }

    pub(super) fn random() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(1)
    }

    pub(super) fn record() -> Record {
        Record {
            version: Version(7),
            idle: Some(Seconds(600)),
            pin: Some("blue".to_owned()),
            data: Data::default().patched(r#"{"tier":"pro"}"#).unwrap(),
            ..Record::unstored(
                Handle([3; 16]),
                SessionId::from_bytes([4; 16]),
                UnixSeconds(1_700_000_000),
                UnixSeconds(1_700_000_500),
            )
        }
    }

    #[test]
    fn record_opens_with_its_own_name_tenant_and_keys_only() {
        let bytes = seal(
            &Entry::Live(record()),
            &name("t1", 1),
            &keys(&[1], "t1"),
            &mut random(),
        )
        .unwrap();
        assert_eq!(
            open(&bytes, &name("t1", 2), &keys(&[1], "t1")),
            Err(Unreadable::SealBroken)
        );
        assert_eq!(
            open(&bytes, &name("t2", 1), &keys(&[1], "t2")),
            Err(Unreadable::SealBroken)
        );
        assert_eq!(
            open(&bytes, &name("t1", 1), &keys(&[2], "t1")),
            Err(Unreadable::UnknownKey)
        );
        assert!(open(&bytes, &name("t1", 1), &keys(&[2, 1], "t1")).is_ok());
    }

    #[test]
    fn damaged_record_is_rejected() {
        let keys = keys(&[1], "t1");
        let bytes = seal(&Entry::Live(record()), &name("t1", 1), &keys, &mut random()).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert!(open(&damaged, &name("t1", 1), &keys).is_err(), "byte {at}");
            assert!(
                open(&bytes[..at], &name("t1", 1), &keys).is_err(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn newer_format_is_distinguished_from_damage() {
        let keys = keys(&[1], "t1");
        assert_eq!(
            open(&[NEWEST + 1, 0, 0], &name("t1", 1), &keys),
            Err(Unreadable::NewerFormat)
        );
        assert_eq!(
            open(b"null", &name("t1", 1), &keys),
            Err(Unreadable::Malformed)
        );
        assert_eq!(open(&[], &name("t1", 1), &keys), Err(Unreadable::Malformed));
    }

    #[test]
    fn sealed_record_reveals_no_content() {
        let bytes = seal(
            &Entry::Live(record()),
            &name("t1", 1),
            &keys(&[1], "t1"),
            &mut random(),
        )
        .unwrap();
        for secret in [b"pro".as_slice(), b"tier", b"blue", &[3; 16], &[4; 16]] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_rejected(bytes: Vec<u8>) {
            prop_assert!(open(&bytes, &name("t1", 1), &keys(&[1], "t1")).is_err());
        }
    }
}
