//! Parses Engine.IO, the transport of socket.io, as far as routing needs it.
//!
//! A client begins with a polling request without `sid`. The first packet of the response contains one. The client
//! sends it in every later request, including the WebSocket upgrade. A client without cookies (an embedded widget, a
//! script) has nothing else that links its requests. So Vestibule appends a *route* to its `sid`, and removes it from
//! requests before the server sees them. `crate::cookie::sid_route` defines the route.

use crate::http::query;

/// Separator between a server's own `sid` and the route. No server's ids contain it.
pub(crate) const MARK: char = '~';

/// Returns whether a request begins an Engine.IO conversation by polling: only then the response body contains the
/// `sid`. Protocol 4 only; older ones prefix each packet with its length in characters.
#[must_use]
pub(crate) fn is_handshake(target: &str) -> bool {
    let (mut is_protocol_4, mut is_polling) = (false, false);
    for pair in parameters(target) {
        is_protocol_4 |= pair == "EIO=4";
        is_polling |= pair == "transport=polling";
        if pair.starts_with("sid=") {
            return false;
        }
    }
    is_protocol_4 && is_polling
}

/// Returns whether a request belongs to an Engine.IO conversation that has begun.
#[must_use]
pub(crate) fn names_id(query: &str) -> bool {
    query.contains("EIO=") && query.contains("&sid=")
}

/// Returns the route in a request's `sid`, unverified.
#[must_use]
pub(crate) fn route(target: &str) -> Option<&str> {
    if !parameters(target).any(|pair| pair.starts_with("EIO=")) {
        return None;
    }
    let (_, route) = sid(target)?.split_once(MARK)?;
    Some(route)
}

/// Removes the route from a target. The path stays unchanged, so that it is the one that was checked: only the first
/// `sid` of the query loses its route.
#[must_use]
pub(crate) fn without_route(target: &str) -> Option<String> {
    let whole = sid(target)?;
    let (own, _) = whole.split_once(MARK)?;
    let (path, query) = target.split_once('?')?;
    let mut known = String::with_capacity(target.len());
    known.push_str(path);
    let mut is_cut = false;
    for (at, pair) in query.split('&').enumerate() {
        known.push(if at == 0 { '?' } else { '&' });
        if !is_cut && pair.strip_prefix("sid=") == Some(whole) {
            is_cut = true;
            known.extend(["sid=", own]);
        } else {
            known.push_str(pair);
        }
    }
    Some(known)
}

/// Maximum length of a response that is inspected, in bytes; a handshake's has about a hundred.
const MAX_HANDSHAKE_LENGTH: usize = 4 * 1024;

/// Decides from the response head whether it may answer a handshake; others are not inspected. An unknown `length` is
/// 0 or NaN.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a few kilobytes")]
pub(crate) fn may_be_handshake(status: u16, media_type: &str, length: f64) -> bool {
    let (kind, _) = media_type.split_once(';').unwrap_or((media_type, ""));
    let is_text = kind
        .trim_end_matches(' ')
        .eq_ignore_ascii_case("text/plain");
    status == 200 && is_text && (length.is_nan() || length <= MAX_HANDSHAKE_LENGTH as f64)
}

/// Position of the `sid` in a handshake's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sid {
    /// Number of bytes before its end.
    EndsAt(usize),
    /// More of the response is needed.
    Unknown,
    /// The response does not answer a handshake.
    None,
}

/// Finds the `sid` in the beginning of a handshake's response, which must be the packet `0{"sid":"…"`.
#[must_use]
pub(crate) fn end_of_sid(begins: &[u8]) -> Sid {
    const OPEN: &[u8] = br#"0{"sid":""#;
    let begins = begins.get(..MAX_HANDSHAKE_LENGTH).unwrap_or(begins);
    let common = begins.len().min(OPEN.len());
    if begins.get(..common) != OPEN.get(..common) {
        return Sid::None;
    }
    let Some(rest) = begins.get(OPEN.len()..) else {
        return Sid::Unknown;
    };
    match rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\') || *byte < b' ')
    {
        Some(0) => Sid::None,
        Some(at) if rest.get(at) == Some(&b'"') => Sid::EndsAt(OPEN.len() + at),
        None if begins.len() < MAX_HANDSHAKE_LENGTH => Sid::Unknown,
        _ => Sid::None,
    }
}

fn sid(target: &str) -> Option<&str> {
    parameters(target).find_map(|pair| pair.strip_prefix("sid="))
}

fn parameters(target: &str) -> impl Iterator<Item = &str> {
    let (_, query) = target.split_once('?').unwrap_or_default();
    query::pairs(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_is_read_after_the_marker_in_a_sid() {
        assert_eq!(route("/socket.io/?EIO=4&t=x&sid=abc_-1~r"), Some("r"));
        for other in [
            "/socket.io/?EIO=4&sid=abc",
            "/other?sid=abc~r",
            "/EIO=4/sid=a~r",
        ] {
            assert_eq!(route(other), None, "{other}");
        }
    }

    #[test]
    fn route_is_removed_from_the_query_only() {
        for (before, after) in [
            (
                "/socket.io/?EIO=4&transport=polling&t=x&sid=abc_-1~r",
                "/socket.io/?EIO=4&transport=polling&t=x&sid=abc_-1",
            ),
            (
                "/sid=/..~r/admin/x?EIO=4&sid=/..~r",
                "/sid=/..~r/admin/x?EIO=4&sid=/..",
            ),
            ("/sid=a~r?EIO=4&sid=a~r", "/sid=a~r?EIO=4&sid=a"),
            ("/x?EIO=4&xsid=a~r&sid=a~r", "/x?EIO=4&xsid=a~r&sid=a"),
            ("/x?sid=a~r&EIO=4&sid=a~r", "/x?sid=a&EIO=4&sid=a~r"),
            ("/x?sid=a~r&&EIO=4&", "/x?sid=a&&EIO=4&"),
        ] {
            assert_eq!(route(before), Some("r"), "{before}");
            assert_eq!(without_route(before).as_deref(), Some(after), "{before}");
        }
        assert_eq!(without_route("/x?EIO=4&sid=a"), None);
    }

    #[test]
    fn handshake_sid_is_found_across_chunks() {
        let whole = br#"0{"sid":"abc","upgrades":["websocket"]}"#;
        for length in 0..=whole.len() {
            let expected = if length > 12 {
                Sid::EndsAt(12)
            } else {
                Sid::Unknown
            };
            assert_eq!(end_of_sid(&whole[..length]), expected, "{length}");
        }
        for other in [
            &b"ok"[..],
            b"40{\"sid\":\"abc\"}",
            b"0{\"pid\":\"abc\"}",
            b"0{\"sid\":\"\"}",
            b"0{\"sid\":\"a\\\"b\"}",
            b"0{\"sid\":\"a\nb\"}",
            b"\xff\xfe",
        ] {
            assert_eq!(end_of_sid(other), Sid::None, "{other:?}");
        }
        let mut endless = br#"0{"sid":""#.to_vec();
        endless.resize(MAX_HANDSHAKE_LENGTH - 1, b'x');
        assert_eq!(end_of_sid(&endless), Sid::Unknown);
        endless.push(b'x');
        assert_eq!(end_of_sid(&endless), Sid::None);
    }

    #[test]
    fn only_short_plain_text_may_answer_a_handshake() {
        for (media_type, length) in [
            ("text/plain", 0.0),
            ("text/plain; charset=UTF-8", 97.0),
            ("Text/Plain ;charset=UTF-8", f64::NAN),
            ("text/plain", 4096.0),
        ] {
            assert!(may_be_handshake(200, media_type, length), "{media_type}");
        }
        for (status, media_type, length) in [
            (201, "text/plain", 0.0),
            (400, "text/plain", 0.0),
            (200, "text/plain", 4097.0),
            (200, "text/plainer", 0.0),
            (200, "text/html; x=text/plain", 0.0),
            (200, "", 0.0),
        ] {
            assert!(
                !may_be_handshake(status, media_type, length),
                "{media_type}"
            );
        }
    }

    #[test]
    fn handshake_is_distinguished_from_later_requests() {
        assert!(is_handshake("/socket.io/?EIO=4&transport=polling&t=abc"));
        for other in [
            "/socket.io/?EIO=4&transport=polling&sid=x",
            "/socket.io/?EIO=4&transport=websocket",
            "/socket.io/?EIO=3&transport=polling",
            "/page?transport=polling",
            "/",
        ] {
            assert!(!is_handshake(other), "{other}");
        }
    }
}
