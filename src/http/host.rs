//! Parses a request's host, and matches it with tenants' host patterns.

use thiserror::Error;

use super::qualifier::is_qualifier;
use crate::encoding::quoted;

/// Maximum number of labels for which wildcards are tried.
const MAX_LABELS: usize = 8;

/// Host in its form for comparison: lower case, without port and final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host(String);

impl Host {
    /// Normalises the authority of a URL. Returns `None` for a name or address that no tenant can use.
    #[must_use]
    pub(crate) fn canonical(authority: &str) -> Option<Self> {
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        is_name(&host).then_some(Self(host))
    }

    /// Returns the host as text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the patterns that match this host, the most specific first: itself, then wildcards from the longest
    /// suffix to the shortest.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = String> {
        let dots = self.0.match_indices('.').take(MAX_LABELS);
        let wildcards = dots.map(|(at, _)| format!("*{}", self.0.get(at..).unwrap_or_default()));
        core::iter::once(self.0.clone()).chain(wildcards)
    }
}

/// Host pattern of a tenant: a host, or a wildcard for everything below one. A [qualifier](super::qualifier) may
/// follow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HostPattern(String);

/// Text that is not a host pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{} is not a host; use one such as chat.example.com in lower case, without port, or *.example.com; with TENANT_BY also chat.example.com/acme", quoted(.0)
)]
pub(crate) struct HostPatternError(String);

impl HostPattern {
    /// Parses a pattern. Names in other scripts use their DNS form (`xn--…`).
    ///
    /// # Errors
    /// Returns an error that gives the valid form.
    pub(crate) fn parse(text: &str) -> Result<Self, HostPatternError> {
        let (host, qualifier) = split(text);
        let name = host.strip_prefix("*.").unwrap_or(host);
        if is_name(name) && is_qualifier(qualifier) {
            Ok(Self(text.to_owned()))
        } else {
            Err(HostPatternError(text.to_owned()))
        }
    }

    /// Returns the pattern as text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the qualifier behind the host; empty if there is none.
    #[must_use]
    pub(crate) fn qualifier(&self) -> &str {
        split(&self.0).1
    }

    /// Returns whether the pattern matches a request with this host and these qualifiers.
    #[must_use]
    pub(crate) fn selects(&self, host: &Host, qualifiers: &[String]) -> bool {
        let own = self.qualifier();
        self.means(host) && (own.is_empty() || qualifiers.iter().any(|other| other == own))
    }

    /// Returns whether the pattern matches this host, under any qualifier.
    #[must_use]
    pub(crate) fn means(&self, host: &Host) -> bool {
        let own = split(&self.0).0;
        match own.strip_prefix('*') {
            Some(suffix) => host.0.len() > suffix.len() && host.0.ends_with(suffix),
            None => own == host.0,
        }
    }
}

/// Splits a pattern into its host and its qualifier.
fn split(pattern: &str) -> (&str, &str) {
    let at = pattern.find(['/', ';']).unwrap_or(pattern.len());
    pattern.split_at_checked(at).unwrap_or_default()
}

/// Returns whether a text is one host with an optional port, as `Host` requires (RFC 9110 section 7.2): no list, no
/// path, no user. It does not check that the name exists.
#[must_use]
pub(crate) fn is_authority(text: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let is_address = |b: u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
    let (is_host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (!address.is_empty() && address.bytes().all(is_address), port),
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (name, port) = text.split_at_checked(end).unwrap_or_default();
            (!name.is_empty() && name.bytes().all(is_name), port)
        }
    };
    let is_port = port.strip_prefix(':').map_or(port.is_empty(), |port| {
        port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())
    });
    is_host && is_port
}

fn is_name(host: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    host.len() <= 253 && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_compared_without_port_final_dot_and_case() {
        for (authority, expected) in [
            ("Acme.Example:8787", Some("acme.example")),
            ("acme.example.", Some("acme.example")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]:80", None),
            ("a_b", None),
            ("a..b", None),
            ("", None),
            ("acme.example:80:90", None),
        ] {
            let host = Host::canonical(authority);
            assert_eq!(host.as_ref().map(Host::as_str), expected, "{authority}");
        }
    }

    #[test]
    fn authority_is_one_host_with_an_optional_port() {
        for good in [
            "a",
            "chat.example",
            "Chat.Example.:8787",
            "my_app:80",
            "xn--bcher-kva.example",
            "127.0.0.1:80",
            "[::1]",
            "[2001:db8::1]:8787",
            "a:",
        ] {
            assert!(is_authority(good), "{good}");
        }
        for bad in [
            "",
            ":80",
            "chat.example, evil",
            "chat.example,evil",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "user@a",
            "%61",
            "a:80:90",
            "a:999999",
            "a:x",
            "[::1",
            "[]",
            "[::1]x",
            "[x]",
            "b\u{fc}cher.example",
            "a\tb",
        ] {
            assert!(!is_authority(bad), "{bad}");
        }
    }

    #[test]
    fn host_pattern_comes_before_its_suffixes() {
        let host = Host::canonical("a.b.example").unwrap();
        let patterns: Vec<String> = host.patterns().collect();
        assert_eq!(patterns, ["a.b.example", "*.b.example", "*.example"]);
        let deep = Host::canonical(&"a.".repeat(30)).unwrap();
        assert_eq!(deep.patterns().count(), 9);
    }

    #[test]
    fn host_pattern_matches() {
        let host = |text| Host::canonical(text).unwrap();
        let claim = |text| HostPattern::parse(text).unwrap();
        assert!(claim("a.example").means(&host("a.example")));
        assert!(!claim("a.example").means(&host("b.a.example")));
        assert!(claim("*.example").means(&host("b.a.example")));
        assert!(!claim("*.example").means(&host("example")));
        assert!(!claim("*.example").means(&host("badexample")));
        assert!(claim("a.example/acme").means(&host("a.example")));
        assert!(claim("*.example;gold").means(&host("a.example")));
        assert_eq!(claim("*.example/acme;gold").qualifier(), "/acme;gold");
        assert_eq!(claim("*.example").qualifier(), "");
    }

    #[test]
    fn pattern_is_a_name_or_a_wildcard_suffix() {
        for good in [
            "a",
            "chat.example.com",
            "*.example.com",
            "xn--bcher-kva.example",
            "chat.example.com/acme",
            "*.example.com/acme;gold",
        ] {
            assert!(HostPattern::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "*.",
            "a.*.b",
            "A.b",
            "a:80",
            "https://a",
            "bücher.example",
            "a/",
            "a/b/c",
            "a/B",
            "/acme",
        ] {
            let error = HostPatternError(bad.to_owned());
            assert_eq!(HostPattern::parse(bad), Err(error), "{bad}");
        }
    }
}
