//! Normalises a URL that a person typed to the form of a request's URL.
//!
//! The path stays as typed, including dots, backslashes and escapes: a client can send it like that, so `explain` must
//! accept it.

use crate::encoding::push_hex;

/// Returns the URL with scheme and host in lower case, without unsent parts. Returns `None` for other schemes than
/// `http` and `https`, and for a host with characters that DNS does not use.
#[must_use]
pub(crate) fn normalised(text: &str) -> Option<String> {
    let is_blank = |c: char| c <= ' ';
    let text = text.trim_matches(is_blank).replace(['\t', '\n', '\r'], "");
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '\\', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end)?;
    let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if host.is_empty() || host.starts_with(':') || !host.bytes().all(is_plain) {
        return None;
    }
    let mut url = format!("{scheme}://{host}");
    if !target.starts_with('/') {
        url.push('/');
    }
    push_escaped(&mut url, target);
    Some(url)
}

/// Appends text, and escapes characters that a request line cannot contain.
fn push_escaped(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() {
            url.push(char::from(byte));
        } else {
            url.push('%');
            push_hex(url, &[byte]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    use crate::http::request::Location;

    #[test]
    fn pasted_url_becomes_host_and_path() {
        for (text, expected) in [
            ("https://chat.example", "https://chat.example/"),
            (
                " HTTPS://Chat.Example:443/A/b\n",
                "https://chat.example/A/b",
            ),
            ("http://localhost:80/", "http://localhost/"),
            ("http://localhost:8787?a=b", "http://localhost:8787/?a=b"),
            ("https://user:pw@a.example/", "https://a.example/"),
            ("https://a/?b=c@d", "https://a/?b=c@d"),
            ("https://a/x/../%5f\\y//", "https://a/x/../%5f\\y//"),
            ("https://a\\x", "https://a/\\x"),
            ("https://a/caf\u{e9} x", "https://a/caf%c3%a9%20x"),
            ("https://a/?q='a b'#c?d", "https://a/?q='a%20b'"),
            ("https://[::1]:8787/", "https://[::1]:8787/"),
        ] {
            assert_eq!(normalised(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn invalid_url_is_rejected() {
        for text in [
            "",
            "chat.example",
            "/path",
            "ftp://a/",
            "https://",
            "https:///x",
            "https://:80/",
            "https://b\u{fc}cher.example/",
            "https://a b/",
            "https://a%2eb/",
        ] {
            assert_eq!(normalised(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsed_url_is_one_line_and_idempotent(text in "https?://[a-z.]{1,8}(/.{0,8}){0,4}(\\?.{0,8})?") {
            if let Some(url) = normalised(&text) {
                prop_assert!(!url.contains(char::is_whitespace));
                prop_assert!(Location::parse(&url).is_some());
                prop_assert_eq!(normalised(&url), Some(url));
            }
        }
    }
}
