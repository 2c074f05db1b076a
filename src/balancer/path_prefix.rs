//! Defines the beginnings of paths by which requests go to a pool of their own.

use thiserror::Error;

use crate::encoding::quoted;

/// Text that is no beginning of paths.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{} is no beginning of paths; use one such as /api, without a wildcard: everything below it belongs to it", quoted(.0)
)]
pub(crate) struct BadPathPrefix(String);

/// Beginning of paths: a path, and everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPrefix(String);

impl PathPrefix {
    /// Parses a prefix. A slash at its end makes no difference.
    ///
    /// # Errors
    /// Returns [`BadPathPrefix`] for the root, and for a text that no URL's path begins with in one spelling only.
    pub(crate) fn parse(text: &str) -> Result<Self, BadPathPrefix> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&()+,=:@".contains(&b);
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..");
        let is_prefix = path.bytes().all(plain)
            && path
                .strip_prefix('/')
                .is_some_and(|rest| rest.split('/').all(is_segment));
        is_prefix
            .then(|| Self(path.to_owned()))
            .ok_or_else(|| BadPathPrefix(text.to_owned()))
    }

    /// Returns the prefix, without a slash at its end.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether a path begins with it, by whole segments.
    #[must_use]
    pub(crate) fn holds(&self, path: &str) -> bool {
        path.strip_prefix(&self.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_below_the_root_are_prefixes() {
        for (text, prefix) in [
            ("/api", "/api"),
            ("/console/api", "/console/api"),
            ("/socket.io/", "/socket.io"),
            ("/@x/y+z", "/@x/y+z"),
            ("/.well-known", "/.well-known"),
        ] {
            assert_eq!(PathPrefix::parse(text).unwrap().as_str(), prefix);
        }
        for text in [
            "",
            "/",
            "//",
            "api",
            "/a//b",
            "/api//",
            "/./a",
            "/a/..",
            "/a*",
            "/a/*",
            "/a?b",
            "/a#b",
            "/a%20b",
            "/a b",
            "/a;b",
            "/a\\b",
            "/caf\u{e9}",
        ] {
            assert_eq!(PathPrefix::parse(text), Err(BadPathPrefix(text.to_owned())));
        }
    }

    #[test]
    fn prefix_holds_whole_segments() {
        let prefix = PathPrefix::parse("/api/v1/").unwrap();
        for (path, expected) in [
            ("/api/v1", true),
            ("/api/v1/", true),
            ("/api/v1/chat", true),
            ("/api/v10", false),
            ("/api", false),
            ("/API/v1", false),
            ("/x/api/v1", false),
        ] {
            assert_eq!(prefix.holds(path), expected, "{path}");
        }
    }
}
