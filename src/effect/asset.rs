//! What the outside says of a tenant's file. Its bytes stay outside: the core decides by these facts
//! alone.

pub(crate) mod cache;

use thiserror::Error;

/// Maximum length of a file, in bytes.
pub(crate) const MAX_LENGTH: usize = 5 * 1024 * 1024;

/// What came of asking for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asset {
    /// It is at hand.
    AtHand(FileMetadata),
    /// It is not to be had, and why.
    Missing(Trouble),
}

/// What is known of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileMetadata {
    /// The media type its source gives; empty for none.
    pub media_type: String,
    /// Stands for its bytes: letters and digits.
    pub hash: String,
    /// How many bytes it has.
    pub length: u32,
    /// It is old, because its source is in trouble.
    pub trouble: Option<Trouble>,
}

/// How the bytes of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As they are.
    Identity,
    /// Compressed (RFC 1952).
    Gzip,
}

/// Why a source gives no file. The words are for the log; they name no URL and hold no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Trouble {
    /// It gives a web page: somebody's error page, or an attack. Never shown in a file's place.
    #[error("html")]
    Page,
    /// It answers with this status. Redirects are not followed: they lead where nobody has agreed to.
    #[error("status {0}")]
    Status(u16),
    /// Nothing is stored under the name.
    #[error("absent")]
    Absent,
    /// The file has more than [`MAX_LENGTH`] bytes.
    #[error("larger than 5 MiB")]
    TooLarge,
    /// What is stored is no file.
    #[error("malformed")]
    Malformed,
    /// It takes too long.
    #[error("deadline")]
    Deadline,
    /// There is no connection, or it breaks.
    #[error("no answer")]
    NoAnswer,
}

impl Trouble {
    /// Returns what a source's status means; `None` if a file comes with it.
    #[must_use]
    pub(crate) fn of_status(status: u16) -> Option<Self> {
        (status != 200).then_some(Self::Status(status))
    }

    /// Returns what is wrong with a file of this media type, if anything.
    #[must_use]
    pub(crate) fn of_media_type(media_type: &str) -> Option<Self> {
        let media_type = media_type.trim_start();
        let is_page = ["text/html", "application/xhtml+xml"].iter().any(|page| {
            let (begins, rest) = media_type.split_at_checked(page.len()).unwrap_or_default();
            let goes_on = rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            begins.eq_ignore_ascii_case(page) && !goes_on
        });
        is_page.then_some(Self::Page)
    }

    /// Whether the source gave a web page.
    #[must_use]
    pub(crate) fn is_page(self) -> bool {
        self == Self::Page
    }

    /// Whether the source itself says that the file is not there: somebody may have taken it away.
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
