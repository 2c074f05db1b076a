//! Checks WebSocket handshakes (RFC 6455 section 4.2), because the runtime accepts malformed ones.
//!
//! Only the `Origin` check stops pages of other sites from opening a socket with the visitor's session: browsers send
//! cookies with it (cross-site WebSocket hijacking). Browsers always send `Origin`, so a handshake without one is
//! rejected too.

use thiserror::Error;

use crate::encoding;
use crate::http::request::Request;

/// Reason why a handshake is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadUpgrade {
    /// The method is not GET.
    #[error("a WebSocket handshake is a GET request")]
    Method,
    /// The version is not 13.
    #[error("a WebSocket handshake names version 13")]
    Version,
    /// The key is missing, or not 16 bytes in base64.
    #[error("a WebSocket handshake has a key of 16 bytes")]
    Key,
    /// `Origin` is missing, or is neither this site nor on the tenant's list.
    #[error("a WebSocket handshake comes from an allowed origin")]
    Origin,
}

/// Checks the handshake of a request that [`Request::is_websocket`].
///
/// # Errors
/// Returns [`BadUpgrade`] for the first fault.
pub(crate) fn check(request: &Request<'_>, allowed_origins: &[String]) -> Result<(), BadUpgrade> {
    if request.method != "GET" {
        return Err(BadUpgrade::Method);
    }
    if request.header("sec-websocket-version") != Some("13") {
        return Err(BadUpgrade::Version);
    }
    if !request.header("sec-websocket-key").is_some_and(is_key) {
        return Err(BadUpgrade::Key);
    }
    let origin = request.header("origin").ok_or(BadUpgrade::Origin)?;
    let allowed = allowed_origins
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(origin));
    if request.location.is_origin(origin) || allowed {
        Ok(())
    } else {
        Err(BadUpgrade::Origin)
    }
}

/// Returns whether the text is 16 bytes in padded base64: 22 characters and `==`.
fn is_key(key: &str) -> bool {
    let url_safe = key.replace('+', "-").replace('/', "_");
    // Ignores the two low bits of the last character, because some clients do not zero them.
    url_safe.strip_suffix("==").is_some_and(|text| {
        text.len() == 22
            && text
                .get(..20)
                .is_some_and(|head| encoding::from_base64url_exact::<15>(head).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(change: (&str, Option<&str>), allowed: &[&str]) -> Result<(), BadUpgrade> {
        let mut method = "GET";
        let mut headers = vec![
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("origin", "https://chat.example"),
        ];
        match change {
            ("method", Some(value)) => method = value,
            (name, value) => {
                headers.retain(|(other, _)| *other != name);
                headers.extend(value.map(|value| (name, value)));
            }
        }
        let mut packed = format!("{method}\nhttps://chat.example/ws");
        for (name, value) in headers {
            packed.push_str(&format!("\n{name}\n{value}"));
        }
        let allowed: Vec<String> = allowed.iter().map(|origin| (*origin).to_owned()).collect();
        check(&Request::parse(&packed).unwrap(), &allowed)
    }

    #[test]
    fn same_origin_handshake_is_accepted() {
        assert_eq!(verdict(("x", None), &[]), Ok(()));
        assert_eq!(
            verdict(("origin", Some("HTTPS://Chat.Example")), &[]),
            Ok(())
        );
    }

    #[test]
    fn cross_origin_handshake_is_rejected_unless_listed() {
        for origin in [
            None,
            Some("null"),
            Some(""),
            Some("http://chat.example"),
            Some("https://chat.example:8443"),
            Some("https://chat.example.evil.example"),
            Some("https://evil.example/https://chat.example"),
            Some("https://achat.example"),
        ] {
            assert_eq!(
                verdict(("origin", origin), &[]),
                Err(BadUpgrade::Origin),
                "{origin:?}"
            );
        }
        assert_eq!(
            verdict(
                ("origin", Some("https://shop.example")),
                &["https://shop.example"]
            ),
            Ok(())
        );
    }

    #[test]
    fn malformed_handshake_is_rejected_with_a_reason() {
        assert_eq!(
            verdict(("method", Some("POST")), &[]),
            Err(BadUpgrade::Method)
        );
        assert_eq!(
            verdict(("sec-websocket-version", Some("8")), &[]),
            Err(BadUpgrade::Version)
        );
        assert_eq!(
            verdict(("sec-websocket-version", None), &[]),
            Err(BadUpgrade::Version)
        );
        for key in [
            None,
            Some(""),
            Some("c2hvcnQ="),
            Some("dGhlIHNhbXBsZSBub25jZQ"),
            Some("dGhlIHNhbXBsZSB!b25jZQ=="),
        ] {
            assert_eq!(
                verdict(("sec-websocket-key", key), &[]),
                Err(BadUpgrade::Key),
                "{key:?}"
            );
        }
    }
}
