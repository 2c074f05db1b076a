//! Parses an OpenID provider's discovery document (OpenID Connect Discovery 1.0).

use serde_json::Value;
use thiserror::Error;

use crate::http::request::Location;

/// Maximum length of a discovery document, in bytes.
pub(crate) const LARGEST: usize = 64 * 1024;

/// Metadata that Vestibule uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// URL at which users sign in.
    pub authorization_endpoint: String,
    /// URL at which codes are exchanged.
    pub token_endpoint: String,
    /// URL of the key set.
    pub jwks_uri: String,
    /// URL of further claims.
    pub userinfo_endpoint: Option<String>,
    /// URL at which users sign out.
    pub end_session_endpoint: Option<String>,
    /// Whether every authorization response contains the issuer (RFC 9207).
    pub names_itself: bool,
}

/// Reason why a discovery document is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the discovery document is not used: {0}")]
pub(crate) struct BadMetadata(pub &'static str);

/// Returns the URL of an issuer's discovery document.
#[must_use]
pub(crate) fn discovery_url(issuer: &str) -> String {
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    format!("{issuer}/.well-known/openid-configuration")
}

/// Returns whether requests to this URL are confidential: https, or plain http to loopback.
#[must_use]
pub(crate) fn is_confidential(url: &str) -> bool {
    let with_path = format!("{url}/");
    let location = Location::parse(&with_path);
    url.bytes().all(|b| b.is_ascii_graphic())
        && !url.contains(['\\', '@', '#'])
        && location
            .is_some_and(|location| location.scheme == "https" || location.is_plain_loopback())
}

impl Metadata {
    /// Parses the document of `issuer`.
    ///
    /// # Errors
    /// Returns [`BadMetadata`].
    pub(crate) fn parse(text: &str, issuer: &str) -> Result<Self, BadMetadata> {
        let document: Value =
            serde_json::from_str(text).map_err(|_| BadMetadata("it is not JSON"))?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        // Section 4.3: the issuers must be equal, or any provider could impersonate another.
        if text("issuer") != Some(issuer) {
            return Err(BadMetadata("it is another issuer's"));
        }
        let endpoint = |name: &str| match text(name) {
            Some(url) if !is_confidential(url) => {
                Err(BadMetadata("an endpoint of it is not https"))
            }
            url => Ok(url.map(str::to_owned)),
        };
        let needed = |name: &str| endpoint(name)?.ok_or(BadMetadata("an endpoint is missing"));
        Ok(Self {
            authorization_endpoint: needed("authorization_endpoint")?,
            token_endpoint: needed("token_endpoint")?,
            jwks_uri: needed("jwks_uri")?,
            userinfo_endpoint: endpoint("userinfo_endpoint")?,
            end_session_endpoint: endpoint("end_session_endpoint")?,
            names_itself: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "issuer": "https://id.example",
            "authorization_endpoint": "https://id.example/auth",
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://id.example/jwks",
            "authorization_response_iss_parameter_supported": true,
        })
    }

    #[test]
    fn discovery_document_is_parsed() {
        let read = Metadata::parse(&document().to_string(), "https://id.example").unwrap();
        assert!(read.names_itself);
        assert_eq!(read.end_session_endpoint, None);
        assert_eq!(
            discovery_url("https://id.example/realms/a/"),
            "https://id.example/realms/a/.well-known/openid-configuration"
        );
    }

    #[test]
    fn discovery_document_of_another_issuer_or_with_insecure_urls_is_rejected() {
        for (name, value) in [
            ("issuer", json!("https://id.example/")),
            ("issuer", json!("https://evil.example")),
            ("token_endpoint", json!("http://id.example/token")),
            ("token_endpoint", json!("https://user@id.example/token")),
            ("jwks_uri", json!("file:///etc/passwd")),
            ("authorization_endpoint", Value::Null),
            ("end_session_endpoint", json!("javascript:alert(1)")),
        ] {
            let mut document = document();
            document[name] = value;
            assert!(
                Metadata::parse(&document.to_string(), "https://id.example").is_err(),
                "{name}"
            );
        }
        assert!(Metadata::parse("<html>", "https://id.example").is_err());
    }

    #[test]
    fn plain_http_is_accepted_on_loopback_only() {
        assert!(is_confidential("http://127.0.0.1:8080/x"));
        assert!(is_confidential("http://localhost:1"));
        assert!(!is_confidential("http://10.0.0.1/"));
        assert!(!is_confidential("http://localhost.evil.example/"));
    }
}
