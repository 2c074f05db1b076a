//! Finds a tenant's own file for a path of its chat server.

use std::collections::HashSet;

use super::faults::Faults;
use crate::config::model::Document;
use crate::http::path::{self, PathClass};
use crate::http::request::Location;

/// Files of a tenant. Paths are compared decoded, so every spelling that all readers decode alike finds the file. A path
/// that readers may decode differently goes to the origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assets(Vec<File>);

/// File in place of the origin's.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    /// Decoded path.
    path: String,
    /// Query that the request must have; `None` for any.
    query: Option<String>,
    /// Source to load.
    source: String,
}

impl Assets {
    /// Converts the files of a document, and reports paths that cannot be replaced.
    pub(super) fn of(document: &Document, prefix: &str, faults: &mut Faults) -> Self {
        check("assets", document.assets.keys(), prefix, faults);
        let files = document.assets.iter().filter_map(|(place, file)| {
            let (path, query) = split(place);
            Some(File {
                path: path::reading(path)?.into_owned(),
                query: query.map(str::to_owned),
                source: file.source(&document.id),
            })
        });
        Self(files.collect())
    }

    /// Returns whether the tenant replaces no file.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the source of the file at a location, if the tenant replaces it. An entry with the request's exact query
    /// precedes one without a query.
    #[must_use]
    pub(crate) fn at(&self, location: &Location<'_>) -> Option<&str> {
        if self.is_empty() {
            return None;
        }
        let path = path::reading(location.path)?;
        let (_, query) = split(location.target);
        let with = |query: Option<&str>| {
            let is_it = |file: &&File| file.path == path && file.query.as_deref() == query;
            self.0.iter().find(is_it)
        };
        let file = query.and_then(|query| with(Some(query)));
        Some(&file.or_else(|| with(None))?.source)
    }
}

fn split(place: &str) -> (&str, Option<&str>) {
    match place.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (place, None),
    }
}

/// Reports the faults of the places in a setting, and those that mean the same in two spellings.
pub(super) fn check<'d>(
    setting: &str,
    places: impl Iterator<Item = &'d String>,
    prefix: &str,
    faults: &mut Faults,
) {
    let mut seen = HashSet::new();
    for place in places {
        let (path, query) = split(place);
        let is_first = |reading| seen.insert((reading, query));
        let problem = if path::reading(path).is_none_or(is_first) {
            fault(place, prefix)
        } else {
            Some("this path is there in another spelling, too; leave one out")
        };
        if let Some(problem) = problem {
            faults.add(&format!("{setting}.{place}"), problem);
        }
    }
}

/// Returns the fault of a place in a document, if it has one. Its path may be written as a browser sends it or decoded.
fn fault(place: &str, prefix: &str) -> Option<&'static str> {
    let (path, query) = split(place);
    // Browsers escape other characters of a query, so they would never match.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&()*+,=:@%".contains(&b);
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(plain);
    // A path that a later hop could resolve would give one file two names.
    let is_resolved = |path: &str| {
        !path.contains("//") && !path.split('/').any(|part| part == "." || part == "..")
    };
    let is_readable = |path: &str| {
        let is_odd = |c: char| c.is_control() || matches!(c, '#' | '\\' | ';');
        !path.contains(is_odd) && path.trim() == path && is_resolved(path)
    };
    let reading = path::reading(path).filter(|reading| is_readable(path) && is_resolved(reading));
    if path == "/" {
        Some("the page itself stays the server's; name a file such as /logo")
    } else if !path.starts_with('/') || reading.is_none() || !query.is_none_or(is_plain) {
        Some(
            "use a path such as /logo or /avatars/My%20Assistant, or with a query such as /logo?theme=dark",
        )
    } else if path::classify(path, prefix) == PathClass::Origin {
        None
    } else {
        Some("this path is reserved")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_of_the_server_can_be_replaced() {
        for good in [
            "/logo",
            "/logo?theme=dark",
            "/public/custom.css",
            "/avatars/bot-1",
            "/a/.b",
            "/@x/y+z",
            "/_sessions",
            "/avatars/My%20Assistant",
            "/avatars/My Assistant",
            "/caf\u{e9}",
            "/caf%C3%A9.svg",
            "/%6cogo",
            "/100%25",
            "/a%3fb",
            "/logo?a=%20",
        ] {
            assert_eq!(fault(good, "/_session"), None, "{good}");
        }
        for bad in [
            "",
            "/",
            "/?x",
            "logo",
            "/logo?",
            "/logo#x",
            "/logo ",
            "/a%2fb",
            "/a%5cb",
            "/a%3bb",
            "/a%00",
            "/a%0a",
            "/%2e%2e/logo",
            "/a/%2e",
            "/%252e",
            "/%ff",
            "/%c0%af",
            "/logo?a b",
            "/a/../logo",
            "/a/./logo",
            "/..",
            "//logo",
            "/a\\b",
            "/a;b",
            "/_session",
            "/%5fsession/me",
            "/_session%20/x",
            "/_session/me",
            "/_SESSION/me",
            "/_session./x",
        ] {
            assert!(fault(bad, "/_session").is_some(), "{bad}");
        }
        assert!(fault("/_session/me", "/edge").is_none());
        assert!(fault("/edge/me", "/edge").is_some());
    }
}
