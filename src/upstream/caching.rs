//! Adjusts `Cache-Control` so that shared caches do not give one client's response, or cookie, to another.
//!
//! RFC 9111 section 5.2.2. `docs/reference/headers.md` says what that means for origins.

/// Returns `Cache-Control` for a response that sets our cookie, given the origin's own.
#[must_use]
pub(crate) fn with_cookie(origin: Option<&str>) -> String {
    match origin {
        None => "no-store".to_owned(),
        Some(own) if directives(own).any(|d| is(d, "no-store")) => own.to_owned(),
        Some(_) => "private, no-cache=\"Set-Cookie\"".to_owned(),
    }
}

/// Returns `Cache-Control` for a response to a request with a session, if the origin's own allows a shared cache to
/// store it. Returns `None` if it need not change.
#[must_use]
pub(crate) fn personal(origin: &str) -> Option<String> {
    let shared = |d: &str| {
        ["public", "s-maxage", "proxy-revalidate"]
            .iter()
            .any(|name| is(d, name))
    };
    if !directives(origin).any(shared) {
        return None;
    }
    let mut kept = String::from("private");
    for directive in directives(origin).filter(|d| !shared(d) && !is(d, "private")) {
        kept.push_str(", ");
        kept.push_str(directive);
    }
    Some(kept)
}

fn directives(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
}

fn is(directive: &str, name: &str) -> bool {
    directive
        .split('=')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_with_our_cookie_is_private() {
        assert_eq!(with_cookie(None), "no-store");
        assert_eq!(
            with_cookie(Some("no-store, max-age=0")),
            "no-store, max-age=0"
        );
        assert_eq!(
            with_cookie(Some("public, max-age=60")),
            "private, no-cache=\"Set-Cookie\""
        );
    }

    #[test]
    fn public_becomes_private_and_other_directives_stay() {
        for (own, expected) in [
            ("public, max-age=60", Some("private, max-age=60")),
            (
                "s-maxage=10,max-age=5, immutable",
                Some("private, max-age=5, immutable"),
            ),
            ("PUBLIC", Some("private")),
            ("max-age=60", None),
            ("private, max-age=60", None),
            ("no-store", None),
            ("", None),
        ] {
            assert_eq!(personal(own).as_deref(), expected, "{own}");
        }
    }
}
