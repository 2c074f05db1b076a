//! `Set-Cookie` lines: ours written, the origin's read as far as their name.

use crate::clock::Seconds;
use crate::cookie::name::CookieName;

/// Browsers honour at most 400 days (RFC 6265bis section 5.5).
const MAX_COOKIE_AGE: u64 = 400 * 86_400;

/// Sets our cookie for `max_age` from now.
#[must_use]
pub(crate) fn set(name: CookieName, value: &str, max_age: Seconds) -> String {
    line(
        name,
        name.as_str(),
        value,
        max_age.0.clamp(1, MAX_COOKIE_AGE),
    )
}

/// Sets the cookie of a sign-in under way, under its full name.
#[must_use]
pub(crate) fn set_sign_in(name: CookieName, full: &str, value: &str, max_age: Seconds) -> String {
    line(name, full, value, max_age.0)
}

/// Removes the cookie of a sign-in.
#[must_use]
pub(crate) fn clear_sign_in(name: CookieName, full: &str) -> String {
    line(name, full, "", 0)
}

/// Removes a cookie of an origin's, by the attributes nearly all have.
#[must_use]
pub(crate) fn clear_foreign(on: CookieName, name: &str) -> String {
    // Without it a browser does not let go of `__Host-…` and `__Secure-…`.
    let is_prefixed = name.get(..2) == Some("__");
    let secure = match on {
        CookieName::Loopback if !is_prefixed => "",
        CookieName::Host | CookieName::Loopback => "; Secure",
    };
    format!("{name}=; Path=/; Max-Age=0{secure}")
}

/// Removes our cookie: the same attributes it was set with, and no time to live.
#[must_use]
pub(crate) fn clear(name: CookieName) -> String {
    line(name, name.as_str(), "", 0)
}

fn line(name: CookieName, full: &str, value: &str, max_age: u64) -> String {
    let secure = match name {
        CookieName::Host => " Secure;",
        CookieName::Loopback => "",
    };
    format!("{full}={value}; Path=/;{secure} HttpOnly; SameSite=Lax; Max-Age={max_age}")
}

/// The cookie name a `Set-Cookie` line of the origin would set, trimmed as browsers trim it.
#[must_use]
pub(crate) fn name_of(line: &str) -> &str {
    let pair = line.split(';').next().unwrap_or_default();
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let name = name.trim_matches([' ', '\t']);
    if name.is_empty() {
        // A nameless cookie `=ours=x` comes back from the browser as `ours=x`.
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
            set(CookieName::Host, "v", Seconds(60)),
            "__Host-session=v; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60"
        );
        assert_eq!(
            clear(CookieName::Host),
            "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
        );
        assert_eq!(
            set(CookieName::Loopback, "v", Seconds(u64::MAX)),
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
