//! Parses an issuer's public keys (RFC 7517), and selects those that may have signed a token.
//!
//! Unusable keys are skipped, and the reason is logged: one bad key must not stop all sign-ins.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::auth::jws::{Algorithm, BadToken, Unverified};
use crate::auth::weak_keys;
use crate::effect::{Answers, Found, Need};
use crate::encoding;

/// Maximum length of a key set, in bytes.
pub(crate) const LARGEST: usize = 256 * 1024;

/// Maximum number of keys that are read; issuers publish only a few.
const MAX_COUNT: usize = 64;

/// Maximum number of keys that are tried on a token: keys may share an id, or have none.
const MAX_TRIED: usize = 4;

/// Usable keys of an issuer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
    /// Reasons why other keys are unusable, each once.
    refused: Vec<KeyError>,
}

/// Reason why a key is not used. It contains standard names and nothing of the key, because it goes to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum KeyError {
    /// The key has a private part, which its publication exposed.
    #[error("a key with its private part ({0})")]
    Private(&'static str),
    /// The key has another purpose.
    #[error("a key that is not for verifying signatures ({0})")]
    Purpose(&'static str),
    /// A member is missing or malformed.
    #[error("a key that is malformed ({0})")]
    Malformed(&'static str),
    /// The key type or curve is not accepted.
    #[error("a key of a kind that is not accepted (kty, crv)")]
    Kind,
    /// The algorithm is not accepted.
    #[error("a key for an algorithm that is not accepted (alg)")]
    Algorithm,
    /// The key can be broken.
    #[error("{0}")]
    Weak(&'static str),
}

/// Public key.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    id: Option<String>,
    /// Algorithm that the key is restricted to, if any.
    algorithm: Option<Algorithm>,
    kind: Kind,
    /// Minimal JSON of the key.
    jwk: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    Ed25519,
}

impl KeySet {
    /// Parses `{"keys": […]}`. Returns `None` for any other JSON.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let set: Value = serde_json::from_str(text).ok()?;
        let keys = set.get("keys")?.as_array()?;
        let mut set = Self::default();
        for key in keys.iter().take(MAX_COUNT) {
            match Key::read(key) {
                Ok(key) => set.keys.push(key),
                Err(error) if !set.refused.contains(&error) => set.refused.push(error),
                Err(_) => {}
            }
        }
        Some(set)
    }

    /// Returns the reasons why other keys are unusable, each once.
    #[must_use]
    pub(crate) fn refused(&self) -> &[KeyError] {
        &self.refused
    }

    /// Writes the usable keys as a key set for [`KeySet::parse`], without unused members.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        let keys = self.keys.iter().filter_map(|key| {
            let Ok(Value::Object(mut jwk)) = serde_json::from_str(&key.jwk) else {
                return None;
            };
            if let Some(id) = &key.id {
                jwk.insert("kid".to_owned(), Value::from(id.as_str()));
            }
            if let Some(algorithm) = key.algorithm {
                jwk.insert("alg".to_owned(), Value::from(algorithm.name()));
            }
            Some(Value::Object(jwk))
        });
        let set = encoding::object([("keys", keys.collect())]);
        Value::Object(set).to_string()
    }

    /// Returns the keys, as JSON, that may have signed a token: those with its key id, if it has one, and for its
    /// algorithm.
    #[must_use]
    pub(crate) fn candidates(&self, token: &Unverified) -> Vec<&str> {
        let fits = |key: &&Key| {
            let is_named = token.key_id.is_none() || key.id == token.key_id;
            let is_for_it = key
                .algorithm
                .is_none_or(|algorithm| algorithm == token.algorithm);
            is_named && is_for_it && key.kind.signs(token.algorithm)
        };
        let fitting = self.keys.iter().filter(fits);
        fitting
            .take(MAX_TRIED)
            .map(|key| key.jwk.as_str())
            .collect()
    }
}

/// Decides whether one of the keys from [`KeySet::candidates`] signed a token.
///
/// # Errors
/// Returns the needs for the runtime to verify the signature.
pub(crate) fn verified(
    candidates: Vec<String>,
    token: &Unverified,
    answers: &Answers,
) -> Result<Result<(), BadToken>, Vec<Need>> {
    let mut needs = Vec::new();
    for (at, jwk) in candidates.into_iter().enumerate() {
        let key = format!("signature {at} {}", token.input);
        match answers.found(&key) {
            Some(Found::Bytes(verdict)) if verdict == b"1" => return Ok(Ok(())),
            Some(_) => {}
            None => needs.push(Need::Verify {
                key,
                jwk,
                algorithm: token.algorithm,
                input: token.input.clone(),
                signature: token.signature.clone(),
            }),
        }
    }
    if needs.is_empty() {
        Ok(Err(BadToken("no key of the issuer has signed it")))
    } else {
        Err(needs)
    }
}

impl Kind {
    fn signs(self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => self == Self::Rsa,
            Algorithm::Es256 => self == Self::P256,
            Algorithm::EdDsa => self == Self::Ed25519,
        }
    }
}

impl Key {
    /// Parses a key.
    ///
    /// # Errors
    /// Returns the reason why it is unusable.
    fn read(value: &Value) -> Result<Self, KeyError> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let mut secrets = ["d", "k"].into_iter();
        if let Some(name) = secrets.find(|name| value.get(name).is_some()) {
            return Err(KeyError::Private(name));
        }
        check_purpose(value)?;
        let member = |name| text(name).ok_or(KeyError::Malformed(name));
        let bytes = |name| {
            let bytes = text(name).and_then(encoding::from_base64url);
            bytes.ok_or(KeyError::Malformed(name))
        };
        let (kind, members, weakness) = match (member("kty")?, text("crv")) {
            ("RSA", _) => {
                let weakness = weak_keys::rsa(&bytes("n")?, &bytes("e")?);
                (Kind::Rsa, ["kty", "n", "e"].as_slice(), weakness)
            }
            // The import of the key checks whether the point is on the curve.
            ("EC", Some("P-256")) => (Kind::P256, ["kty", "crv", "x", "y"].as_slice(), None),
            ("OKP", Some("Ed25519")) => {
                let weakness = weak_keys::ed25519(&bytes("x")?);
                (Kind::Ed25519, ["kty", "crv", "x"].as_slice(), weakness)
            }
            _ => return Err(KeyError::Kind),
        };
        if let Some(weakness) = weakness {
            return Err(KeyError::Weak(weakness));
        }
        let mut jwk = Map::new();
        for name in members {
            jwk.insert((*name).to_owned(), Value::from(member(name)?));
        }
        let algorithm = match text("alg") {
            None => None,
            Some(name) => Some(Algorithm::parse(name).ok_or(KeyError::Algorithm)?),
        };
        Ok(Self {
            id: text("kid").map(str::to_owned),
            algorithm,
            kind,
            jwk: Value::Object(jwk).to_string(),
        })
    }
}

/// Checks that a key may verify signatures (RFC 7517 sections 4.2 and 4.3). A malformed member rejects the key.
fn check_purpose(key: &Value) -> Result<(), KeyError> {
    if key.get("use").is_some_and(|usage| usage != "sig") {
        return Err(KeyError::Purpose("use"));
    }
    let is_named = |all: &Vec<Value>| all.iter().any(|one| one == "verify");
    let is_for = key
        .get("key_ops")
        .is_none_or(|operations| operations.as_array().is_some_and(is_named));
    is_for.then_some(()).ok_or(KeyError::Purpose("key_ops"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Returns the modulus of RFC 7515 appendix A.2, or its last bytes.
    fn modulus(bytes: usize) -> String {
        let sound = encoding::from_base64url(weak_keys::SOUND_MODULUS).unwrap();
        encoding::base64url(&sound[sound.len() - bytes..])
    }

    fn rsa(kid: &str, bytes: usize) -> Value {
        json!({ "kty": "RSA", "kid": kid, "n": modulus(bytes), "e": "AQAB" })
    }

    fn token(algorithm: Algorithm, kid: Option<&str>) -> Unverified {
        Unverified {
            algorithm,
            key_id: kid.map(str::to_owned),
            kind: None,
            claims: Map::new(),
            input: String::new(),
            signature: String::new(),
        }
    }

    fn set(keys: &Value) -> KeySet {
        KeySet::parse(&json!({ "keys": keys }).to_string()).unwrap()
    }

    #[test]
    fn key_is_found_by_kid_and_type() {
        let ec =
            json!({ "kty": "EC", "crv": "P-256", "kid": "b", "x": "eA", "y": "eQ", "use": "sig" });
        let keys = set(&json!([rsa("a", 256), ec]));
        let found = |algorithm, kid| keys.candidates(&token(algorithm, kid)).len();
        assert_eq!(found(Algorithm::Rs256, Some("a")), 1);
        assert_eq!(found(Algorithm::Rs256, None), 1);
        assert_eq!(found(Algorithm::Es256, Some("b")), 1);
        assert_eq!(found(Algorithm::Es256, Some("a")), 0, "another kind");
        assert_eq!(found(Algorithm::Rs256, Some("c")), 0);
    }

    #[test]
    fn keys_round_trip() {
        let ec = json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "x": "eA", "y": "eQ", "use": "sig" });
        let keys = set(&json!([rsa("a", 256), ec]));
        assert_eq!(KeySet::parse(&keys.to_text()), Some(keys));
        assert_eq!(
            KeySet::parse(&KeySet::default().to_text()),
            Some(KeySet::default())
        );
    }

    #[test]
    fn unusable_keys_are_skipped() {
        let mut private = rsa("a", 256);
        private["d"] = json!("AQ");
        let mut encrypting = rsa("a", 256);
        encrypting["use"] = json!("enc");
        let mut other = rsa("a", 256);
        other["alg"] = json!("RS512");
        let symmetric = json!({ "kty": "oct", "kid": "a", "k": "c2VjcmV0" });
        let rubbish = json!({ "kty": "RSA", "kid": "a", "n": "!", "e": 1 });
        let bad = [
            private,
            encrypting,
            other,
            symmetric,
            rubbish,
            rsa("a", 64),
            json!("x"),
        ];
        assert_eq!(set(&json!(bad)).keys, []);
        assert_eq!(set(&json!(bad)).refused().len(), 7);
        let mut keys = bad.to_vec();
        keys.push(rsa("a", 256));
        let keys = set(&json!(keys));
        let found = keys.candidates(&token(Algorithm::Rs256, Some("a")));
        assert_eq!(found.len(), 1);
        assert!(!found[0].contains("\"d\""));
    }

    #[test]
    fn weak_or_misused_key_is_rejected_with_a_reason() {
        let with = |name: &str, value: Value| {
            let mut key = rsa("a", 256);
            key[name] = value;
            key
        };
        let point =
            |x: &[u8]| json!({ "kty": "OKP", "crv": "Ed25519", "x": encoding::base64url(x) });
        for (key, reason) in [
            (with("key_ops", json!(["encrypt"])), "key_ops"),
            (with("key_ops", json!([])), "key_ops"),
            (with("key_ops", json!("verify")), "key_ops"),
            (with("key_ops", Value::Null), "key_ops"),
            (with("use", json!("enc")), "use"),
            (with("use", json!(7)), "use"),
            (with("e", json!("Aw")), "exponent"),
            (with("n", json!(modulus(255))), "2048"),
            (point(&[0; 32]), "small order"),
            (point(&[9; 31]), "32 bytes"),
        ] {
            let keys = set(&json!([key]));
            assert_eq!(keys.keys, [], "{reason}");
            let error = keys.refused()[0].to_string();
            assert!(error.contains(reason), "{error}");
        }
        let both = with("key_ops", json!(["sign", "verify"]));
        assert_eq!(set(&json!([both])).refused().len(), 0);
    }

    #[test]
    fn key_is_limited_to_its_use_and_key_ops() {
        let mut key = rsa("a", 256);
        key["alg"] = json!("PS256");
        let keys = set(&json!([key]));
        assert_eq!(
            keys.candidates(&token(Algorithm::Rs256, Some("a"))).len(),
            0
        );
        assert_eq!(
            keys.candidates(&token(Algorithm::Ps256, Some("a"))).len(),
            1
        );
    }

    #[test]
    fn keys_with_the_same_kid_are_tried_up_to_a_limit() {
        let keys = set(&json!(vec![rsa("a", 256); 50]));
        assert_eq!(
            keys.candidates(&token(Algorithm::Rs256, Some("a"))).len(),
            MAX_TRIED
        );
        assert_eq!(KeySet::parse("[]"), None);
        assert_eq!(KeySet::parse("<html>"), None);
    }
}
