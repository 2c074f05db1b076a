//! A JSON Web Signature in compact form (RFC 7515), taken apart before it is verified.
//!
//! Authority for what is refused: RFC 8725 (JWT best practice). The algorithm must be one of a few
//! asymmetric ones; the header says which key, never where to find one.

use serde_json::{Map, Value};

pub(crate) use crate::effect::algorithm::Algorithm;

use thiserror::Error;

use crate::encoding;
use crate::http::json;

/// The longest token that is looked at.
pub(crate) const MAX_LENGTH: usize = 16 * 1024;

/// The longest key id.
const MAX_KEY_ID_LENGTH: usize = 128;

/// Why a token is not accepted; says so to the operator, and nothing of the token's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the token is not accepted: {0}")]
pub(crate) struct BadToken(pub &'static str);

/// A token whose signature nobody has verified yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unverified {
    /// How it says it was signed.
    pub algorithm: Algorithm,
    /// With which key, by its name among the issuer's.
    pub key_id: Option<String>,
    /// What kind of token it says it is, in lower case.
    pub kind: Option<String>,
    /// What it says. Not to be believed before the signature is verified.
    pub claims: Map<String, Value>,
    /// What was signed.
    pub input: String,
    /// The signature, as base64url.
    pub signature: String,
}

impl Unverified {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`BadToken`].
    pub(crate) fn parse(token: &str) -> Result<Self, BadToken> {
        if token.len() > MAX_LENGTH {
            return Err(BadToken("too long"));
        }
        // One more would be one too many.
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
        // What must be understood is not (RFC 7515 section 4.1.11, RFC 7797); and a token that brings
        // its key along, or says where there is one, has to be made by somebody else.
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

    /// Whether it says it is one of these kinds; one that says nothing is an ordinary JWT.
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
