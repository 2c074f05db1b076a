//! Defines origins that are other Workers, reached through service bindings.
//!
//! Such an origin has no address. Its base is `service:` and the name of the binding; the URL of a request is that, a
//! space, and the URL that the other Worker sees. That is the client's own URL, so redirects and links of the other
//! Worker are right as they are.

/// Beginning of such a base.
const SCHEME: &str = "service:";

/// Site that the other Worker sees in Vestibule's own requests. No public name ends so.
const OWN_SITE: &str = "https://vestibule.internal";

/// Maximum length of a binding's name.
const MAX_NAME: usize = 128;

/// Returns the name of the binding in a base.
#[must_use]
pub(crate) fn named(base: &str) -> Option<&str> {
    base.strip_prefix(SCHEME)
}

/// Returns whether a text can be the name of a binding.
#[must_use]
pub(crate) fn is_binding_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// Returns the base of a binding.
#[must_use]
pub(crate) fn base(binding: &str) -> String {
    [SCHEME, binding].concat()
}

/// Returns the URL of a client's request for `target`, given the scheme and authority that the client used.
#[must_use]
pub(crate) fn url(base: &str, (scheme, authority): (&str, &str), target: &str) -> String {
    match named(base) {
        None => [base, target].concat(),
        Some(_) => [base, " ", scheme, "://", authority, target].concat(),
    }
}

/// Returns the URL of Vestibule's own request for a path.
#[must_use]
pub(crate) fn own_url(base: &str, path: &str) -> String {
    match named(base) {
        None => [base, path].concat(),
        Some(_) => [base, " ", OWN_SITE, path].concat(),
    }
}

/// Splits the URL of a request into the name of the binding and the URL that the other Worker sees.
#[must_use]
pub(crate) fn split(url: &str) -> Option<(&str, &str)> {
    named(url)?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_worker_sees_the_public_url() {
        let public = ("https", "chat.example:8443");
        assert_eq!(
            url("service:CHAT", public, "/a?b=1"),
            "service:CHAT https://chat.example:8443/a?b=1"
        );
        assert_eq!(url("http://o:1", public, "/a?b=1"), "http://o:1/a?b=1");
        assert_eq!(own_url("http://o:1", "/ready"), "http://o:1/ready");
        let own = own_url("service:CHAT", "/ready");
        assert_eq!(
            split(&own),
            Some(("CHAT", "https://vestibule.internal/ready"))
        );
        assert_eq!(split("http://o:1/a"), None);
    }

    #[test]
    fn binding_has_the_name_of_a_variable() {
        for name in ["CHAT", "chat_2", "_x", "ACME__CHAT"] {
            assert!(is_binding_name(name), "{name}");
        }
        for name in [
            "",
            "2x",
            "a b",
            "a.b",
            "a-b",
            "a/b",
            "__proto__ ",
            &"x".repeat(129),
        ] {
            assert!(!is_binding_name(name), "{name}");
        }
    }
}
