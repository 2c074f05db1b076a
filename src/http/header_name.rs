//! Which headers of a client are not passed on.
//!
//! Origins read header names in more than one spelling: CGI, WSGI and PHP see `X-Session-User`,
//! `x_session_user` and `X.Session.User` as the same thing. So names are compared folded: lower
//! case, whatever is between letters and digits as one `-`, nothing of it at either end. What could
//! pass for a header of ours, or of a proxy's, is removed before ours are set, also where we set
//! none; everything else is passed on in its own spelling. The lists are in [`reserved_headers`].

use std::borrow::Cow;

use super::reserved_headers::{self, Kind};

/// What a header says that tells a server to take a request for one of another method. It is passed
/// on, folded as here.
const METHOD_OVERRIDES: [&str; 3] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// The edge holds headers as members of an object, in which JavaScript lets nobody name one so.
const NO_MEMBER: &str = "__proto__";

/// A name, folded.
#[must_use]
pub(crate) fn fold(name: &str) -> Cow<'_, str> {
    if is_folded(name) {
        return Cow::Borrowed(name);
    }
    let mut folded = String::with_capacity(name.len());
    let words = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    for word in words {
        if !folded.is_empty() {
            folded.push('-');
        }
        folded.extend(word.chars().map(|c| c.to_ascii_lowercase()));
    }
    Cow::Owned(folded)
}

/// Whether folding changes nothing.
fn is_folded(name: &str) -> bool {
    let mut after_dash = true;
    for b in name.bytes() {
        match b {
            b'a'..=b'z' | b'0'..=b'9' => after_dash = false,
            b'-' if !after_dash => after_dash = true,
            _ => return false,
        }
    }
    !after_dash
}

/// Whether a client's header of this lower-case name is passed on for how it begins, before it is folded:
/// folding leaves two letters in front as they are.
#[must_use]
pub(crate) fn is_ordinary(name: &str) -> bool {
    match *name.as_bytes() {
        [first @ b'a'..=b'z', second @ b'a'..=b'z', ..] => {
            reserved_headers::begins_otherwise(first, second)
        }
        _ => false,
    }
}

/// Why a client's header of this lower-case name is not passed on; none if it is. `folded` is the
/// name, folded.
#[must_use]
pub(crate) fn reason(name: &str, folded: &str) -> Option<Kind> {
    if name == NO_MEMBER {
        return Some(Kind::Connection);
    }
    reserved_headers::kind_of(folded)
}

/// Whether a header of this folded name tells a server to take the request for one of the method that
/// is its value.
#[must_use]
pub(crate) fn overrides_method(folded: &str) -> bool {
    METHOD_OVERRIDES.contains(&folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(name: &str) -> bool {
        let passes = reason(name, &fold(name)).is_none();
        assert!(passes || !is_ordinary(name), "{name}");
        passes
    }

    #[test]
    fn ordinary_headers_are_not_reserved() {
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
            // Application headers that are spelled otherwise than most.
            "api_access_token",
            "x-api_key",
            "x_csrf_token",
            "x.amz.date",
            "_",
            "x--y",
            // What clients of well-known servers present themselves.
            "x-auth-token",
            "x-user-id",
            "x-http-method-override",
            "x-middleware-prefetch",
            "x-sessions",
            "x-original-filename",
            "x-original-name",
            "fly-prefer-region",
            "forwarded-message-id",
        ] {
            assert!(passes(name), "{name}");
        }
    }

    #[test]
    fn reserved_name_is_recognised_in_every_spelling() {
        for reserved in [
            "x-session-user",
            "x-forwarded-for",
            "x-auth-request-email",
            "remote-user",
            "x-remote-user",
            "x-authenticated-user",
            "ssl-client-s-dn",
            "x-accel-redirect",
            "x-script-name",
            "x-original-url",
            "x-original-uri",
            "x-original-method",
            "x-original-forwarded-for",
            "x-original-remote-addr",
            "x-auth-email",
            "x-auth-name",
            "x-id-token",
            "x-streamlit-user",
            "forwarded-for",
            "fly-client-ip",
            "sf-context-current-user",
        ] {
            assert!(!passes(reserved));
            for separator in ["_", ".", "!", "~", "\u{2010}", "-_", "--"] {
                let spelled = reserved.replace('-', separator);
                for spelled in [
                    spelled.clone(),
                    format!("_{spelled}"),
                    format!("{spelled}-"),
                    spelled.to_ascii_uppercase(),
                ] {
                    assert!(!passes(&spelled), "{spelled}");
                }
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
            "proxy",
            "x-sendfile",
            "x-rewrite-url",
            "__proto__",
        ] {
            assert!(!passes(name), "{name}");
        }
    }

    #[test]
    fn folding_is_idempotent() {
        for name in [
            "", "-", "a", "a-b", "-a", "a-", "a--b", "A", "a_b", "_a__b_", "\u{e4}b", "a1-2",
        ] {
            let folded = fold(name);
            assert_eq!(fold(&folded), folded, "{name}");
            assert_eq!(folded == name, is_folded(name) || name.is_empty(), "{name}");
        }
        assert_eq!(fold("_X__Remote.User-"), "x-remote-user");
    }
}
