//! A URL as people write it, brought into the form in which the runtime hands URLs over (WHATWG URL,
//! "basic URL parser", as far as it concerns `http` and `https`).

use crate::encoding::push_hex;

/// What is escaped in a path beside control characters and what is not ASCII.
const ESCAPED_IN_PATHS: &[u8] = b" \"#<>?^`{}";
/// The same for a query.
const ESCAPED_IN_QUERIES: &[u8] = b" \"#<>'";

/// The URL with scheme and host in lower case, without what is not sent, with its path resolved. None if
/// it is no `http` or `https` URL, or its host is not written as DNS has it.
#[must_use]
pub fn normalised(text: &str) -> Option<String> {
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
    let (before, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    let end = before.find(['/', '\\']).unwrap_or(before.len());
    let (authority, path) = before.split_at_checked(end)?;
    let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if host.is_empty() || host.starts_with(':') || !host.bytes().all(is_plain) {
        return None;
    }
    let mut url = format!("{scheme}://{host}");
    for segment in resolved(path) {
        url.push('/');
        push_escaped(&mut url, segment, ESCAPED_IN_PATHS);
    }
    if let Some(query) = query {
        url.push('?');
        push_escaped(&mut url, query, ESCAPED_IN_QUERIES);
    }
    Some(url)
}

/// The segments of a path without `.` and `..`; at least one, which may be empty.
fn resolved(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let mut written = path.split(['/', '\\']).skip(1).peekable();
    while let Some(segment) = written.next() {
        let is_last = written.peek().is_none();
        let dots = segment.to_ascii_lowercase().replace("%2e", ".");
        match dots.as_str() {
            ".." => {
                segments.pop();
            }
            "." => {}
            _ => {
                segments.push(segment);
                continue;
            }
        }
        if is_last {
            segments.push("");
        }
    }
    if segments.is_empty() {
        segments.push("");
    }
    segments
}

fn push_escaped(url: &mut String, text: &str, escaped: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !escaped.contains(&byte) {
            url.push(char::from(byte));
        } else {
            let mut hex = String::new();
            push_hex(&mut hex, &[byte]);
            url.push('%');
            url.push_str(&hex.to_ascii_uppercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    use crate::inbound::request::Location;

    /// What `new URL(text).href` gives, without the fragment.
    #[test]
    fn a_url_becomes_what_the_runtime_would_make_of_it() {
        for (text, expected) in [
            ("https://chat.example", "https://chat.example/"),
            (
                " HTTPS://Chat.Example:443/A/b\n",
                "https://chat.example/A/b",
            ),
            ("http://localhost:80/", "http://localhost/"),
            ("http://localhost:8787?a=b", "http://localhost:8787/?a=b"),
            ("https://user:pw@a.example/", "https://a.example/"),
            ("https://a/x/../_session/me", "https://a/_session/me"),
            ("https://a/x/%2E./y/.", "https://a/y/"),
            ("https://a/x/..", "https://a/"),
            ("https://a/../..", "https://a/"),
            ("https://a/x\\y", "https://a/x/y"),
            ("https://a//x", "https://a//x"),
            ("https://a/%5fsession", "https://a/%5fsession"),
            ("https://a/caf\u{e9} {x}", "https://a/caf%C3%A9%20%7Bx%7D"),
            ("https://a/?q='a b'#c?d", "https://a/?q=%27a%20b%27"),
            ("https://a/?", "https://a/?"),
            ("https://[::1]:8787/", "https://[::1]:8787/"),
        ] {
            assert_eq!(normalised(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_ours_is_none() {
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
        fn what_comes_out_is_one_line_that_stays_as_it_is(text in "https?://[a-z.]{1,8}(/.{0,8}){0,4}(\\?.{0,8})?") {
            if let Some(url) = normalised(&text) {
                prop_assert!(!url.contains(char::is_whitespace));
                prop_assert!(Location::parse(&url).is_some());
                prop_assert_eq!(normalised(&url), Some(url));
            }
        }
    }
}
