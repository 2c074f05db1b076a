//! Checks logout tokens: a provider's statement that a user signed out (OpenID Connect Back-Channel Logout 1.0 section
//! 2.6).

use serde_json::Value;

use crate::auth::claims::{Claims, text};
use crate::auth::jws::{BadToken, Unverified};

/// Event that a logout token must contain.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Type of a logout token.
const KIND: &str = "logout+jwt";

/// Content of a logout token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedOut<'c> {
    /// Sign-in that ended, if it names one.
    pub sid: Option<&'c str>,
    /// User who signed out, if it names one.
    pub subject: Option<&'c str>,
    /// Unique id of the token (`jti`).
    pub id: &'c str,
}

/// Returns whether a token has the type of logout tokens. With `untyped` it may also have that of other tokens.
#[must_use]
pub(crate) fn is_of_kind(token: &Unverified, untyped: bool) -> bool {
    token.is_of_kind(&[KIND]) || (untyped && token.is_of_kind(&["jwt"]))
}

/// Reads a verified token's claims other than issuer, audience and times.
///
/// # Errors
/// Returns [`BadToken`].
pub(crate) fn read(claims: &Claims) -> Result<SignedOut<'_>, BadToken> {
    // ID tokens have a nonce, and must not pass for logout tokens.
    if claims.contains_key("nonce") {
        return Err(BadToken("a nonce"));
    }
    match claims.get("events").and_then(Value::as_object) {
        Some(events) if events.get(EVENT).is_some_and(Value::is_object) => {}
        _ => return Err(BadToken("no logout event")),
    }
    let id = text(claims, "jti")?.filter(|id| !id.is_empty());
    let (sid, subject) = (text(claims, "sid")?, text(claims, "sub")?);
    if sid.is_none() && subject.is_none() {
        return Err(BadToken("neither sid nor sub"));
    }
    Ok(SignedOut {
        sid,
        subject,
        id: id.ok_or(BadToken("no jti"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(changes: &Value) -> Claims {
        let mut claims = json!({ "jti": "1", "sid": "s", "events": { EVENT: {} } });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut claims = claims.as_object().unwrap().clone();
        claims.retain(|_, value| !value.is_null());
        claims
    }

    #[test]
    fn logout_token_names_the_session_or_user() {
        let valid = claims(&json!({ "sub": "u" }));
        let expected = SignedOut {
            sid: Some("s"),
            subject: Some("u"),
            id: "1",
        };
        assert_eq!(read(&valid), Ok(expected));
    }

    #[test]
    fn invalid_logout_token_is_rejected() {
        for changes in [
            json!({ "nonce": "n" }),
            json!({ "events": {} }),
            json!({ "events": { EVENT: "x" } }),
            json!({ "events": { "other": {} } }),
            json!({ "events": null }),
            json!({ "sid": null }),
            json!({ "jti": null }),
            json!({ "sid": 1 }),
        ] {
            assert!(read(&claims(&changes)).is_err(), "{changes}");
        }
    }
}
