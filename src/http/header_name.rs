//! Decides which headers of a client are dropped.
//!
//! Origins read header names in more than one spelling: CGI, WSGI and PHP treat `X-Session-User`, `x_session_user` and
//! `X.Session.User` as the same. So names are compared folded: lower case, all characters between letters and digits
//! as one `-`, none at either end. A client's header that could pass for ours or a proxy's is dropped, even if we set
//! none. Others pass in their own spelling. [`reserved_headers`] has the lists.

use std::borrow::Cow;

use super::reserved_headers::{self, Kind};

/// Folded names of headers that make a server treat a request as one of another method. They pass.
const METHOD_OVERRIDES: [&str; 3] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Name that JavaScript cannot give to an object's member; the data plane stores headers as members.
const NO_MEMBER: &str = "__proto__";

/// Folds a name.
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

/// Returns whether folding would change nothing.
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

/// Decides from the first two letters whether a client's header of this lower-case name certainly passes. Folding does
/// not change these letters, so most names need no folding.
#[must_use]
pub(crate) fn is_ordinary(name: &str) -> bool {
    match *name.as_bytes() {
        [first @ b'a'..=b'z', second @ b'a'..=b'z', ..] => {
            reserved_headers::is_certainly_ordinary(first, second)
        }
        _ => false,
    }
}

/// Returns why a client's header of this lower-case name is dropped; `None` if it passes. `folded` is the name,
/// folded.
#[must_use]
pub(crate) fn reason(name: &str, folded: &str) -> Option<Kind> {
    if name == NO_MEMBER {
        return Some(Kind::Connection);
    }
    reserved_headers::kind_of(folded)
}

/// Returns whether a header of this folded name replaces the request's method by its value.
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
            // Application headers with unusual spelling.
            "api_access_token",
            "x-api_key",
            "x_csrf_token",
            "x.amz.date",
            "_",
            "x--y",
            // Headers with which clients of well-known servers identify themselves.
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
