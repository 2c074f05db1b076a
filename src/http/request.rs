//! Parses the request as the runtime passes it: method, URL and headers, in one packed text.
//!
//! The packed text has a line each for the method and the URL. Then it has two lines for every header: name and value.
//! The runtime allows no line break in these, lower-cases header names and joins repeated headers with `, `.

use std::rc::Rc;

use super::header_names::{CommonHeader, HeaderNames, KnownNames};
use super::host;
use super::network::Network;
use crate::split::{split, split_once};

/// Request, borrowed from its packed text.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    /// Method, as sent.
    pub method: &'a str,
    /// URL of the request.
    pub location: Location<'a>,
    /// Name and value of every header, in order.
    pub headers: Vec<(&'a str, &'a str)>,
    /// What the headers' names decide.
    pub names: Rc<HeaderNames>,
    /// Length of all names and values, in bytes.
    pub header_bytes: usize,
}

/// Absolute `http` or `https` URL, split into its parts. The runtime leaves the target as the client wrote it; see
/// [`canonical`](super::canonical::canonical).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location<'a> {
    /// Whole URL.
    pub href: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host, and the port unless it is the scheme's default.
    pub authority: &'a str,
    /// Path from the first `/`, without the query.
    pub path: &'a str,
    /// Path and query, forwarded byte for byte.
    pub target: &'a str,
    /// Whether the URL is known to have the form in which `fetch` sends it. If not,
    /// [`canonical`](super::canonical::canonical) must check.
    pub is_canonical: bool,
}

impl<'a> Request<'a> {
    /// Parses the packed text; `None` if it is malformed.
    #[must_use]
    pub(crate) fn parse(packed: &'a str) -> Option<Self> {
        Self::parse_with(packed, &mut KnownNames::default())
    }

    /// Parses the packed text like [`Self::parse`], and keeps what its headers' names decide.
    #[must_use]
    pub(crate) fn parse_with(packed: &'a str, known: &mut KnownNames) -> Option<Self> {
        let mut lines = split(packed, b'\n');
        let method = lines.next()?;
        let location = Location::parse(lines.next()?)?;
        let mut headers = Vec::with_capacity(24);
        let mut header_bytes = 0;
        while let Some(name) = lines.next() {
            let value = lines.next()?;
            header_bytes += name.len() + value.len();
            headers.push((name, value));
        }
        Some(Self {
            method,
            location,
            names: known.of(&headers),
            headers,
            header_bytes,
        })
    }

    /// Returns the request with another URL; unchanged if there is none or it is invalid.
    #[must_use]
    pub(crate) fn at(self, href: Option<&'a str>) -> Self {
        let location = href.and_then(Location::parse);
        Self {
            location: location.unwrap_or(self.location),
            ..self
        }
    }

    /// Marks the URL as checked: [`canonical`](super::canonical::canonical) found that `fetch` sends it unchanged.
    #[must_use]
    pub(crate) fn known_canonical(mut self) -> Self {
        self.location.is_canonical = true;
        self
    }

    /// Returns whether the request names one host, as HTTP requires (RFC 9112 section 3.2). The runtime joins several
    /// and builds a URL from the result.
    #[must_use]
    pub(crate) fn has_one_host(&self) -> bool {
        self.common(CommonHeader::Host)
            .is_none_or(host::is_authority)
            && host::is_authority(self.location.authority)
    }

    /// Returns the value of a header, by its lower-case name.
    #[must_use]
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        let at = self.names.position(name)?;
        self.headers.get(at).map(|(_, value)| *value)
    }

    /// Returns the value of one of the headers that nearly every request is asked for.
    #[must_use]
    pub(crate) fn common(&self, header: CommonHeader) -> Option<&'a str> {
        let at = self.names.position_of(header)?;
        self.headers.get(at).map(|(_, value)| *value)
    }

    /// Returns whether this is a WebSocket handshake (RFC 6455 section 4.1).
    #[must_use]
    pub(crate) fn is_websocket(&self) -> bool {
        self.common(CommonHeader::Upgrade)
            .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    }

    /// Returns whether a browser is opening a page. Only such a request may get a page or a redirect.
    #[must_use]
    pub(crate) fn is_navigation(&self) -> bool {
        if self.is_websocket() {
            return false;
        }
        match self.header("sec-fetch-mode") {
            Some(mode) => mode == "navigate",
            None => self
                .header("accept")
                .is_some_and(|accept| accept.contains("text/html")),
        }
    }

    /// Returns whether a browser requests a page for a frame (Fetch section 3.7.2, `Sec-Fetch-Dest`).
    #[must_use]
    pub(crate) fn is_framed(&self) -> bool {
        matches!(
            self.header("sec-fetch-dest"),
            Some("iframe" | "frame" | "embed" | "object")
        )
    }

    /// Returns whether the method is safe (RFC 9110 section 9.2.1), so that repeating the request is harmless.
    #[must_use]
    pub(crate) fn is_safe(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS")
    }

    /// Returns whether the request comes from a page of this site, or from none. Browsers send cookies even with
    /// requests that another site causes.
    #[must_use]
    pub(crate) fn is_same_site(&self) -> bool {
        match (self.header("sec-fetch-site"), self.header("origin")) {
            (Some(site), _) => matches!(site, "same-origin" | "none"),
            (None, Some(origin)) => self.location.is_origin(origin),
            (None, None) => true,
        }
    }

    /// Returns the client's address if it is trustworthy. Cloudflare sets this header on every https connection; on
    /// plain http the client may have set it.
    #[must_use]
    pub(crate) fn client_address(&self) -> Option<&'a str> {
        let address = self.common(CommonHeader::ClientAddress)?;
        let plain = |b: u8| b.is_ascii_hexdigit() || b == b'.' || b == b':';
        let plausible = !address.is_empty() && address.len() <= 45 && address.bytes().all(plain);
        (self.location.scheme == "https" && plausible).then_some(address)
    }

    /// Returns the client's network, for limits.
    #[must_use]
    pub(crate) fn client_network(&self) -> Network {
        Network::of(self.client_address())
    }
}

impl<'a> Location<'a> {
    /// Splits a URL; `None` if it is not `http(s)://authority/…`.
    #[must_use]
    pub(crate) fn parse(href: &'a str) -> Option<Self> {
        let (scheme, rest) = match href.strip_prefix("https://") {
            Some(rest) => ("https", rest),
            None => ("http", href.strip_prefix("http://")?),
        };
        let (authority, _) = split_once(rest, b'/')?;
        let target = rest.get(authority.len()..)?;
        let path = split_once(target, b'?').map_or(target, |(path, _)| path);
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        Some(Self {
            href,
            scheme,
            authority,
            path,
            target,
            is_canonical: false,
        })
    }

    /// Returns the query, without its `?`; empty if there is none.
    #[must_use]
    pub(crate) fn query(&self) -> &'a str {
        split_once(self.target, b'?').map_or("", |(_, query)| query)
    }

    /// Returns the port that the client used.
    #[must_use]
    pub(crate) fn port(&self) -> &'a str {
        let named = self.authority.rsplit_once(':').map(|(_, port)| port);
        // The colons of an IPv6 address are in brackets, and a port may be empty (RFC 3986 section 3.2.3).
        match named.filter(|port| !port.is_empty() && !port.ends_with(']')) {
            Some(port) => port,
            None if self.scheme == "https" => "443",
            None => "80",
        }
    }

    /// Returns whether this is plain http to a loopback host, as in local development.
    #[must_use]
    pub(crate) fn is_plain_loopback(&self) -> bool {
        if self.scheme != "http" {
            return false;
        }
        let host = match self.authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => self.authority.split(':').next().unwrap_or_default(),
        };
        let v4 = host
            .strip_prefix("127.")
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
        v4 || host == "::1" || host == "localhost" || host.ends_with(".localhost")
    }

    /// Returns whether an `Origin` header (RFC 6454 section 7) names this site.
    #[must_use]
    pub(crate) fn is_origin(&self, origin: &str) -> bool {
        origin.split_once("://").is_some_and(|(scheme, authority)| {
            scheme.eq_ignore_ascii_case(self.scheme)
                && authority.eq_ignore_ascii_case(self.authority)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_request_is_parsed() {
        let request =
            Request::parse("GET\nhttp://chat.example:8080/a/b?c=d\naccept\n*/*\nx\n").unwrap();
        assert_eq!(request.method, "GET");
        assert_eq!(request.location.authority, "chat.example:8080");
        assert_eq!(
            (request.location.path, request.location.target),
            ("/a/b", "/a/b?c=d")
        );
        assert_eq!(request.headers, [("accept", "*/*"), ("x", "")]);
        for broken in [
            "",
            "GET",
            "GET\nftp://a/",
            "GET\nhttp://a",
            "GET\nhttp://a/\nname",
        ] {
            assert!(Request::parse(broken).is_none(), "{broken:?}");
        }
    }

    #[test]
    fn port_is_the_named_one_or_the_schemes() {
        for (href, port) in [
            ("https://chat.example/", "443"),
            ("http://chat.example/:9/?a:9", "80"),
            ("http://chat.example:/", "80"),
            ("http://chat.example:8080/", "8080"),
            ("https://[::1]/", "443"),
            ("https://[::1]:8443/", "8443"),
        ] {
            assert_eq!(Location::parse(href).unwrap().port(), port, "{href}");
        }
    }

    #[test]
    fn loopback_is_recognised_by_name_and_address() {
        for (href, expected) in [
            ("http://localhost/", true),
            ("http://localhost:8787/", true),
            ("http://a.localhost/", true),
            ("http://127.0.0.1:1/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:8787/", true),
            ("https://localhost/", false),
            ("http://chat.example/", false),
            ("http://127.0.0.1.evil.example/", false),
            ("http://localhost.evil.example/", false),
            ("http://[2001:db8::1]/", false),
        ] {
            assert_eq!(
                Location::parse(href).unwrap().is_plain_loopback(),
                expected,
                "{href}"
            );
        }
    }

    #[test]
    fn navigation_is_distinguished_from_an_api_call() {
        let request = |headers: &str| {
            let packed = format!("GET\nhttp://a/{headers}");
            Request::parse(&packed).unwrap().is_navigation()
        };
        assert!(request("\nsec-fetch-mode\nnavigate"));
        assert!(request("\naccept\ntext/html,*/*"));
        assert!(!request("\naccept\ntext/html\nsec-fetch-mode\ncors"));
        assert!(!request("\naccept\n*/*"));
        assert!(!request("\naccept\ntext/html\nupgrade\nwebsocket"));
        assert!(!request(""));
    }

    #[test]
    fn client_address_header_is_ignored_on_plain_http() {
        let address = |href: &str, value: &str| {
            let packed = format!("GET\n{href}\ncf-connecting-ip\n{value}");
            Request::parse(&packed)
                .unwrap()
                .client_address()
                .map(str::to_owned)
        };
        assert_eq!(
            address("https://a/", "2001:db8::1").as_deref(),
            Some("2001:db8::1")
        );
        assert_eq!(address("http://a/", "192.0.2.1"), None);
        assert_eq!(address("https://a/", "192.0.2.1, 10.0.0.1"), None);
    }
}
