//! Forwards requests without a session: for content that the tenant declares public, and CORS preflights.
//!
//! The gateway reads and sets no cookie, and the origin learns nothing about the visitor. So the response belongs to no
//! visitor, and a shared cache may keep it if the tenant allows that.

use super::parts::Sessions;
use super::select_origin::Routed;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::assertion::Asserted;
use super::authenticate::Visitor;
use super::client_info::Client;
use super::guest::unstored;
use super::response_context::ResponseContext;
use super::upstream_request::Forward;
use super::{Gateway, Interrupt, RequestContext};
use crate::balancer::service;
use crate::cookie::token::Token;
use crate::http::path;
use crate::http::request::Request;
use crate::session::id::{Handle, SessionId};
use crate::session::record::Version;
use crate::tenant::Tenant;
use crate::upstream::proof::Proved;
use crate::upstream::request_headers::{AnonymousHeaders, Outgoing};

/// Reasons to forward a request without a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anonymous {
    /// A CORS preflight (Fetch section 3.3.2), which carries no credentials and asks the server what it allows.
    Preflight,
    /// The tenant declares the content equal for all visitors.
    Public,
}

/// Returns the reason to forward a request without a session, if any. A header that overrides the method prevents it.
pub(crate) fn kind(tenant: &Tenant, context: &RequestContext<'_>) -> Option<Anonymous> {
    let request = context.request;
    let kind = if request.method == "OPTIONS" && is_preflight(request) {
        Anonymous::Preflight
    } else if !tenant.public_paths.is_empty() && is_public(tenant, context) {
        Anonymous::Public
    } else {
        return None;
    };
    (!request.names.overrides_method).then_some(kind)
}

/// Returns whether a request is for public content. Ambiguous paths and paths that require sign-in never are. Nor is
/// plain HTTP, except on loopback: a redirect to HTTPS would be cached for all visitors.
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
    /// Creates the visitor that anonymous requests share. It depends on the path only, so one origin serves each path.
    pub(crate) fn anonymous_visitor(&self, context: &RequestContext<'_>) -> Visitor {
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
    #[inline(never)]
    pub(crate) fn forward_anonymous(
        &mut self,
        kind: Anonymous,
        context: &RequestContext<'_>,
    ) -> Result<Forward, Interrupt> {
        let visitor = self.sessions.anonymous_visitor(context);
        let Routed { selected, .. } = self.select_origin(Asserted::anonymous(visitor, context))?;
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
        let anonymous = AnonymousHeaders {
            tenant: (kind == Anonymous::Preflight).then_some(&tenant.id),
            proof,
            mapped: &tenant.mapped_headers,
            shared: kind == Anonymous::Public,
        };
        let patches = self.patches_response(request);
        let mut headers = Outgoing::anonymous(request, &anonymous, context.trace);
        if patches {
            headers.ask_for_whole(request);
        }
        if !headers.disbelieved.is_none() {
            self.recorder.count_disbelieved(headers.disbelieved);
        }
        let response_context = ResponseContext {
            tenant: self.tenant.id.as_str(),
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
            patches,
            framed: false,
            sync_origins: false,
            anonymous: Some(kind),
            name: context.cookie,
            origin: &selected.origin,
            public_base: (location.scheme, location.authority),
            trace_id: context.trace.id(),
            path: if patches { location.path } else { "" },
            methods: "",
            cookie_age: 0,
            client: Client::default(),
        };
        let timeouts = &self.tenant.timeouts;
        Ok(Forward {
            opens: false,
            repeat: None,
            visit: None,
            url: service::url(
                &selected.base,
                (location.scheme, location.authority),
                location.target,
            ),
            sid_suffix: String::new(),
            headers,
            response_context: response_context.to_text(),
            origin: selected.origin.clone(),
            first_byte_ms: timeouts.first_byte.0.saturating_mul(1000),
            pauses: timeouts.pauses.to_text(),
            handle_response: patches,
            run_background: false,
            revocable: false,
            shared: kind == Anonymous::Public,
        })
    }
}

/// Returns whether a request has the headers of a CORS preflight.
pub(super) fn is_preflight(request: &Request<'_>) -> bool {
    request.header("origin").is_some()
        && request.header("access-control-request-method").is_some()
        && !request.is_websocket()
}
