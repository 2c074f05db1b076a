//! Builds the request to the origin.

use super::parts::Recorder;
use std::borrow::Cow;
use std::rc::Rc;

use super::Gateway;
use super::authenticate::{self, Visitor};
use super::client_info::Client;
use super::cloudflare_access;
use super::decision_cache::CachePolicy;
use super::opening::Noting;
use super::response_context::ResponseContext;
use super::select_origin::{Routed, SelectedOrigin};
use crate::balancer::service;
use crate::clock::UnixSeconds;
use crate::cookie::presented::Presented;
use crate::cookie::sid_route::Route;
use crate::http::engine_io;
use crate::http::header_names::Disbelieved;
use crate::policy::HeaderSource;
use crate::session::prepared::Prepared;
use crate::shared_text::SharedText;
use crate::telemetry::metric;
use crate::tenant::{Consistency, Streams};
use crate::upstream::proof::Proved;
use crate::upstream::request_headers::{IdentityHeaders, Outgoing, State};

/// Session of a forwarded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    /// The session.
    pub session: Rc<Prepared>,
    /// State that the origin sees.
    pub state: State,
    /// End of the session without further use.
    pub expires: UnixSeconds,
}

/// Request to an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    /// Full URL.
    pub url: String,
    /// All headers.
    pub headers: Outgoing,
    /// Text for [`Gateway::handle_response`] and [`Gateway::run_background`].
    pub response_context: String,
    /// Name of the origin, for reporting a failure.
    pub origin: SharedText,
    /// Maximum time until the response headers, in milliseconds.
    pub first_byte_ms: u64,
    /// [`Pauses::to_text`](crate::tenant::Pauses::to_text).
    pub pauses: String,
    /// Whether to handle the response whatever its headers are.
    pub handle_response: bool,
    /// Whether [`Gateway::run_background`] has work.
    pub run_background: bool,
    /// Suffix for the `sid` in the response's body; usually empty.
    pub sid_suffix: String,
    /// Whether to follow an event stream to its end.
    pub revocable: bool,
    /// Whether the zone's cache may answer the request, and keep the response.
    pub shared: bool,
    /// Whether to call [`Gateway::revalidate`] once if the response stays open, because it is not followed.
    pub opens: bool,
    /// Cache policy for equal requests; `None` if the decision holds for this one only.
    pub repeat: Option<CachePolicy>,
    /// Session; `None` if the request has none.
    pub visit: Option<Visit>,
}

impl Gateway {
    /// Builds the request to the origin, and the context that its response needs.
    pub(super) fn upstream_request(&mut self, request: &Routed<'_>) -> Box<Forward> {
        let Routed {
            visitor,
            context,
            assertion,
            selected,
        } = request;
        let state = state(visitor, selected);
        self.recorder.labels.state = state.as_str();
        let sync_origins = self.tenant.consistency == Consistency::Strong
            && self.balancer.cluster.is_due(context.now);
        let (opening_note, touch) = self
            .sessions
            .note_use(visitor, context.request, context.now);
        let repeat = self.cache_policy(visitor, selected, context);
        let tenant = &self.tenant;
        let location = &context.request.location;
        let used = crate::session::lifetime::Span {
            seen: context.now.seconds(),
            ..visitor.session.record.span()
        };
        let record = &visitor.session.record;
        let vaulted = if record.vault.0.is_empty() {
            String::new()
        } else {
            record.vault.header(location.path, context.now.seconds())
        };
        let takes_token =
            |source| matches!(source, HeaderSource::AccessToken | HeaderSource::Bearer);
        let is_wanted = tenant
            .mapped_headers
            .iter()
            .any(|(_, source)| takes_token(*source));
        let grant = record.grant.as_ref().filter(|_| is_wanted);
        let access_token = grant.and_then(|grant| grant.usable_token(context.now.seconds()));
        // A provider may send any text, but a header cannot hold it.
        let fits = |token: &&str| token.bytes().all(|b| matches!(b, b'!'..=b'~'));
        let access_token = access_token.filter(fits);
        let expires = tenant.lifetime.end(&used);
        let proof = tenant.proof.as_ref().map(|key| {
            let proved = Proved {
                method: context.request.method,
                path: location.path,
                handle: &visitor.session.handle,
                user: visitor.session.identity.lines().next().unwrap_or_default(),
            };
            proved.sign(key, context.now.seconds())
        });
        let env = tenant.env.of(record.identity.as_ref());
        let identity = IdentityHeaders {
            tenant: &tenant.id,
            session: &visitor.session,
            state,
            expires,
            max_data: tenant.max_data,
            env: env.as_deref(),
            // With a cookie the bearer token is superfluous, but the origin must not get it either.
            came_by_bearer: !tenant.methods.token.is_empty()
                && matches!(
                    authenticate::bearer(&self.tenant, context),
                    Presented::Genuine { .. }
                ),
            vault: &tenant.vault,
            vaulted: &vaulted,
            access_token,
            assertion: assertion.as_deref(),
            hides_access: tenant
                .methods
                .access
                .as_ref()
                .is_some_and(|team| !team.forward),
            proof,
            mapped: &tenant.mapped_headers,
        };
        let mut headers = Outgoing::new(context.request, context.cookie, &identity, context.trace);
        if tenant
            .methods
            .access
            .as_ref()
            .is_some_and(|team| team.forward)
            && cloudflare_access::began(record)
            && let Some(verified) = context.request.header(cloudflare_access::HEADER)
        {
            headers.add(cloudflare_access::HEADER, verified);
        }
        let patches = self.patches_response(context.request);
        if patches {
            headers.ask_for_whole(context.request);
        }
        // A browser that does not say what it requests a page for may show it in a frame.
        let framed = !tenant.embed_sites.is_empty()
            && context.request.is_navigation()
            && (context.request.is_framed() || context.request.header("sec-fetch-dest").is_none());
        let disbelieved = headers.disbelieved;
        let revocable = tenant.streams == Streams::Revocable;
        let methods = if revocable {
            tenant.methods_of(context.request)
        } else {
            Cow::default()
        };
        let response_context = ResponseContext {
            cookie: &visitor.cookie,
            set_cookie: visitor.set_cookie,
            pin: selected.pin,
            in_grace: visitor.in_grace,
            touch,
            reread: visitor.reread,
            refeed: visitor.refeed,
            sync_origins,
            anonymous: None,
            opens: opening_note == Noting::Cookie,
            engine_id: engine_io::names_id(location.query()),
            refresh: visitor.refresh,
            patches,
            framed,
            name: context.cookie,
            tenant: tenant.id.as_str(),
            origin: &selected.origin,
            public_base: (location.scheme, location.authority),
            trace_id: context.trace.id(),
            path: if tenant.vault.is_empty() && !revocable && !patches {
                ""
            } else {
                location.path
            },
            methods: &methods,
            cookie_age: tenant
                .lifetime
                .cookie_age(&record.span(), context.now.seconds())
                .0,
            client: if visitor.is_recorded() {
                Client::default()
            } else {
                Client::of(context.request)
            },
        };
        let routed = Route::of_target(location.target, &tenant.keys)
            .and_then(|_| engine_io::without_route(location.target));
        let target = routed.as_deref().unwrap_or(location.target);
        // A client that sends no cookie may not keep the new one either.
        let sid_suffix = if visitor.is_new && engine_io::is_handshake(location.target) {
            Route {
                handle: visitor.token.handle,
                created: visitor.token.created,
            }
            .suffix(&tenant.keys)
        } else {
            String::new()
        };
        if !disbelieved.is_none() {
            self.recorder.count_disbelieved(disbelieved);
        }
        let tenant = &self.tenant;
        // Reused decisions are not counted here.
        let is_once = touch
            || sync_origins
            || revocable
            || patches
            || opening_note != Noting::None
            || !disbelieved.is_none();
        Box::new(Forward {
            repeat: repeat.filter(|_| !is_once),
            visit: Some(Visit {
                session: Rc::clone(&visitor.session),
                state,
                expires,
            }),
            url: service::url(
                &selected.base,
                (location.scheme, location.authority),
                target,
            ),
            sid_suffix,
            headers,
            response_context: response_context.to_text(),
            origin: selected.origin.clone(),
            first_byte_ms: if context.request.is_websocket() {
                tenant.timeouts.handshake
            } else {
                tenant.timeouts.first_byte
            }
            .0
            .saturating_mul(1000),
            pauses: tenant.timeouts.pauses.to_text(),
            handle_response: visitor.set_cookie
                || selected.pin
                || patches
                || framed
                || opening_note == Noting::Cookie,
            run_background: visitor.refresh
                || touch
                || visitor.reread
                || visitor.refeed
                || sync_origins,
            revocable,
            shared: false,
            opens: opening_note == Noting::Record,
        })
    }
}

impl Recorder {
    /// Counts headers that a client may not send.
    pub(crate) fn count_disbelieved(&mut self, disbelieved: Disbelieved) {
        let Disbelieved { identity, routing } = disbelieved;
        for (kind, times) in [("identity", identity), ("routing", routing)] {
            let labels = [self.tenant.id.as_str(), kind].join("\t");
            self.series
                .count(metric::HEADERS_DROPPED, &labels, u64::from(times));
        }
    }
}

fn state(visitor: &Visitor, selected: &SelectedOrigin) -> State {
    if visitor.is_new {
        State::New
    } else if visitor.degraded {
        State::Degraded
    } else if selected.takeover {
        State::Takeover
    } else {
        State::Active
    }
}
