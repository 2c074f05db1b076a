//! `X-Session-Proof` (contract section 3): a MAC over who asks for what, and when, for origins that can be
//! reached by others than us. Cheap to make, and to check in any language.

use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::clock::UnixSeconds;
use crate::encoding;

/// The header.
pub const NAME: &str = "x-session-proof";

/// The key it is made with: the tenant's origin key. Cannot be printed.
pub struct ProofKey {
    id: String,
    mac: Hmac<Sha256>,
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProofKey({})", self.id)
    }
}

/// What is proved.
pub struct Proved<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, without the query, as it is forwarded.
    pub path: &'a str,
    /// `X-Session-Id`.
    pub handle: &'a str,
    /// `X-Session-User`; empty for a guest.
    pub user: &'a str,
}

impl ProofKey {
    /// From the secret the origin has too. None for no secret at all.
    #[must_use]
    pub fn new(secret: &str) -> Option<Self> {
        let hash = Sha256::digest(secret);
        let mut id = String::new();
        encoding::push_hex(&mut id, hash.get(..4)?);
        let mac = Hmac::new_from_slice(secret.as_bytes()).ok()?;
        (!secret.is_empty()).then_some(Self { id, mac })
    }

    /// The header's value: `v1;t=<unix>;k=<start of the key's SHA-256>;mac=<HMAC-SHA256>`, the latter as
    /// base64url over method, path, handle, user and t, a line each.
    #[must_use]
    pub fn sign(&self, proved: &Proved<'_>, now: UnixSeconds) -> String {
        let Proved {
            method,
            path,
            handle,
            user,
        } = proved;
        let signed = format!("{method}\n{path}\n{handle}\n{user}\n{now}");
        let mac = self.mac.clone().chain_update(signed).finalize();
        let mac = encoding::base64url(mac.as_bytes());
        format!("v1;t={now};k={};mac={mac}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_what_any_language_makes_of_it() {
        let key = ProofKey::new("an-origin-key-of-32-characters!!").unwrap();
        let proved = Proved {
            method: "GET",
            path: "/chat",
            handle: "h",
            user: "alice",
        };
        // printf 'GET\n/chat\nh\nalice\n1700000000' | openssl dgst -sha256 -hmac "$KEY" -binary | base64
        assert_eq!(
            key.sign(&proved, UnixSeconds(1_700_000_000)),
            "v1;t=1700000000;k=58cdc2e8;mac=VtvNhjxkVf3lEtcYRvI7g4Iylm4rGRh_w8dOwiVyT3U"
        );
        let guest = Proved { user: "", ..proved };
        assert_ne!(
            key.sign(&guest, UnixSeconds(1)),
            key.sign(
                &Proved {
                    method: "POST",
                    ..guest
                },
                UnixSeconds(1)
            )
        );
        assert!(ProofKey::new("").is_none());
    }
}
