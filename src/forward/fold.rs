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

/// What all of these begin with, a bit for each letter: most of a browser's names begin otherwise.
const FIRST_LETTERS: u32 = first_letters(&RESERVED_PREFIXES) | first_letters(&DROPPED);

const fn first_letters(mut names: &[&str]) -> u32 {
    let mut letters = 0;
    while let [name, rest @ ..] = names {
        if let [first, ..] = name.as_bytes() {
            letters |= bit_of(*first);
        }
        names = rest;
    }
    letters
}

/// Letters have a bit each; what else a name may begin with shares one with some letter.
const fn bit_of(first: u8) -> u32 {
    1 << (first & 31)
}

/// Whether a client's header of this lower-case name is passed on.
#[must_use]
pub fn passes(name: &str) -> bool {
    // A name with anything but letters, digits and `-` is either a disguise or unknown to us;
    // nginx drops underscores for the same reason.
    let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    name.bytes().all(plain) && !(may_be_ours(name) && is_ours(name))
}

fn may_be_ours(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|first| FIRST_LETTERS & bit_of(first) != 0)
}

fn is_ours(name: &str) -> bool {
    let has = |prefix: &&str| name.starts_with(*prefix);
    is_dropped(name) || RESERVED_PREFIXES.iter().any(has)
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
    fn whatever_a_name_begins_with_the_tables_count() {
        for name in DROPPED {
            assert!(!passes(name), "{name}");
        }
        for prefix in RESERVED_PREFIXES {
            assert!(!passes(&format!("{prefix}x")), "{prefix}");
        }
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
            "referer",
            "x",
            "x-remote-user",
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
