//! Which headers of a client are not passed on.
//!
//! Origins read header names in more than one spelling: CGI, WSGI and PHP see `X-Session-User`,
//! `x_session_user` and `X.Session.User` as the same thing. So names are compared folded: lower
//! case, and everything that is neither letter nor digit as `-`. What could pass for a header of
//! ours, or of a proxy's, is removed before ours are set, also where we set none.

/// Prefixes, folded, that belong to whoever stands between client and origin.
const RESERVED_PREFIXES: [&str; 6] = [
    "x-session-",
    "x-auth-request-",
    "x-forwarded-",
    "remote-",
    "cf-",
    "x-internal-",
];

/// Names, folded, that are dropped: addresses and URLs a client claims, method overrides, what
/// concerns one connection only (RFC 9110 section 7.6.1), and what we set or rewrite ourselves.
const DROPPED: [&str; 34] = [
    "client-ip",
    "cloudflare-workers-version-key",
    "cloudflare-workers-version-overrides",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
    "x-session",
];

/// Whether a client's header of this lower-case name is passed on.
#[must_use]
pub fn passes(name: &str) -> bool {
    // A name with anything but letters, digits and `-` is either a disguise or unknown to us;
    // nginx drops underscores for the same reason.
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.bytes().all(plain)
        && !is_dropped(name)
        && !RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Whether a client's header of this lower-case name is dropped by its name.
#[must_use]
pub fn is_dropped(name: &str) -> bool {
    DROPPED.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_for_the_search() {
        assert!(DROPPED.is_sorted());
    }

    #[test]
    fn ordinary_headers_pass() {
        for name in [
            "accept",
            "content-type",
            "authorization",
            "sec-websocket-protocol",
            "x-request-id",
            "range",
            "last-event-id",
        ] {
            assert!(passes(name), "{name}");
        }
    }

    #[test]
    fn every_spelling_of_a_reserved_name_is_dropped() {
        for reserved in [
            "x-session-user",
            "x-forwarded-for",
            "x-auth-request-email",
            "remote-user",
        ] {
            assert!(!passes(reserved));
            for separator in ["_", ".", "!", "~", "\u{2010}", "-_"] {
                assert!(
                    !passes(&reserved.replace('-', separator)),
                    "{reserved} {separator}"
                );
            }
        }
        for name in [
            "forwarded",
            "x-real-ip",
            "cf-connecting-ip",
            "cf-worker",
            "te",
            "expect",
            "x-internal-x",
            "__proto__",
        ] {
            assert!(!passes(name), "{name}");
        }
    }
}
