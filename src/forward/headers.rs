//! The header list an origin receives: built, not edited.
//!
//! First what the client sent and may pass, then ours. Contract section 3.

use core::fmt::Write as _;

use crate::clock::UnixSeconds;
use crate::cookie::jar;
use crate::cookie::name::CookieName;
use crate::forward::fold;
use crate::forward::trace::Trace;
use crate::inbound::request::Request;
use crate::store::cache::Prepared;
use crate::tenant::TenantId;

/// How the origin is to take the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its first request.
    New,
    /// A session like any other.
    Active,
    /// This origin inherits the conversation from another.
    Takeover,
    /// Storage is behind: what is told may be out of date.
    Degraded,
}

impl State {
    /// The header's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Takeover => "takeover",
            Self::Degraded => "degraded",
        }
    }
}

/// Who is speaking, as told to the origin.
pub struct Speaker<'a> {
    /// Whose visitor.
    pub tenant: &'a TenantId,
    /// The session.
    pub session: &'a Prepared,
    /// How to take it.
    pub state: State,
    /// When it ends if not used again.
    pub expires: UnixSeconds,
    /// The most bytes of data that are told.
    pub max_data: usize,
}

/// Appends the origin's headers to `out`: a line for each name, a line for each value.
pub fn write(
    out: &mut String,
    request: &Request<'_>,
    cookie: CookieName,
    speaker: &Speaker<'_>,
    trace: &Trace<'_>,
) {
    let websocket = request.is_websocket();
    let named_by_connection = request.header("connection").unwrap_or_default();
    for (name, value) in &request.headers {
        if *name == "cookie" {
            if let Some(rest) = jar::without(value, cookie.reserved()) {
                push(out, name, &rest);
            }
        } else if fold::passes(name) && !is_listed(named_by_connection, name) {
            push(out, name, value);
        }
    }
    if websocket {
        push(out, "upgrade", "websocket");
    }
    write_speaker(out, speaker);
    write_proxy(out, request);
    push(out, "traceparent", &trace.parent);
    if let Some(state) = trace.state {
        push(out, "tracestate", state);
    }
}

fn write_speaker(out: &mut String, speaker: &Speaker<'_>) {
    let session = speaker.session;
    push(out, "x-session-id", &session.handle);
    push(out, "x-session-tenant", speaker.tenant.as_str());
    push(out, "x-session-state", speaker.state.as_str());
    push_number(out, "x-session-created", session.record.created.0);
    push_number(out, "x-session-expires", speaker.expires.0);
    match &session.data {
        Some(data) if data.len() <= speaker.max_data => push(out, "x-session-data", data),
        Some(_) => push(out, "x-session-data-omitted", "size"),
        None => {}
    }
}

/// `X-Forwarded-*` and `Forwarded` (RFC 7239), from what the edge itself knows. What the client
/// claims about the way so far is not believed, so there is exactly one element.
fn write_proxy(out: &mut String, request: &Request<'_>) {
    let location = &request.location;
    push(out, "x-forwarded-host", location.authority);
    push(out, "x-forwarded-proto", location.scheme);
    let client = request.client_address();
    if let Some(address) = client {
        push(out, "x-forwarded-for", address);
    }
    out.push_str("forwarded\nfor=");
    match client {
        Some(address) if address.contains(':') => {
            // IPv6 goes in brackets and quotes (section 6).
            out.push_str("\"[");
            out.push_str(address);
            out.push_str("]\"");
        }
        Some(address) => out.push_str(address),
        None => out.push_str("unknown"),
    }
    out.push_str(";host=\"");
    out.push_str(location.authority);
    out.push_str("\";proto=");
    out.push_str(location.scheme);
    out.push_str(";by=_vestibule\n");
}

fn push(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push('\n');
    out.push_str(value);
    out.push('\n');
}

fn push_number(out: &mut String, name: &str, number: u64) {
    out.push_str(name);
    out.push('\n');
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{number}");
}

/// Whether `Connection` names the header as concerning this connection only. Reserved names are
/// gone by then, and ours are set afterwards, so a client cannot remove them this way.
fn is_listed(connection: &str, name: &str) -> bool {
    !connection.is_empty()
        && name != "cookie"
        && connection
            .split(',')
            .any(|listed| listed.trim().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::data::Data;
    use crate::session::id::Handle;
    use crate::session::record::{Record, Version};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    fn written(packed: &str, data: &str, max_data: usize) -> Vec<(String, String)> {
        let request = Request::parse(packed).unwrap();
        let record = Record {
            version: Version(1),
            data: Data::from_stored(data.to_owned()),
            ..Record::unstored(Handle([0; 16]), UnixSeconds(100), UnixSeconds(100))
        };
        let speaker = Speaker {
            tenant: &TenantId::parse("t1").unwrap(),
            session: &Prepared::new(record),
            state: State::Active,
            expires: UnixSeconds(200),
            max_data,
        };
        let trace = Trace::follow(None, None, &mut ChaCha20Rng::seed_from_u64(1));
        let mut out = String::new();
        write(
            &mut out,
            &request,
            CookieName::for_location(&request.location),
            &speaker,
            &trace,
        );
        let lines: Vec<&str> = out.lines().collect();
        lines
            .chunks(2)
            .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
            .collect()
    }

    fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
        let mut values = headers.iter().filter(|(other, _)| other == name);
        let first = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice");
        first
    }

    #[test]
    fn the_origin_learns_who_is_speaking() {
        let headers = written(
            "GET\nhttps://chat.example/\ncf-connecting-ip\n2001:db8::1",
            r#"{"a":1}"#,
            100,
        );
        for (name, expected) in [
            ("x-session-id", "AAAAAAAAAAAAAAAAAAAAAA"),
            ("x-session-tenant", "t1"),
            ("x-session-state", "active"),
            ("x-session-created", "100"),
            ("x-session-expires", "200"),
            ("x-session-data", r#"{"a":1}"#),
            ("x-forwarded-for", "2001:db8::1"),
            ("x-forwarded-host", "chat.example"),
            ("x-forwarded-proto", "https"),
            (
                "forwarded",
                "for=\"[2001:db8::1]\";host=\"chat.example\";proto=https;by=_vestibule",
            ),
        ] {
            assert_eq!(value(&headers, name), Some(expected), "{name}");
        }
    }

    #[test]
    fn data_over_the_cap_is_left_out_and_said_so() {
        let headers = written("GET\nhttp://a/", r#"{"a":1}"#, 6);
        assert_eq!(value(&headers, "x-session-data"), None);
        assert_eq!(value(&headers, "x-session-data-omitted"), Some("size"));
        assert_eq!(
            value(&headers, "forwarded"),
            Some("for=unknown;host=\"a\";proto=http;by=_vestibule")
        );
    }

    #[test]
    fn our_cookie_stays_here_and_others_go_on() {
        let headers = written(
            "GET\nhttps://a/\ncookie\nx=1; __Host-session=secret; session=theirs",
            "",
            0,
        );
        assert_eq!(value(&headers, "cookie"), Some("x=1; session=theirs"));
        let headers = written("GET\nhttps://a/\ncookie\n__Host-session=secret", "", 0);
        assert_eq!(value(&headers, "cookie"), None);
        let headers = written(
            "GET\nhttp://localhost/\ncookie\nsession=secret; __Host-session=s; y=2",
            "",
            0,
        );
        assert_eq!(value(&headers, "cookie"), Some("y=2"));
    }

    #[test]
    fn a_client_can_neither_set_nor_remove_our_headers() {
        let headers = written(
            "GET\nhttps://a/\nx-session-id\nevil\nx_session_id\nevil\nx-session-user\nadmin\nconnection\nX-Session-Id, X-Hop, Cookie\nx-hop\n1\ncookie\na=b",
            "",
            0,
        );
        assert_eq!(
            value(&headers, "x-session-id"),
            Some("AAAAAAAAAAAAAAAAAAAAAA")
        );
        for name in ["x_session_id", "x-session-user", "x-hop", "connection"] {
            assert_eq!(value(&headers, name), None, "{name}");
        }
        assert_eq!(value(&headers, "cookie"), Some("a=b"));
    }

    #[test]
    fn an_upgrade_keeps_its_headers() {
        let headers = written(
            "GET\nhttp://a/\nupgrade\nWebSocket\nsec-websocket-protocol\nchat\nsec-websocket-key\nk",
            "",
            0,
        );
        assert_eq!(value(&headers, "upgrade"), Some("websocket"));
        assert_eq!(value(&headers, "sec-websocket-protocol"), Some("chat"));
    }
}
