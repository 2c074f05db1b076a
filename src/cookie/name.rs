//! Which name the session cookie has on this connection.
//!
//! `__Host-` (RFC 6265bis section 4.1.3.2) makes the browser refuse the cookie unless it is Secure,
//! host-only and for the whole site. Browsers and tools disagree on Secure cookies over plain http
//! to loopback, so there, and only there, the name has no prefix and Secure is left out. It is not
//! simply `session`: that is what many applications call their own cookie.

use crate::http::request::Location;

/// What follows the session cookie's name in those of sign-ins under way.
const SIGN_IN: &str = "-login-";

/// The name and the attributes that follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieName {
    /// `__Host-session`, Secure.
    Host,
    /// `vestibule-session`, for plain http to a loopback host.
    Loopback,
}

impl CookieName {
    /// No name that is ours is shorter, in bytes.
    pub(crate) const MIN_LENGTH: usize = "__Host-session".len();

    /// The name for a request to `location`.
    #[must_use]
    pub(crate) fn for_location(location: &Location<'_>) -> Self {
        if location.is_plain_loopback() {
            Self::Loopback
        } else {
            Self::Host
        }
    }

    /// The cookie's name.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Host => "__Host-session",
            Self::Loopback => "vestibule-session",
        }
    }

    /// The name of the cookie of a session at the console.
    #[must_use]
    pub(crate) fn of_console(self) -> &'static str {
        match self {
            Self::Host => "__Host-session-console",
            Self::Loopback => "vestibule-session-console",
        }
    }

    /// Whether a name is ours on this connection and so never reaches an origin: the session's, the
    /// console's, and those of sign-ins under way. The name without a prefix is ours on loopback only. Browsers match prefixes of names in any case, so we do too.
    #[must_use]
    pub(crate) fn is_ours(self, name: &str) -> bool {
        let names: &[&str] = match self {
            Self::Host => &["__Host-session"],
            Self::Loopback => &["vestibule-session", "__Host-session"],
        };
        let consoles: &[&str] = match self {
            Self::Host => &["__Host-session-console"],
            Self::Loopback => &["vestibule-session-console", "__Host-session-console"],
        };
        let is_consoles = |ours: &&str| name.eq_ignore_ascii_case(ours);
        consoles.iter().any(is_consoles)
            || names.iter().any(|ours| {
                let (head, rest) = name.split_at_checked(ours.len()).unwrap_or_default();
                let begins_a_sign_in = rest
                    .get(..SIGN_IN.len())
                    .is_some_and(|middle| middle.eq_ignore_ascii_case(SIGN_IN));
                head.eq_ignore_ascii_case(ours) && (rest.is_empty() || begins_a_sign_in)
            })
    }

    /// Whether a name is that of a sign-in under way on this connection.
    #[must_use]
    pub(crate) fn is_of_sign_in(self, name: &str) -> bool {
        let rest = name.strip_prefix(self.as_str());
        rest.is_some_and(|rest| rest.starts_with(SIGN_IN))
    }

    /// The name of the cookie of a sign-in under way.
    #[must_use]
    pub(crate) fn of_sign_in(self, suffix: &str) -> String {
        [self.as_str(), SIGN_IN, suffix].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn application_cookie_names_are_not_reserved() {
        for on in [CookieName::Host, CookieName::Loopback] {
            for theirs in ["session", "session-console", "session-login-abc", "Session"] {
                assert!(!on.is_ours(theirs), "{theirs}");
            }
            assert!(on.is_ours(on.as_str()) && on.is_ours(on.of_console()));
            assert!(on.is_ours(&on.of_sign_in("abc")));
            // What was set over https is sent over plain http to some loopback hosts.
            assert!(on.is_ours("__host-SESSION"));
        }
        assert!(!CookieName::Host.is_ours("vestibule-session"));
        for name in ["__Host-session", "vestibule-session"] {
            assert!(name.len() >= CookieName::MIN_LENGTH, "{name}");
        }
    }
}
