//! Signs `X-Session-Proof` (`docs/reference/headers.md`): a MAC over user, request and time, for origins that others
//! can reach, too. It is cheap to make, and to check in any language.

use crate::clock::UnixSeconds;
use crate::encoding;
use crate::tenant::proof_key::ProofKey;

/// Name of the header.
pub(crate) const NAME: &str = "x-session-proof";

/// Signed parts of a request.
pub(crate) struct Proved<'a> {
    /// Method.
    pub method: &'a str,
    /// Path as forwarded, without the query.
    pub path: &'a str,
    /// Value of `X-Session-Id`.
    pub handle: &'a str,
    /// Value of `X-Session-User`; empty for a guest.
    pub user: &'a str,
}

impl Proved<'_> {
    /// Returns the header's value: `v1;t=<unix>;k=<start of the key's SHA-256>;mac=<HMAC-SHA256>`. The MAC is base64url
    /// over method, path, handle, user and t, one per line. `kits/vectors/proof.json` has examples.
    #[must_use]
    pub(crate) fn sign(&self, key: &ProofKey, now: UnixSeconds) -> String {
        let Self {
            method,
            path,
            handle,
            user,
        } = self;
        let signed = format!("{method}\n{path}\n{handle}\n{user}\n{now}");
        let mac = encoding::base64url(&key.mac(signed.as_bytes()));
        format!("v1;t={now};k={};mac={mac}", key.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde::Deserialize;

    /// The vectors that the tests of `kits/` read too.
    const VECTORS: &str = include_str!("../../kits/vectors/proof.json");

    #[derive(Deserialize)]
    struct Vectors {
        valid: Vec<Vector>,
        invalid: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        key: String,
        method: String,
        path: String,
        id: String,
        user: String,
        t: u64,
        proof: String,
    }

    impl Vector {
        fn sign(&self) -> String {
            let proved = Proved {
                method: &self.method,
                path: &self.path,
                handle: &self.id,
                user: &self.user,
            };
            let key = ProofKey::new(&self.key).unwrap();
            proved.sign(&key, UnixSeconds(self.t))
        }
    }

    #[test]
    fn proof_matches_the_published_vectors() {
        let Vectors { valid, invalid } = serde_json::from_str(VECTORS).unwrap();
        assert!(valid.len() >= 8 && invalid.len() >= 8);
        for vector in valid {
            assert_eq!(vector.sign(), vector.proof, "{}", vector.name);
        }
        for vector in invalid {
            assert_ne!(vector.sign(), vector.proof, "{}", vector.name);
        }
    }

    #[test]
    fn empty_key_signs_nothing() {
        assert!(ProofKey::new("").is_none());
    }
}
