//! Checks logout tokens: a provider's statement that a user signed out (OpenID Connect Back-Channel Logout 1.0 section
//! 2.6).

use serde_json::Value;

use crate::auth::claims::{Claims, text};
use crate::auth::jws::{BadToken, Unverified};

/// The event it must tell of.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What a provider says it is.
const KIND: &str = "logout+jwt";

/// Who signed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedOut<'c> {
    /// Of this sign-in only.
    pub sid: Option<&'c str>,
    /// This user.
    pub subject: Option<&'c str>,
    /// Tells the token from others.
    pub id: &'c str,
}

/// Whether a token says it is a logout token; one that says nothing of the kind passes where a
/// provider is known to send such.
#[must_use]
pub(crate) fn is_of_kind(token: &Unverified, untyped: bool) -> bool {
    token.is_of_kind(&[KIND]) || (untyped && token.is_of_kind(&["jwt"]))
}

/// Reads what a verified token says besides issuer, audience and times.
///
/// # Errors
/// [`BadToken`].
pub(crate) fn read(claims: &Claims) -> Result<SignedOut<'_>, BadToken> {
    // An ID token has one: none must pass for this.
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
        let told = claims(&json!({ "sub": "u" }));
        let expected = SignedOut {
            sid: Some("s"),
            subject: Some("u"),
            id: "1",
        };
        assert_eq!(read(&told), Ok(expected));
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
