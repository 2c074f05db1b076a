//! Builds the headers that an origin receives.
//!
//! The allowed headers of the client come first, then ours. `docs/reference/headers.md` lists ours.

use crate::clock::UnixSeconds;
use crate::config::values::CookiePattern;
use crate::cookie::jar;
use crate::cookie::name::CookieName;
use crate::http::header_name;
use crate::http::header_names::CommonHeader;
use crate::http::header_names::Disbelieved;
use crate::http::request::Request;
use crate::http::reserved_headers::Kind;
use crate::policy::HeaderSource;
use crate::session::prepared::Prepared;
use crate::shared_text::SharedText;
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
    pub kept: SharedText,
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
        let mut numbers = [itoa::Buffer::new(), itoa::Buffer::new()];
        let [created, expires] = &mut numbers;
        let session = identity_headers.session;
        let (data, omitted) = match &session.data {
            Some(data) if data.len() <= identity_headers.max_data => (data.as_str(), ""),
            Some(_) => ("", "size"),
            None => ("", ""),
        };
        let sent = request
            .common(CommonHeader::Cookie)
            .and_then(|sent| identity_headers.cookies_of_origin(sent, cookie));
        outgoing.own = Own {
            handle: &session.handle,
            tenant: identity_headers.tenant.as_str(),
            state: identity_headers.state.as_str(),
            created: created.format(session.record.created.0),
            expires: expires.format(identity_headers.expires.0),
            data,
            omitted,
            identity: match session.identity.as_str() {
                "" => NO_IDENTITY,
                identity => identity,
            },
            env: identity_headers.env.unwrap_or_default(),
            cookies: [
                sent.as_deref().unwrap_or_default(),
                identity_headers.vaulted,
            ],
            is_websocket: request.is_websocket(),
        }
        .lines(request, trace);
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
        outgoing.own = Own {
            tenant: anonymous.tenant.map_or("", TenantId::as_str),
            identity: NO_IDENTITY,
            ..Own::default()
        }
        .lines(request, trace);
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
        let listed = Listed::new(request.common(CommonHeader::Connection).unwrap_or_default());
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
                    if is_kept { '+' } else { '-' }
                })
                .collect()
        };
        Self {
            kept,
            own: String::new(),
            disbelieved,
        }
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
}

/// Lines of `X-Session-User` to `-Groups-Omitted` without a user.
const NO_IDENTITY: &str = "\n\n\n\n";

/// Values of our headers that do not come from the way of the request.
#[derive(Default)]
struct Own<'a> {
    handle: &'a str,
    tenant: &'a str,
    state: &'a str,
    created: &'a str,
    expires: &'a str,
    data: &'a str,
    omitted: &'a str,
    /// Five lines.
    identity: &'a str,
    env: &'a str,
    /// The client's cookies without ours, and those of the vault.
    cookies: [&'a str; 2],
    is_websocket: bool,
}

impl Own<'_> {
    /// Returns a line per header in [`FORWARDED_HEADERS`], in one copy: an append costs more than the few bytes of most
    /// values.
    ///
    /// `X-Forwarded-*` and `Forwarded` (RFC 7239) are what the edge itself observes. The client's claims about earlier
    /// hops are ignored, so there is exactly one element.
    fn lines(&self, request: &Request<'_>, trace: &Trace<'_>) -> String {
        let location = &request.location;
        let client = request.client_address();
        let [before, after] = match client {
            // IPv6 addresses need brackets and quotes (section 6).
            Some(address) if address.contains(':') => ["\"[", "]\""],
            _ => ["", ""],
        };
        let [sent, vaulted] = self.cookies;
        [
            self.handle,
            "\n",
            self.tenant,
            "\n",
            self.state,
            "\n",
            self.created,
            "\n",
            self.expires,
            "\n",
            self.data,
            "\n",
            self.omitted,
            "\n",
            self.identity,
            "\n",
            self.env,
            "\n",
            client.unwrap_or_default(),
            "\n",
            location.authority,
            "\n",
            location.scheme,
            "\n",
            location.port(),
            "\nfor=",
            before,
            client.unwrap_or("unknown"),
            after,
            ";host=\"",
            location.authority,
            "\";proto=",
            location.scheme,
            ";by=_vestibule\n",
            &trace.parent,
            "\n",
            trace.state.unwrap_or_default(),
            "\n",
            sent,
            if sent.is_empty() || vaulted.is_empty() {
                ""
            } else {
                "; "
            },
            vaulted,
            if self.is_websocket {
                "\nwebsocket\n"
            } else {
                "\n\n"
            },
        ]
        .concat()
    }
}

impl IdentityHeaders<'_> {
    /// Returns the client's cookies without ours and those that the vault keeps.
    fn cookies_of_origin(&self, sent: &str, ours: CookieName) -> Option<String> {
        let is_ours =
            |name: &str| ours.is_ours(name) || (self.hides_access && name == ACCESS_COOKIE);
        let is_kept_here = |name: &str| self.vault.iter().any(|pattern| pattern.matches(name));
        jar::without(sent, CookieName::MIN_LENGTH, is_ours, is_kept_here)
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
