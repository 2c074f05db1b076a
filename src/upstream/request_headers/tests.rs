use super::*;
use crate::session::data::Data;
use crate::session::id::{Handle, SessionId};
use crate::session::record::{Record, Version};
use crate::simulation::fake_io::keys;

fn written(packed: &str, data: &str, max_data: usize) -> Vec<(String, String)> {
    let request = Request::parse(packed).unwrap();
    let record = Record {
        version: Version(1),
        data: Data::from_stored(data.to_owned()),
        ..Record::unstored(
            Handle([0; 16]),
            SessionId::from_bytes([1; 16]),
            UnixSeconds(100),
            UnixSeconds(100),
        )
    };
    let identity_headers = IdentityHeaders {
        tenant: &TenantId::parse("t1").unwrap(),
        session: &Prepared::new(record, &keys(&TenantId::parse("t").unwrap())),
        state: State::Active,
        expires: UnixSeconds(200),
        max_data,
        env: None,
        came_by_bearer: false,
        vault: &[],
        vaulted: "",
        access_token: None,
        assertion: None,
        hides_access: false,
        proof: None,
        mapped: &[],
    };
    let trace = Trace::follow(None, None, &[7; 24], crate::policy::Sampling::default());
    let cookie = CookieName::for_location(&request.location);
    let outgoing = Outgoing::new(&request, cookie, &identity_headers, &trace);
    assert_eq!(outgoing.own.lines().count(), FORWARDED_HEADERS.len());
    let kept = request
        .headers
        .iter()
        .zip(outgoing.kept.chars())
        .filter(|(_, mark)| *mark == '+');
    let own = FORWARDED_HEADERS
        .iter()
        .filter_map(|name| outgoing.value(name).map(|value| (*name, value)));
    let all = kept.map(|(header, _)| *header).chain(own);
    all.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = headers.iter().filter(|(other, _)| other == name);
    let first = values.next().map(|(_, value)| value.as_str());
    assert!(values.next().is_none(), "{name} twice");
    first
}

#[test]
fn tenant_cannot_map_a_reserved_header() {
    for name in FORWARDED_HEADERS
        .into_iter()
        .chain([ASSERTION, proof::NAME])
    {
        assert!(crate::http::reserved_headers::is_ours(name), "{name}");
    }
}

#[test]
fn header_that_connection_names_alone_is_dropped() {
    for listed in ["x-hop", "X-Hop", " x-hop "] {
        let packed = format!("GET\nhttps://a/\nconnection\n{listed}\nx-hop\n1\naccept\n*/*");
        let headers = written(&packed, "", 100);
        assert_eq!(value(&headers, "x-hop"), None, "{listed:?}");
        assert_eq!(value(&headers, "accept"), Some("*/*"), "{listed:?}");
    }
}

#[test]
fn identity_headers_are_set() {
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
        ("x-forwarded-port", "443"),
        (
            "forwarded",
            "for=\"[2001:db8::1]\";host=\"chat.example\";proto=https;by=_vestibule",
        ),
    ] {
        assert_eq!(value(&headers, name), Some(expected), "{name}");
    }
}

#[test]
fn oversized_data_is_omitted_and_reported() {
    let headers = written("GET\nhttp://a/", r#"{"a":1}"#, 6);
    assert_eq!(value(&headers, "x-session-data"), None);
    assert_eq!(value(&headers, "x-session-data-omitted"), Some("size"));
    assert_eq!(
        value(&headers, "forwarded"),
        Some("for=unknown;host=\"a\";proto=http;by=_vestibule")
    );
}

#[test]
fn session_cookie_is_removed_and_others_forwarded() {
    let headers = written(
        "GET\nhttps://a/\ncookie\nx=1; __Host-session=secret; session=theirs",
        "",
        0,
    );
    assert_eq!(value(&headers, "cookie"), Some("x=1; session=theirs"));
    let headers = written("GET\nhttps://a/\ncookie\n__Host-session=secret", "", 0);
    assert_eq!(value(&headers, "cookie"), None);
    let headers = written(
        "GET\nhttp://localhost/\ncookie\nvestibule-session=secret; __Host-session=s; y=2",
        "",
        0,
    );
    assert_eq!(value(&headers, "cookie"), Some("y=2"));
}

#[test]
fn client_can_neither_set_nor_remove_our_headers() {
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
fn websocket_headers_are_kept() {
    let headers = written(
        "GET\nhttp://a/\nupgrade\nWebSocket\nsec-websocket-protocol\nchat\nsec-websocket-key\nk",
        "",
        0,
    );
    assert_eq!(value(&headers, "upgrade"), Some("websocket"));
    assert_eq!(value(&headers, "sec-websocket-protocol"), Some("chat"));
}

#[test]
fn shared_request_carries_no_client_specific_headers() {
    let request = Request::parse(
        "GET\nhttps://a/app.js\norigin\nhttps://evil.example\naccept\n*/*\naccept-encoding\ngzip\naccept-language\nde\nrange\nbytes=0-1\nif-none-match\n\"x\"\nuser-agent\nx\nx-anything\n1\nauthorization\nBearer x\nconnection\nrange",
    )
    .unwrap();
    let trace = Trace::follow(None, None, &[7; 24], crate::policy::Sampling::default());
    for (shared, expected) in [(true, "-++--++---"), (false, "++++-+++--")] {
        let anonymous = AnonymousHeaders {
            tenant: None,
            proof: None,
            mapped: &[],
            shared,
        };
        let outgoing = Outgoing::anonymous(&request, &anonymous, &trace);
        assert_eq!(outgoing.kept, expected);
        assert_eq!(outgoing.own.lines().count(), FORWARDED_HEADERS.len());
        assert_eq!(outgoing.value("x-forwarded-proto"), Some("https"));
        assert_eq!(outgoing.value("traceparent"), Some(trace.parent.as_str()));
        assert_eq!(outgoing.value("x-session-env"), None);
    }
}
