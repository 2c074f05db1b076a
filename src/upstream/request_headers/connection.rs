//! Parses the `Connection` header (RFC 9110 section 7.6.1).

use crate::http::header_names::HeaderNames;
use crate::sorted;

/// Headers that `Connection` restricts to this connection. Reserved names are already removed and ours are set later,
/// so a client cannot remove them this way.
pub(super) struct Listed<'a> {
    /// Whole value, if it names at most one header.
    only: &'a str,
    /// Otherwise the names in lower case, sorted for lookup: the list may be as long as all headers.
    several: Vec<String>,
}

impl<'a> Listed<'a> {
    /// Parses a `Connection` header.
    pub(super) fn new(connection: &'a str) -> Self {
        let mut several = Vec::new();
        if connection.contains(',') {
            let names = connection.split(',').map(str::trim);
            several.extend(names.map(str::to_ascii_lowercase));
            sorted::by(&mut several, Ord::cmp);
        }
        Self {
            only: connection.trim(),
            several,
        }
    }

    /// Returns whether it certainly names none of these headers.
    pub(super) fn names_none_of(&self, names: &HeaderNames) -> bool {
        let is_lower_case = |b: u8| !b.is_ascii_uppercase();
        self.several.is_empty()
            && (self.only.is_empty()
                || (self.only.bytes().all(is_lower_case) && names.position(self.only).is_none()))
    }

    /// Returns whether it names a header, given in lower case.
    pub(super) fn has(&self, name: &str) -> bool {
        if self.several.is_empty() {
            self.only.eq_ignore_ascii_case(name)
        } else {
            let found = self
                .several
                .binary_search_by(|listed| listed.as_str().cmp(name));
            found.is_ok()
        }
    }
}
