//! Decides where the browser goes after a sign-in or sign-out: a path on this site, or its front page.
//!
//! Authority: RFC 9700 section 4.11 (no open redirector), and browsers' parsing of `Location` (WHATWG URL). `//host`,
//! `/\host` and anything with a tab or line break lead to another site.

use crate::http::canonical::canonical;
use crate::http::path::{PathClass, classify};
use crate::http::percent;
use crate::http::request::Location;

/// Maximum length of a return URL, in bytes as JSON: sealed and in base64url it shares a cookie of 4,096 bytes with
/// the rest of the sign-in.
pub(crate) const MAX_LENGTH: usize = 2_600;

/// Path of the front page.
pub(crate) const FRONT: &str = "/";

/// Routes below the reserved prefix that begin or end a sign-in. Returning there would loop.
const CIRCULAR: [&str; 5] = ["/login", "/callback", "/popup", "/logout", "/signed-out"];

/// Returns the requested path if it is safe, else the front page. Checks it as browsers and `fetch` resolve it, and
/// returns it unchanged.
#[must_use]
pub(crate) fn sound<'a>(requested: &'a str, prefix: &str) -> &'a str {
    let is_plain =
        requested.starts_with('/') && requested.bytes().all(|b| matches!(b, b'!'..=b'~'));
    let escaped = requested
        .bytes()
        .filter(|b| matches!(b, b'"' | b'\\'))
        .count();
    if is_plain && requested.len() + escaped <= MAX_LENGTH && leads_to_a_page(requested, prefix) {
        requested
    } else {
        FRONT
    }
}

fn leads_to_a_page(requested: &str, prefix: &str) -> bool {
    // Any site will do, because only the path counts.
    let url = ["https://a", requested].concat();
    let Some(location) = Location::parse(&url) else {
        return false;
    };
    // An ambiguous path would be rejected when the browser requests it.
    let Ok(sent) = canonical(&location) else {
        return false;
    };
    let Some(location) = Location::parse(sent.as_deref().unwrap_or(&url)) else {
        return false;
    };
    let path = location.path;
    // No reader may take the path for another site's URL.
    let decoded = percent::decoded(path.as_bytes()).bytes;
    let leads_away = path.contains("//") || matches!(*decoded, [b'/', b'/' | b'\\', ..]);
    !leads_away
        && match classify(path, prefix) {
            PathClass::Origin => true,
            PathClass::Reserved(route) => !CIRCULAR.contains(&route),
            PathClass::Ambiguous => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_site_return_url_is_kept() {
        let long = format!("/chat?{}", "x".repeat(MAX_LENGTH - 6));
        for place in [
            "/",
            "/chat?thread=1&x=%2F#end",
            "/%E4%BD%A0",
            "/a;b=c",
            "/_session/password",
            "/api/vhosts/%2F/permissions",
            "/proxy/https%3A%2F%2Fother.example%2Fa",
            "/files/.hidden",
            "/files/..hidden/x",
            "/a/../b",
            "/?p=C:\\dir",
            "/?next=//other.example/\\x",
            "/#//x",
            "/chat?q='{|}\"<>^`",
            long.as_str(),
        ] {
            assert_eq!(sound(place, "/_session"), place);
        }
    }

    #[test]
    fn external_or_circular_return_url_becomes_the_root() {
        let long = format!("/{}", "x".repeat(MAX_LENGTH));
        let quotes = format!("/?{}", "\"".repeat(MAX_LENGTH / 2));
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
            "/_session/popup",
            "/_session/logout",
            "/_session/signed-out",
            "/%2fevil.example",
            "/%5Cevil.example",
            "/%252fevil.example",
            "/.%2fevil.example",
            "/a/..//evil.example",
            "/a%2f..%2f..//evil.example",
            "/a\\b",
            "/a%00",
            "/x/../_session/logout",
            "/%5fsession/logout",
            "/_SESSION/logout",
            long.as_str(),
            quotes.as_str(),
            "?x",
            "#x",
        ] {
            assert_eq!(sound(place, "/_session"), FRONT, "{place:?}");
        }
    }

    #[test]
    fn kept_return_url_never_leaves_the_site() {
        // All combinations of these parts, which are known to lead browsers to other sites.
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
                let path = kept.split(['?', '#']).next().unwrap_or_default();
                assert!(!path.contains('\\') && !kept.contains('\t'), "{text}");
            }
        }
    }
}
