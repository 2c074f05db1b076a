//! The header list an origin receives: built, not edited.
//!
//! First what the client sent and may pass, then ours. `docs/reference/headers.md` lists ours.

use core::fmt::Write as _;

use crate::clock::UnixSeconds;
use crate::config::values::CookiePattern;
use crate::cookie::jar;
use crate::cookie::name::CookieName;
use crate::http::header_name;
use crate::http::request::Request;
use crate::http::reserved_headers::Kind;
use crate::policy::HeaderSource;
use crate::session::prepared::Prepared;
use crate::tenant_id::TenantId;
use crate::upstream::proof;
use crate::upstream::trace_context::Trace;

use connection::Listed;

/// How the origin is to take the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its first request.
    New,
    /// A session like any other.
    Active,
    /// This origin inherits the conversation from another.
    Takeover,
    /// Storage is behind: the headers may be out of date.
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

/// The identity headers that an origin gets.
pub(crate) struct IdentityHeaders<'a> {
    /// Whose visitor.
    pub tenant: &'a TenantId,
    /// The session.
    pub session: &'a Prepared,
    /// How to take it.
    pub state: State,
    /// When it ends if not used again.
    pub expires: UnixSeconds,
    /// Maximum number of bytes of data that are sent.
    pub max_data: usize,
    /// The tenant's `env`, as `X-Session-Env`.
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

/// Headers of a request that goes on without a session.
pub(crate) struct AnonymousHeaders<'a> {
    /// Whose site it is; none if that must make no difference.
    pub tenant: Option<&'a TenantId>,
    /// `X-Session-Proof`, if the tenant's origins check it.
    pub proof: Option<String>,
    /// Headers the tenant's origins know: nobody's to send.
    pub mapped: &'a [(String, HeaderSource)],
    /// What comes back may be given to others too.
    pub shared: bool,
}

/// The headers that are ours to set, in the order in which [`Outgoing::own`] gives their values.
/// `cookie` is the client's without ours.
pub(crate) const FORWARDED_HEADERS: [&str; 21] = [
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
    "x-session-groups-omitted",
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
pub(crate) const ASSERTION: &str = "x-session-assertion";

/// The header list an origin receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// For each of the client's headers, in order: `+` if it is passed on, `-` if not.
    pub kept: String,
    /// A line for the value of each header in [`FORWARDED_HEADERS`], empty for one that is not set; then for each
    /// header the tenant's origins know a line with its name and one with its value.
    pub own: String,
    /// What of the client's was not believed.
    pub disbelieved: Disbelieved,
}

/// How many headers a client sent that are not its to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disbelieved {
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
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl Outgoing {
    /// Builds the list for `request`.
    #[must_use]
    pub(crate) fn new(
        request: &Request<'_>,
        cookie: CookieName,
        identity_headers: &IdentityHeaders<'_>,
        trace: &Trace<'_>,
    ) -> Self {
        let mut outgoing = Self::sifted(
            request,
            identity_headers.came_by_bearer,
            identity_headers.mapped,
            false,
        );
        outgoing.set_identity(identity_headers);
        outgoing.set_way(request, trace);
        outgoing.set_cookies(request.header("cookie"), cookie, identity_headers);
        outgoing.set(if request.is_websocket() {
            "websocket"
        } else {
            ""
        });
        if !identity_headers.mapped.is_empty() {
            outgoing.set_mapped(identity_headers);
        }
        if let Some(proof) = &identity_headers.proof {
            outgoing.set_two(proof::NAME, proof);
        }
        if let Some(assertion) = identity_headers.assertion {
            outgoing.set_two(ASSERTION, assertion);
        }
        outgoing
    }

    /// Builds the list for a request that goes on without a session, and without whatever could tell
    /// whose it is.
    #[must_use]
    pub(crate) fn anonymous(
        request: &Request<'_>,
        anonymous: &AnonymousHeaders<'_>,
        trace: &Trace<'_>,
    ) -> Self {
        let mut outgoing = Self::sifted(request, true, anonymous.mapped, anonymous.shared);
        outgoing.set("");
        outgoing.set(anonymous.tenant.map_or("", TenantId::as_str));
        // State, created, expires, data, omitted, user, email, name, groups, omitted, env.
        outgoing.own.push_str("\n\n\n\n\n\n\n\n\n\n\n");
        outgoing.set_way(request, trace);
        // No cookies, no upgrade.
        outgoing.set_two("", "");
        if let Some(proof) = &anonymous.proof {
            outgoing.set_two(proof::NAME, proof);
        }
        outgoing
    }

    /// Which of the client's headers pass. Its credential does not, if it was for us.
    fn sifted(
        request: &Request<'_>,
        credential_is_ours: bool,
        mapped: &[(String, HeaderSource)],
        shared: bool,
    ) -> Self {
        let listed = Listed::new(request.header("connection").unwrap_or_default());
        let mut disbelieved = Disbelieved::default();
        let first = |name: &str| name.bytes().next();
        let may_be_mapped = |name: &str| {
            mapped
                .iter()
                .any(|(mapped, _)| first(mapped) == first(name))
        };
        let mut passes = |(name, _): &(&str, &str)| {
            if !shared && header_name::is_ordinary(name) && !may_be_mapped(name) {
                let is_credential = credential_is_ours && *name == "authorization";
                return !is_credential && !listed.has(name);
            }
            let folded = header_name::fold(name);
            let is_mapped = || mapped.iter().any(|(mapped, _)| *mapped == folded);
            let reason = header_name::reason(name, &folded)
                .or_else(|| is_mapped().then_some(Kind::Identity));
            if let Some(kind) = reason {
                disbelieved.note(kind);
                return false;
            }
            let is_credential = credential_is_ours && folded == "authorization";
            !is_credential && !listed.has(name) && (!shared || shapes_what_is_shared(name))
        };
        let kept = request
            .headers
            .iter()
            .map(|header| if passes(header) { '+' } else { '-' })
            .collect();
        Self {
            kept,
            own: String::with_capacity(1024),
            disbelieved,
        }
    }

    /// How the request came, and which trace it belongs to.
    fn set_way(&mut self, request: &Request<'_>, trace: &Trace<'_>) {
        self.set_proxy(request);
        self.set(&trace.parent);
        self.set(trace.state.unwrap_or_default());
    }
    /// The value of one of our headers.
    #[must_use]
    #[cfg(any(test, not(feature = "standalone")))]
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let at = FORWARDED_HEADERS.iter().position(|own| *own == name)?;
        self.own
            .split('\n')
            .nth(at)
            .filter(|value| !value.is_empty())
    }

    fn set_identity(&mut self, identity_headers: &IdentityHeaders<'_>) {
        let session = identity_headers.session;
        self.set(&session.handle);
        self.set(identity_headers.tenant.as_str());
        self.set(identity_headers.state.as_str());
        self.set_number(session.record.created.0);
        self.set_number(identity_headers.expires.0);
        match &session.data {
            Some(data) if data.len() <= identity_headers.max_data => self.set_two(data, ""),
            Some(_) => self.set_two("", "size"),
            None => self.set_two("", ""),
        }
        if session.identity.is_empty() {
            self.own.push_str("\n\n\n\n\n");
        } else {
            self.set(&session.identity);
        }
        self.set(identity_headers.env.unwrap_or_default());
    }

    /// Under the names an origin knows; a guest has none of them but the session's.
    fn set_mapped(&mut self, identity_headers: &IdentityHeaders<'_>) {
        let mut identity = identity_headers.session.identity.split('\n');
        let [user, email, name, groups] = core::array::from_fn(|_| identity.next().unwrap_or(""));
        for (header, source) in identity_headers.mapped {
            let value = match source {
                HeaderSource::Id => &identity_headers.session.handle,
                HeaderSource::User => user,
                HeaderSource::Email => email,
                HeaderSource::Name => name,
                HeaderSource::Groups => groups,
                HeaderSource::AccessToken | HeaderSource::Bearer => {
                    identity_headers.access_token.unwrap_or_default()
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
    fn set_cookies(
        &mut self,
        header: Option<&str>,
        cookie: CookieName,
        identity_headers: &IdentityHeaders<'_>,
    ) {
        let is_ours = |name: &str| cookie.is_ours(name);
        let is_kept_here = |name: &str| {
            identity_headers
                .vault
                .iter()
                .any(|pattern| pattern.matches(name))
        };
        let sent = header
            .and_then(|header| jar::without(header, CookieName::MIN_LENGTH, is_ours, is_kept_here));
        let sent = sent.as_deref().unwrap_or_default();
        self.own.push_str(sent);
        if !sent.is_empty() && !identity_headers.vaulted.is_empty() {
            self.own.push_str("; ");
        }
        self.set(identity_headers.vaulted);
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

/// Whether a client's header of this lower-case name says only how it takes an answer that is the same for
/// everybody. A server may answer by any other, such as `Origin`, and a shared cache would hand that to all.
fn shapes_what_is_shared(name: &str) -> bool {
    matches!(name, "accept" | "accept-encoding" | "range" | "user-agent") || name.starts_with("if-")
}

mod connection;

#[cfg(test)]
mod tests;
