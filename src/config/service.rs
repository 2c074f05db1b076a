//! Decides how to request documents from a service, and interprets its responses.
//!
//! `GET <TENANTS_URL>/<key>`: 200 with the text, 304 if the last text is still current (RFC 9110 section 15.4.5), 404
//! if there is none. Any other status counts as unavailable, and so does a text that is too long or too late. Cached
//! documents then stay in use.

use std::collections::HashMap;

use thiserror::Error;

use crate::http::percent::push_escaped;

/// Maximum length of a document, in bytes.
const MAX_DOCUMENT: usize = 1024 * 1024;

/// Maximum length of a stored file, in bytes of base64.
const MAX_FILE: usize = 7 * 1024 * 1024;

/// Maximum number of texts that are remembered for a 304.
const MAX_REMEMBERED: usize = 1_000;

/// Maximum length of a text that is remembered, in bytes. Files are longer, and have caches of their own.
const MAX_REMEMBERED_LENGTH: usize = 64 * 1024;

/// Returns the URL of the text under a key.
#[must_use]
pub(crate) fn url(base: &str, key: &str) -> String {
    let base = base.trim_end_matches('/');
    let mut url = Vec::with_capacity(base.len() + 1 + 3 * key.len());
    url.extend_from_slice(base.as_bytes());
    url.push(b'/');
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            url.push(byte);
        } else {
            push_escaped(&mut url, byte);
        }
    }
    String::from_utf8(url).unwrap_or_default()
}

/// Returns the maximum length of the text under a key, in bytes.
#[must_use]
pub(crate) fn limit(key: &str) -> usize {
    if key.starts_with("asset:") {
        MAX_FILE
    } else {
        MAX_DOCUMENT
    }
}

/// Meaning of the service's response, by its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer<T> {
    /// The body is the text.
    Given,
    /// This text is still current.
    Unchanged(T),
    /// The service has no such text.
    Absent,
}

/// Status that the protocol does not define.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("status {0}")]
pub(crate) struct Unexpected(pub u16);

/// Text that the service returned, with its ETag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered<T> {
    /// Value for `If-None-Match`.
    pub etag: String,
    /// The text.
    pub text: T,
}

/// Interprets the status of a response; `known` is the text that the request named in `If-None-Match`.
///
/// # Errors
/// Returns [`Unexpected`] for any status but 200, 404, and 304 if a text is known.
pub(crate) fn read<T>(status: u16, known: Option<Remembered<T>>) -> Result<Answer<T>, Unexpected> {
    match (status, known) {
        (200, _) => Ok(Answer::Given),
        (304, Some(known)) => Ok(Answer::Unchanged(known.text)),
        (404, _) => Ok(Answer::Absent),
        _ => Err(Unexpected(status)),
    }
}

/// Texts that the service returned last, by URL. `T` is a text, or a reference to it.
#[derive(Debug)]
pub(crate) struct Memory<T>(HashMap<String, Remembered<T>>);

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone> Memory<T> {
    /// Returns the text that the service returned last.
    #[must_use]
    pub(crate) fn known(&self, url: &str) -> Option<Remembered<T>> {
        self.0.get(url).cloned()
    }

    /// Removes a deleted text.
    pub(crate) fn forget(&mut self, url: &str) {
        self.0.remove(url);
    }

    /// Remembers a text that came with an ETag, unless it is too long. Clears all texts when there are too many.
    pub(crate) fn remember(&mut self, url: &str, etag: Option<String>, length: usize, text: T) {
        if self.0.len() >= MAX_REMEMBERED {
            self.0.clear();
        }
        let Some(etag) = etag.filter(|etag| !etag.is_empty()) else {
            return;
        };
        if length <= MAX_REMEMBERED_LENGTH {
            self.0.insert(url.to_owned(), Remembered { etag, text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://documents.example/tenant%3Aacme";

    fn knowing(text: &str) -> Memory<String> {
        let mut memory = Memory::default();
        memory.remember(URL, Some("\"1\"".to_owned()), text.len(), text.to_owned());
        memory
    }

    #[test]
    fn key_is_escaped_to_one_path_segment() {
        for (base, key, expected) in [
            (
                "https://d.example",
                "tenant:acme",
                "https://d.example/tenant%3Aacme",
            ),
            (
                "https://d.example/v1//",
                "a/b?c#d",
                "https://d.example/v1/a%2Fb%3Fc%23d",
            ),
            (
                "https://d.example",
                "host:*.a.b",
                "https://d.example/host%3A*.a.b",
            ),
            (
                "https://d.example",
                "user:a:\u{e9} -_.!~'()",
                "https://d.example/user%3Aa%3A%C3%A9%20-_.!~'()",
            ),
        ] {
            assert_eq!(url(base, key), expected);
        }
    }

    #[test]
    fn file_limit_exceeds_document_limit() {
        assert_eq!(limit("tenant:acme"), 1_048_576);
        assert_eq!(limit("asset:acme:logo"), 7_340_032);
    }

    #[test]
    fn not_modified_returns_the_remembered_text() {
        let mut memory = knowing("text");
        let known = memory.known(URL);
        assert_eq!(
            known.as_ref().map(|known| known.etag.as_str()),
            Some("\"1\"")
        );
        let unchanged = Answer::Unchanged("text".to_owned());
        assert_eq!(read(304, known.clone()), Ok(unchanged));
        assert_eq!(read(200, known), Ok(Answer::Given));
        assert_eq!(memory.known("https://documents.example/other"), None);
        memory.forget(URL);
        assert_eq!(memory.known(URL), None);
    }

    #[test]
    fn unexpected_status_counts_as_unavailable() {
        for known in [None, knowing("text").known(URL)] {
            assert_eq!(read(404, known.clone()), Ok(Answer::Absent));
            for status in [0, 201, 204, 206, 301, 302, 400, 401, 410, 429, 500, 503] {
                assert_eq!(read(status, known.clone()), Err(Unexpected(status)));
            }
        }
        assert_eq!(read::<()>(304, None), Err(Unexpected(304)));
        assert_eq!(Unexpected(304).to_string(), "status 304");
    }

    #[test]
    fn only_short_texts_with_etag_are_remembered() {
        let mut memory = Memory::default();
        memory.remember(URL, None, 1, ());
        memory.remember(URL, Some(String::new()), 1, ());
        memory.remember(URL, Some("\"1\"".to_owned()), MAX_REMEMBERED_LENGTH + 1, ());
        assert_eq!(memory.known(URL), None);
        memory.remember(URL, Some("\"1\"".to_owned()), MAX_REMEMBERED_LENGTH, ());
        assert!(memory.known(URL).is_some());
    }

    #[test]
    fn memory_stays_bounded() {
        let mut memory = Memory::default();
        for number in 0..3 * MAX_REMEMBERED {
            memory.remember(&number.to_string(), Some("e".to_owned()), 1, ());
            assert!(memory.0.len() <= MAX_REMEMBERED);
        }
        let last = (3 * MAX_REMEMBERED - 1).to_string();
        assert!(memory.known(&last).is_some());
    }
}
