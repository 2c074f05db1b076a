//! Checks the claims of a verified token.
//!
//! Authority: OpenID Connect Core 1.0 section 3.1.3.7, RFC 7519 section 4.1, RFC 8725. Times must be
//! numbers: a library that took a text for "absent" let expired tokens pass (CVE-2026-25537).

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::auth::jws::{Algorithm, BadToken};
use crate::clock::{Seconds, UnixSeconds};
use crate::encoding;

/// Maximum difference between clocks.
pub(crate) const SKEW: Seconds = Seconds(60);

/// Maximum length of `sub`, in bytes (OpenID Connect Core section 2).
const MAX_SUBJECT_LENGTH: usize = 255;

/// Upper limit of a time with a fraction or exponent, in seconds: beyond 2^53 a float cannot tell seconds apart.
const LATEST: f64 = 9_007_199_254_740_992.0;

/// Types (`typ`) that an ID token may have.
pub(crate) const ID_TOKEN: [&str; 2] = ["jwt", "id_token+jwt"];

/// Claims of a token.
pub(crate) type Claims = Map<String, Value>;

/// Values that every kind of token must match.
pub(crate) struct Expected<'a> {
    /// Required issuer.
    pub issuer: &'a str,
    /// Required audience.
    pub audience: &'a str,
    /// Current time.
    pub now: UnixSeconds,
}

/// Checks the claims that every kind of token has: issuer, audience, times.
///
/// # Errors
/// Returns [`BadToken`] for the first wrong one.
pub(crate) fn check(claims: &Claims, expected: &Expected<'_>) -> Result<(), BadToken> {
    if text(claims, "iss")? != Some(expected.issuer) {
        return Err(BadToken("another issuer"));
    }
    check_audience(claims, expected.audience)?;
    let now = expected.now;
    let expires = time(claims, "exp")?.ok_or(BadToken("no exp"))?;
    let issued = time(claims, "iat")?.ok_or(BadToken("no iat"))?;
    if now >= expires + SKEW {
        return Err(BadToken("expired"));
    }
    if issued > now + SKEW || time(claims, "nbf")?.is_some_and(|from| from > now + SKEW) {
        return Err(BadToken("not valid yet"));
    }
    Ok(())
}

fn check_audience(claims: &Claims, ours: &str) -> Result<(), BadToken> {
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !audiences.contains(&ours) {
        return Err(BadToken("another audience"));
    }
    Ok(())
}

/// Checks `azp` of an ID token, which it must have if it has several audiences. An access token's `azp` is its client,
/// which is another party.
///
/// # Errors
/// Returns [`BadToken`].
pub(crate) fn check_party(claims: &Claims, ours: &str) -> Result<(), BadToken> {
    let is_for_several = matches!(claims.get("aud"), Some(Value::Array(many)) if many.len() > 1);
    match text(claims, "azp")? {
        Some(party) if party != ours => Err(BadToken("another authorized party")),
        None if is_for_several => Err(BadToken("several audiences and no azp")),
        _ => Ok(()),
    }
}

/// Checks an ID token, including nonce and authentication time (OpenID Connect Core section 3.1.3.7).
///
/// # Errors
/// Returns [`BadToken`].
pub(crate) fn check_id_token(
    claims: &Claims,
    expected: &Expected<'_>,
    nonce: &str,
    max_age: Option<Seconds>,
) -> Result<(), BadToken> {
    check(claims, expected)?;
    check_party(claims, expected.audience)?;
    subject(claims)?;
    if text(claims, "nonce")? != Some(nonce) {
        return Err(BadToken("another nonce"));
    }
    let authenticated = time(claims, "auth_time")?;
    match (max_age, authenticated) {
        (Some(_), None) => Err(BadToken("no auth_time")),
        (Some(most), Some(at))
            if expected.now.since(at) > Seconds(most.0.saturating_add(SKEW.0)) =>
        {
            Err(BadToken("signed in too long ago"))
        }
        _ => Ok(()),
    }
}

/// Checks that an access token belongs to an ID token with `at_hash` (section 3.1.3.8). Skips EdDSA, which uses
/// another hash.
///
/// # Errors
/// Returns [`BadToken`].
pub(crate) fn check_access_token(
    claims: &Claims,
    algorithm: Algorithm,
    access_token: &str,
) -> Result<(), BadToken> {
    let Some(hash) = text(claims, "at_hash")? else {
        return Ok(());
    };
    if algorithm == Algorithm::EdDsa {
        return Ok(());
    }
    let digest = Sha256::digest(access_token.as_bytes());
    let half = digest.get(..16).unwrap_or_default();
    if encoding::base64url(half) == hash {
        Ok(())
    } else {
        Err(BadToken("another access token"))
    }
}

/// Returns `sub`: ASCII text, not empty (OpenID Connect Core section 2).
///
/// # Errors
/// Returns [`BadToken`].
pub(crate) fn subject(claims: &Claims) -> Result<&str, BadToken> {
    let subject = text(claims, "sub")?.unwrap_or_default();
    let is_sound = !subject.is_empty()
        && subject.len() <= MAX_SUBJECT_LENGTH
        && subject.bytes().all(|b| matches!(b, b' '..=b'~'));
    is_sound.then_some(subject).ok_or(BadToken("no sound sub"))
}

/// Reads an optional text claim.
///
/// # Errors
/// Returns [`BadToken`] if it is not a text.
pub(crate) fn text<'c>(claims: &'c Claims, name: &str) -> Result<Option<&'c str>, BadToken> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(BadToken("a claim that is no text")),
    }
}

/// Reads an optional time claim: a `NumericDate` (RFC 7519 section 2), any JSON number of Unix seconds. Cuts off
/// fractions of a second.
///
/// # Errors
/// Returns [`BadToken`] if it is not a time.
pub(crate) fn time(claims: &Claims, name: &str) -> Result<Option<UnixSeconds>, BadToken> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let whole = value
        .as_u64()
        .or_else(|| value.as_f64().and_then(whole_seconds));
    let at = whole.ok_or(BadToken("a claim that is no time"))?;
    Ok(Some(UnixSeconds(at)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is within the limits"
)]
fn whole_seconds(number: f64) -> Option<u64> {
    let is_within = (0.0..LATEST).contains(&number);
    is_within.then_some(number as u64)
}

/// Parses the claims of a userinfo endpoint's response about an ID token's user (OpenID Connect Core section 5.3).
///
/// # Errors
/// Returns [`BadToken`] if they concern another user (section 5.3.2) or are no JSON object.
pub(crate) fn userinfo(body: &str, id_token: &Claims) -> Result<Claims, BadToken> {
    match serde_json::from_str(body) {
        Ok(Value::Object(more)) if more.get("sub") == id_token.get("sub") => Ok(more),
        _ => Err(BadToken("userinfo of another user")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: UnixSeconds = UnixSeconds(1_000_000);

    fn claims(changes: &Value) -> Claims {
        let mut claims = json!({
            "iss": "https://id.example", "aud": "c", "sub": "u1", "nonce": "n",
            "iat": NOW.0, "exp": NOW.0 + 60,
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims.as_object().unwrap().clone()
    }

    const EXPECTED: Expected<'_> = Expected {
        issuer: "https://id.example",
        audience: "c",
        now: NOW,
    };

    fn verdict(changes: &Value) -> Result<(), BadToken> {
        check_id_token(&claims(changes), &EXPECTED, "n", None)
    }

    #[test]
    fn valid_token_is_accepted_with_a_minute_of_clock_skew() {
        for changes in [
            json!({}),
            json!({ "aud": ["c"] }),
            json!({ "aud": ["c", "d"], "azp": "c" }),
            json!({ "exp": NOW.0 - 59 }),
            json!({ "iat": NOW.0 + 60, "nbf": NOW.0 + 60 }),
            json!({ "exp": 9_999_999_999.5 }),
            json!({ "iat": 999_999.17, "nbf": 999_999.9, "exp": 1.000_000_5e6, "auth_time": 1.5 }),
        ] {
            assert_eq!(verdict(&changes), Ok(()), "{changes}");
        }
    }

    #[test]
    fn wrong_claims_are_rejected() {
        for changes in [
            json!({ "iss": "https://id.example/" }),
            json!({ "iss": null }),
            json!({ "aud": "d" }),
            json!({ "aud": [] }),
            json!({ "aud": ["c", "d"] }),
            json!({ "aud": "c", "azp": "d" }),
            json!({ "exp": NOW.0 - 60 }),
            json!({ "exp": null }),
            json!({ "exp": (NOW.0 + 60).to_string() }),
            json!({ "exp": 1e300 }),
            json!({ "exp": 999_939.5 }),
            json!({ "exp": -0.5 }),
            json!({ "iat": 1_000_061.5 }),
            json!({ "nbf": 1_000_061.5 }),
            json!({ "exp": -1 }),
            json!({ "exp": [] }),
            json!({ "exp": true }),
            json!({ "iat": null }),
            json!({ "iat": NOW.0 + 61 }),
            json!({ "nbf": NOW.0 + 61 }),
            json!({ "nbf": "1" }),
            json!({ "sub": "" }),
            json!({ "sub": null }),
            json!({ "sub": 7 }),
            json!({ "sub": "x".repeat(300) }),
            json!({ "sub": "é" }),
            json!({ "nonce": "m" }),
            json!({ "nonce": null }),
        ] {
            assert!(verdict(&changes).is_err(), "{changes}");
        }
    }

    #[test]
    fn fractional_times_are_accepted() {
        let read = |text: &str| {
            let claims = format!(r#"{{"at":{text}}}"#);
            time(&serde_json::from_str(&claims).unwrap(), "at")
        };
        for (text, at) in [
            ("0", 0),
            ("1700000000", 1_700_000_000),
            ("1700000000.17", 1_700_000_000),
            ("1700000000.999", 1_700_000_000),
            ("1.7e9", 1_700_000_000),
            ("17E8", 1_700_000_000),
            ("0.5", 0),
            ("4503599627370496.0", 1 << 52),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(read(text), Ok(Some(UnixSeconds(at))), "{text}");
        }
        for text in [
            "-1",
            "-0.5",
            "1e16",
            "1e300",
            "9007199254740992.0",
            "18446744073709551616",
            "\"1700000000\"",
            "null",
            "true",
            "[1]",
            "{}",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(time(&Claims::new(), "at"), Ok(None));
    }

    #[test]
    fn old_auth_time_is_rejected_if_max_age_is_set() {
        let at = |time: Value| {
            let claims = claims(&json!({ "auth_time": time }));
            check_id_token(&claims, &EXPECTED, "n", Some(Seconds(10)))
        };
        assert_eq!(at(json!(NOW.0 - 70)), Ok(()));
        assert!(at(json!(NOW.0 - 71)).is_err());
        assert!(at(Value::Null).is_err());
    }

    #[test]
    fn at_hash_binds_the_access_token_to_its_id_token() {
        // From the example in OpenID Connect Core appendix A.3.
        let claims = claims(&json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" }));
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(check_access_token(&claims, Algorithm::Rs256, token), Ok(()));
        assert!(check_access_token(&claims, Algorithm::Rs256, "other").is_err());
    }
}
