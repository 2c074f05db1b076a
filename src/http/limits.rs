//! Checks limits on a request before anything parses it.

use thiserror::Error;

use crate::http::header_names::CommonHeader;
use crate::http::request::{Location, Request};
use crate::split;

/// Maximum length of a URL, in bytes.
const URL_BYTES: usize = 16 * 1024;
/// Maximum length of a path with escapes, in bytes, because it is decoded several times. By default nginx and Apache
/// accept no longer request line.
const ESCAPED_PATH_BYTES: usize = 8 * 1024;
/// Maximum length of all header names and values together, in bytes.
const HEADER_BYTES: usize = 64 * 1024;
/// Maximum length of a header's value, in bytes.
const VALUE_BYTES: usize = 16 * 1024;
/// Maximum length of a header's name, in bytes.
const NAME_BYTES: usize = 256;
/// Maximum number of headers.
const HEADER_COUNT: usize = 256;
/// Maximum number of cookies: what browsers keep per site.
const COOKIE_COUNT: usize = 180;

/// Maximum number of headers that `Connection` may name.
const CONNECTION_COUNT: usize = HEADER_COUNT;

/// Limit that a request exceeds, or feature that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Excess {
    /// The URL is too long, or its path with escapes is.
    #[error("the URL is too long")]
    Url,
    /// The headers are too many or too large.
    #[error("the headers are too many or too large")]
    Headers,
    /// The request has both `Content-Length` and `Transfer-Encoding`: two readers could disagree on where the body
    /// ends (RFC 9112 section 6.1).
    #[error("the request has both Content-Length and Transfer-Encoding")]
    Framing,
    /// The method is not forwarded.
    #[error("the method is not forwarded")]
    Method,
}

/// Methods that are forwarded; the value of `Allow`.
pub(crate) const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Returns whether the URL is too long.
#[must_use]
pub(crate) fn is_too_long(location: &Location<'_>) -> bool {
    location.href.len() > URL_BYTES
        || (location.path.len() > ESCAPED_PATH_BYTES && location.path.contains('%'))
}

/// Checks a request.
///
/// # Errors
/// Returns the first [`Excess`] found.
pub(crate) fn check(request: &Request<'_>) -> Result<(), Excess> {
    // TRACE would return our headers to a page; CONNECT has no meaning for an application.
    if matches!(request.method, "TRACE" | "CONNECT") {
        return Err(Excess::Method);
    }
    if is_too_long(&request.location) {
        return Err(Excess::Url);
    }
    if are_excessive(request) {
        return Err(Excess::Headers);
    }
    if request.common(CommonHeader::ContentLength).is_some()
        && request.common(CommonHeader::TransferEncoding).is_some()
    {
        return Err(Excess::Framing);
    }
    Ok(())
}

/// Returns whether the headers are too many or too large, or one of the lists in them is.
fn are_excessive(request: &Request<'_>) -> bool {
    let is_longer = |header: CommonHeader, separator: u8, most: usize| {
        let list = request.common(header);
        list.is_some_and(|list| split::count(list, separator) > most)
    };
    // A long value makes the headers long, so most requests need no look at each.
    let has_long_value = || {
        let mut headers = request.headers.iter();
        headers.any(|(_, value)| value.len() > VALUE_BYTES)
    };
    request.headers.len() > HEADER_COUNT
        || request.header_bytes > HEADER_BYTES
        || request.names.longest > NAME_BYTES
        || (request.header_bytes > VALUE_BYTES && has_long_value())
        || is_longer(CommonHeader::Connection, b',', CONNECTION_COUNT)
        || is_longer(CommonHeader::Cookie, b';', COOKIE_COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<(), Excess> {
        let mut packed = format!("{method}\nhttp://a/{target}");
        for (name, value) in headers {
            packed.push_str(&format!("\n{name}\n{value}"));
        }
        check(&Request::parse(&packed).unwrap())
    }

    #[test]
    fn each_limit_holds_at_its_boundary() {
        let url = |length: usize| "u".repeat(length - "http://a/".len());
        assert_eq!(verdict("GET", &url(URL_BYTES), &[]), Ok(()));
        assert_eq!(verdict("GET", &url(URL_BYTES + 1), &[]), Err(Excess::Url));
        let escaped = |length: usize| format!("{}%25?%", "u".repeat(length - "/%25".len()));
        assert_eq!(verdict("GET", &escaped(ESCAPED_PATH_BYTES), &[]), Ok(()));
        assert_eq!(
            verdict("GET", &escaped(ESCAPED_PATH_BYTES + 1), &[]),
            Err(Excess::Url)
        );
        let value = "v".repeat(VALUE_BYTES);
        assert_eq!(verdict("GET", "", &[("a", &value)]), Ok(()));
        assert_eq!(
            verdict("GET", "", &[("a", &format!("{value}v"))]),
            Err(Excess::Headers)
        );
        assert_eq!(
            verdict("GET", "", &[("a", value.as_str()); 4]),
            Err(Excess::Headers)
        );
        assert_eq!(verdict("GET", "", &[("a", ""); HEADER_COUNT]), Ok(()));
        assert_eq!(
            verdict("GET", "", &[("a", ""); HEADER_COUNT + 1]),
            Err(Excess::Headers)
        );
        assert_eq!(
            verdict("GET", "", &[(&"n".repeat(NAME_BYTES + 1), "")]),
            Err(Excess::Headers)
        );
        let listed = |count: usize| vec!["a"; count].join(",");
        assert_eq!(
            verdict("GET", "", &[("connection", &listed(CONNECTION_COUNT))]),
            Ok(())
        );
        assert_eq!(
            verdict("GET", "", &[("connection", &listed(CONNECTION_COUNT + 1))]),
            Err(Excess::Headers)
        );
        let cookies = |count: usize| vec!["a=b"; count].join("; ");
        assert_eq!(
            verdict("GET", "", &[("cookie", &cookies(COOKIE_COUNT))]),
            Ok(())
        );
        assert_eq!(
            verdict("GET", "", &[("cookie", &cookies(COOKIE_COUNT + 1))]),
            Err(Excess::Headers)
        );
    }

    #[test]
    fn ambiguous_framing_and_unsupported_methods_are_rejected() {
        let both = [("content-length", "1"), ("transfer-encoding", "chunked")];
        assert_eq!(verdict("POST", "", &both), Err(Excess::Framing));
        assert_eq!(verdict("TRACE", "", &[]), Err(Excess::Method));
        assert_eq!(verdict("CONNECT", "", &[]), Err(Excess::Method));
        assert_eq!(verdict("PATCH", "", &[]), Ok(()));
    }
}
