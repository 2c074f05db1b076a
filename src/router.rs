//! Finds the tenant that a request is for.
//!
//! A tenant has a [`Gateway`] of its own, so nothing that one knows can reach another. Who a host
//! belongs to, and what is said of that tenant, is in documents that this isolate asks for and
//! remembers: [`registry`].

mod admin;
mod console;
mod console_session;
mod gateways;
mod operators;
mod registry;
mod responses;
mod signing;
mod telemetry_reports;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};

use crate::api;
use crate::auth::hashing::Slots;
use crate::balancer::health_check::HealthCheck;
use crate::balancer::load::Activity;
use crate::balancer::probe::{Probe, Verdict};
use crate::clock::UnixMillis;
use crate::deployment::Deployment;
use crate::effect::{Answers, Need, Seed, Write};
use crate::encoding::json;
use crate::gateway::{Asker, Forward, Gateway, Step};
use crate::http::canonical::{TwoReadings, canonical};
use crate::http::limits;
use crate::http::rate_limit::ClientLimit;
use crate::http::request::Request;
use crate::keys::KeyRing;
use crate::response::Answer;
use crate::response::problem::{Audience, Problem};
use crate::response::theme::Brand;
use crate::telemetry::event_metrics;
use crate::telemetry::labels::{RequestLabels, method_label};
use crate::telemetry::log::Event;
use crate::telemetry::series::Series;
use crate::tenant_id::TenantId;

use gateways::{Gateways, MAX_GATEWAYS};
use registry::TenantRegistry;
use telemetry_reports::TelemetryReports;

/// The router of one isolate.
pub(crate) struct Router {
    deployment: Deployment,
    registry: TenantRegistry,
    gateways: Gateways,
    /// Keys of tenants whose objects live here.
    rings: HashMap<TenantId, KeyRing>,
    random: ChaCha20Rng,
    events: Vec<Event>,
    /// To be sent to tenants' origins.
    probes: Vec<(TenantId, Probe)>,
    /// Labels of the request that was decided on last.
    labels: RequestLabels,
    /// Whether the last decision or response changed the state.
    has_changed_state: bool,
    /// What happened that no gateway counts.
    series: Series,
    reports: TelemetryReports,
    /// Whether it was reported that the console has no host.
    is_console_reported: bool,
    /// What is to be stored that is no tenant's.
    writes: Vec<Write>,
    /// Wrong tokens, per client.
    guesses: ClientLimit,
    /// Passwords that are being checked, for all tenants together.
    hashing: Slots,
}

impl Router {
    /// The router of a checked deployment. `random` must be seeded from a cryptographic source.
    #[must_use]
    pub(crate) fn new(mut deployment: Deployment, mut random: ChaCha20Rng) -> Self {
        let mut gateways = Gateways::default();
        let reports = TelemetryReports::new(&deployment, random.next_u64());
        let only = deployment.tenant.take();
        let registry = TenantRegistry::new(only.as_ref().map(|tenant| tenant.id.clone()));
        let hashing = Slots::default();
        if let Some(tenant) = only {
            let id = tenant.id.clone();
            let gateway = Gateway::new(
                tenant,
                &deployment.prefix,
                api::respond,
                ChaCha20Rng::from_rng(&mut random),
            )
            .hashing_in(hashing.clone());
            gateways.insert(id, gateway, UnixMillis::default());
        }
        Self {
            deployment,
            registry,
            gateways,
            rings: HashMap::new(),
            random,
            events: Vec::new(),
            probes: Vec::new(),
            labels: RequestLabels::default(),
            has_changed_state: false,
            series: Series::default(),
            reports,
            is_console_reported: false,
            writes: Vec::new(),
            guesses: ClientLimit::new(10, 60_000),
            hashing,
        }
    }

    /// Draws what a step is begun with.
    pub(crate) fn draw_seed(&mut self) -> Seed {
        let mut seed = Seed::default();
        self.random.fill_bytes(&mut seed);
        seed
    }

    /// Decides on a packed request; see [`Gateway::admit`].
    pub(crate) fn admit(&mut self, packed: &str, now: UnixMillis, answers: &Answers) -> Step {
        self.labels = RequestLabels::default();
        self.has_changed_state = false;
        let Some(request) = Request::parse(packed) else {
            // As `OPTIONS *` is, of which the runtime makes a URL that is none.
            return self.refused(&Problem::BadPath);
        };
        self.labels.method = method_label(request.method);
        if !request.has_one_host() {
            return self.refused(&Problem::BadHost);
        }
        // Refused there, whatever the path begins with, and before anything works through it.
        if limits::is_too_long(&request.location) {
            return self.hand_over(&request, now, answers);
        }
        match canonical(&request.location) {
            Err(TwoReadings) => self.hand_over(&request, now, answers),
            Ok(None) => self.direct(&request.known_canonical(), now, answers),
            Ok(Some(url)) => {
                let request = request.at(Some(&url));
                let is_that = request.location.href == url;
                let request = if is_that {
                    request.known_canonical()
                } else {
                    request
                };
                match self.direct(&request, now, answers) {
                    // It stands for those alike, and what the edge compares is how they are written.
                    Step::Forward(forward) => Step::Forward(Forward {
                        repeat: None,
                        ..forward
                    }),
                    step => step,
                }
            }
        }
    }

    /// Decides on a request whose URL is judged as it is sent: whose it is.
    fn direct(&mut self, request: &Request<'_>, now: UnixMillis, answers: &Answers) -> Step {
        self.report_missing_console_host(request);
        if self.is_liveness(request) {
            return Step::Answer(Answer::json(200, &json!({ "status": "ok" })));
        }
        self.has_changed_state = true;
        let route = request.location.path.strip_prefix(&self.deployment.prefix);
        if let Some(route) = route.and_then(|route| route.strip_prefix("/admin/")) {
            return self.operate(route, request, now, answers);
        }
        let route = route.and_then(|route| route.strip_prefix("/console"));
        if let Some(route) = route.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            return self.console(route, request, answers);
        }
        self.hand_over(request, now, answers)
    }

    /// Has the tenant's gateway decide.
    fn hand_over(&mut self, request: &Request<'_>, now: UnixMillis, answers: &Answers) -> Step {
        self.has_changed_state = true;
        if self.is_consoles_alone(request) {
            return self.refused(&Problem::NotFound);
        }
        let tenant = match self.tenant_of(request.location.authority, now, answers) {
            Ok(tenant) => tenant,
            Err(Interrupt::Pending(needs)) => return Step::Await(needs),
            Err(Interrupt::Reject(problem)) => {
                self.labels.reason = problem.code();
                self.has_changed_state = false;
                return Step::Answer(problem.answer(Audience::of(request, &Brand::default()), ""));
            }
        };
        let step = self.at(&tenant, now, |gateway| {
            let step = gateway.admit(request, Asker::Visitor, now, answers);
            (
                step,
                core::mem::take(&mut gateway.recorder.labels),
                gateway.recorder.state_changed,
            )
        });
        let step = step.map(|(step, labels, has_changed_state)| {
            self.labels = labels;
            self.has_changed_state = has_changed_state;
            step
        });
        match step {
            // Nothing but an answer of an origin has an afterwards, and being due is said once.
            Some(Step::Forward(forward)) => {
                let is_due = self.registry.is_due(&tenant, now);
                Step::Forward(Forward {
                    response_context: [tenant.as_str(), "\t", &forward.response_context].concat(),
                    run_background: is_due || forward.run_background,
                    repeat: forward.repeat.filter(|_| !is_due),
                    ..forward
                })
            }
            Some(step) => step,
            None => Step::Answer(Problem::Internal.answer(Audience::Program, "")),
        }
    }

    /// Whoever asks whether we live asks under any name. Liveness is not a tenant's.
    fn is_liveness(&self, request: &Request<'_>) -> bool {
        let route = request.location.path.strip_prefix(&self.deployment.prefix);
        route == Some("/healthz") && request.method == "GET"
    }

    /// The gateway of a tenant whose requests' decisions are repeated; none if it was let go.
    pub(crate) fn gateway(&mut self, tenant: &str) -> Option<&mut Gateway> {
        let tenant = TenantId::parse(tenant)?;
        self.gateways.get_mut(&tenant)
    }

    /// Where the reserved paths are.
    #[must_use]
    pub(crate) fn prefix(&self) -> &str {
        &self.deployment.prefix
    }

    /// Whether the last decision or response changed the state; see [`Gateway::has_changed_state`].
    #[must_use]
    pub(crate) fn has_changed_state(&self) -> bool {
        self.has_changed_state
    }

    /// Takes note that an origin, named with its tenant, has answered well again.
    pub(crate) fn recovered(&mut self, place: &str, now: UnixMillis) {
        if let Some((tenant, origin)) = split_place(place)
            && let Some(gateway) = self.gateways.get_mut(&tenant)
        {
            gateway.recovered(origin, now);
        }
    }

    /// Takes the probes to be sent since the last call, each with its tenant.
    pub(crate) fn take_probes(&mut self) -> Vec<(TenantId, Probe)> {
        core::mem::take(&mut self.probes)
    }

    /// Takes note of what a tenant's probe found.
    pub(crate) fn probed(
        &mut self,
        tenant: &TenantId,
        probe: &Probe,
        verdict: Verdict,
        now: UnixMillis,
    ) {
        if let Some(gateway) = self.gateways.get_mut(tenant) {
            let Probe { origin, begun, .. } = probe;
            gateway
                .balancer
                .probed(&mut gateway.recorder, origin, *begun, verdict, now);
            self.events.extend(gateway.recorder.take_events());
        }
    }

    /// Takes note of what is under way at an origin, named with its tenant: see [`Gateway::observe`].
    pub(crate) fn observe(&mut self, place: &str, seen: Activity, now: UnixMillis) {
        if let Some((tenant, origin)) = split_place(place)
            && let Some(gateway) = self.gateways.get_mut(&tenant)
        {
            gateway.observe(origin, seen, now);
        }
    }

    /// Returns where origins say that they are ready.
    #[must_use]
    pub(crate) fn health_checks(&self) -> Vec<HealthCheck> {
        let gateways = self.gateways.iter();
        gateways
            .flat_map(|(_, gateway)| gateway.balancer.health_checks())
            .collect()
    }

    /// The values to be stored, sealed, since the last call.
    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        let mut writes = core::mem::take(&mut self.writes);
        writes.extend(self.gateways.take_writes());
        writes
    }

    /// The events to be logged since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    /// What an object of a tenant's session works with. Its tenant's document does not matter: what
    /// is recorded is looked after even if that is gone or broken.
    pub(crate) fn for_object(&mut self, tenant: &TenantId) -> Option<(&KeyRing, &mut ChaCha20Rng)> {
        if !self.rings.contains_key(tenant) {
            let own = self.deployment.keys_of(tenant)?;
            if self.rings.len() >= MAX_GATEWAYS {
                self.rings.clear();
            }
            self.rings
                .insert(tenant.clone(), KeyRing::derive(&own, tenant)?);
        }
        Some((self.rings.get(tenant)?, &mut self.random))
    }

    /// Lets a tenant's gateway go; its counts are still reported.
    fn evict_tenant(&mut self, tenant: &TenantId) {
        if let Some(series) = self.gateways.evict(tenant) {
            self.series.merge(&series);
        }
    }

    fn emit(&mut self, event: Event) {
        event_metrics::count(&mut self.series, &event);
        self.events.push(event);
    }

    /// Acts at a tenant's gateway, and takes along its writes and events.
    fn at<T>(
        &mut self,
        tenant: &TenantId,
        now: UnixMillis,
        act: impl FnOnce(&mut Gateway) -> T,
    ) -> Option<T> {
        let (result, events, probes) = self.gateways.act(tenant, now, act)?;
        self.events.extend(events);
        let probes = probes.into_iter();
        self.probes
            .extend(probes.map(|probe| (tenant.clone(), probe)));
        Some(result)
    }

    /// Makes room for one more gateway.
    fn evict_until_room(&mut self) {
        while let Some(oldest) = self.gateways.surplus() {
            self.evict_tenant(&oldest);
            self.registry.forget(&oldest);
        }
    }
}

/// Why there is no tenant yet, or none at all.
enum Interrupt {
    /// This has to be asked first.
    Pending(Vec<Need>),
    /// There is none.
    Reject(Problem),
}

/// `tenant/origin`, and what follows.
fn split_place(place: &str) -> Option<(TenantId, &str)> {
    let (tenant, rest) = place.split_once('/')?;
    Some((TenantId::parse(tenant)?, rest))
}
