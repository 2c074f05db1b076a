//! Seals pending sign-ins into cookies, which the browser keeps until it returns from the provider.
//!
//! Each sign-in has a cookie of its own, named after its `state`, because several tabs may sign in at once. `state`
//! and `nonce` are 128 random bits each, the PKCE verifier (RFC 7636) is 256. Only the browser that began a sign-in
//! can finish it (RFC 9700 section 4.7).

use chacha20::rand_core::Rng;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::auth::sealed_cookie;
use crate::clock::{Seconds, UnixSeconds};
use crate::encoding;
use crate::encoding::json;
use crate::keys::KeyRing;

/// Maximum duration of a sign-in.
pub(crate) const MAX_LENGTH: Seconds = Seconds(600);

/// Purpose for which the cookie is sealed.
const PURPOSE: &str = "login";

/// Number of characters of the state in the cookie's name.
const NAME_CHARACTERS: usize = 8;

/// Pending sign-in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// Random value that the provider returns with its response.
    pub state: String,
    /// Random value that the ID token must contain.
    pub nonce: String,
    /// PKCE verifier, which proves that the same party began the sign-in.
    pub verifier: String,
    /// Name of the provider; empty for the sign-in of a frame, which a pop-up window finishes.
    pub provider: String,
    /// Path to return to after the sign-in.
    pub return_to: String,
    /// Maximum age of the user's authentication, if required.
    pub max_age: Option<Seconds>,
    /// Start of the sign-in.
    pub began: UnixSeconds,
    /// Challenge of the frame for which a pop-up window signs in; the window's own session stays as it is.
    pub frame: Option<String>,
}

impl Transaction {
    /// Begins a sign-in.
    pub(crate) fn begin(
        provider: &str,
        return_to: &str,
        max_age: Option<Seconds>,
        now: UnixSeconds,
        random: &mut impl Rng,
    ) -> Self {
        let mut draw = |bytes: &mut [u8]| {
            random.fill_bytes(bytes);
            encoding::base64url(bytes)
        };
        Self {
            state: draw(&mut [0; 16]),
            nonce: draw(&mut [0; 16]),
            verifier: draw(&mut [0; 32]),
            provider: provider.to_owned(),
            return_to: return_to.to_owned(),
            max_age,
            began: now,
            frame: None,
        }
    }

    /// Returns the PKCE challenge (method S256).
    #[must_use]
    pub(crate) fn challenge(&self) -> String {
        encoding::base64url(&Sha256::digest(self.verifier.as_bytes()))
    }

    /// Seals it into the cookie's value.
    #[must_use]
    pub(crate) fn seal(&self, keys: &KeyRing, random: &mut impl Rng) -> Option<String> {
        let mut text = json!([
            self.state,
            self.nonce,
            self.verifier,
            self.provider,
            self.return_to,
            self.max_age.map(|age| age.0),
            self.began.0,
        ]);
        if let (Some(frame), Some(fields)) = (&self.frame, text.as_array_mut()) {
            fields.push(json!(frame));
        }
        sealed_cookie::seal(&text.to_string(), PURPOSE, keys, random)
    }

    /// Opens a cookie from [`Transaction::seal`] if it has not expired and belongs to `state`.
    #[must_use]
    pub(crate) fn open(
        cookie: &str,
        state: &str,
        keys: &KeyRing,
        now: UnixSeconds,
    ) -> Option<Self> {
        let transaction = Self::unsealed(cookie, keys)?;
        let is_in_time = now.since(transaction.began) <= MAX_LENGTH;
        (is_in_time && transaction.state == state).then_some(transaction)
    }

    /// Returns the start of a cookie's sign-in, even if expired; `None` if the cookie is not ours.
    #[must_use]
    pub(crate) fn began(cookie: &str, keys: &KeyRing) -> Option<UnixSeconds> {
        Self::unsealed(cookie, keys).map(|transaction| transaction.began)
    }

    fn unsealed(cookie: &str, keys: &KeyRing) -> Option<Self> {
        let text = sealed_cookie::open(cookie, PURPOSE, keys)?;
        let fields: Value = serde_json::from_str(&text).ok()?;
        let text = |at: usize| fields.get(at).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            state: text(0)?,
            nonce: text(1)?,
            verifier: text(2)?,
            provider: text(3)?,
            return_to: text(4)?,
            max_age: fields.get(5).and_then(Value::as_u64).map(Seconds),
            began: UnixSeconds(fields.get(6)?.as_u64()?),
            frame: text(7),
        })
    }

    /// Returns the suffix of this sign-in's cookie name.
    #[must_use]
    pub(crate) fn cookie_suffix(state: &str) -> Option<&str> {
        let suffix = state.get(..NAME_CHARACTERS)?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        suffix.bytes().all(is_plain).then_some(suffix)
    }
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::return_url;
    use crate::keys::DeploymentKeys;
    use crate::tenant_id::TenantId;
    use chacha20::ChaCha20Rng;
    use chacha20::rand_core::SeedableRng as _;

    const NOW: UnixSeconds = UnixSeconds(1_000);

    fn keys() -> KeyRing {
        let keys = DeploymentKeys::parse(&encoding::base64url(&[1; 32])).unwrap();
        KeyRing::derive(&keys, &TenantId::parse("a").unwrap()).unwrap()
    }

    #[test]
    fn login_state_opens_for_its_browser_and_before_it_expires() {
        let mut random = ChaCha20Rng::seed_from_u64(1);
        let begun = Transaction::begin("main", "/x", Some(Seconds(5)), NOW, &mut random);
        let cookie = begun.seal(&keys(), &mut random).unwrap();
        let open = |state: &str, at| Transaction::open(&cookie, state, &keys(), UnixSeconds(at));
        assert!(open(&begun.state, 1_600) == Some(begun.clone()));
        assert!(open(&begun.state, 1_601).is_none());
        assert!(open("other", 1_000).is_none());
        assert_eq!(Transaction::began(&cookie, &keys()), Some(NOW));
        assert_eq!(Transaction::began("junk", &keys()), None);
        assert!(!cookie.contains(&begun.verifier));
        let for_frame = Transaction {
            frame: Some("challenge".to_owned()),
            ..begun
        };
        let cookie = for_frame.seal(&keys(), &mut random).unwrap();
        assert!(Transaction::open(&cookie, &for_frame.state, &keys(), NOW) == Some(for_frame));
    }

    #[test]
    fn pkce_challenge_matches_rfc_7636() {
        // From RFC 7636 appendix B.
        let mut random = ChaCha20Rng::seed_from_u64(1);
        let mut begun = Transaction::begin("main", "/", None, NOW, &mut random);
        begun.verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        assert_eq!(
            begun.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn login_states_are_unique() {
        let mut random = ChaCha20Rng::seed_from_u64(1);
        let one = Transaction::begin("main", "/", None, NOW, &mut random);
        let other = Transaction::begin("main", "/", None, NOW, &mut random);
        assert!(one.state != other.state && one.nonce != other.nonce);
        assert_ne!(one.state, one.nonce);
        assert_eq!(
            Transaction::cookie_suffix(&one.state).map(str::len),
            Some(8)
        );
        assert_eq!(Transaction::cookie_suffix("short"), None);
        assert_eq!(Transaction::cookie_suffix("a=b;c=d1"), None);
    }

    #[test]
    fn longest_return_url_fits_a_cookie() {
        let mut random = ChaCha20Rng::seed_from_u64(1);
        let long = return_url::MAX_LENGTH;
        let plain = format!("/{}", "x".repeat(long - 1));
        let quoted = format!("/{}{}", "\"".repeat(long / 2 - 1), "x");
        for return_to in [plain, quoted] {
            let age = Some(Seconds(u64::from(u32::MAX)));
            let provider = "p".repeat(64);
            let begun = Transaction::begin(&provider, &return_to, age, NOW, &mut random);
            let cookie = begun.seal(&keys(), &mut random).unwrap();
            let name = "__Host-session-12345678=";
            assert!(name.len() + cookie.len() <= 4_096, "{}", cookie.len());
        }
    }
}
