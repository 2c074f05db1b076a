//! Classifies a path as reserved or origin, including escaped and dot-segment spellings.
//!
//! The decision uses the path that is forwarded. If decoding, folding or resolving by a later server would turn a path
//! into a reserved one, the request is rejected. So no two readers can disagree about the path.

use std::borrow::Cow;

use super::percent::Decoded;
use super::{canonical, percent};

/// Paths below the prefix that end with the name of an account, which may hold any character.
const OF_ACCOUNTS: &str = "/admin/users/";

/// Class of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathClass<'a> {
    /// The path belongs to the origin.
    Origin,
    /// The path is reserved. Holds the part after the prefix, with its leading slash (`/me`), or empty.
    Reserved(&'a str),
    /// The path hides a reserved one, or is malformed below the prefix.
    Ambiguous,
}

/// Classifies a URL's path.
#[must_use]
pub(crate) fn classify<'a>(path: &'a str, prefix: &str) -> PathClass<'a> {
    match path.strip_prefix(prefix) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
            let odd = !rest.bytes().all(plain) || rest.contains("//") || rest.ends_with('.');
            if odd && !rest.strip_prefix(OF_ACCOUNTS).is_some_and(is_name) {
                PathClass::Ambiguous
            } else {
                PathClass::Reserved(rest)
            }
        }
        _ if hides_reserved_path(path, prefix) => PathClass::Ambiguous,
        _ => PathClass::Origin,
    }
}

/// Returns whether all readers find the same name in the last segment of a path.
fn is_name(segment: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~%@".contains(&b);
    let read = || reading(segment).is_some_and(|name| !trim_dots(name.as_bytes()).is_empty());
    segment.bytes().all(allowed) && read()
}

/// Decodes the escapes of a canonical path, if all readers agree on the result. Returns `None` for an escaped slash,
/// backslash, `;` or control character, for a nested escape, and for bytes that are not UTF-8.
#[must_use]
pub(crate) fn reading(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let Decoded { bytes, is_nested } = percent::decoded(path.as_bytes());
    let text = String::from_utf8(bytes).ok()?;
    let slashes = |text: &str| text.bytes().filter(|b| *b == b'/').count();
    let is_odd = |c: char| c.is_control() || matches!(c, '\\' | ';');
    let is_clear = !is_nested && slashes(&text) == slashes(path) && !text.contains(is_odd);
    is_clear.then_some(Cow::Owned(text))
}

/// Decodes and resolves a path completely; `None` if that changes nothing.
#[must_use]
pub(crate) fn resolved(path: &str) -> Option<String> {
    if !is_suspicious(path) {
        return None;
    }
    let decoded = percent::decoded(path.as_bytes()).bytes;
    let mut text = String::with_capacity(path.len());
    for segment in segments(&decoded) {
        text.push('/');
        text.push_str(&String::from_utf8_lossy(segment));
    }
    // A decoded path that ends with a slash lies below its last segment.
    let last = decoded.rsplit(|b| is_slash(*b)).next().unwrap_or_default();
    if text.is_empty() || matches!(canonical::name(last), b"" | b"." | b"..") {
        text.push('/');
    }
    Some(text)
}

fn is_suspicious(path: &str) -> bool {
    let mut before = 0;
    for byte in path.bytes() {
        let is_odd =
            matches!(byte, b'%' | b'\\' | b';') || (before == b'/' && matches!(byte, b'/' | b'.'));
        if is_odd {
            return true;
        }
        before = byte;
    }
    false
}

/// Returns whether decoding, folding and resolving `path` leads below `prefix`.
fn hides_reserved_path(path: &str, prefix: &str) -> bool {
    let word = prefix.trim_start_matches('/');
    if !is_suspicious(path) && !contains_ignoring_case(path, word) {
        return false;
    }
    let decoded = percent::decoded(path.as_bytes()).bytes;
    let wanted = prefix.split('/').filter(|segment| !segment.is_empty());
    let mut found = segments(&decoded).into_iter();
    wanted.into_iter().all(|segment| {
        found
            .next()
            .is_some_and(|found| trim_dots(found).eq_ignore_ascii_case(segment.as_bytes()))
    })
}

/// Returns the resolved segments of a decoded path, without parameters after `;`.
fn segments(decoded: &[u8]) -> Vec<&[u8]> {
    let mut segments = Vec::new();
    for segment in decoded.split(|b| is_slash(*b)) {
        match canonical::name(segment) {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            plain => segments.push(plain),
        }
    }
    segments
}

fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

fn trim_dots(segment: &[u8]) -> &[u8] {
    let end = segment
        .iter()
        .rposition(|b| *b != b'.')
        .map_or(0, |at| at + 1);
    segment.get(..end).unwrap_or_default()
}

fn contains_ignoring_case(path: &str, word: &str) -> bool {
    let Some(first) = word.bytes().next() else {
        return true;
    };
    let first = first.to_ascii_lowercase();
    path.as_bytes()
        .windows(word.len())
        .any(|window| match window {
            [byte, ..] if byte.to_ascii_lowercase() == first => {
                window.eq_ignore_ascii_case(word.as_bytes())
            }
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PREFIX: &str = "/_session";

    #[test]
    fn dot_segments_are_resolved() {
        for (path, expected) in [
            ("/a/b", None),
            ("/%61dmin/x", Some("/admin/x")),
            ("/public/%2e%2e/secret", Some("/secret")),
            ("/public/%252e%252e/secret", Some("/secret")),
            ("//admin", Some("/admin")),
            ("/admin;x=1/y", Some("/admin/y")),
            ("/public/my%20file", Some("/public/my file")),
            ("/a/../", Some("/")),
            ("/admin\\x", Some("/admin/x")),
            ("/admin%2f", Some("/admin/")),
            ("/admin/%5C", Some("/admin/")),
            ("/admin/;x", Some("/admin/")),
            ("/admin;x", Some("/admin")),
        ] {
            assert_eq!(resolved(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn reserved_paths_are_classified() {
        for (path, expected) in [
            ("/_session", PathClass::Reserved("")),
            ("/_session/me", PathClass::Reserved("/me")),
            (
                "/_session/sessions/AbC-_9",
                PathClass::Reserved("/sessions/AbC-_9"),
            ),
            (
                "/_session/admin/users/ada%40acme.example",
                PathClass::Reserved("/admin/users/ada%40acme.example"),
            ),
            (
                "/_session/admin/users/%E7%8E%8B%20%E8%8A%B3",
                PathClass::Reserved("/admin/users/%E7%8E%8B%20%E8%8A%B3"),
            ),
            ("/", PathClass::Origin),
            ("/_sessions", PathClass::Origin),
            ("/a/_session/me", PathClass::Origin),
            ("/set-session-cookie", PathClass::Origin),
            ("/a%2fb;c//d", PathClass::Origin),
            ("/%zz%", PathClass::Origin),
        ] {
            assert_eq!(classify(path, PREFIX), expected, "{path}");
        }
    }

    #[test]
    fn disguised_reserved_path_is_ambiguous() {
        for path in [
            "//_session/me",
            "/./_session/me",
            "/\\_session/me",
            "/%5fsession/me",
            "/%255fsession/me",
            "/%25255Fsession",
            "/_SESSION/me",
            "/_Session",
            "/_session;x/me",
            "/_session./me",
            "/_session%20/me",
            "/pub/..%2f_session/me",
            "/pub/%2e%2e/_session/me",
            "/pub%2f..%5c_session",
            "/_session%2fme",
            "/_session/%00",
            "/_session/%zz",
            "/_session//me",
            "/_session/me;x",
            "/_session/me.",
            "/_session/\u{e9}",
            "/_session/admin/users/%2e%2e",
            "/_session/admin/users/a%2fb",
            "/_session/admin/users/a%5cb",
            "/_session/admin/users/a%2540b",
            "/_session/admin/users/a%00b",
            "/_session/admin/users/a;b",
            "/_session/admin/users/a+b",
            "/_session/admin/users/%ff",
            "/_session/admin/users/a/%40",
            "/_session/admin/%75sers/a",
            "/_session/admin/sessions/a%40b",
        ] {
            assert_eq!(classify(path, PREFIX), PathClass::Ambiguous, "{path}");
        }
    }

    #[test]
    fn hundred_thousand_nested_escapes_are_classified_quickly() {
        // Layer by layer this would take 10^10 steps, far too long for a test.
        let layers = "25".repeat(100_000);
        let nested = format!("/%{layers}5fsession/me");
        assert_eq!(classify(&nested, PREFIX), PathClass::Ambiguous);
        let other = format!("/%{layers}41dmin");
        assert_eq!(classify(&other, PREFIX), PathClass::Origin);
        assert_eq!(resolved(&other).as_deref(), Some("/Admin"));
        let climbing = "/a/..".repeat(100_000);
        assert_eq!(resolved(&climbing).as_deref(), Some("/"));
    }

    proptest! {
        #[test]
        fn arbitrary_path_never_panics_or_loops(path in ".{0,64}") {
            let _ = classify(&path, PREFIX);
        }
    }
}
