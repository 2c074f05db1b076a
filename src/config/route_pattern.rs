//! Defines the patterns of paths by which requests are counted, as routes of web frameworks are written.

use std::rc::Rc;

use serde_json::Value;
use thiserror::Error;

use super::object_macro::text;
use super::parse::{FromDocument, Reader};
use crate::encoding::{json, quoted};

/// Maximum length of a pattern, which is a label's value, in bytes.
const MAX_LENGTH: usize = 128;

/// A text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{} is not a route; use a path such as /login, /items/{{id}} for any one segment, or /files/* for all below", quoted(.0)
)]
pub(crate) struct BadRoute(String);

/// A pattern: `{name}` is any one segment, `*` at the end all that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoutePattern(Rc<str>);

impl RoutePattern {
    fn parse(text: &str) -> Result<Self, BadRoute> {
        let segments = text.strip_prefix('/').map(|rest| rest.split('/'));
        let is_sound = segments.is_some_and(|segments| {
            let mut rest = segments.peekable();
            let mut is_sound = text.len() <= MAX_LENGTH;
            while let Some(segment) = rest.next() {
                is_sound &= is_segment(segment, rest.peek().is_none());
            }
            is_sound
        });
        is_sound
            .then(|| Self(text.into()))
            .ok_or_else(|| BadRoute(text.to_owned()))
    }

    /// The pattern as it is written.
    #[must_use]
    pub(crate) fn text(&self) -> Rc<str> {
        Rc::clone(&self.0)
    }

    /// Whether it stands for a path.
    #[must_use]
    pub(crate) fn matches(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        for own in self.0.split('/') {
            match segments.next() {
                Some(_) if own == "*" => return true,
                Some(segment) if own == segment => {}
                Some(segment) if own.starts_with('{') && !segment.is_empty() => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }
}

/// Whether a pattern may have this segment. What a URL writes in another way never matches.
fn is_segment(segment: &str, is_last: bool) -> bool {
    let is_placeholder = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"*?#%\\{}[]\"<>^`|".contains(&b);
    match segment {
        "" | "*" => is_last,
        "." | ".." => false,
        segment => {
            let within = segment
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'));
            within.map_or_else(|| segment.bytes().all(is_plain), is_placeholder)
        }
    }
}

text!(
    RoutePattern,
    "^/([A-Za-z0-9._~!$&'()+,;=:@-]+/|\\{[A-Za-z0-9_]+\\}/)*([A-Za-z0-9._~!$&'()+,;=:@-]*|\\{[A-Za-z0-9_]+\\}|\\*)$",
    RoutePattern::parse
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_patterns_are_routes() {
        for route in [
            "/",
            "/*",
            "/a",
            "/a/",
            "/ws/socket.io/",
            "/a/{id}",
            "/{a}/{b_2}/*",
            "/a:b,c",
        ] {
            assert!(RoutePattern::parse(route).is_ok(), "{route}");
        }
        for none in [
            "", "a", "*", "/a*", "/*/a", "//", "/a//b", "/../a", "/.", "/{}", "/{a-b}", "/{id",
            "/x{id}", "/{*}", "/a?b", "/a#b", "/%41", "/a b", "/a\tb", "/a\nb", "/é", "/\"", "/\\",
        ] {
            assert_eq!(RoutePattern::parse(none), Err(BadRoute(none.to_owned())));
        }
        assert!(RoutePattern::parse(&format!("/{}", "a".repeat(127))).is_ok());
        assert!(RoutePattern::parse(&format!("/{}", "a".repeat(128))).is_err());
    }

    #[test]
    fn pattern_matches_whole_segments() {
        for (route, paths, others) in [
            ("/", &["/"] as &[&str], &["/a", "//", ""] as &[&str]),
            ("/*", &["/", "/a", "/a/b"], &[""]),
            ("/a", &["/a"], &["/a/", "/ab", "/A", "/"]),
            ("/a/", &["/a/"], &["/a", "/a/b"]),
            ("/a/*", &["/a/", "/a/b", "/a/b/c"], &["/a", "/ab/c"]),
            (
                "/a/{id}",
                &["/a/1", "/a/%20"],
                &["/a/", "/a", "/a/1/", "/a/1/b"],
            ),
            ("/{a}/b/{c}", &["/1/b/2"], &["//b/2", "/1/b/", "/1/c/2"]),
            ("/a/{id}/*", &["/a/1/", "/a/1/b/c"], &["/a/1", "/a//b"]),
        ] {
            let route = RoutePattern::parse(route).unwrap();
            for path in paths {
                assert!(route.matches(path), "{route:?} {path}");
            }
            for path in others {
                assert!(!route.matches(path), "{route:?} {path}");
            }
        }
    }
}
