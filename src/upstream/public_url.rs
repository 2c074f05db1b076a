//! Rewrites URLs that name an origin, or this site over plain http, to the site's public URL.
//!
//! An origin may build URLs from the `Host` or scheme of its own connection; clients would then bypass Vestibule. URLs
//! are compared by RFC 3986 section 6, and by browsers' parsing where that is more lenient.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::balancer::pools::Pools;

/// Public address of the site, and the origins to hide.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    /// `https` or `http`.
    pub scheme: &'a str,
    /// Host, with the port unless it is the scheme's default.
    pub authority: &'a str,
    /// Origins; a URL may name any of them.
    pub origins: &'a Pools,
}

/// Scheme, host and port of a URL, and the rest.
struct ParsedUrl<'a> {
    /// Scheme; `None` if it is that of the referring document.
    is_https: Option<bool>,
    host: Cow<'a, str>,
    /// Port; `None` for the scheme's default.
    port: Option<u16>,
    rest: &'a str,
}

impl Site<'_> {
    /// Returns the public form of `url`, or `None` if it stays unchanged.
    #[must_use]
    #[inline(never)]
    pub(crate) fn made_public(&self, url: &str) -> Option<String> {
        let parsed = ParsedUrl::parse(url, self.scheme == "https")?;
        if !self.is_origin(&parsed) && !self.is_itself_in_clear(&parsed) {
            return None;
        }
        let public = [self.scheme, "://", self.authority, parsed.rest].concat();
        (public != url).then_some(public)
    }

    /// Rewrites the URL in a `Refresh` header (HTML section 4.2.5.3). Returns `None` if it stays unchanged.
    #[must_use]
    #[inline(never)]
    pub(crate) fn made_public_in_refresh(&self, value: &str) -> Option<String> {
        let is_space = |c: char| c.is_ascii_whitespace();
        let after_time = value
            .trim_start_matches(is_space)
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
            .trim_start_matches(is_space);
        let text = after_time
            .strip_prefix([';', ','])
            .unwrap_or(after_time)
            .trim_start_matches(is_space);
        let url = after_word(text, "url").unwrap_or(text);
        let url = match url.chars().next() {
            Some(quote @ ('"' | '\'')) => url
                .get(1..)
                .and_then(|quoted| quoted.split(quote).next())
                .unwrap_or_default(),
            _ => url.trim_end_matches(is_space),
        };
        let public = self.made_public(url)?;
        let at = url.as_ptr().addr() - value.as_ptr().addr();
        let (before, after) = (value.get(..at)?, value.get(at + url.len()..)?);
        Some([before, &public, after].concat())
    }

    /// Rewrites the targets in a `Link` header (RFC 8288 section 3). Returns `None` if all stay unchanged.
    #[must_use]
    #[inline(never)]
    pub(crate) fn made_public_in_links(&self, value: &str) -> Option<String> {
        let mut changed: Option<String> = None;
        let mut copied = 0;
        let mut at = 0;
        while let Some(rest) = value.get(at..).filter(|rest| !rest.is_empty()) {
            match rest.as_bytes().first() {
                Some(b'<') => {
                    let length = rest.find('>').unwrap_or(rest.len());
                    let target = rest.get(1..length).unwrap_or_default();
                    if let Some(public) = self.made_public(target) {
                        let text = changed.get_or_insert_default();
                        text.push_str(value.get(copied..=at).unwrap_or_default());
                        text.push_str(&public);
                        copied = at + length;
                    }
                    at += length;
                }
                Some(b'"') => at += quoted(rest),
                _ => at += rest.find(['<', '"']).unwrap_or(rest.len()),
            }
            // Skip the `>`, or the end of a quoted string.
            if let Some(b'>') = value.as_bytes().get(at) {
                at += 1;
            }
        }
        let mut text = changed?;
        text.push_str(value.get(copied..).unwrap_or_default());
        Some(text)
    }

    /// Rewrites a `Set-Cookie` line whose `Domain` browsers would reject: an origin's host or a parent of it that is no
    /// parent of this site. The domain becomes this site's host, or is removed if the host cannot be a `Domain`.
    /// Returns `None` if the line stays unchanged.
    #[must_use]
    #[inline(never)]
    pub(crate) fn made_public_in_cookie(&self, line: &str) -> Option<String> {
        let is_domain = |part: &&str| domain_in(part).is_some_and(|host| self.is_foreign(host));
        if !line.split(';').skip(1).any(|part| is_domain(&part)) {
            return None;
        }
        let host = host_of(self.authority);
        let mut parts: Vec<Cow<'_, str>> = Vec::new();
        for (at, part) in line.split(';').enumerate() {
            match domain_in(part) {
                Some(_) if at > 0 && is_domain(&part) => {
                    if is_registrable(&host) {
                        parts.push(format!(" Domain={host}").into());
                    }
                }
                _ => parts.push(part.into()),
            }
        }
        Some(parts.join(";"))
    }

    fn is_origin(&self, parsed: &ParsedUrl<'_>) -> bool {
        let mut bases = self
            .origins
            .origins()
            .filter_map(|origin| ParsedUrl::of_base(&origin.base));
        bases.any(|base| base.host == parsed.host && self.is_port_of(parsed, &base))
    }

    /// Returns whether a URL has an origin's port. The origin may assume another scheme than that of its connection.
    fn is_port_of(&self, parsed: &ParsedUrl<'_>, base: &ParsedUrl<'_>) -> bool {
        let is_https = parsed.is_https.unwrap_or(self.scheme == "https");
        let origin = base.effective_port(false);
        match parsed.port {
            None => base.is_at_default() || default_port(is_https) == origin,
            Some(port) => {
                port == origin || (base.is_at_default() && port == default_port(is_https))
            }
        }
    }

    /// Returns whether a URL names this site by `http` although the client used `https`. The reverse may be intended.
    fn is_itself_in_clear(&self, parsed: &ParsedUrl<'_>) -> bool {
        if self.scheme != "https" || parsed.is_https != Some(false) {
            return false;
        }
        let Some(own) = ParsedUrl::parse_authority(Some(true), self.authority) else {
            return false;
        };
        own.host == parsed.host
            && match parsed.port {
                None | Some(80) => true,
                Some(port) => own.effective_port(true) == port,
            }
    }

    /// Returns whether only an origin, and not this site, could set a cookie for a domain.
    fn is_foreign(&self, domain: &str) -> bool {
        let domain = normal_host(domain.strip_prefix('.').unwrap_or(domain));
        if domain.is_empty() || is_at_or_below(&host_of(self.authority), &domain) {
            return false;
        }
        let bases = self.origins.origins();
        bases
            .filter_map(|origin| ParsedUrl::of_base(&origin.base))
            .any(|base| is_at_or_below(&base.host, &domain))
    }
}

impl<'a> ParsedUrl<'a> {
    /// Parses an absolute or scheme-relative URL; returns `None` for any other. `from_https` is the scheme of the
    /// referring page.
    fn parse(url: &'a str, from_https: bool) -> Option<Self> {
        let url = url.trim_start_matches(|c: char| c <= ' ');
        let (is_https, rest) = if let Some(rest) = after_scheme(url, "https:") {
            (Some(true), rest)
        } else if let Some(rest) = after_scheme(url, "http:") {
            (Some(false), rest)
        } else {
            (None, url)
        };
        // Browsers treat `\` as a slash and any number of slashes as two. With none or one the URL is absolute only
        // after a different scheme.
        let is_slash = ['/', '\\'];
        let authority = rest.trim_start_matches(is_slash);
        let slashes = rest.len() - authority.len();
        let is_other = is_https.is_some_and(|is_https| is_https != from_https);
        (slashes > 1 || is_other).then(|| Self::parse_authority(is_https, authority))?
    }

    fn of_base(base: &'a str) -> Option<Self> {
        let (scheme, authority) = base.split_once("://")?;
        Self::parse_authority(Some(scheme == "https"), authority)
    }

    fn parse_authority(is_https: Option<bool>, text: &'a str) -> Option<Self> {
        let end = text.find(['/', '\\', '?', '#']).unwrap_or(text.len());
        let (authority, rest) = text.split_at_checked(end)?;
        let (_, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (place, ""),
        };
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        let host = normal_host(host);
        (!host.is_empty()).then_some(Self {
            is_https,
            host,
            port,
            rest,
        })
    }

    fn effective_port(&self, is_https: bool) -> u16 {
        self.port
            .unwrap_or_else(|| default_port(self.is_https.unwrap_or(is_https)))
    }

    fn is_at_default(&self) -> bool {
        let default = default_port(self.is_https.unwrap_or_default());
        self.port.is_none_or(|port| port == default)
    }
}

fn default_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

fn after_scheme<'a>(url: &'a str, scheme: &str) -> Option<&'a str> {
    let (prefix, rest) = url.split_at_checked(scheme.len())?;
    prefix.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Returns the text after `word =`, with any white space around the `=`.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = after_scheme(text, word)?.trim_start();
    rest.strip_prefix('=').map(str::trim_start)
}

/// Returns the length of a quoted string with its quotes (RFC 9110 section 5.6.4).
fn quoted(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, b) in text.bytes().enumerate().skip(1) {
        match b {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Normalises a host for comparison: lower case, without needless escapes or the root's dot, IPv6 in its shortest form.
fn normal_host(host: &str) -> Cow<'_, str> {
    if let Some(address) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return match address.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]").into(),
            Err(_) => host.into(),
        };
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_plain = |b: u8| !b.is_ascii_uppercase() && b != b'%';
    if host.bytes().all(is_plain) {
        return host.into();
    }
    let mut plain = String::with_capacity(host.len());
    let mut rest = host;
    while let Some(first) = rest.chars().next() {
        let escape = rest.get(1..3).filter(|_| first == '%');
        let byte = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(u8::is_ascii) {
            Some(byte) => {
                plain.push(char::from(byte).to_ascii_lowercase());
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(first.to_ascii_lowercase());
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    plain.into()
}

fn host_of(authority: &str) -> Cow<'_, str> {
    ParsedUrl::parse_authority(None, authority).map_or_else(Cow::default, |parsed| parsed.host)
}

/// Returns the value of a `Domain` attribute.
fn domain_in(part: &str) -> Option<&str> {
    let (name, value) = part.split_once('=')?;
    let is_domain = name.trim().eq_ignore_ascii_case("domain");
    is_domain.then(|| value.trim())
}

/// Returns whether a host equals a domain or is below it; an address has nothing below it (RFC 6265 section 5.1.3).
fn is_at_or_below(host: &str, domain: &str) -> bool {
    host == domain
        || (!is_address(host)
            && host
                .strip_suffix(domain)
                .is_some_and(|below| below.ends_with('.')))
}

fn is_address(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok() || host.parse::<Ipv4Addr>().is_ok()
}

/// Returns whether browsers accept a host as `Domain`: a name below another one.
fn is_registrable(host: &str) -> bool {
    host.contains('.') && !is_address(host)
}

#[cfg(test)]
mod tests;
