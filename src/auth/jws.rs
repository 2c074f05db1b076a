//! Parses JSON Web Signatures in compact form (RFC 7515), before their verification.
//!
//! RFC 8725 (JWT best practice) decides what is rejected. The algorithm must be one of a few asymmetric ones. The
//! header may name a key, but not a place to find one.

use serde_json::{Map, Value};

pub(crate) use crate::effect::algorithm::Algorithm;

use thiserror::Error;

use crate::encoding;
use crate::http::json;

/// Maximum length of a token, in bytes.
pub(crate) const MAX_LENGTH: usize = 16 * 1024;

/// Maximum length of a key id, in bytes.
const MAX_KEY_ID_LENGTH: usize = 128;

/// Reason why a token is rejected, for the operator. Contains nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the token is not accepted: {0}")]
pub(crate) struct BadToken(pub &'static str);

/// Token whose signature is not verified yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unverified {
    /// Signature algorithm from its header.
    pub algorithm: Algorithm,
    /// Id of the issuer's key, if it has one.
    pub key_id: Option<String>,
    /// Type from its header, in lower case.
    pub kind: Option<String>,
    /// Claims; untrusted until the signature is verified.
    pub claims: Map<String, Value>,
    /// Signed text.
    pub input: String,
    /// Signature, as base64url.
    pub signature: String,
}

impl Unverified {
    /// Parses a token.
    ///
    /// # Errors
    /// Returns [`BadToken`].
    pub(crate) fn parse(token: &str) -> Result<Self, BadToken> {
        if token.len() > MAX_LENGTH {
            return Err(BadToken("too long"));
        }
        // A fourth part makes the token invalid.
        let parts: Vec<&str> = token.splitn(4, '.').collect();
        let [header, payload, signature] = parts[..] else {
            return Err(BadToken("not three parts"));
        };
        let input = format!("{header}.{payload}");
        let header = object(header).ok_or(BadToken("no header"))?;
        let claims = object(payload).ok_or(BadToken("no claims"))?;
        if signature.is_empty() || encoding::from_base64url(signature).is_none() {
            return Err(BadToken("no signature"));
        }
        // Critical extensions are not supported (RFC 7515 section 4.1.11, RFC 7797). A header with its own key, or a
        // link to one, proves nothing about the issuer.
        for name in ["crit", "b64", "jwk", "jku", "x5u"] {
            if header.contains_key(name) {
                return Err(BadToken("a header that is not accepted"));
            }
        }
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(BadToken("a header that is no text")),
        };
        let algorithm = text("alg")?
            .and_then(Algorithm::parse)
            .ok_or(BadToken("an algorithm that is not accepted"))?;
        let key_id = text("kid")?.map(str::to_owned);
        if key_id
            .as_ref()
            .is_some_and(|id| id.len() > MAX_KEY_ID_LENGTH)
        {
            return Err(BadToken("a key id that is too long"));
        }
        Ok(Self {
            algorithm,
            key_id,
            kind: text("typ")?.map(str::to_ascii_lowercase),
            claims,
            input,
            signature: signature.to_owned(),
        })
    }

    /// Returns whether the token has one of these types; a token without a type is a `jwt`.
    #[must_use]
    pub(crate) fn is_of_kind(&self, kinds: &[&str]) -> bool {
        kinds.contains(&self.kind.as_deref().unwrap_or("jwt"))
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = encoding::from_base64url(part)?;
    match json::strict(
        core::str::from_utf8(&bytes).ok()?,
        json::MAX_UNAUTHENTICATED_LENGTH,
    )? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(header: &str, claims: &str) -> String {
        let part = |text: &str| encoding::base64url(text.as_bytes());
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    #[test]
    fn token_is_parsed() {
        let text = token(
            r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#,
            r#"{"sub":"u"}"#,
        );
        let read = Unverified::parse(&text).unwrap();
        assert_eq!(read.algorithm, Algorithm::Es256);
        assert_eq!(read.key_id.as_deref(), Some("k1"));
        assert!(read.is_of_kind(&["jwt"]) && !read.is_of_kind(&["logout+jwt"]));
        assert_eq!(read.claims["sub"], "u");
        assert_eq!(format!("{}.c2ln", read.input), text);
    }

    #[test]
    fn malformed_token_is_rejected_before_keys_are_fetched() {
        let claims = r#"{"sub":"u"}"#;
        let long = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(129));
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"RS384"}"#,
            r#"{"alg":1}"#,
            "{}",
            r#"{"alg":"RS256","crit":["exp"]}"#,
            r#"{"alg":"RS256","b64":false}"#,
            r#"{"alg":"RS256","jku":"https://evil.example"}"#,
            r#"{"alg":"RS256","x5u":"https://evil.example"}"#,
            r#"{"alg":"RS256","jwk":{}}"#,
            r#"{"alg":"RS256","kid":{}}"#,
            r#"{"alg":"RS256","alg":"none"}"#,
            long.as_str(),
        ] {
            assert!(
                Unverified::parse(&token(header, claims)).is_err(),
                "{header}"
            );
        }
        let good = token(r#"{"alg":"RS256"}"#, claims);
        assert!(Unverified::parse(&good).is_ok());
        let unsigned = good.trim_end_matches("c2ln");
        for bad in [
            "",
            "..",
            "a.b",
            unsigned,
            &format!("{good}.x.y"),
            &format!("{good}="),
            &token(r#"{"alg":"RS256"}"#, "[]"),
            &token(r#"{"alg":"RS256"}"#, r#"{"sub":"a","sub":"b"}"#),
            &"a".repeat(MAX_LENGTH + 1),
        ] {
            assert!(Unverified::parse(bad).is_err(), "{bad:.40}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text: String) {
            let _ = Unverified::parse(&text);
        }
    }
}
