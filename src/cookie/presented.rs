//! Selects the session cookie among all cookies under its name: the one with a valid MAC.
//!
//! A browser may send invalid values, too: a sub-domain set `x=1,__Host-session=1`, an extension added a second
//! cookie, a broken proxy joined two headers. Values that do not verify are ignored if another verifies. Of two valid
//! ones the later issue time wins, because every cookie we set replaces the one before. Then the higher record version
//! wins, then the first, because a browser sends the more specific cookie first.

use crate::clock::UnixSeconds;
use crate::cookie::jar;
use crate::cookie::token::{Token, Unverified, Verified};
use crate::keys::KeyRing;

/// Result of searching a `Cookie` header for our name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented<'a> {
    /// No cookie of that name.
    Absent,
    /// No value verifies.
    Forged,
    /// No value verifies, but a key that this location does not know yet may have signed one.
    UnknownKey {
        /// Whether a listed key vouches for the unknown one.
        vouched: bool,
    },
    /// A value has passed the MAC.
    Genuine {
        /// Value as sent.
        value: &'a str,
        /// Verified content.
        verified: Verified,
    },
}

impl<'a> Presented<'a> {
    /// Finds our cookie in a `Cookie` header. Computes at most [`jar::MAX_CANDIDATES`] MACs.
    #[must_use]
    pub(crate) fn find(header: &'a str, name: &str, ring: &KeyRing, now: UnixSeconds) -> Self {
        jar::candidates(header, name).fold(Self::Absent, |best, value| {
            best.or(Self::verify(value, ring, now))
        })
    }

    fn verify(value: &'a str, ring: &KeyRing, now: UnixSeconds) -> Self {
        match Token::verify(value, ring, now) {
            Ok(verified) => Self::Genuine { value, verified },
            Err(Unverified::UnknownKey { vouched }) => Self::UnknownKey { vouched },
            Err(Unverified::Forged) => Self::Forged,
        }
    }

    /// Returns the better of two; `self` if they are equal.
    fn or(self, other: Self) -> Self {
        if other.rank() > self.rank() {
            other
        } else {
            self
        }
    }

    fn rank(&self) -> (u8, u64, u64) {
        match self {
            Self::Absent => (0, 0, 0),
            Self::Forged => (1, 0, 0),
            Self::UnknownKey { vouched } => (2, u64::from(*vouched), 0),
            Self::Genuine { verified, .. } => {
                let token = &verified.token;
                (3, token.issued.0, token.least_version.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::base64url;
    use crate::keys::DeploymentKeys;
    use crate::session::id::{Handle, SessionId};
    use crate::session::record::Version;
    use crate::tenant_id::TenantId;
    use proptest::prelude::*;

    const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

    fn ring(byte: u8) -> KeyRing {
        let keys = DeploymentKeys::parse(&base64url(&[byte; 32])).unwrap();
        KeyRing::derive(&keys, &TenantId::parse("t").unwrap()).unwrap()
    }

    fn issued(ago: u64, key: u8) -> String {
        let token = Token {
            handle: Handle([8; 16]),
            id: SessionId::from_bytes([9; 16]),
            created: UnixSeconds(1_600_000_000),
            issued: UnixSeconds(NOW.0 - ago),
            least_version: Version(3),
        };
        token.mint(&ring(key))
    }

    fn found(header: &str) -> Presented<'_> {
        Presented::find(header, "s", &ring(1), NOW)
    }

    fn is_found(header: &str, expected: &str) -> bool {
        matches!(found(header), Presented::Genuine { value, .. } if value == expected)
    }

    #[test]
    fn newest_valid_cookie_wins_in_any_order() {
        let (old, new) = (issued(500, 1), issued(5, 1));
        for header in [
            format!("s={old}; s={new}"),
            format!("s={new}; a=b; s={old}; s={new}"),
        ] {
            assert!(is_found(&header, &new), "{header}");
        }
    }

    #[test]
    fn unknown_key_is_reported_before_forged() {
        let foreign = issued(5, 2);
        assert_eq!(found("a=1"), Presented::Absent);
        assert_eq!(found("x=1,s=1"), Presented::Absent);
        assert_eq!(found("s=x; s="), Presented::Forged);
        assert_eq!(
            found(&format!("s=x; s={foreign}; s=y")),
            Presented::UnknownKey { vouched: false }
        );
        let genuine = issued(5, 1);
        assert!(is_found(&format!("s={foreign}; s={genuine}"), &genuine));
    }

    #[test]
    fn number_of_mac_checks_is_limited() {
        let invalid = format!("s={}; ", issued(5, 2)).repeat(jar::MAX_CANDIDATES);
        assert_eq!(
            found(&format!("{invalid}s={}", issued(5, 1))),
            Presented::UnknownKey { vouched: false }
        );
    }

    proptest! {
        #[test]
        fn invalid_cookies_never_hide_a_valid_one(
            before in proptest::collection::vec("(a|s|x|=|,|[ -:<-~]){0,12}", 0..6),
            after in proptest::collection::vec("(a|s|x|=|,|[ -:<-~]){0,12}", 0..6),
        ) {
            let ours = issued(5, 1);
            let pair = format!("s={ours}");
            let all: Vec<&str> = before.iter().map(String::as_str)
                .chain([pair.as_str()])
                .chain(after.iter().map(String::as_str))
                .collect();
            prop_assert!(is_found(&all.join("; "), &ours));
        }
    }
}
