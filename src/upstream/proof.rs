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
    /// over method, path, handle, user and t, one per line.
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

    #[test]
    fn proof_matches_a_reference_value() {
        let key = ProofKey::new("an-origin-key-of-32-characters!!").unwrap();
        let proved = Proved {
            method: "GET",
            path: "/chat",
            handle: "h",
            user: "alice",
        };
        // printf 'GET\n/chat\nh\nalice\n1700000000' | openssl dgst -sha256 -hmac "$KEY" -binary | base64
        assert_eq!(
            proved.sign(&key, UnixSeconds(1_700_000_000)),
            "v1;t=1700000000;k=58cdc2e8;mac=VtvNhjxkVf3lEtcYRvI7g4Iylm4rGRh_w8dOwiVyT3U"
        );
        let guest = Proved { user: "", ..proved };
        let posted = Proved {
            method: "POST",
            ..guest
        };
        let now = UnixSeconds(1);
        assert_ne!(guest.sign(&key, now), posted.sign(&key, now));
        assert!(ProofKey::new("").is_none());
    }
}
