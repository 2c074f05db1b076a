//! A release that some of the new sessions are born into, and stay in.
//!
//! A session's release is a bit of its handle, chosen when it begins: nothing is stored for it, all
//! isolates know it, and raising or lowering the percentage moves nobody. A session that began
//! while there was no canary is not of it.

use core::fmt;

use crate::session::id::Handle;

/// A canary release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The release, as its origins name it.
    pub release: String,
    /// How many of a hundred new sessions are born into it.
    pub percent: u8,
    /// It gets nobody any more, not even those who were born into it.
    pub is_off: bool,
    /// A request header, folded, and its value, that bring a new session into it whatever the
    /// percentage is.
    pub header: Option<(String, String)>,
}

/// A canary setting that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCanary;

impl fmt::Display for BadCanary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("use <release>:<percent of new sessions> or <release>:off")
    }
}

impl Canary {
    /// Parses `<release>:<0 to 100>` or `<release>:off`; nothing for an empty text.
    ///
    /// # Errors
    /// [`BadCanary`].
    pub fn parse(text: &str) -> Result<Option<Self>, BadCanary> {
        if text.is_empty() {
            return Ok(None);
        }
        let (release, share) = text.split_once(':').ok_or(BadCanary)?;
        if release.is_empty() {
            return Err(BadCanary);
        }
        let is_off = share == "off";
        let percent = if is_off {
            0
        } else {
            share.parse().ok().filter(|p| *p <= 100).ok_or(BadCanary)?
        };
        Ok(Some(Self {
            release: release.to_owned(),
            percent,
            is_off,
            header: None,
        }))
    }

    /// Whether a session of this handle was born into the canary.
    #[must_use]
    pub fn has(Handle([_, byte, ..]): Handle) -> bool {
        byte & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_a_release_and_a_share() {
        let canary = Canary::parse("v2:10").unwrap().unwrap();
        assert_eq!(
            (canary.release.as_str(), canary.percent, canary.is_off),
            ("v2", 10, false)
        );
        assert!(Canary::parse("v2:off").unwrap().unwrap().is_off);
        assert_eq!(Canary::parse(""), Ok(None));
        for bad in ["v2", ":5", "v2:101", "v2:-1", "v2:"] {
            assert_eq!(Canary::parse(bad), Err(BadCanary), "{bad}");
        }
    }
}
