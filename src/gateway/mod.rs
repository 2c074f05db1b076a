//! Runs the path of a request, one stage after the other.
//!
//! [`Gateway::admit`] is the way in, [`Gateway::handle_response`] the way out, [`Gateway::run_background`] what
//! can wait until the visitor has the answer. Each returns at once: with its decision, or with what
//! it lacks, to be called again with the answers. Nothing is remembered in between but
//! caches, so a request may be dropped at any point.
//!
//! The stages, as `forward` calls them:
//!
//! | stage | decides | hands on |
//! | --- | --- | --- |
//! | `serve_asset`, [`anonymous`] | whether a session matters at all | |
//! | [`authenticate`] | who is calling; counts forged cookies, which `cookie/token.rs` detects (429 over the limit) | `Authenticated` |
//! | [`authorize`] | who may come in (else 401 or the sign-in page), also with a forged cookie; a guest's session begins here, at the origin that [`new_session`] draws | `Authorized` |
//! | [`token_refresh`] | whether a new access token is needed | `Authorized` |
//! | [`assertion`] | what is signed of the visitor | `Asserted` |
//! | [`select_origin`] | which origin gets it, and what moves a session to another | `Routed` |
//! | [`upstream_request`] | what the origin is sent | [`Forward`] |
//!
//! Its [`response`] may change the session: [`update`] asks the session's object, or changes it here with KV alone
//! ([`update_kv`]). [`background`] follows the answer, [`revalidate`] what stays open.

mod access_log;
pub(crate) mod anonymous;
mod assertion;
mod assets;
pub(crate) mod authenticate;
pub(crate) mod authorize;
mod background;
pub(crate) mod client_info;
mod decision_cache;
pub(crate) mod end_session;
mod new_session;
mod opening;
pub(crate) mod origin_sync;
pub(crate) mod parts;
pub(crate) mod password_check;
mod probing;
pub(crate) mod providers;
mod request_limits;
mod response;
mod response_context;
mod revalidate;
mod revocation_check;
pub(crate) mod select_origin;
pub(crate) mod session_lookup;
pub(crate) mod session_query;
mod several_processes;
mod token_refresh;
pub(crate) mod update;
mod update_kv;
mod upstream_request;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use assertion::Assertions;
use chacha20::ChaCha20Rng;
use parts::{Balancer, Limits, Logins, Recorder, Sessions, SharedRandom};

use crate::auth::hashing::Slots;
use crate::balancer::load::Activity;
use crate::balancer::probe::Probe;
use crate::clock::UnixMillis;
use crate::cookie::name::CookieName;
use crate::cookie::set_cookie;
use crate::effect::{Answers, Need};
use crate::http::canonical::canonical;
use crate::http::path::{self, PathClass};
use crate::http::request::{Location, Request};
use crate::http::{limits, websocket};
use crate::response::Answer;
use crate::response::problem::{Audience, Problem};
use crate::telemetry::log::Event;
use crate::tenant::{ApiKey, Pauses, Streams, Tenant};
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

/// What is to be done with a request next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send it to an origin.
    Forward(Forward),
    /// Answer it.
    Answer(Answer),
    /// Answer it so, with the bytes of the file that was asked for.
    Asset(Answer),
    /// Do all of this, then ask again.
    Await(Vec<Need>),
}

/// Why a step stops short of forwarding.
pub(crate) enum Interrupt {
    Pending(Vec<Need>),
    // Boxed, because an interrupt is handed on by everybody.
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

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Anybody.
    Visitor,
    /// Somebody who has shown to be this tenant's operator.
    Operator,
}

/// One request on its way through.
pub(crate) struct RequestContext<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) answers: &'a Answers,
    pub(crate) cookie: CookieName,
    pub(crate) trace: &'a Trace<'a>,
    pub(crate) now: UnixMillis,
    pub(crate) asker: Asker,
}

/// What steps left to be done, beside their decisions.
pub(crate) struct Effects {
    /// To be logged.
    pub(crate) events: Vec<Event>,
    /// To be sent to origins.
    pub(crate) probes: Vec<Probe>,
    /// There are values to be stored, until they are taken.
    pub(crate) has_writes: bool,
    /// Approximate bytes of the sessions that are remembered.
    pub(crate) weight: usize,
}

/// What answers a reserved path; the text is what follows the prefix.
pub(crate) type ReservedPaths = fn(&mut Gateway, &str, &RequestContext<'_>) -> Interrupt;

/// One tenant's gateway in one isolate. Nothing in it is another tenant's.
pub(crate) struct Gateway {
    pub(crate) tenant: Rc<Tenant>,
    /// Where the reserved paths are.
    pub(crate) prefix: String,
    pub(crate) sessions: Sessions,
    pub(crate) balancer: Balancer,
    pub(crate) logins: Logins,
    pub(crate) limits: Limits,
    pub(crate) recorder: Recorder,
    /// Assertions in use.
    pub(crate) assertions: Assertions,
    pub(crate) random: SharedRandom,
    /// Answers the reserved paths: the API, which is built on the stages here.
    reserved: ReservedPaths,
}

impl Gateway {
    /// A gateway for a tenant, whose reserved paths are below `prefix`. `random` must be seeded from a cryptographic source:
    /// session ids and nonces come from it.
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
            tenant,
            prefix: prefix.to_owned(),
            random,
            reserved,
        }
    }

    /// Checks passwords in slots that it shares with others.
    #[must_use]
    pub(crate) fn hashing_in(mut self, slots: Slots) -> Self {
        self.logins.hashing = slots;
        self
    }

    /// Decides on a request, given what was answered so far.
    pub(crate) fn admit(
        &mut self,
        request: &Request<'_>,
        asker: Asker,
        now: UnixMillis,
        answers: &Answers,
    ) -> Step {
        let seed = answers.seed().unwrap_or_else(|| self.draw_seed());
        let trace = Trace::follow(
            request.header("traceparent"),
            request.header("tracestate"),
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
            Err(Interrupt::Respond(answer)) => Step::Answer(*answer),
            Err(Interrupt::RespondFile(answer)) => Step::Asset(*answer),
            Err(Interrupt::Reject {
                problem,
                clear_cookie,
            }) => {
                self.recorder.labels.reason = problem.code();
                let audience = Audience::of(request, &self.tenant.brand);
                let answer = problem.answer(audience, trace.id());
                let line = clear_cookie.then(|| set_cookie::clear(cookie));
                let answer = self.with_cors(answer.with_cookie(line), request);
                Step::Answer(Answer {
                    cacheable_until: self.refusal_cacheable_until(&problem, &context),
                    ..answer
                })
            }
        }
    }

    /// The stages of a request, in their order. Each takes what the one before it made, so none can be left out.
    fn forward(&mut self, context: &RequestContext<'_>) -> Result<Forward, Interrupt> {
        limits::check(context.request).map_err(Problem::from)?;
        match self.classify(&context.request.location) {
            PathClass::Origin => {}
            PathClass::Reserved(route) => return Err(self.respond(route, context)),
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
            return self.forward_anonymous(kind, context);
        }
        let authenticated = self.authenticate(context)?;
        let authorized = self.authorize(authenticated)?;
        self.recorder.labels.handle = Some(authorized.visitor.token.handle);
        let authorized = self.refresh_access_token(authorized)?;
        let asserted = self.assert_identity(authorized)?;
        let routed = self.select_origin(asserted)?;
        Ok(self.upstream_request(&routed))
    }

    /// Has the API answer a reserved path. Only a refusal changes nothing.
    fn respond(&mut self, route: &str, context: &RequestContext<'_>) -> Interrupt {
        let interrupt = (self.reserved)(self, route, context);
        self.recorder.state_changed |= !matches!(interrupt, Interrupt::Reject { .. });
        interrupt
    }

    /// Whose a request's path is. One that is not judged as it is sent is nobody's.
    pub(crate) fn classify<'r>(&self, location: &Location<'r>) -> PathClass<'r> {
        if location.is_canonical {
            return path::classify(location.path, &self.prefix);
        }
        match canonical(location) {
            Ok(None) => path::classify(location.path, &self.prefix),
            Ok(Some(_)) | Err(_) => PathClass::Ambiguous,
        }
    }

    /// Where a chat server would have answered: lets the pages of those sites read a refusal that the
    /// tenant says may (Fetch section 3.2.3).
    fn with_cors(&self, answer: Answer, request: &Request<'_>) -> Answer {
        let mut sites = self.tenant.cors_origins.iter();
        let Some(origin) = request.header("origin") else {
            return answer;
        };
        let is_ours = self.classify(&request.location) != PathClass::Origin;
        if is_ours || !sites.any(|site| site.eq_ignore_ascii_case(origin)) {
            return answer;
        }
        answer
            .with("access-control-allow-origin", origin)
            .with("access-control-allow-credentials", "true")
            .with(
                "access-control-expose-headers",
                "WWW-Authenticate, Retry-After",
            )
            .with("vary", "Origin")
    }

    /// Whether what was decided or settled last told anything that decisions depend on. Most of an origin's answers
    /// only go out otherwise than they came: how long they may be kept, where they lead. And who is refused has
    /// changed nothing for others.
    #[must_use]
    pub(crate) fn has_changed_state(&self) -> bool {
        self.recorder.state_changed
    }

    /// What this tenant's operators present.
    #[must_use]
    pub(crate) fn admin_tokens(&self) -> &[ApiKey] {
        &self.tenant.admin_tokens
    }

    /// Takes what was left to be done since the last call, beside the decisions.
    pub(crate) fn take_effects(&mut self) -> Effects {
        Effects {
            events: core::mem::take(&mut self.recorder.events),
            probes: core::mem::take(&mut self.balancer.probes),
            has_writes: !self.sessions.writes.is_empty(),
            weight: self.sessions.cache.weight(),
        }
    }

    /// Goes on with what is newly said of the tenant. What is known of its sessions and servers stays.
    pub(crate) fn reload(&mut self, tenant: Tenant) {
        let tenant = Rc::new(tenant);
        self.limits.reload(Rc::clone(&tenant));
        self.sessions.tenant = Rc::clone(&tenant);
        self.balancer.tenant = Rc::clone(&tenant);
        self.logins.tenant = Rc::clone(&tenant);
        self.recorder.reload(Rc::clone(&tenant));
        self.assertions.tenant = Rc::clone(&tenant);
        self.tenant = tenant;
    }

    /// Takes note that an origin, which has answered with a gateway error before, has answered well.
    pub(crate) fn recovered(&mut self, origin: &str, now: UnixMillis) {
        self.balancer.health.record_success(origin, now);
    }

    /// Takes what the data plane counted at an origin. A followed socket is under way and not estimated.
    pub(crate) fn observe(&mut self, origin: &str, seen: Activity, now: UnixMillis) {
        let is_followed = self.tenant.streams == Streams::Revocable
            || self.tenant.timeouts.pauses != Pauses::default();
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
