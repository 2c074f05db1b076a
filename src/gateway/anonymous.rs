//! Requests that go to an origin without a session, whoever sends them: those for what the tenant says is
//! the same for everybody, and those by which a browser asks whether another site's page may send a request.
//!
//! No cookie is read and none is set, nothing is known of a visitor and nothing is told; so what comes
//! back is nobody's, and may be kept in a shared cache if the tenant says so.

use super::parts::Sessions;
use super::select_origin::Routed;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::assertion::Asserted;
use super::authenticate::{Visitor, unstored};
use super::client_info::Client;
use super::response_context::ResponseContext;
use super::upstream_request::Forward;
use super::{Gateway, Interrupt, RequestContext};
use crate::cookie::token::Token;
use crate::http::header_name;
use crate::http::path;
use crate::http::request::Request;
use crate::session::id::{Handle, SessionId};
use crate::session::record::Version;
use crate::tenant::Tenant;
use crate::upstream::proof::Proved;
use crate::upstream::request_headers::{AnonymousHeaders, Outgoing};

/// Why a request goes on without a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anonymous {
    /// It is a CORS preflight (Fetch section 3.3.2), which carries no credentials and asks the server
    /// what it allows.
    Preflight,
    /// The tenant says that what it asks for is the same for everybody.
    Public,
}

/// Whether a request goes on without a session, and why. One whose method a header changes does
/// not.
pub(crate) fn kind(tenant: &Tenant, context: &RequestContext<'_>) -> Option<Anonymous> {
    let request = context.request;
    let kind = if request.method == "OPTIONS" && is_preflight(request) {
        Anonymous::Preflight
    } else if !tenant.public_paths.is_empty() && is_public(tenant, context) {
        Anonymous::Public
    } else {
        return None;
    };
    let overrides =
        |(name, _): &(&str, &str)| header_name::overrides_method(&header_name::fold(name));
    (!request.headers.iter().any(overrides)).then_some(kind)
}

/// What is in disguise, or asks for a sign-in, is nobody's to share. Nor is what comes over plain http, but
/// on loopback: a server that sends it on to https would have that kept for everybody.
fn is_public(tenant: &Tenant, context: &RequestContext<'_>) -> bool {
    let Request {
        method, location, ..
    } = context.request;
    let mut patterns = tenant.public_paths.iter();
    patterns.any(|pattern| pattern.matches(location.path))
        && (location.scheme == "https" || location.is_plain_loopback())
        && matches!(*method, "GET" | "HEAD")
        && !context.request.is_websocket()
        && path::resolved(location.path).is_none()
        && tenant.access_rule(context.request).admits_guests()
}

impl Sessions {
    /// Somebody who stands for all: of one path always the same, so that one origin answers for it.
    pub(crate) fn nobody(&self, context: &RequestContext<'_>) -> Visitor {
        let hash: [u8; 32] = Sha256::digest(context.request.location.path).into();
        let handle = hash.first_chunk().copied().map_or(Handle([0; 16]), Handle);
        let now = context.now.seconds();
        let token = Token {
            handle,
            id: SessionId::from_bytes([0; _]),
            created: now,
            issued: now,
            least_version: Version::UNSTORED,
        };
        let session = Rc::new(self.prepared(unstored(&token)));
        self.visitor(session, token, Some(""))
    }
}

impl Gateway {
    pub(crate) fn forward_anonymous(
        &mut self,
        kind: Anonymous,
        context: &RequestContext<'_>,
    ) -> Result<Forward, Interrupt> {
        let nobody = self.sessions.nobody(context);
        let Routed { selected, .. } = self.select_origin(Asserted::nobody(nobody, context))?;
        let request = context.request;
        let location = &request.location;
        let tenant = &self.tenant;
        let proof = tenant.proof.as_ref().map(|key| {
            let proved = Proved {
                method: request.method,
                path: location.path,
                handle: "",
                user: "",
            };
            proved.sign(key, context.now.seconds())
        });
        let nobody = AnonymousHeaders {
            tenant: (kind == Anonymous::Preflight).then_some(&tenant.id),
            proof,
            mapped: &tenant.mapped_headers,
            shared: kind == Anonymous::Public,
        };
        let headers = Outgoing::anonymous(request, &nobody, context.trace);
        if !headers.disbelieved.is_none() {
            self.recorder.count_disbelieved(headers.disbelieved);
        }
        let response_context = ResponseContext {
            cookie: "",
            set_cookie: false,
            pin: false,
            in_grace: false,
            touch: false,
            reread: false,
            refeed: false,
            refresh: false,
            opens: false,
            engine_id: false,
            sync_origins: false,
            anonymous: Some(kind),
            name: context.cookie,
            origin: &selected.origin,
            public_base: (location.scheme, location.authority),
            trace_id: context.trace.id(),
            path: "",
            cookie_age: 0,
            client: Client::default(),
        };
        let timeouts = &self.tenant.timeouts;
        Ok(Forward {
            opens: false,
            repeat: None,
            visit: None,
            url: [selected.base.as_str(), location.target].concat(),
            sid_suffix: String::new(),
            headers,
            response_context: response_context.to_text(),
            origin: selected.origin.clone(),
            first_byte_ms: timeouts.first_byte.0.saturating_mul(1000),
            pauses: timeouts.pauses.to_text(),
            handle_response: false,
            run_background: false,
            revocable: false,
            shared: kind == Anonymous::Public,
        })
    }
}

fn is_preflight(request: &Request<'_>) -> bool {
    request.header("origin").is_some()
        && request.header("access-control-request-method").is_some()
        && !request.is_websocket()
}
