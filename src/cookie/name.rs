//! Decides the session cookie's name on a connection.
//!
//! `__Host-` (RFC 6265bis section 4.1.3.2) makes browsers require that the cookie is Secure, host-only and for the
//! whole site. Clients disagree on Secure cookies over plain http to loopback. So only there the name has no prefix,
//! and Secure is left out. The name is not `session`, because many applications use that.

use crate::http::request::Location;
use crate::tenant_id::TenantId;

/// Text between the session cookie's name and the suffix, in the name of a pending sign-in's cookie.
const SIGN_IN: &str = "-login-";

/// Text between the session cookie's name and the tenant's id, where tenants share hosts.
const TENANT: char = '.';

/// Suffix of the console session's cookie, and of the ticket of a newcomer who waits.
const CONSOLE: &str = "-console";
const QUEUE: &str = "-queue";

/// Name of the session cookie; its attributes follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieName {
    /// `__Host-session`, Secure.
    Host,
    /// `vestibule-session`, for plain http to a loopback host.
    Loopback,
}

impl CookieName {
    /// Minimum length of our cookies' names, in bytes.
    pub(crate) const MIN_LENGTH: usize = "__Host-session".len();

    /// Returns the name for a request to `location`.
    #[must_use]
    pub(crate) fn for_location(location: &Location<'_>) -> Self {
        if location.is_plain_loopback() {
            Self::Loopback
        } else {
            Self::Host
        }
    }

    /// Returns the session cookie's name, unless tenants share hosts.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Host => "__Host-session",
            Self::Loopback => "vestibule-session",
        }
    }

    /// Returns the session cookie's name for a tenant that shares hosts with others.
    #[must_use]
    pub(crate) fn of_tenant(self, tenant: &TenantId) -> String {
        let mut name = self.as_str().to_owned();
        name.push(TENANT);
        name.push_str(tenant.as_str());
        name
    }

    /// Returns the name of the console session's cookie.
    #[must_use]
    pub(crate) fn of_console(self) -> &'static str {
        match self {
            Self::Host => "__Host-session-console",
            Self::Loopback => "vestibule-session-console",
        }
    }

    /// Returns the name of the cookie that holds the ticket of a newcomer who waits.
    #[must_use]
    pub(crate) fn of_queue(self) -> &'static str {
        match self {
            Self::Host => "__Host-session-queue",
            Self::Loopback => "vestibule-session-queue",
        }
    }

    /// Returns whether a name is ours on this connection, and so never reaches an origin. Ours are the names of all
    /// tenants' sessions, the console's, the queue's, and those of pending sign-ins. The name without a prefix is ours on
    /// loopback only. Like browsers, this ignores case.
    #[must_use]
    pub(crate) fn is_ours(self, name: &str) -> bool {
        let names: &[&str] = match self {
            Self::Host => &["__Host-session"],
            Self::Loopback => &["vestibule-session", "__Host-session"],
        };
        names.iter().any(|ours| {
            let (head, rest) = name.split_at_checked(ours.len()).unwrap_or_default();
            let begins_a_sign_in = rest
                .get(..SIGN_IN.len())
                .is_some_and(|middle| middle.eq_ignore_ascii_case(SIGN_IN));
            let is_whole = ["", CONSOLE, QUEUE]
                .iter()
                .any(|suffix| rest.eq_ignore_ascii_case(suffix));
            head.eq_ignore_ascii_case(ours)
                && (is_whole || rest.starts_with(TENANT) || begins_a_sign_in)
        })
    }

    /// Returns whether a name belongs to a pending sign-in on this connection.
    #[must_use]
    pub(crate) fn is_of_sign_in(self, name: &str) -> bool {
        let rest = name.strip_prefix(self.as_str());
        rest.is_some_and(|rest| rest.starts_with(SIGN_IN))
    }

    /// Returns the name of a pending sign-in's cookie.
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
            assert!(on.is_ours(on.of_queue()) && !on.is_ours("session-queue"));
            assert!(on.is_ours(&on.of_sign_in("abc")));
            let shared = on.of_tenant(&TenantId::parse("acme").unwrap());
            assert!(
                on.is_ours(&shared) && !on.is_of_sign_in(&shared),
                "{shared}"
            );
            // Some loopback hosts receive over plain http what was set over https.
            assert!(on.is_ours("__host-SESSION"));
        }
        assert!(!CookieName::Host.is_ours("vestibule-session"));
        for name in ["__Host-session", "vestibule-session"] {
            assert!(name.len() >= CookieName::MIN_LENGTH, "{name}");
        }
    }
}
