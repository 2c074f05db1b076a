//! Writes our `Set-Cookie` lines, and parses the cookie name in an origin's lines.

use crate::clock::Seconds;
use crate::cookie::name::CookieName;

/// Maximum age that browsers allow, in seconds: 400 days (RFC 6265bis section 5.5).
const MAX_COOKIE_AGE: u64 = 400 * 86_400;

/// Requests that carry our cookies (RFC 6265bis section 5.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SameSite {
    /// Requests of this site's pages, and navigations to this site.
    Lax,
    /// Requests of other sites' pages, too. The browser keeps a separate cookie for each of these sites (CHIPS).
    None,
}

/// Returns the line that sets a session's cookie for `max_age`.
#[must_use]
pub(crate) fn set(
    on: CookieName,
    sent: SameSite,
    name: &str,
    value: &str,
    max_age: Seconds,
) -> String {
    line(on, sent, name, value, max_age.0.clamp(1, MAX_COOKIE_AGE))
}

/// Returns the line that sets another cookie of ours.
#[must_use]
pub(crate) fn set_other(
    on: CookieName,
    sent: SameSite,
    name: &str,
    value: &str,
    max_age: Seconds,
) -> String {
    line(on, sent, name, value, max_age.0)
}

/// Returns the lines that remove an origin's cookie, by the usual attributes. In another site's frame the browser has a
/// cookie of its own, and removes only that.
#[must_use]
pub(crate) fn clear_foreign(on: CookieName, sent: SameSite, name: &str) -> Vec<String> {
    // Without Secure, browsers do not remove `__Host-…` and `__Secure-…`.
    let is_prefixed = name.get(..2) == Some("__");
    let secure = match on {
        CookieName::Loopback if !is_prefixed => "",
        CookieName::Host | CookieName::Loopback => "; Secure",
    };
    let mut lines = vec![format!("{name}=; Path=/; Max-Age=0{secure}")];
    if sent == SameSite::None {
        lines.push(format!(
            "{name}=; Path=/; Max-Age=0; Secure; SameSite=None; Partitioned"
        ));
    }
    lines
}

/// Returns the line that removes a cookie of ours: the attributes it was set with, and a maximum age of 0.
#[must_use]
pub(crate) fn clear(on: CookieName, sent: SameSite, name: &str) -> String {
    line(on, sent, name, "", 0)
}

fn line(on: CookieName, sent: SameSite, name: &str, value: &str, max_age: u64) -> String {
    let (secure, sent) = match (on, sent) {
        (CookieName::Host, SameSite::Lax) => (" Secure;", "Lax"),
        (CookieName::Loopback, SameSite::Lax) => ("", "Lax"),
        // Browsers accept neither attribute without Secure, also on loopback.
        (_, SameSite::None) => (" Secure;", "None; Partitioned"),
    };
    format!("{name}={value}; Path=/;{secure} HttpOnly; SameSite={sent}; Max-Age={max_age}")
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
    fn origins_cookie_is_removed_in_frames_too() {
        let plain = "a=; Path=/; Max-Age=0; Secure";
        let framed = "a=; Path=/; Max-Age=0; Secure; SameSite=None; Partitioned";
        let lines = |sent| clear_foreign(CookieName::Host, sent, "a");
        assert_eq!(lines(SameSite::Lax), [plain]);
        assert_eq!(lines(SameSite::None), [plain, framed]);
    }

    #[test]
    fn set_and_clear_use_the_same_attributes() {
        assert_eq!(
            set(
                CookieName::Host,
                SameSite::Lax,
                "__Host-session",
                "v",
                Seconds(60)
            ),
            "__Host-session=v; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60"
        );
        assert_eq!(
            clear(CookieName::Host, SameSite::Lax, "__Host-session.acme"),
            "__Host-session.acme=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
        );
        assert_eq!(
            set(
                CookieName::Loopback,
                SameSite::Lax,
                "vestibule-session",
                "v",
                Seconds(u64::MAX)
            ),
            "vestibule-session=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=34560000"
        );
        for (on, name) in [
            (CookieName::Host, "__Host-session"),
            (CookieName::Loopback, "vestibule-session"),
        ] {
            assert_eq!(
                clear(on, SameSite::None, name),
                format!("{name}=; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=0")
            );
        }
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
