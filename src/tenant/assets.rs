//! Finds a tenant's own file for a path of its chat server.

use crate::config::asset_source::Replacement;
use crate::flat_map::FlatMap;
use crate::http::path::{self, PathClass};
use crate::http::request::Location;
use crate::tenant_id::TenantId;

/// Files of a tenant: pairs of a path, perhaps with a query, and the source to load. Paths match byte for byte; any
/// other spelling goes to the origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assets(Vec<(String, String)>);

impl Assets {
    pub(super) fn new(tenant: &TenantId, files: &FlatMap<String, Replacement>) -> Self {
        let sources = files
            .iter()
            .map(|(path, file)| (path.clone(), file.source(tenant)));
        Self(sources.collect())
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
        let at = |place: &str| self.0.iter().find(|(path, _)| path == place);
        let (_, source) = at(location.target).or_else(|| at(location.path))?;
        Some(source)
    }
}

/// Returns the fault of a path in a document, if it has one.
pub(super) fn fault(place: &str, prefix: &str) -> Option<&'static str> {
    let (path, query) = match place.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (place, None),
    };
    // Browsers escape other characters, so they would never match. A path that a later hop could resolve would give one
    // file two names.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&()*+,=:@".contains(&b);
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(plain);
    let is_resolved =
        !path.contains("//") && !path.split('/').any(|part| part == "." || part == "..");
    if path == "/" {
        Some("the page itself stays the server's; name a file such as /logo")
    } else if !path.starts_with('/')
        || !is_plain(path)
        || !is_resolved
        || !query.is_none_or(is_plain)
    {
        Some("use a path such as /logo, or with a query such as /logo?theme=dark")
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
            "/lo go",
            "/%6cogo",
            "/a/../logo",
            "/a/./logo",
            "/..",
            "//logo",
            "/a\\b",
            "/a;b",
            "/caf\u{e9}",
            "/logo?a=%20",
            "/_session",
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
