//! Carries the parts of a request that its response needs, in a text that travels with the request.
//!
//! The instance keeps nothing in memory for a request under way. So a request that never returns leaks nothing, and a
//! replaced instance loses nothing.

use super::anonymous::Anonymous;
use super::client_info::Client;
use crate::cookie::name::CookieName;
use crate::span_id::TraceId;
use crate::telemetry::labels::RequestLabels;

/// Number of fields.
const FIELDS: usize = 13;

/// Parts of a forwarded request that its response needs. They are no secret from the edge, which has the cookie anyway,
/// and never leave the isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseContext<'a> {
    /// Tenant, to which the response belongs.
    pub(crate) tenant: &'a str,
    /// Value of the cookie, as presented or as it must be set.
    pub(crate) cookie: &'a str,
    /// Whether to set the cookie.
    pub(crate) set_cookie: bool,
    /// Whether to store or delete the pin.
    pub(crate) pin: bool,
    /// Whether the client sent the id from before the last rotation.
    pub(crate) in_grace: bool,
    /// Whether to store that the session is in use.
    pub(crate) touch: bool,
    /// Whether to reread storage.
    pub(crate) reread: bool,
    /// Whether to poll revocations.
    pub(crate) refeed: bool,
    /// Whether to request a new access token.
    pub(crate) refresh: bool,
    /// Whether to share knowledge about origins with other isolates.
    pub(crate) sync_origins: bool,
    /// Reason for forwarding without a session, if any.
    pub(crate) anonymous: Option<Anonymous>,
    /// Whether a guest requests a connection that stays open. If the origin opens one, the cookie notes it.
    pub(crate) opens: bool,
    /// Whether the tenant patches the response.
    pub(crate) patches: bool,
    /// Whether the response may be a page in a frame, for a tenant that names the sites of frames.
    pub(crate) framed: bool,
    /// Whether the request names an Engine.IO id.
    pub(crate) engine_id: bool,
    /// Name of the session cookie on this connection.
    pub(crate) name: CookieName,
    /// Name of the origin.
    pub(crate) origin: &'a str,
    /// Scheme and authority that the client used.
    pub(crate) public_base: (&'a str, &'a str),
    /// Path of the request, if the tenant has a vault for cookies, follows open connections, or patches the response.
    pub(crate) path: &'a str,
    /// Methods of the request, if the tenant follows open connections.
    pub(crate) methods: &'a str,
    /// Trace id, for the log.
    pub(crate) trace_id: &'a str,
    /// Remaining lifetime of the cookie, in seconds.
    pub(crate) cookie_age: u64,
    /// Description of the client; empty for a session that is recorded already.
    pub(crate) client: Client<'a>,
}

impl<'a> ResponseContext<'a> {
    /// Returns the labels for all work after the request: its trace id.
    pub(crate) fn request_labels(&self) -> RequestLabels {
        RequestLabels {
            trace_id: TraceId::parse(self.trace_id).unwrap_or_default(),
            ..RequestLabels::default()
        }
    }

    pub(crate) fn to_text(self) -> String {
        let flags = [
            (self.set_cookie, b'c'),
            (self.pin, b'p'),
            (self.in_grace, b'g'),
            (self.touch, b't'),
            (self.reread, b'r'),
            (self.refeed, b'f'),
            (self.refresh, b'n'),
            (self.sync_origins, b's'),
            (self.opens, b'h'),
            (self.engine_id, b'e'),
            (self.patches, b'b'),
            (self.framed, b'i'),
            (self.name == CookieName::Loopback, b'l'),
            (self.anonymous == Some(Anonymous::Preflight), b'o'),
            (self.anonymous == Some(Anonymous::Public), b'k'),
        ]
        .map(|(is_set, letter)| if is_set { letter } else { b'-' });
        [
            self.tenant,
            self.cookie,
            core::str::from_utf8(&flags).unwrap_or_default(),
            self.origin,
            self.public_base.0,
            self.public_base.1,
            self.path,
            self.methods,
            self.trace_id,
            self.client.country,
            self.client.path,
            itoa::Buffer::new().format(self.cookie_age),
            // The client's text may contain a tab, so it comes last.
            self.client.agent,
        ]
        .join("\t")
    }

    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.splitn(FIELDS, '\t');
        let tenant = fields.next()?;
        let cookie = fields.next()?;
        let flags = fields.next()?;
        let [
            origin,
            scheme,
            authority,
            path,
            methods,
            trace_id,
            country,
            client_path,
            cookie_age,
            agent,
        ] = core::array::from_fn(|_| fields.next());
        Some(Self {
            tenant,
            cookie,
            set_cookie: flags.contains('c'),
            pin: flags.contains('p'),
            in_grace: flags.contains('g'),
            touch: flags.contains('t'),
            reread: flags.contains('r'),
            refeed: flags.contains('f'),
            refresh: flags.contains('n'),
            sync_origins: flags.contains('s'),
            anonymous: if flags.contains('k') {
                Some(Anonymous::Public)
            } else {
                flags.contains('o').then_some(Anonymous::Preflight)
            },
            opens: flags.contains('h'),
            engine_id: flags.contains('e'),
            framed: flags.contains('i'),
            patches: flags.contains('b'),
            name: if flags.contains('l') {
                CookieName::Loopback
            } else {
                CookieName::Host
            },
            origin: origin?,
            public_base: (scheme?, authority?),
            path: path?,
            methods: methods?,
            trace_id: trace_id?,
            cookie_age: cookie_age?.parse().ok()?,
            client: Client {
                country: country?,
                path: client_path?,
                agent: agent?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_context_round_trips() {
        let context = ResponseContext {
            tenant: "acme",
            cookie: "value",
            set_cookie: true,
            pin: false,
            in_grace: true,
            touch: true,
            reread: false,
            refeed: true,
            refresh: true,
            sync_origins: false,
            anonymous: Some(Anonymous::Public),
            opens: true,
            engine_id: true,
            patches: true,
            framed: true,
            name: CookieName::Loopback,
            origin: "blue",
            public_base: ("http", "localhost:8787"),
            path: "/x",
            methods: "GET PUT",
            trace_id: "abc",
            cookie_age: 60,
            client: Client {
                country: "AT",
                path: "/chat/",
                agent: "a tab\tand more",
            },
        };
        assert_eq!(ResponseContext::parse(&context.to_text()), Some(context));
        assert_eq!(ResponseContext::parse("acme\tvalue\tc"), None);
    }
}
