//! Defines the results for a tenant's file. Its bytes stay outside: the core decides by these facts only.

pub(crate) mod cache;

use thiserror::Error;

/// Maximum length of a file, in bytes.
pub(crate) const MAX_LENGTH: usize = 5 * 1024 * 1024;

/// Result of getting a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asset {
    /// The file is available.
    Available(FileMetadata),
    /// The file is unavailable, for this reason.
    Missing(Trouble),
}

/// Facts about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileMetadata {
    /// Media type from its source; empty if it gives none.
    pub media_type: String,
    /// Hash of its bytes: letters and digits.
    pub hash: String,
    /// Length in bytes.
    pub length: u32,
    /// Fault of the source, because of which this copy is stale.
    pub trouble: Option<Trouble>,
}

/// Content coding of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Uncompressed.
    Identity,
    /// Gzip (RFC 1952).
    Gzip,
}

/// Reason why a source returns no file. The words are for the log; they name no URL and hold no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Trouble {
    /// The source returned a web page: an error page, or an attack. Vestibule never serves it in a file's place.
    #[error("html")]
    Page,
    /// The source returned this status. Vestibule follows no redirects: they could lead to any host.
    #[error("status {0}")]
    Status(u16),
    /// Nothing is stored under the name.
    #[error("absent")]
    Absent,
    /// The file has more than [`MAX_LENGTH`] bytes.
    #[error("larger than 5 MiB")]
    TooLarge,
    /// The stored value is not a file.
    #[error("malformed")]
    Malformed,
    /// The source exceeded the deadline.
    #[error("deadline")]
    Deadline,
    /// The connection failed or broke.
    #[error("no answer")]
    NoAnswer,
}

impl Trouble {
    /// Returns the trouble that a source's status means; `None` for 200.
    #[must_use]
    pub(crate) fn of_status(status: u16) -> Option<Self> {
        (status != 200).then_some(Self::Status(status))
    }

    /// Returns [`Trouble::Page`] for the media type of a web page.
    #[must_use]
    pub(crate) fn of_media_type(media_type: &str) -> Option<Self> {
        let media_type = media_type.trim_start();
        let is_page = ["text/html", "application/xhtml+xml"].iter().any(|page| {
            let (beginning, rest) = media_type.split_at_checked(page.len()).unwrap_or_default();
            let continues = rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            beginning.eq_ignore_ascii_case(page) && !continues
        });
        is_page.then_some(Self::Page)
    }

    /// Returns whether the source returned a web page.
    #[must_use]
    pub(crate) fn is_page(self) -> bool {
        self == Self::Page
    }

    /// Returns whether the source itself reports that the file does not exist.
    #[must_use]
    pub(crate) fn is_gone(self) -> bool {
        matches!(self, Self::Status(404 | 410) | Self::Absent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_recognised_in_every_spelling_of_its_media_type() {
        for page in [
            "text/html",
            " Text/HTML; charset=utf-8",
            "application/xhtml+xml",
            "text/html-sandboxed",
        ] {
            assert_eq!(Trouble::of_media_type(page), Some(Trouble::Page), "{page}");
        }
        for file in [
            "",
            "text/htmlx",
            "text/css",
            "image/svg+xml",
            "application/xhtml",
            "\u{e9}",
        ] {
            assert_eq!(Trouble::of_media_type(file), None, "{file}");
        }
    }

    #[test]
    fn file_is_gone_only_on_404_410_or_an_absent_key() {
        let gone = [Trouble::Status(404), Trouble::Status(410), Trouble::Absent];
        assert!(gone.iter().all(|trouble| trouble.is_gone()));
        for trouble in [
            Trouble::Status(302),
            Trouble::Status(403),
            Trouble::Status(500),
            Trouble::Page,
            Trouble::Deadline,
            Trouble::NoAnswer,
            Trouble::Malformed,
            Trouble::TooLarge,
        ] {
            assert!(!trouble.is_gone(), "{trouble}");
        }
        assert_eq!(Trouble::of_status(200), None);
        assert_eq!(Trouble::of_status(204), Some(Trouble::Status(204)));
    }
}
