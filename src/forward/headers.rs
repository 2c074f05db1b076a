//! The header list an origin receives: built, not edited.
//!
//! First what the client sent and may pass, then ours. Contract section 3.

use core::fmt::Write as _;

use crate::clock::UnixSeconds;
use crate::cookie::jar;
use crate::cookie::name::CookieName;
use crate::document::model::CookiePattern;
use crate::forward::reserved::{self, Kind};
use crate::forward::trace::Trace;
use crate::forward::{fold, proof};
use crate::inbound::request::Request;
use crate::policy::HeaderSource;
use crate::store::cache::Prepared;
use crate::tenant_id::TenantId;

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
    /// What the tenant wants told besides, as `X-Session-Env`.
    pub env: Option<&'a str>,
    /// It came with its session in the `Authorization` header, which is not the origin's then.
    pub came_by_bearer: bool,
    /// The origin's cookies that are kept here.
    pub vault: &'a [CookiePattern],
    /// Those that are kept for this request, as in a `Cookie` header.
    pub vaulted: &'a str,
    /// The access token its identity provider gave, if it is valid and fits a header.
    pub access_token: Option<&'a str>,
    /// `X-Session-Assertion`, if the tenant's origins verify it.
    pub assertion: Option<&'a str>,
    /// `X-Session-Proof`, if the tenant's origins check it.
    pub proof: Option<String>,
    /// Headers the tenant's origins know: name, in lower case, and what it says.
    pub mapped: &'a [(String, HeaderSource)],
}

/// The headers that are ours to set, in the order in which [`Outgoing::own`] gives their values.
/// `cookie` is the client's without ours.
pub const OWN: [&str; 20] = [
    "x-session-id",
    "x-session-tenant",
    "x-session-state",
    "x-session-created",
    "x-session-expires",
    "x-session-data",
    "x-session-data-omitted",
    "x-session-user",
    "x-session-email",
    "x-session-name",
    "x-session-groups",
    "x-session-env",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "forwarded",
    "traceparent",
    "tracestate",
    "cookie",
    "upgrade",
];

/// A JWT that says who is speaking, for origins that verify one.
pub const ASSERTION: &str = "x-session-assertion";

/// The header list an origin receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// For each of the client's headers, in order: `+` if it is passed on, `-` if not.
    pub kept: String,
    /// A line for the value of each header in [`OWN`], empty for one that is not set; then for each
    /// header the tenant's origins know a line with its name and one with its value.
    pub own: String,
    /// What of the client's was not believed.
    pub disbelieved: Disbelieved,
}

/// How many headers a client sent that are not its to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disbelieved {
    /// That say who somebody is.
    pub identity: u32,
    /// That say where a request comes from or leads.
    pub routing: u32,
}

impl Disbelieved {
    fn note(&mut self, kind: Kind) {
        match kind {
            Kind::Connection => {}
            Kind::Identity => self.identity += 1,
            Kind::Routing => self.routing += 1,
        }
    }

    /// Whether there was none.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl Outgoing {
    /// Builds the list for `request`.
    #[must_use]
    pub fn new(
        request: &Request<'_>,
        cookie: CookieName,
        speaker: &Speaker<'_>,
        trace: &Trace<'_>,
    ) -> Self {
        let named_by_connection = request.header("connection").unwrap_or_default();
        let mut disbelieved = Disbelieved::default();
        let mut passes = |(name, _): &(&str, &str)| {
            let folded = fold::fold(name);
            let is_mapped = || speaker.mapped.iter().any(|(mapped, _)| *mapped == folded);
            let reason =
                fold::reason(name, &folded).or_else(|| is_mapped().then_some(Kind::Identity));
            if let Some(kind) = reason {
                disbelieved.note(kind);
                return false;
            }
            let is_credential = speaker.came_by_bearer && folded == "authorization";
            !is_credential && !is_listed(named_by_connection, name)
        };
        let kept = request
            .headers
            .iter()
            .map(|header| if passes(header) { '+' } else { '-' })
            .collect();
        let mut outgoing = Self {
            kept,
            own: String::with_capacity(1024),
            disbelieved,
        };
        outgoing.set_speaker(speaker);
        outgoing.set_proxy(request);
        outgoing.set(&trace.parent);
        outgoing.set(trace.state.unwrap_or_default());
        outgoing.set_cookies(request.header("cookie"), cookie, speaker);
        outgoing.set(if request.is_websocket() {
            "websocket"
        } else {
            ""
        });
        if !speaker.mapped.is_empty() {
            outgoing.set_mapped(speaker);
        }
        if let Some(proof) = &speaker.proof {
            outgoing.set_two(proof::NAME, proof);
        }
        if let Some(assertion) = speaker.assertion {
            outgoing.set_two(ASSERTION, assertion);
        }
        outgoing
    }

    /// The value of one of our headers.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let at = OWN.iter().position(|own| *own == name)?;
        self.own
            .split('\n')
            .nth(at)
            .filter(|value| !value.is_empty())
    }

    fn set_speaker(&mut self, speaker: &Speaker<'_>) {
        let session = speaker.session;
        self.set(&session.handle);
        self.set(speaker.tenant.as_str());
        self.set(speaker.state.as_str());
        self.set_number(session.record.created.0);
        self.set_number(speaker.expires.0);
        match &session.data {
            Some(data) if data.len() <= speaker.max_data => self.set_two(data, ""),
            Some(_) => self.set_two("", "size"),
            None => self.set_two("", ""),
        }
        if session.identity.is_empty() {
            self.own.push_str("\n\n\n\n");
        } else {
            self.set(&session.identity);
        }
        self.set(speaker.env.unwrap_or_default());
    }

    /// Under the names an origin knows; a guest has none of them but the session's.
    fn set_mapped(&mut self, speaker: &Speaker<'_>) {
        let mut identity = speaker.session.identity.split('\n');
        let [user, email, name, groups] = core::array::from_fn(|_| identity.next().unwrap_or(""));
        for (header, source) in speaker.mapped {
            let value = match source {
                HeaderSource::Id => &speaker.session.handle,
                HeaderSource::User => user,
                HeaderSource::Email => email,
                HeaderSource::Name => name,
                HeaderSource::Groups => groups,
                HeaderSource::AccessToken | HeaderSource::Bearer => {
                    speaker.access_token.unwrap_or_default()
                }
            };
            if !value.is_empty() {
                self.set(header);
                if *source == HeaderSource::Bearer {
                    self.own.push_str("Bearer ");
                }
                self.set(value);
            }
        }
    }

    /// The client's cookies but ours, and those that are kept here instead of in the browser.
    fn set_cookies(&mut self, header: Option<&str>, cookie: CookieName, speaker: &Speaker<'_>) {
        let is_ours = |name: &str| cookie.is_ours(name);
        let is_kept_here = |name: &str| speaker.vault.iter().any(|pattern| pattern.matches(name));
        let sent = header.and_then(|header| jar::without(header, is_ours, is_kept_here));
        let sent = sent.as_deref().unwrap_or_default();
        self.own.push_str(sent);
        if !sent.is_empty() && !speaker.vaulted.is_empty() {
            self.own.push_str("; ");
        }
        self.set(speaker.vaulted);
    }

    /// `X-Forwarded-*` and `Forwarded` (RFC 7239), from what the edge itself knows. What the
    /// client claims about the way so far is not believed, so there is exactly one element.
    fn set_proxy(&mut self, request: &Request<'_>) {
        let location = &request.location;
        let client = request.client_address();
        self.set(client.unwrap_or_default());
        self.set(location.authority);
        self.set(location.scheme);
        self.own.push_str("for=");
        match client {
            Some(address) if address.contains(':') => {
                // IPv6 goes in brackets and quotes (section 6).
                self.own.push_str("\"[");
                self.own.push_str(address);
                self.own.push_str("]\"");
            }
            Some(address) => self.own.push_str(address),
            None => self.own.push_str("unknown"),
        }
        self.own.push_str(";host=\"");
        self.own.push_str(location.authority);
        self.own.push_str("\";proto=");
        self.own.push_str(location.scheme);
        self.own.push_str(";by=_vestibule\n");
    }

    fn set(&mut self, value: &str) {
        self.own.push_str(value);
        self.own.push('\n');
    }

    fn set_two(&mut self, first: &str, second: &str) {
        self.set(first);
        self.set(second);
    }

    fn set_number(&mut self, number: u64) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.own, "{number}");
    }
}

/// Whether a header of this folded name is set by us, or says something of the connection or of the
/// way: not a name that a tenant may give to something else.
#[must_use]
pub fn is_ours(folded: &str) -> bool {
    OWN.contains(&folded) || reserved::is_fixed(folded) || folded.starts_with("x-session")
}

/// Whether `Connection` names the header as concerning this connection only. Reserved names are
/// gone by then, and ours are set afterwards, so a client cannot remove them this way.
fn is_listed(connection: &str, name: &str) -> bool {
    !connection.is_empty()
        && connection
            .split(',')
            .any(|listed| listed.trim().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::data::Data;
    use crate::session::id::{Handle, SessionId};
    use crate::session::record::{Record, Version};
    use crate::simulation::outside::keys;

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
        let speaker = Speaker {
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
            proof: None,
            mapped: &[],
        };
        let trace = Trace::follow(
            None,
            None,
            &[7; 24],
            crate::forward::trace::Sampling::default(),
        );
        let cookie = CookieName::for_location(&request.location);
        let outgoing = Outgoing::new(&request, cookie, &speaker, &trace);
        assert_eq!(outgoing.own.lines().count(), OWN.len());
        let kept = request
            .headers
            .iter()
            .zip(outgoing.kept.chars())
            .filter(|(_, mark)| *mark == '+');
        let own = OWN
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
            "GET\nhttp://localhost/\ncookie\nvestibule-session=secret; __Host-session=s; y=2",
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
