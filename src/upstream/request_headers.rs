//! Builds the headers that an origin receives.
//!
//! The allowed headers of the client come first, then ours. `docs/reference/headers.md` lists ours.

use core::fmt::Write as _;

use crate::clock::UnixSeconds;
use crate::config::values::CookiePattern;
use crate::cookie::jar;
use crate::cookie::name::CookieName;
use crate::http::header_name;
use crate::http::header_names::Disbelieved;
use crate::http::request::Request;
use crate::http::reserved_headers::Kind;
use crate::policy::HeaderSource;
use crate::session::prepared::Prepared;
use crate::tenant_id::TenantId;
use crate::upstream::proof;
use crate::upstream::trace_context::Trace;

use connection::Listed;

/// State of the session for the origin (`X-Session-State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// First request of the session.
    New,
    /// Ordinary request.
    Active,
    /// First request at an origin that takes over the conversation.
    Takeover,
    /// Storage is behind, so the session may be outdated.
    Degraded,
}

impl State {
    /// Returns the header's value.
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

/// Identity headers of a request.
pub(crate) struct IdentityHeaders<'a> {
    /// Tenant.
    pub tenant: &'a TenantId,
    /// Session.
    pub session: &'a Prepared,
    /// State of the session.
    pub state: State,
    /// End of the session without further use.
    pub expires: UnixSeconds,
    /// Maximum bytes of data that are sent.
    pub max_data: usize,
    /// Value of `X-Session-Env`.
    pub env: Option<&'a str>,
    /// Whether the session came in the `Authorization` header, which the origin then does not get.
    pub came_by_bearer: bool,
    /// Patterns of the origin's cookies that the vault keeps.
    pub vault: &'a [CookiePattern],
    /// Vault cookies for this request, in the form of a `Cookie` header.
    pub vaulted: &'a str,
    /// Access token of the identity provider, if it is valid and fits a header.
    pub access_token: Option<&'a str>,
    /// Value of `X-Session-Assertion`, if the tenant uses it.
    pub assertion: Option<&'a str>,
    /// Whether the cookie of Cloudflare Access is withheld: it is the user's assertion.
    pub hides_access: bool,
    /// Value of `X-Session-Proof`, if the tenant uses it.
    pub proof: Option<String>,
    /// Additional headers of the tenant: lower-case name and source.
    pub mapped: &'a [(String, HeaderSource)],
}

/// Headers of a request that is forwarded without a session.
pub(crate) struct AnonymousHeaders<'a> {
    /// Tenant; `None` if it must not affect the response.
    pub tenant: Option<&'a TenantId>,
    /// Value of `X-Session-Proof`, if the tenant uses it.
    pub proof: Option<String>,
    /// Additional headers of the tenant, which the client must not send.
    pub mapped: &'a [(String, HeaderSource)],
    /// Whether a shared cache may store the response.
    pub shared: bool,
}

/// Names of our headers, in the order of the values in [`Outgoing::own`]. `cookie` is the client's without our cookie.
pub(crate) const FORWARDED_HEADERS: [&str; 22] = [
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
    "x-forwarded-port",
    "forwarded",
    "traceparent",
    "tracestate",
    "cookie",
    "upgrade",
];

/// Header with a JWT that identifies the user, for origins that verify it.
pub(crate) const ASSERTION: &str = "x-session-assertion";

/// Cookie in which Cloudflare Access keeps its assertion.
const ACCESS_COOKIE: &str = "CF_Authorization";

/// Headers that an origin receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// One character per header of the client, in order: `+` if it is forwarded, `-` if not.
    pub kept: String,
    /// A line per header in [`FORWARDED_HEADERS`] with its value, empty if it is not set. Then two lines per additional
    /// header of the tenant: name and value.
    pub own: String,
    /// Counts of the client's dropped headers.
    pub disbelieved: Disbelieved,
}

impl Outgoing {
    /// Builds the headers of `request`.
    #[must_use]
    pub(crate) fn new(
        request: &Request<'_>,
        cookie: CookieName,
        identity_headers: &IdentityHeaders<'_>,
        trace: &Trace<'_>,
    ) -> Self {
        let mut outgoing = Self::filtered(
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

    /// Builds the headers of a request without a session, and without anything that identifies the client.
    #[must_use]
    pub(crate) fn anonymous(
        request: &Request<'_>,
        anonymous: &AnonymousHeaders<'_>,
        trace: &Trace<'_>,
    ) -> Self {
        let mut outgoing = Self::filtered(request, true, anonymous.mapped, anonymous.shared);
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

    /// Selects the client's headers to forward. Excludes a credential that was meant for Vestibule.
    fn filtered(
        request: &Request<'_>,
        credential_is_ours: bool,
        mapped: &[(String, HeaderSource)],
        shared: bool,
    ) -> Self {
        let names = &*request.names;
        let mut disbelieved = names.disbelieved;
        let listed = Listed::new(request.header("connection").unwrap_or_default());
        let do_names_decide = mapped.is_empty() && !credential_is_ours && !shared;
        let kept = if do_names_decide && listed.names_none_of(names) {
            names.passing.clone()
        } else {
            let mut passes = |name: &str| {
                let folded = header_name::fold(name);
                if mapped.iter().any(|(mapped, _)| *mapped == folded) {
                    disbelieved.note(Kind::Identity);
                    return false;
                }
                let is_credential = credential_is_ours && folded == "authorization";
                !is_credential && !listed.has(name) && (!shared || shapes_what_is_shared(name))
            };
            let headers = request.headers.iter().zip(names.passing.bytes());
            headers
                .map(|((name, _), passing)| {
                    let is_kept = passing == b'+' && passes(name);
                    if is_kept { "+" } else { "-" }
                })
                .collect()
        };
        Self {
            kept,
            own: String::with_capacity(1024),
            disbelieved,
        }
    }

    /// Sets the proxy and trace headers.
    fn set_way(&mut self, request: &Request<'_>, trace: &Trace<'_>) {
        self.set_proxy(request);
        self.set(&trace.parent);
        self.set(trace.state.unwrap_or_default());
    }
    /// Returns the value of one of our headers.
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

    /// Sets the tenant's additional headers; a guest gets only those of the session.
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

    /// Sets the client's cookies without ours, and the cookies of the vault.
    fn set_cookies(
        &mut self,
        header: Option<&str>,
        cookie: CookieName,
        identity_headers: &IdentityHeaders<'_>,
    ) {
        let hides = identity_headers.hides_access;
        let is_ours = |name: &str| cookie.is_ours(name) || (hides && name == ACCESS_COOKIE);
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

    /// Sets `X-Forwarded-*` and `Forwarded` (RFC 7239) from what the edge itself observes. Ignores the client's claims
    /// about earlier hops, so there is exactly one element.
    fn set_proxy(&mut self, request: &Request<'_>) {
        let location = &request.location;
        let client = request.client_address();
        self.set(client.unwrap_or_default());
        self.set(location.authority);
        self.set(location.scheme);
        self.set(location.port());
        self.own.push_str("for=");
        match client {
            Some(address) if address.contains(':') => {
                // IPv6 addresses need brackets and quotes (section 6).
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

    /// Adds a further header of ours.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.set_two(name, value);
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

/// Returns whether a client's header, by lower-case name, may accompany a request for a shared response. An origin may
/// vary its response by any other, such as `Origin`, and a shared cache would serve that to all.
fn shapes_what_is_shared(name: &str) -> bool {
    matches!(name, "accept" | "accept-encoding" | "range" | "user-agent") || name.starts_with("if-")
}

mod connection;
mod whole;

#[cfg(test)]
mod tests;
