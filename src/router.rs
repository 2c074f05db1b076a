//! Finds the tenant of a request and passes the request to that tenant's gateway.
//!
//! Each tenant has its own [`Gateway`], so no tenant's state reaches another. [`registry`] reads and caches host
//! bindings and tenant documents.

mod admin;
mod console;
mod console_session;
mod gateways;
mod operators;
mod registry;
mod responses;
mod signing;
mod telemetry_reports;
mod write_behind;

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
use crate::config::unknown_variables;
use crate::deployment::Deployment;
use crate::effect::{Answers, Need, Seed, Write};
use crate::encoding::json;
use crate::gateway::{Asker, Gateway, Step};
use crate::http::canonical::{TwoReadings, canonical};
use crate::http::header_names::KnownNames;
use crate::http::limits;
use crate::http::rate_limit::ClientLimit;
use crate::http::request::Request;
use crate::keys::KeyRing;
use crate::response::Answer;
use crate::response::problem::{Audience, Problem};
use crate::response::theme::Brand;
use crate::telemetry::event_metrics;
use crate::telemetry::labels::{RequestLabels, Route, method_label};
use crate::telemetry::log::{ConfigName, Event, Level};
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
    /// Keys of tenants with objects in this isolate.
    rings: HashMap<TenantId, KeyRing>,
    random: ChaCha20Rng,
    events: Vec<Event>,
    /// Probes to send to tenants' origins.
    probes: Vec<(TenantId, Probe)>,
    /// Names of recent requests' headers.
    header_names: KnownNames,
    /// Labels of the last decided request.
    labels: RequestLabels,
    /// Whether the last decision or response changed the state.
    has_changed_state: bool,
    /// Counts of events outside any gateway.
    series: Series,
    reports: TelemetryReports,
    /// Whether the missing console host was logged.
    is_console_reported: bool,
    /// Writes that belong to no tenant.
    writes: Vec<Write>,
    /// Wrong tokens, per client.
    guesses: ClientLimit,
    /// Lookups of tenants by paths and headers that were not looked up lately, per client.
    lookups: ClientLimit,
    /// Slots for password checks, shared by all tenants.
    hashing: Slots,
}

impl Router {
    /// Creates the router of a validated deployment. `random` must be seeded from a cryptographic source.
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
        let misspelt = unknown_variables::find(&deployment.secrets);
        let events = misspelt.into_iter().map(|(name, meant)| {
            let event = Event::new(Level::Warn, "unknown_variable");
            event
                .with("variable", ConfigName(&name))
                .with("meant", meant)
        });
        Self {
            events: events.collect(),
            deployment,
            registry,
            gateways,
            rings: HashMap::new(),
            random,
            probes: Vec::new(),
            header_names: KnownNames::default(),
            labels: RequestLabels::default(),
            has_changed_state: false,
            series: Series::default(),
            reports,
            is_console_reported: false,
            writes: Vec::new(),
            guesses: ClientLimit::new(10, 60_000),
            lookups: ClientLimit::new(120, 60_000),
            hashing,
        }
    }

    /// Draws the seed of a decision.
    pub(crate) fn draw_seed(&mut self) -> Seed {
        let mut seed = Seed::default();
        self.random.fill_bytes(&mut seed);
        seed
    }

    /// Decides on a packed request; see [`Gateway::admit`].
    pub(crate) fn admit(&mut self, packed: &str, now: UnixMillis, answers: &Answers) -> Step {
        self.labels = RequestLabels::default();
        self.has_changed_state = false;
        let Some(request) = Request::parse_with(packed, &mut self.header_names) else {
            // `OPTIONS *` is an example: the runtime makes an invalid URL of it.
            return self.refused(&Problem::BadPath);
        };
        self.labels.method = method_label(request.method);
        if !request.has_one_host() {
            return self.refused(&Problem::BadHost);
        }
        // The gateway refuses such a URL under any path, before other code processes it.
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
                    // The decision cache compares URLs as the client wrote them, but this decision is for the rewritten
                    // URL.
                    Step::Forward(mut forward) => {
                        forward.repeat = None;
                        Step::Forward(forward)
                    }
                    step => step,
                }
            }
        }
    }

    /// Routes a request whose URL is canonical: liveness, admin API, console, or a tenant's gateway.
    fn direct(&mut self, request: &Request<'_>, now: UnixMillis, answers: &Answers) -> Step {
        self.report_missing_console_host(request);
        if self.is_liveness(request) {
            self.labels.route = Route::Reserved;
            return Step::Answer(Answer::json(200, &json!({ "status": "ok" })));
        }
        self.has_changed_state = true;
        let route = request.location.path.strip_prefix(&self.deployment.prefix);
        if let Some(route) = route.and_then(|route| route.strip_prefix("/admin/")) {
            self.labels.route = Route::Reserved;
            return self.operate(route, request, now, answers);
        }
        let route = route.and_then(|route| route.strip_prefix("/console"));
        if let Some(route) = route.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            self.labels.route = Route::Reserved;
            return self.console(route, request, answers);
        }
        self.hand_over(request, now, answers)
    }

    /// Passes the request to its tenant's gateway.
    fn hand_over(&mut self, request: &Request<'_>, now: UnixMillis, answers: &Answers) -> Step {
        self.has_changed_state = true;
        if self.is_consoles_alone(request) {
            return self.refused(&Problem::NotFound);
        }
        let tenant = match self.tenant_of(request, now, answers) {
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
            // Only forwarded requests run background work, and a document becomes due only once.
            Some(Step::Forward(mut forward)) => {
                if self.registry.is_due(&tenant, now) {
                    forward.run_background = true;
                    forward.repeat = None;
                }
                if let Some(repeat) = &mut forward.repeat {
                    // Another path may select another tenant.
                    repeat.any_target &= !self.deployment.tenant_by.path;
                }
                Step::Forward(forward)
            }
            Some(Step::Answer(answer)) => Step::Answer(self.varied(answer)),
            Some(Step::Asset(answer)) => Step::Asset(self.varied(answer)),
            Some(step @ Step::Await(_)) => step,
            None => Step::Answer(Problem::Internal.answer(Audience::Program, "")),
        }
    }

    /// Tells caches which headers selected the tenant, and so the response.
    fn varied(&self, answer: Answer) -> Answer {
        match self.deployment.tenant_by.vary() {
            Some(headers) => answer.with("vary", headers),
            None => answer,
        }
    }

    /// Returns whether this is the liveness check. It is answered under any host.
    fn is_liveness(&self, request: &Request<'_>) -> bool {
        let route = request.location.path.strip_prefix(&self.deployment.prefix);
        route == Some("/healthz") && request.method == "GET"
    }

    /// Returns the gateway of a tenant with cached decisions; `None` if it was evicted.
    pub(crate) fn gateway(&mut self, tenant: &str) -> Option<&mut Gateway> {
        let tenant = TenantId::parse(tenant)?;
        self.gateways.get_mut(&tenant)
    }

    /// Returns the prefix of the reserved paths.
    #[must_use]
    pub(crate) fn prefix(&self) -> &str {
        &self.deployment.prefix
    }

    /// Returns whether the last decision or response changed the state; see [`Gateway::has_changed_state`].
    #[must_use]
    pub(crate) fn has_changed_state(&self) -> bool {
        self.has_changed_state
    }

    /// Records that an origin, named `tenant/origin`, recovered.
    pub(crate) fn recovered(&mut self, place: &str, now: UnixMillis) {
        if let Some((tenant, origin)) = split_place(place)
            && let Some(gateway) = self.gateways.get_mut(&tenant)
        {
            gateway.recovered(origin, now);
        }
    }

    /// Takes the probes to send since the last call, each with its tenant.
    pub(crate) fn take_probes(&mut self) -> Vec<(TenantId, Probe)> {
        core::mem::take(&mut self.probes)
    }

    /// Records the result of a tenant's probe.
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

    /// Records the load of an origin, named `tenant/origin`; see [`Gateway::observe`].
    pub(crate) fn observe(&mut self, place: &str, seen: Activity, now: UnixMillis) {
        if let Some((tenant, origin)) = split_place(place)
            && let Some(gateway) = self.gateways.get_mut(&tenant)
        {
            gateway.observe(origin, seen, now);
        }
    }

    /// Returns the health checks of all gateways' origins.
    #[must_use]
    pub(crate) fn health_checks(&self) -> Vec<HealthCheck> {
        let gateways = self.gateways.iter();
        gateways
            .flat_map(|(_, gateway)| gateway.balancer.health_checks())
            .collect()
    }

    /// Takes the sealed values to store since the last call.
    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        let mut writes = core::mem::take(&mut self.writes);
        writes.extend(self.gateways.take_writes());
        writes
    }

    /// Takes the events to log since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    /// Returns keys and randomness for a session object of a tenant. Works without the tenant's document, because
    /// objects must finish their work even if it is deleted or invalid.
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

    /// Evicts a tenant's gateway and keeps its counts for the next report.
    fn evict_tenant(&mut self, tenant: &TenantId) {
        if let Some(series) = self.gateways.evict(tenant) {
            self.series.merge(&series);
        }
    }

    fn emit(&mut self, event: Event) {
        event_metrics::count(&mut self.series, &event);
        self.events.push(event);
    }

    /// Runs `act` on a tenant's gateway and collects its events and probes.
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

    /// Evicts gateways until there is room for one more.
    fn evict_until_room(&mut self, now: UnixMillis) {
        while let Some(oldest) = self.gateways.surplus(now) {
            self.evict_tenant(&oldest);
            self.registry.forget(&oldest);
        }
    }
}

/// Reasons why a decision stops early.
enum Interrupt {
    /// These needs must be performed first.
    Pending(Vec<Need>),
    /// The request is refused.
    Reject(Problem),
}

/// Splits `tenant/origin`.
fn split_place(place: &str) -> Option<(TenantId, &str)> {
    let (tenant, rest) = place.split_once('/')?;
    Some((TenantId::parse(tenant)?, rest))
}
