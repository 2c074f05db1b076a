//! Telling our reserved paths from the origin's, in whatever disguise they come.
//!
//! The decision is made on the very path that is forwarded. A path that would become a reserved
//! one if somebody further on decoded, folded or resolved it is refused, so that no two readers
//! can disagree about what was asked for.

/// Whose path it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Territory<'a> {
    /// The origin's.
    Origin,
    /// Ours; what follows the prefix, with its leading slash (`/me`), or empty.
    Reserved(&'a str),
    /// A disguise of ours, or malformed below the prefix.
    Disguised,
}

/// Sorts a URL's path.
#[must_use]
pub fn territory<'a>(path: &'a str, prefix: &str) -> Territory<'a> {
    match path.strip_prefix(prefix) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
            let odd = !rest.bytes().all(plain) || rest.contains("//") || rest.ends_with('.');
            if odd {
                Territory::Disguised
            } else {
                Territory::Reserved(rest)
            }
        }
        _ if is_disguise(path, prefix) => Territory::Disguised,
        _ => Territory::Origin,
    }
}

/// What a path is once everything in it is decoded and resolved; none if it is that already.
#[must_use]
pub fn resolved(path: &str) -> Option<String> {
    if !is_suspicious(path) {
        return None;
    }
    let mut text = String::with_capacity(path.len());
    for segment in segments(path) {
        text.push('/');
        text.push_str(&String::from_utf8_lossy(&segment));
    }
    if path.ends_with('/') || text.is_empty() {
        text.push('/');
    }
    Some(text)
}

fn is_suspicious(path: &str) -> bool {
    let is_odd = |b: u8| matches!(b, b'%' | b'\\' | b';');
    path.bytes().any(is_odd) || path.contains("//") || path.contains("/.")
}

/// Whether decoding, folding and resolving `path` leads below `prefix`.
fn is_disguise(path: &str, prefix: &str) -> bool {
    let word = prefix.trim_start_matches('/');
    if !is_suspicious(path) && !contains_ignoring_case(path, word) {
        return false;
    }
    let wanted = prefix.split('/').filter(|segment| !segment.is_empty());
    let mut found = segments(path).into_iter();
    wanted.into_iter().all(|segment| {
        found
            .next()
            .is_some_and(|found| trim_dots(&found).eq_ignore_ascii_case(segment.as_bytes()))
    })
}

/// The segments there are after decoding and resolving, without what follows a `;`.
fn segments(path: &str) -> Vec<Vec<u8>> {
    let mut decoded = path.as_bytes().to_vec();
    // Decoding until nothing changes sees through any number of layers; each pass shortens it.
    loop {
        let next = percent_decoded(&decoded);
        if next.len() == decoded.len() {
            break;
        }
        decoded = next;
    }
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in decoded.split(|b| matches!(b, b'/' | b'\\')) {
        match segment.split(|b| *b == b';').next().unwrap_or_default() {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            plain => segments.push(plain.trim_ascii_end().to_vec()),
        }
    }
    segments
}

fn trim_dots(segment: &[u8]) -> &[u8] {
    let end = segment
        .iter()
        .rposition(|b| *b != b'.')
        .map_or(0, |at| at + 1);
    segment.get(..end).unwrap_or_default()
}

fn contains_ignoring_case(path: &str, word: &str) -> bool {
    path.as_bytes()
        .windows(word.len().max(1))
        .any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let escape = tail
            .first_chunk::<2>()
            .and_then(|[high, low]| Some((hex(*high)? << 4) | hex(*low)?));
        match escape {
            Some(byte) if *first == b'%' => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PREFIX: &str = "/_session";

    #[test]
    fn a_path_is_resolved_if_it_needs_to_be() {
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
        ] {
            assert_eq!(resolved(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn reserved_paths_are_ours_and_everything_else_is_the_origins() {
        for (path, expected) in [
            ("/_session", Territory::Reserved("")),
            ("/_session/me", Territory::Reserved("/me")),
            (
                "/_session/sessions/AbC-_9",
                Territory::Reserved("/sessions/AbC-_9"),
            ),
            ("/", Territory::Origin),
            ("/_sessions", Territory::Origin),
            ("/a/_session/me", Territory::Origin),
            ("/set-session-cookie", Territory::Origin),
            ("/a%2fb;c//d", Territory::Origin),
            ("/%zz%", Territory::Origin),
        ] {
            assert_eq!(territory(path, PREFIX), expected, "{path}");
        }
    }

    #[test]
    fn disguises_are_refused() {
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
        ] {
            assert_eq!(territory(path, PREFIX), Territory::Disguised, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic_or_loop(path in ".{0,64}") {
            let _ = territory(&path, PREFIX);
        }
    }
}
