//! Records as bytes: fields, packed, sealed by XChaCha20-Poly1305.
//!
//! | bytes | |
//! | --- | --- |
//! | 1 | format, 2 |
//! | 4 | key id |
//! | 24 | nonce, random |
//! | rest | ciphertext and its 16-byte tag |
//!
//! The format, the tenant and the storage key are bound in as associated data: a record moved to
//! another name, or to another tenant, does not open. The extended nonce makes random nonces safe
//! for any number of writes.

use chacha20::rand_core::Rng;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead as _, Payload};

use crate::keys::{KEY_ID_BYTES, KeyRing};
use crate::session::fields::{self, BadFields};
use crate::session::id::RecordName;
use crate::session::packing;
use crate::session::record::Entry;

const FORMAT: u8 = 2;
const NONCE_BYTES: usize = 24;

/// The largest value that is even looked at; ours are far smaller.
const LARGEST_SEALED: usize = 256 * 1024;

/// Why stored bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Too short, too long, or not of our making.
    Malformed,
    /// Written by a newer release.
    NewerFormat,
    /// Sealed under a key that is not listed (any more).
    UnknownKey,
    /// The seal does not fit: damaged, or another tenant's or session's record.
    SealBroken,
}

/// Seals `entry` for storage under `name`.
#[must_use]
pub fn seal(
    entry: &Entry,
    name: &RecordName,
    keys: &KeyRing,
    random: &mut impl Rng,
) -> Option<Vec<u8>> {
    let key = keys.signing();
    let mut nonce = [0; NONCE_BYTES];
    random.fill_bytes(&mut nonce);
    let plain = packing::pack(&fields::encode(entry));
    let payload = Payload {
        msg: &plain,
        aad: &associated(name),
    };
    let sealed = key
        .record_cipher
        .encrypt(&XNonce::from(nonce), payload)
        .ok()?;
    Some([&[FORMAT], key.id.as_slice(), &nonce, &sealed].concat())
}

/// Opens what was stored under `name`.
///
/// # Errors
/// [`Unreadable`]; the bytes are then to be left as they are.
pub fn open(bytes: &[u8], name: &RecordName, keys: &KeyRing) -> Result<Entry, Unreadable> {
    if bytes.len() > LARGEST_SEALED {
        return Err(Unreadable::Malformed);
    }
    let (format, rest) = bytes.split_first().ok_or(Unreadable::Malformed)?;
    match *format {
        FORMAT => {}
        newer if newer > FORMAT && newer < 32 => return Err(Unreadable::NewerFormat),
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
        aad: &associated(name),
    };
    let plain = key
        .record_cipher
        .decrypt(&XNonce::from(*nonce), payload)
        .map_err(|_| Unreadable::SealBroken)?;
    let plain = packing::unpack(&plain).ok_or(Unreadable::Malformed)?;
    fields::decode(&plain).map_err(|bad| match bad {
        BadFields::Malformed => Unreadable::Malformed,
        BadFields::NewerKind => Unreadable::NewerFormat,
    })
}

/// The name holds the tenant and the hash of the id.
fn associated(name: &RecordName) -> Vec<u8> {
    [&[FORMAT], name.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Seconds, UnixSeconds};
    use crate::encoding::base64url;
    use crate::keys::DeploymentKeys;
    use crate::session::data::Data;
    use crate::session::id::{Handle, SessionId};
    use crate::session::identity::Identity;
    use crate::session::record::{Record, Version};
    use crate::tenant_id::TenantId;
    use chacha20::ChaCha20Rng;
    use chacha20::rand_core::SeedableRng as _;
    use proptest::prelude::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn keys(keys: &[u8], id: &str) -> KeyRing {
        let list: Vec<String> = keys.iter().map(|byte| base64url(&[*byte; 32])).collect();
        KeyRing::derive(
            &DeploymentKeys::parse(&list.join(",")).unwrap(),
            &tenant(id),
        )
        .unwrap()
    }

    fn name(id: &str, byte: u8) -> RecordName {
        RecordName::derive(&tenant(id), Handle([byte; 16]))
    }

    fn random() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(1)
    }

    fn record() -> Record {
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
    fn a_record_opens_only_under_its_own_name_tenant_and_keys() {
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
    fn any_damaged_byte_is_noticed_and_nothing_panics() {
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
    fn a_newer_format_is_told_apart_from_rubbish() {
        let keys = keys(&[1], "t1");
        assert_eq!(
            open(&[3, 0, 0], &name("t1", 1), &keys),
            Err(Unreadable::NewerFormat)
        );
        assert_eq!(
            open(b"null", &name("t1", 1), &keys),
            Err(Unreadable::Malformed)
        );
        assert_eq!(open(&[], &name("t1", 1), &keys), Err(Unreadable::Malformed));
    }

    #[test]
    fn the_sealed_bytes_show_nothing_of_the_content() {
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

    /// A token of an identity provider: about 800 characters, signed by ES256 (64 bytes) or RS256 (256).
    fn token(claims: &serde_json::Value, signature: usize, random: &mut ChaCha20Rng) -> String {
        let mut bytes = vec![0; signature];
        random.fill_bytes(&mut bytes);
        let header = match signature {
            64 => r#"{"alg":"ES256","typ":"JWT","kid":"Zk3b1Qm9vX"}"#,
            _ => r#"{"alg":"RS256","typ":"JWT","kid":"Zk3b1Qm9vX"}"#,
        };
        let parts = [header.as_bytes(), claims.to_string().as_bytes(), &bytes].map(base64url);
        parts.join(".")
    }

    /// The reference session: an identity, two tokens, twelve members of data with a summary of 600
    /// bytes. What it takes in storage, and as JSON.
    fn reference(signature: usize) -> (usize, usize) {
        let mut random = random();
        let mut claims = serde_json::json!({
            "iss": "https://login.example.com/realms/acme", "aud": "chat",
            "sub": "f2b6f7a0-6c1b-4e57-9f6e-3f1f0c8a7d21", "sid": "9d8b6b8e-2f7c-4a55-8a53-5f6f2f1f7c3d",
            "exp": 1_763_713_000, "iat": 1_763_709_400, "auth_time": 1_763_709_400,
            "email": "zoe.mueller@acme.example", "email_verified": true, "name": "Zoe Mueller",
            "preferred_username": "zoe.mueller", "groups": ["staff", "chat-users", "beta"],
            "nonce": "n-0S6_WzA2MjQ4c1pZVQ", "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
        });
        let id = token(&claims, signature, &mut random);
        claims["scope"] = "openid profile email chat:read chat:write offline_access".into();
        claims["jti"] = "5c0a3c3e-98c4-4a1c-b7b5-90b7c2a5e6aa".into();
        let access = token(&claims, signature, &mut random);
        let summary = "The visitor asks how to run two chat processes behind one address. They are told why a plain proxy breaks the polling handshake of socket.io. They try a sticky cookie and ask what happens when a process is restarted. They learn that the session is kept at the edge and handed to the other process. They ask how long a session lives, and how to end all of a user's sessions at once, and hear that it is one write however many there are. At last they want to know what it costs when nobody is talking: nothing, until there is something to keep; then one write in an hour.";
        let data = serde_json::json!({
            "tier": "pro", "language": "en", "theme": "dark", "model": "large", "temperature": 0.7,
            "streaming": true, "region": "eu", "timezone": "Europe/Vienna", "seat": 12,
            "feature": ["search", "files"], "onboarding": "done", "summary": summary,
        });
        let who = serde_json::json!({
            "user": "f2b6f7a0-6c1b-4e57-9f6e-3f1f0c8a7d21", "email": "zoe.mueller@acme.example",
            "name": "Zoe Mueller", "groups": ["staff", "chat-users", "beta"],
        });
        let tokens = serde_json::json!({ "id_token": id, "access_token": access });
        let json = serde_json::json!({
            "identity": who, "tokens": tokens, "data": data,
            "created": 1_763_709_400, "seen": 1_763_712_000, "expires": 1_764_314_200,
        });
        let stored = Record {
            identity: Some(Identity::parse(&who.to_string()).unwrap().0),
            data: Data::default()
                .patched(&data.to_string())
                .and_then(|data| data.patched(&tokens.to_string()))
                .unwrap(),
            handle: Handle(*SessionId::generate(&mut random).as_bytes()),
            id: SessionId::generate(&mut random),
            ..record()
        };
        let sealed = seal(
            &Entry::Live(stored),
            &name("t1", 1),
            &keys(&[1], "t1"),
            &mut random,
        );
        (sealed.unwrap().len(), json.to_string().len())
    }

    #[test]
    fn the_reference_session_takes_two_fifths_of_its_json() {
        for (signature, most) in [(64, 400), (256, 480)] {
            let (stored, json) = reference(signature);
            assert!(stored * 1000 / json <= most, "{stored} of {json} bytes");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
            prop_assert!(open(&bytes, &name("t1", 1), &keys(&[1], "t1")).is_err());
        }
    }
}
