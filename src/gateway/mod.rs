//! Runs the stages of a request in order.
//!
//! [`Gateway::admit`] decides on a request, [`Gateway::handle_response`] on its response, and
//! [`Gateway::run_background`] does work after the response. Each returns at once: a decision, or the needs it lacks.
//! The caller then repeats the call with the answers. Only caches stay in memory between calls, so a request may be
//! dropped at any point.
//!
//! The stages, as `forward` calls them:
//!
//! | stage | decides | hands on |
//! | --- | --- | --- |
//! | [`cross_site`] | whether another site's page may send the visitor's cookie | |
//! | `serve_asset`, [`anonymous`] | whether the request needs a session | |
//! | [`authenticate`] | the caller; counts forged cookies, which `cookie/token.rs` detects (429 over the limit) | `Authenticated` |
//! | [`authorize`] | which callers may enter (others get 401 or the sign-in page), also with a forged cookie; creates a guest's session, in its turn ([`waiting`]), at the origin that [`new_session`] draws | `Authorized` |
//! | [`token_refresh`] | whether a new access token is needed | `Authorized` |
//! | [`assertion`] | the signed assertion of the visitor | `Asserted` |
//! | [`select_origin`] | the origin, and when a session moves to another | `Routed` |
//! | [`upstream_request`] | the request to the origin | [`Forward`] |
//!
//! Its [`response`] may be patched ([`patch_response`]), and may change the session: [`update`] asks the session's
//! object, or changes it here with KV alone ([`update_kv`], [`write_behind`]). [`background`] runs after the response,
//! and [`revalidate`] checks open connections.

mod access_log;
pub(crate) mod anonymous;
mod assertion;
mod assets;
pub(crate) mod authenticate;
pub(crate) mod authorize;
mod background;
pub(crate) mod client_info;
pub(crate) mod cloudflare_access;
mod cross_site;
mod decision_cache;
pub(crate) mod end_session;
pub(crate) mod guest;
pub(crate) mod lease_wait;
mod new_session;
mod opening;
mod origin_discovery;
pub(crate) mod origin_sync;
pub(crate) mod parts;
pub(crate) mod password_check;
mod patch_response;
mod probing;
pub(crate) mod providers;
mod release_of_user;
mod request_limits;
mod response;
mod response_context;
mod revalidate;
mod revocation_check;
pub(crate) mod select_origin;
pub(crate) mod session_lookup;
pub(crate) mod session_query;
mod session_quota;
mod several_processes;
mod stored_record;
mod token_refresh;
pub(crate) mod update;
mod update_kv;
mod upstream_request;
mod waiting;
pub(crate) mod write_behind;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use assertion::Assertions;
use chacha20::ChaCha20Rng;
use parts::{Balancer, Limits, Logins, Recorder, Sessions, SharedRandom};

use crate::auth::hashing::Slots;
use crate::auth::return_url;
use crate::balancer::load::Activity;
use crate::balancer::probe::Probe;
use crate::clock::UnixMillis;
use crate::cookie::name::CookieName;
use crate::effect::{Answers, Need};
use crate::http::canonical::canonical;
use crate::http::header_names::CommonHeader;
use crate::http::path::{self, PathClass};
use crate::http::request::{Location, Request};
use crate::http::{limits, websocket};
use crate::response::Answer;
use crate::response::problem::{Audience, Problem};
use crate::telemetry::labels::Route;
use crate::telemetry::log::Event;
use crate::tenant::{ApiKey, Tenant};
use crate::upstream::trace_context::Trace;

#[cfg(test)]
pub(crate) use decision_cache::CachePolicy;
#[cfg(any(test, target_arch = "wasm32"))]
#[cfg_attr(
    not(feature = "standalone"),
    allow(unused_imports, reason = "a library caches no decisions")
)]
pub(crate) use decision_cache::{IGNORED_HEADERS, NEGOTIATION_HEADERS};
pub(crate) use response::ResponseAction;
pub(crate) use revalidate::Revalidation;
pub(crate) use upstream_request::{Forward, Visit};

/// Next action for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send it to an origin. Boxed, because a step is handed on several times.
    Forward(Box<Forward>),
    /// Send this response.
    Answer(Answer),
    /// Send this response with the bytes of the requested file.
    Asset(Answer),
    /// Perform these needs, then call again.
    Await(Vec<Need>),
}

/// Reasons why a step does not forward the request.
pub(crate) enum Interrupt {
    Pending(Vec<Need>),
    // Boxed, because every stage returns interrupts.
    Respond(Box<Answer>),
    RespondFile(Box<Answer>),
    Reject {
        problem: Box<Problem>,
        clear_cookie: bool,
    },
}

impl From<Problem> for Interrupt {
    fn from(problem: Problem) -> Self {
        Self::Reject {
            problem: problem.into(),
            clear_cookie: false,
        }
    }
}

/// Sender of a request, by authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Any visitor.
    Visitor,
    /// A proven operator of this tenant.
    Operator,
}

/// Request with the inputs of its decision.
pub(crate) struct RequestContext<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) answers: &'a Answers,
    pub(crate) cookie: CookieName,
    pub(crate) trace: &'a Trace<'a>,
    pub(crate) now: UnixMillis,
    pub(crate) asker: Asker,
}

/// Work that steps leave to the caller, in addition to their decisions.
pub(crate) struct Effects {
    /// Events to log.
    pub(crate) events: Vec<Event>,
    /// Probes to send to origins.
    pub(crate) probes: Vec<Probe>,
    /// Whether there are values to store.
    pub(crate) has_writes: bool,
    /// Approximate bytes of the cached sessions.
    pub(crate) weight: usize,
}

/// Handler of reserved paths. The text is the part after the prefix.
pub(crate) type ReservedPaths = fn(&mut Gateway, &str, &RequestContext<'_>) -> Interrupt;

/// Gateway of one tenant in one isolate. It holds no data of other tenants.
pub(crate) struct Gateway {
    pub(crate) tenant: Rc<Tenant>,
    /// Prefix of the reserved paths.
    pub(crate) prefix: String,
    pub(crate) sessions: Sessions,
    pub(crate) balancer: Balancer,
    pub(crate) logins: Logins,
    pub(crate) limits: Limits,
    pub(crate) recorder: Recorder,
    /// Cached assertions.
    pub(crate) assertions: Assertions,
    pub(crate) random: SharedRandom,
    /// Handler of the reserved paths: the API, which is built on the stages here.
    reserved: ReservedPaths,
}

impl Gateway {
    /// Creates a tenant's gateway, with its reserved paths below its own path and `prefix`. `random` must be seeded from
    /// a cryptographic source: session ids and nonces come from it.
    #[must_use]
    pub(crate) fn new(
        tenant: Tenant,
        prefix: &str,
        reserved: ReservedPaths,
        random: ChaCha20Rng,
    ) -> Self {
        let tenant = Rc::new(tenant);
        let random = SharedRandom::new(random);
        Self {
            balancer: Balancer::new(Rc::clone(&tenant), random.clone()),
            sessions: Sessions::new(Rc::clone(&tenant), random.clone()),
            logins: Logins::new(Rc::clone(&tenant), random.clone()),
            limits: Limits::new(Rc::clone(&tenant)),
            recorder: Recorder::new(Rc::clone(&tenant)),
            assertions: Assertions::new(Rc::clone(&tenant)),
            prefix: [&tenant.brand.path, prefix].concat(),
            tenant,
            random,
            reserved,
        }
    }

    /// Uses `slots`, which it shares with other gateways, for password checks.
    #[must_use]
    pub(crate) fn hashing_in(mut self, slots: Slots) -> Self {
        self.logins.hashing = slots;
        self
    }

    /// Decides on a request, given the answers so far.
    pub(crate) fn admit(
        &mut self,
        request: &Request<'_>,
        asker: Asker,
        now: UnixMillis,
        answers: &Answers,
    ) -> Step {
        let seed = answers.seed().unwrap_or_else(|| self.draw_seed());
        let trace = Trace::follow(
            request.common(CommonHeader::TraceParent),
            request.common(CommonHeader::TraceState),
            &seed,
            self.tenant.telemetry.sampling,
        );
        self.recorder.labels = self.recorder.labels_of(request, &trace, seed);
        let cookie = CookieName::for_location(&request.location);
        let context = RequestContext {
            request,
            answers,
            cookie,
            trace: &trace,
            now,
            asker,
        };
        self.recorder.state_changed = false;
        match self.forward(&context) {
            Ok(forward) => Step::Forward(forward),
            Err(Interrupt::Pending(needs)) => Step::Await(needs),
            Err(Interrupt::Respond(answer)) => Step::Answer(self.shared(*answer, &context)),
            Err(Interrupt::RespondFile(answer)) => Step::Asset(self.shared(*answer, &context)),
            Err(Interrupt::Reject {
                problem,
                clear_cookie,
            }) => {
                self.recorder.labels.reason = problem.code();
                let audience = Audience::of(request, &self.tenant.brand);
                let answer = problem.answer(audience, trace.id());
                let lines = clear_cookie.then(|| self.tenant.clear_cookies(cookie));
                let answer =
                    self.with_cors(answer.with_cookies(lines.unwrap_or_default()), &context);
                Step::Answer(Answer {
                    cacheable_until: self.refusal_cacheable_until(&problem, &context),
                    ..answer
                })
            }
        }
    }

    /// Runs the stages of a request in order. Each takes the result of the one before, so none can be left out.
    ///
    /// Stages that most isolates never need are kept out of this function (`#[inline(never)]`): the runtime compiles a
    /// function as a whole when it is first called, and a cold start waits for that.
    fn forward(&mut self, context: &RequestContext<'_>) -> Result<Box<Forward>, Interrupt> {
        limits::check(context.request).map_err(Problem::from)?;
        self.check_sender(context)?;
        match self.classify(&context.request.location) {
            PathClass::Origin => {
                let path = context.request.location.path;
                self.recorder.labels.route = self.recorder.route_of(path);
                if !self.tenant.lists.is_null() {
                    self.balancer.await_lists(context)?;
                    self.balancer.require_servers(path)?;
                }
            }
            PathClass::Reserved(route) => {
                self.answer_preflight(route, context)?;
                if !self.tenant.lists.is_null() {
                    self.balancer.await_lists(context)?;
                }
                return Err(self.respond(route, context));
            }
            PathClass::Ambiguous => return Err(Problem::BadPath.into()),
        }
        if self.tenant.requests_per_second.is_some() || self.tenant.max_in_flight.is_some() {
            self.limit_requests(context)?;
        }
        self.serve_asset(context)?;
        if context.request.is_websocket() {
            websocket::check(context.request, &self.tenant.allowed_origins)
                .map_err(Problem::from)?;
        }
        if let Some(kind) = anonymous::kind(&self.tenant, context) {
            return self.forward_anonymous(kind, context).map(Box::new);
        }
        let authenticated = self.authenticate(context)?;
        self.sign_in_by_access(&authenticated.caller, context)?;
        let authorized = self.authorize(authenticated)?;
        self.recorder.labels.handle = Some(authorized.visitor.token.handle);
        let authorized = self.refresh_access_token(authorized)?;
        let asserted = self.assert_identity(authorized)?;
        let routed = self.select_origin(asserted)?;
        Ok(self.upstream_request(&routed))
    }

    /// Lets the API answer a reserved path. Any result but a refusal counts as a change of state.
    fn respond(&mut self, route: &str, context: &RequestContext<'_>) -> Interrupt {
        self.recorder.labels.route = Route::Reserved;
        let interrupt = (self.reserved)(self, route, context);
        self.recorder.state_changed |= !matches!(interrupt, Interrupt::Reject { .. });
        interrupt
    }

    /// Classifies a request's path. It is ambiguous if its canonical form differs, or if it is another pool's to some
    /// readers.
    pub(crate) fn classify<'r>(&self, location: &Location<'r>) -> PathClass<'r> {
        if !location.is_canonical && !matches!(canonical(location), Ok(None)) {
            return PathClass::Ambiguous;
        }
        match path::classify(location.path, &self.prefix) {
            PathClass::Origin if !self.tenant.has_one_pool_at(location.path) => {
                PathClass::Ambiguous
            }
            class => class,
        }
    }

    /// Returns whether the last decision or response changed state that decisions depend on. Most responses only get
    /// edits, of caching headers or redirects. A refusal changes nothing for other requests.
    #[must_use]
    pub(crate) fn has_changed_state(&self) -> bool {
        self.recorder.state_changed
    }

    /// Returns the requested return URL if it is safe, else the tenant's front page.
    #[must_use]
    pub(crate) fn return_url(&self, requested: &str) -> String {
        match return_url::sound(requested, &self.prefix) {
            return_url::FRONT => [&self.tenant.brand.path, return_url::FRONT].concat(),
            sound => sound.to_owned(),
        }
    }

    /// Returns the tokens of this tenant's operators.
    #[must_use]
    pub(crate) fn admin_tokens(&self) -> &[ApiKey] {
        &self.tenant.admin_tokens
    }

    /// Takes the work left to the caller since the last call.
    pub(crate) fn take_effects(&mut self) -> Effects {
        Effects {
            events: core::mem::take(&mut self.recorder.events),
            probes: core::mem::take(&mut self.balancer.probes),
            has_writes: !self.sessions.writes.is_empty(),
            weight: self.sessions.cache.weight(),
        }
    }

    /// Applies a new configuration. Knowledge of sessions and origins stays.
    pub(crate) fn reload(&mut self, tenant: Tenant) {
        let base = self.prefix.split_off(self.tenant.brand.path.len());
        self.prefix = [&tenant.brand.path, base.as_str()].concat();
        let tenant = Rc::new(tenant);
        self.limits.reload(Rc::clone(&tenant));
        self.sessions.tenant = Rc::clone(&tenant);
        self.balancer.pools = parts::pools(&tenant, self.balancer.cluster.lists());
        self.balancer.tenant = Rc::clone(&tenant);
        self.logins.tenant = Rc::clone(&tenant);
        self.recorder.reload(Rc::clone(&tenant));
        self.assertions.tenant = Rc::clone(&tenant);
        self.tenant = tenant;
    }

    /// Records that an origin responded well after a gateway error.
    pub(crate) fn recovered(&mut self, origin: &str, now: UnixMillis) {
        self.balancer.health.record_success(origin, now);
    }

    /// Applies the data plane's counts for an origin. A followed socket counts as under way and is not estimated.
    pub(crate) fn observe(&mut self, origin: &str, seen: Activity, now: UnixMillis) {
        let is_followed = self.tenant.follows_connections();
        let seen = Activity {
            opened: if is_followed { 0 } else { seen.opened },
            ..seen
        };
        self.balancer.load.observe(origin, seen, now);
    }
}

impl From<websocket::BadUpgrade> for Problem {
    fn from(bad: websocket::BadUpgrade) -> Self {
        match bad {
            websocket::BadUpgrade::Method => Self::MethodNotAllowed("GET"),
            websocket::BadUpgrade::Version => Self::UpgradeVersion,
            websocket::BadUpgrade::Key => Self::UpgradeKey,
            websocket::BadUpgrade::Origin => Self::CrossSite,
        }
    }
}
