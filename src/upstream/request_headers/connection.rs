//! Reads the `Connection` header (RFC 9110 section 7.6.1).

use crate::sorted;

/// The headers that `Connection` names as concerning this connection only. Reserved names are gone by then, and ours
/// are set afterwards, so a client cannot remove them this way.
pub(super) struct Listed<'a> {
    /// All of it, where it names at most one.
    only: &'a str,
    /// Otherwise lower case and sorted: each header is looked up, and the list may be as long as all of them.
    several: Vec<String>,
}

impl<'a> Listed<'a> {
    /// Reads a `Connection` header.
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

    /// Whether it names the header, by its lower-case name.
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
