//! Engine.IO, the transport of socket.io, as far as routing has to know it.
//!
//! A client begins with a polling request without a `sid`, is told one in the first packet of the
//! answer, and names it in every request after that, the WebSocket upgrade included. A client that
//! keeps no cookies (an embedded widget, a script) shows nothing else by which its requests belong
//! together. So the `sid` it is told is made longer by a *route*, which comes back with every
//! request and is taken off before the server sees it.

use hmac::Mac as _;

use crate::clock::UnixSeconds;
use crate::encoding;
use crate::inbound::query;
use crate::keys::KeyRing;
use crate::session::id::{Handle, SessionId};

/// What stands between a server's own `sid` and the route. No server's ids have it.
const MARK: char = '~';

const MAC_BYTES: usize = 12;
const ROUTE_BYTES: usize = 16 + 4 + MAC_BYTES;

/// Which session a client without cookies has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The session's handle.
    pub handle: Handle,
    /// When it began.
    pub created: UnixSeconds,
}

impl Route {
    /// What is put behind the server's own `sid`: 44 characters.
    #[must_use]
    pub fn suffix(&self, keys: &KeyRing) -> String {
        let mut bytes = Vec::with_capacity(ROUTE_BYTES);
        bytes.extend_from_slice(&self.handle.0);
        bytes.extend_from_slice(&u32::try_from(self.created.0).unwrap_or(0).to_be_bytes());
        let mac = keys.signing().cookie_mac.clone();
        let mac = mac.chain_update(PURPOSE).chain_update(&bytes).finalize();
        bytes.extend(mac.as_bytes().iter().take(MAC_BYTES));
        format!("{MARK}{}", encoding::base64url(&bytes))
    }

    fn parse(text: &str, keys: &KeyRing) -> Option<Self> {
        let bytes: [u8; ROUTE_BYTES] = encoding::from_base64url_exact(text)?;
        let (signed, mac) = bytes.split_at(ROUTE_BYTES - MAC_BYTES);
        let genuine = keys.all().any(|key| {
            let own = key.cookie_mac.clone().chain_update(PURPOSE);
            own.chain_update(signed).verify_truncated_left(mac).is_ok()
        });
        let (handle, created) = signed.split_first_chunk::<16>()?;
        let created = u32::from_be_bytes(*created.first_chunk()?);
        genuine.then_some(Self {
            handle: Handle(*handle),
            created: UnixSeconds(u64::from(created)),
        })
    }

    /// The id of such a session: nobody is ever told it.
    #[must_use]
    pub fn id(&self, keys: &KeyRing) -> SessionId {
        SessionId::from_bytes(self.handle.0).successor(keys)
    }
}

/// Keeps a route from passing for anything else that is signed with the same key.
const PURPOSE: &[u8] = b"vestibule/v1/route";

/// Whether a request begins an Engine.IO conversation by polling: only then is the `sid` told in a
/// body. Protocol 4; older ones count the characters of each packet.
#[must_use]
pub fn is_handshake(target: &str) -> bool {
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

/// The route in a request's `sid`, and the target as the server knows it. The path stays the one that
/// was judged, whatever stands in it: only the first `sid` of the query loses its route.
#[must_use]
pub fn routed(target: &str, keys: &KeyRing) -> Option<(Route, String)> {
    if !parameters(target).any(|pair| pair.starts_with("EIO=")) {
        return None;
    }
    let whole = sid(target)?;
    let (own, text) = whole.split_once(MARK)?;
    let route = Route::parse(text, keys)?;
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
    Some((route, known))
}

/// The most bytes of an answer that are looked at: a handshake's has about a hundred.
pub const LONGEST_HANDSHAKE: usize = 4 * 1024;

/// Where the `sid` of a handshake's answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sid {
    /// So many bytes stand before its end.
    EndsAt(usize),
    /// More of the answer must be seen.
    Unknown,
    /// It is no handshake's answer.
    None,
}

/// Looks for the `sid` in how the answer to a handshake begins: with the packet `0{"sid":"…"`, and
/// nothing else.
#[must_use]
pub fn end_of_sid(begins: &[u8]) -> Sid {
    const OPEN: &[u8] = br#"0{"sid":""#;
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
        None if begins.len() < LONGEST_HANDSHAKE => Sid::Unknown,
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
    use crate::simulation::outside::keys;
    use crate::tenant_id::TenantId;

    #[test]
    fn a_route_comes_back_with_the_sid_and_is_taken_off() {
        let keys = keys(&TenantId::parse("t").unwrap());
        let route = Route {
            handle: Handle([7; 16]),
            created: UnixSeconds(1_700_000_000),
        };
        let suffix = route.suffix(&keys);
        assert_eq!(suffix.len(), 44);
        let target = format!("/socket.io/?EIO=4&transport=polling&t=x&sid=abc_-1{suffix}");
        let expected = "/socket.io/?EIO=4&transport=polling&t=x&sid=abc_-1".to_owned();
        assert_eq!(routed(&target, &keys), Some((route, expected)));
        assert_eq!(routed("/socket.io/?EIO=4&sid=abc", &keys), None);
        assert_eq!(routed(&format!("/other?sid=abc{suffix}"), &keys), None);
        let mut forged = suffix.clone();
        forged.replace_range(5..6, if &suffix[5..6] == "A" { "B" } else { "A" });
        let target = format!("/socket.io/?EIO=4&sid=abc{forged}");
        assert_eq!(routed(&target, &keys), None);
        let others = crate::simulation::outside::keys(&TenantId::parse("u").unwrap());
        let target = format!("/socket.io/?EIO=4&sid=abc{suffix}");
        assert_eq!(routed(&target, &others), None);
    }

    #[test]
    fn only_the_query_loses_a_route_and_the_path_stays_as_it_was_judged() {
        let keys = keys(&TenantId::parse("t").unwrap());
        let route = Route {
            handle: Handle([7; 16]),
            created: UnixSeconds(1_700_000_000),
        };
        let suffix = route.suffix(&keys);
        for (before, after) in [
            (
                "/sid=/..ROUTE/admin/x?EIO=4&sid=/..ROUTE",
                "/sid=/..ROUTE/admin/x?EIO=4&sid=/..",
            ),
            ("/sid=aROUTE?EIO=4&sid=aROUTE", "/sid=aROUTE?EIO=4&sid=a"),
            (
                "/x?EIO=4&xsid=aROUTE&sid=aROUTE",
                "/x?EIO=4&xsid=aROUTE&sid=a",
            ),
            (
                "/x?sid=aROUTE&EIO=4&sid=aROUTE",
                "/x?sid=a&EIO=4&sid=aROUTE",
            ),
            ("/x?sid=aROUTE&&EIO=4&", "/x?sid=a&&EIO=4&"),
        ] {
            let target = before.replace("ROUTE", &suffix);
            let expected = after.replace("ROUTE", &suffix);
            assert_eq!(routed(&target, &keys), Some((route, expected)), "{before}");
        }
    }

    #[test]
    fn the_sid_of_a_handshake_is_found_however_it_is_cut_and_nothing_else_is_taken_for_one() {
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
        endless.resize(LONGEST_HANDSHAKE - 1, b'x');
        assert_eq!(end_of_sid(&endless), Sid::Unknown);
        endless.push(b'x');
        assert_eq!(end_of_sid(&endless), Sid::None);
    }

    #[test]
    fn a_handshake_is_told_from_what_follows() {
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
