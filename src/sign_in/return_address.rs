//! Where a visitor goes after signing in or out: a place on this very site, or its front page.
//!
//! Authority: RFC 9700 section 4.11 (no open redirector), and how browsers read a `Location` (WHATWG
//! URL): `//host`, `/\host` and anything with a tab or a line break in it lead away.

/// The longest address that is remembered.
const LONGEST: usize = 1_024;

/// The front page.
pub const FRONT: &str = "/";

/// Below the reserved prefix, these begin or end a sign-in: returning there goes round in circles.
const CIRCULAR: [&str; 4] = ["/login", "/callback", "/logout", "/signed-out"];

/// The address if it is sound, or the front page.
#[must_use]
pub fn sound<'a>(asked: &'a str, prefix: &str) -> &'a str {
    let path = asked.split(['?', '#']).next().unwrap_or_default();
    let is_plain = asked
        .bytes()
        .all(|b| matches!(b, b'!'..=b'~') && b != b'\\');
    let leads_away = !asked.starts_with('/') || path.contains("//");
    // A disguise of a reserved path, or of `//`, is never met by accident.
    let is_disguised = path.contains("/.") || path.to_ascii_lowercase().contains("%2f");
    let is_circular = path
        .strip_prefix(prefix)
        .is_some_and(|route| CIRCULAR.contains(&route));
    if asked.len() > LONGEST || !is_plain || leads_away || is_disguised || is_circular {
        FRONT
    } else {
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_on_this_site_is_kept() {
        for place in [
            "/",
            "/chat?thread=1&x=%2F#end",
            "/%E4%BD%A0",
            "/a;b=c",
            "/_session/password",
        ] {
            assert_eq!(sound(place, "/_session"), place);
        }
    }

    #[test]
    fn what_leads_away_or_round_in_circles_is_the_front_page() {
        let long = format!("/{}", "x".repeat(LONGEST));
        for place in [
            "",
            "chat",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            " /x",
            "/x y",
            "/a//evil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/%2f/evil.example",
            "/%2F%2Fevil.example",
            "/你",
            "@evil.example",
            "/\u{7f}",
            "/_session/login",
            "/_session/callback?code=1",
            "/_session/logout",
            "/_session/signed-out",
            long.as_str(),
            "?x",
            "#x",
        ] {
            assert_eq!(sound(place, "/_session"), FRONT, "{place:?}");
        }
    }

    #[test]
    fn a_browser_never_leaves_by_an_address_that_was_kept() {
        // Every text of these parts: what browsers are known to be led astray by.
        let parts = [
            "/",
            "\\",
            "\t",
            ".",
            "%2f",
            "evil.example",
            "http:",
            "?",
            "#",
            "@",
        ];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            let longer = texts
                .iter()
                .flat_map(|text| parts.iter().map(move |part| format!("{text}{part}")));
            texts = longer.collect();
            for text in &texts {
                let kept = sound(text, "/_session");
                let second = kept.as_bytes().get(1);
                assert!(
                    kept.starts_with('/') && !matches!(second, Some(b'/' | b'\\')),
                    "{text}"
                );
                assert!(!kept.contains(['\\', '\t']), "{text}");
            }
        }
    }
}
