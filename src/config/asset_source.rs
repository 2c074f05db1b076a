//! Parses the source of a file that replaces one of the chat server's.

use serde_json::Value;
use thiserror::Error;

use super::object_macro::text;
use super::parse::{FromDocument, Reader};
use crate::encoding::json;
use crate::encoding::quoted;
use crate::http::request::Location;
use crate::tenant_id::TenantId;

/// Text that is no source of a file. A URL is not quoted, because it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ReplacementError {
    /// The text is not a URL that Vestibule may fetch.
    #[error(
        "use a URL such as https://cdn.example/logo.svg, or kv:NAME for a stored file: 1 to 128 letters, digits, ., _ and -"
    )]
    Url,
    /// The text after `kv:` is not a stored file's name.
    #[error(
        "{} is not the name of a stored file; use kv: and 1 to 128 letters, digits, ., _ and -", quoted(.0)
    )]
    Name(String),
}

/// Source of a file that a tenant serves in place of the chat server's: a URL, or `kv:` and the name of a file stored
/// with the tenants' documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replacement(String);

/// Prefix of a stored file's name.
const KEPT: &str = "kv:";

impl Replacement {
    fn parse(text: &str) -> Result<Self, ReplacementError> {
        match text.strip_prefix(KEPT) {
            None if !is_url(text) => Err(ReplacementError::Url),
            Some(name) if !is_name(name) => Err(ReplacementError::Name(name.to_owned())),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// Returns the source to request: the URL, or the document key, which no URL resembles.
    #[must_use]
    pub(crate) fn source(&self, tenant: &TenantId) -> String {
        match self.0.strip_prefix(KEPT) {
            Some(name) => ["asset:", tenant.as_str(), ":", name].concat(),
            None => self.0.clone(),
        }
    }
}

fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (1..=128).contains(&name.len()) && name.bytes().all(plain)
}

/// Returns whether the text is a URL to fetch. Plain http is for development on loopback only. `fetch` refuses URLs
/// with a password, so they are invalid.
fn is_url(text: &str) -> bool {
    let is_plain =
        text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains(['#', '\\', '"', '<', '>']);
    let Some(location) = Location::parse(text).filter(|_| is_plain) else {
        return false;
    };
    let Location {
        scheme,
        authority,
        target,
        ..
    } = location;
    !authority.is_empty()
        && text.len() == scheme.len() + "://".len() + authority.len() + target.len()
        && (scheme == "https" || location.is_plain_loopback())
}

text!(
    Replacement,
    "^(https?://[^/?#@\\\\ \"<>]+/[^#\\\\ \"<>]*|kv:[A-Za-z0-9._-]{1,128})$",
    Replacement::parse
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asset_source_is_a_url_or_a_stored_file() {
        for good in [
            "https://cdn.example/logo.svg?v=1",
            "https://cdn.example:8443/npm/pkg@1/x.css",
            "http://127.0.0.1:9000/x",
            "http://localhost/",
            "kv:logo-2.svg",
        ] {
            assert!(Replacement::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/logo.svg",
            "https://cdn.example",
            "https:///x",
            "http://cdn.example/x",
            "http://localhost.cdn.example/x",
            "http://localhost\\@cdn.example/x",
            "https://user:secret@cdn.example/x",
            "https://cdn.example/x#y",
            "https://cdn.example/x y",
            "https://cdn.example/x\ny",
            "https://cdn.example/\u{e9}",
            "ftp://cdn.example/x",
            "data:image/png;base64,AAAA",
            "kv:",
            "kv:a/b",
            "kv:globex:logo",
        ] {
            assert!(Replacement::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Replacement::parse(&format!("kv:{}", "x".repeat(129))).is_err());
    }

    #[test]
    fn stored_file_has_the_key_of_its_tenant() {
        let tenant = TenantId::parse("acme").unwrap();
        let source = |text| Replacement::parse(text).unwrap().source(&tenant);
        assert_eq!(source("kv:logo"), "asset:acme:logo");
        assert_eq!(source("https://a.example/x"), "https://a.example/x");
    }
}
