//! Which name the session cookie has on this connection.
//!
//! `__Host-` (RFC 6265bis section 4.1.3.2) makes the browser refuse the cookie unless it is Secure,
//! host-only and for the whole site. Browsers and tools disagree on Secure cookies over plain http
//! to loopback, so there, and only there, the name is bare and Secure is left out.

use crate::inbound::request::Location;

/// The name and the attributes that follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieName {
    /// `__Host-session`, Secure.
    Host,
    /// `session`, for plain http to a loopback host.
    Loopback,
}

impl CookieName {
    /// The name for a request to `location`.
    #[must_use]
    pub fn for_location(location: &Location<'_>) -> Self {
        if location.is_plain_loopback() {
            Self::Loopback
        } else {
            Self::Host
        }
    }

    /// The cookie's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "__Host-session",
            Self::Loopback => "session",
        }
    }

    /// Every name that is ours on this connection and so never reaches an origin. The bare name is
    /// ours on loopback only: elsewhere it may well be the origin's own cookie.
    #[must_use]
    pub fn reserved(self) -> &'static [&'static str] {
        match self {
            Self::Host => &["__Host-session"],
            Self::Loopback => &["session", "__Host-session"],
        }
    }
}
