//! Seals a finished sign-in into a code, with which a pop-up window hands it over to the frame that opened the window.
//!
//! A browser keeps a frame's cookies apart from those of a window (CHIPS), so the window cannot sign the frame in. As
//! with PKCE (RFC 7636) the frame keeps a verifier in a cookie, and the code names its challenge. So the code is
//! worthless to anyone else.

use chacha20::rand_core::Rng;
use serde_json::Value;

use crate::auth::sealed_cookie;
use crate::clock::{Seconds, UnixSeconds};
use crate::encoding::{self, json};
use crate::keys::KeyRing;
use crate::session::token_set::TokenSet;

/// Maximum age of a code.
pub(crate) const MAX_AGE: Seconds = Seconds(120);

/// Purpose for which the code is sealed.
const PURPOSE: &str = "handover";

/// Sign-in that a window hands over.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Handover {
    /// Challenge of the frame.
    pub challenge: String,
    /// Time of the code.
    pub at: UnixSeconds,
    /// Verified identity of the user, as JSON.
    pub identity: Value,
    /// Number of groups that the identity omits.
    pub groups_omitted: u32,
    /// Time of the user's authentication.
    pub authenticated: Option<UnixSeconds>,
    /// Tokens from the provider.
    pub grant: Option<TokenSet>,
}

impl Handover {
    /// Seals it into a code.
    #[must_use]
    pub(crate) fn seal(&self, keys: &KeyRing, random: &mut impl Rng) -> Option<String> {
        let text = json!([
            self.challenge,
            self.at.0,
            self.identity,
            self.groups_omitted,
            self.authenticated.map(|at| at.0),
            self.grant.as_ref().map(TokenSet::to_json),
        ]);
        sealed_cookie::seal(&text.to_string(), PURPOSE, keys, random)
    }

    /// Opens a code from [`Handover::seal`] if it has not expired and belongs to `challenge`.
    #[must_use]
    pub(crate) fn open(
        code: &str,
        challenge: &str,
        keys: &KeyRing,
        now: UnixSeconds,
    ) -> Option<Self> {
        let text = sealed_cookie::open(code, PURPOSE, keys)?;
        let fields: Value = serde_json::from_str(&text).ok()?;
        let number = |at: usize| fields.get(at).and_then(Value::as_u64);
        let handover = Self {
            challenge: fields.get(0)?.as_str()?.to_owned(),
            at: UnixSeconds(number(1)?),
            identity: fields.get(2)?.clone(),
            groups_omitted: u32::try_from(number(3)?).ok()?,
            authenticated: number(4).map(UnixSeconds),
            grant: fields.get(5).and_then(TokenSet::from_json),
        };
        let is_in_time = now.since(handover.at) <= MAX_AGE;
        (is_in_time && handover.challenge == challenge).then_some(handover)
    }
}

/// Returns whether a text has the form of a challenge: 32 bytes in base64url.
#[must_use]
pub(crate) fn is_challenge(text: &str) -> bool {
    encoding::from_base64url_exact::<32>(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;
    use crate::keys::DeploymentKeys;
    use crate::tenant_id::TenantId;
    use chacha20::ChaCha20Rng;
    use chacha20::rand_core::SeedableRng as _;

    const NOW: UnixSeconds = UnixSeconds(1_000);

    fn keys(tenant: &str) -> KeyRing {
        let keys = DeploymentKeys::parse(&encoding::base64url(&[1; 32])).unwrap();
        KeyRing::derive(&keys, &TenantId::parse(tenant).unwrap()).unwrap()
    }

    /// Printable handover, for assertions.
    #[derive(PartialEq)]
    struct Sealed(Handover);

    impl core::fmt::Debug for Sealed {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("Handover")
        }
    }

    fn handover() -> Handover {
        Handover {
            challenge: encoding::base64url(&[7; 32]),
            at: NOW,
            identity: json!({ "user": "alice" }),
            groups_omitted: 2,
            authenticated: Some(UnixSeconds(990)),
            grant: Some(TokenSet {
                provider: "main".to_owned(),
                refresh_token: Some("secret".to_owned()),
                ..TokenSet::default()
            }),
        }
    }

    #[test]
    fn golden_handovers_are_written_and_read() {
        let random = || ChaCha20Rng::seed_from_u64(1);
        let ring = keys("acme");
        let challenge = handover().challenge;
        golden::check(
            "handovers.json",
            &[("usual", Sealed(handover()))],
            |Sealed(handover)| json!(handover.seal(&ring, &mut random())),
            |code| Handover::open(code.as_str()?, &challenge, &ring, NOW).map(Sealed),
        );
    }

    #[test]
    fn code_opens_for_its_challenge_and_tenant_and_before_it_expires() {
        let mut random = ChaCha20Rng::seed_from_u64(1);
        let handover = handover();
        let challenge = handover.challenge.clone();
        let code = handover.seal(&keys("a"), &mut random).unwrap();
        let open = |challenge: &str, tenant: &str, at: u64| {
            Handover::open(&code, challenge, &keys(tenant), UnixSeconds(at))
        };
        assert!(open(&challenge, "a", 1_120) == Some(handover));
        assert!(open(&challenge, "a", 1_121).is_none());
        assert!(open("other", "a", 1_000).is_none());
        assert!(open(&challenge, "b", 1_000).is_none());
    }

    #[test]
    fn text_of_another_purpose_is_no_code() {
        let mut random = ChaCha20Rng::seed_from_u64(1);
        let text = json!(["c", 1_000, {}, 0]).to_string();
        let sealed = sealed_cookie::seal(&text, "login", &keys("a"), &mut random).unwrap();
        assert!(Handover::open(&sealed, "c", &keys("a"), NOW).is_none());
    }

    #[test]
    fn only_32_bytes_in_base64url_are_a_challenge() {
        assert!(is_challenge(&encoding::base64url(&[7; 32])));
        for text in [
            "",
            "x",
            &encoding::base64url(&[7; 31]),
            "=".repeat(43).as_str(),
        ] {
            assert!(!is_challenge(text), "{text}");
        }
    }
}
