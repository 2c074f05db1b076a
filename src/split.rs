//! Splits texts at an ASCII byte.
//!
//! Every request's headers and cookies are split. The standard library's `split` takes any pattern; optimised for size
//! it costs some hundred instructions for each part, and `memchr` thirty.

use memchr::{Memchr, memchr, memchr_iter};

/// Parts of a text between separators, as [`str::split`] returns them.
pub(crate) struct Split<'a> {
    text: &'a str,
    /// Beginning of the next part; `None` after the last part.
    begin: Option<usize>,
    /// Positions of the separators. One search over the whole text costs less than one for each part.
    separators: Memchr<'a>,
}

/// Splits a text at every `separator`, an ASCII byte. Returns the whole text if there is none.
#[must_use]
pub(crate) fn split(text: &str, separator: u8) -> Split<'_> {
    debug_assert!(separator.is_ascii());
    Split {
        text,
        begin: Some(0),
        separators: memchr_iter(separator, text.as_bytes()),
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let begin = self.begin?;
        let end = self.separators.next();
        self.begin = end.map(|end| end + 1);
        // The separator is one byte, so both ends are boundaries of characters.
        self.text.get(begin..end.unwrap_or(self.text.len()))
    }
}

/// Splits a text at the first `separator`, an ASCII byte; `None` if there is none.
#[must_use]
pub(crate) fn split_once(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = memchr(separator, text.as_bytes())?;
    // The separator is one byte, so both ends are boundaries of characters.
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Counts the parts between separators: one more than there are separators.
#[must_use]
pub(crate) fn count(text: &str, separator: u8) -> usize {
    memchr_iter(separator, text.as_bytes()).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_are_those_of_the_standard_library(text in "(a|;|é|=| |\u{2028}){0,40}") {
            let parts: Vec<&str> = split(&text, b';').collect();
            prop_assert_eq!(&parts, &text.split(';').collect::<Vec<_>>());
            prop_assert_eq!(count(&text, b';'), parts.len());
            prop_assert_eq!(split_once(&text, b'='), text.split_once('='));
        }
    }
}
