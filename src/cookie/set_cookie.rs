//! Writes our `Set-Cookie` lines, and parses the cookie name in an origin's lines.

use crate::clock::Seconds;
use crate::cookie::name::CookieName;

/// Maximum age that browsers allow, in seconds: 400 days (RFC 6265bis section 5.5).
const MAX_COOKIE_AGE: u64 = 400 * 86_400;

/// Returns the line that sets a session's cookie for `max_age`.
#[must_use]
pub(crate) fn set(on: CookieName, name: &str, value: &str, max_age: Seconds) -> String {
    line(on, name, value, max_age.0.clamp(1, MAX_COOKIE_AGE))
}

/// Returns the line that sets another cookie of ours.
#[must_use]
pub(crate) fn set_other(on: CookieName, name: &str, value: &str, max_age: Seconds) -> String {
    line(on, name, value, max_age.0)
}

/// Returns the line that removes an origin's cookie, by the usual attributes.
#[must_use]
pub(crate) fn clear_foreign(on: CookieName, name: &str) -> String {
    // Without Secure, browsers do not remove `__Host-…` and `__Secure-…`.
    let is_prefixed = name.get(..2) == Some("__");
    let secure = match on {
        CookieName::Loopback if !is_prefixed => "",
        CookieName::Host | CookieName::Loopback => "; Secure",
    };
    format!("{name}=; Path=/; Max-Age=0{secure}")
}

/// Returns the line that removes a cookie of ours: the attributes it was set with, and a maximum age of 0.
#[must_use]
pub(crate) fn clear(on: CookieName, name: &str) -> String {
    line(on, name, "", 0)
}

fn line(on: CookieName, name: &str, value: &str, max_age: u64) -> String {
    let secure = match on {
        CookieName::Host => " Secure;",
        CookieName::Loopback => "",
    };
    format!("{name}={value}; Path=/;{secure} HttpOnly; SameSite=Lax; Max-Age={max_age}")
}

/// Returns the cookie name that an origin's `Set-Cookie` line would set, trimmed as browsers trim it.
#[must_use]
pub(crate) fn name_of(line: &str) -> &str {
    let pair = line.split(';').next().unwrap_or_default();
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let name = name.trim_matches([' ', '\t']);
    if name.is_empty() {
        // Browsers send a nameless cookie `=ours=x` back as `ours=x`.
        return value
            .split('=')
            .next()
            .unwrap_or_default()
            .trim_matches([' ', '\t']);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_and_clear_use_the_same_attributes() {
        assert_eq!(
            set(CookieName::Host, "__Host-session", "v", Seconds(60)),
            "__Host-session=v; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60"
        );
        assert_eq!(
            clear(CookieName::Host, "__Host-session.acme"),
            "__Host-session.acme=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
        );
        assert_eq!(
            set(
                CookieName::Loopback,
                "vestibule-session",
                "v",
                Seconds(u64::MAX)
            ),
            "vestibule-session=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=34560000"
        );
    }

    #[test]
    fn set_cookie_of_a_reserved_name_is_detected_in_every_spelling() {
        for (line, name) in [
            ("a=b; Path=/", "a"),
            (" __Host-session =x", "__Host-session"),
            ("=__Host-session=x", "__Host-session"),
            ("__Host-session", "__Host-session"),
            ("", ""),
        ] {
            assert_eq!(name_of(line), name, "{line:?}");
        }
    }
}
