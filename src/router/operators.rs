//! Identifies operators and what they may access. Reached under any host, because the deployment's operators look after
//! all tenants, and may have locked themselves out of each.
//!
//! The deployment's `ADMIN_TOKEN` opens everything; a tenant's own (`<ID>__ADMIN_TOKEN`) what is that
//! tenant's, under its hosts and the console's. A program presents it as a bearer token; the console
//! exchanges it for a session of its own ([`super::signing`]), which under a tenant's host opens that tenant
//! only.

use super::console_session::IDLE;
use super::{Interrupt, Router};
use crate::clock::UnixMillis;
use crate::effect::Answers;
use crate::encoding::json;
use crate::gateway::{Asker, Step};
use crate::http::network::Network;
use crate::http::query::Query;
use crate::http::rate_limit::Verdict;
use crate::http::request::Request;
use crate::response::Answer;
use crate::response::problem::{Audience, Problem};
use crate::telemetry::labels::RequestLabels;
use crate::telemetry::log::{Event, Level};
use crate::tenant::ApiKey;
use crate::tenant_id::TenantId;

/// Whose operator somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// The deployment's.
    Deployment,
    /// One tenant's.
    Tenant(TenantId),
}

impl Authority {
    /// In words, for what is signed.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Deployment => "deployment".to_owned(),
            Self::Tenant(tenant) => format!("tenant {tenant}"),
        }
    }
}

/// An operator who has shown a token or a badge.
pub(super) struct Operator {
    pub(super) authority: Authority,
    /// When the session at the console ends; none for a bearer token.
    pub(super) expires: Option<u64>,
    /// The badge's `Set-Cookie` line, if it is to be renewed.
    pub(super) renewed: Option<String>,
}

impl Router {
    /// Answers `/admin/…`; `route` is what follows.
    pub(super) fn operate(
        &mut self,
        route: &str,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Step {
        match self.try_operate(route, request, now, answers) {
            Ok(step) => step,
            Err(Interrupt::Pending(needs)) => Step::Await(needs),
            Err(Interrupt::Reject(problem)) => {
                self.labels.reason = problem.code();
                Step::Answer(problem.answer(Audience::Program, &self.labels.trace_id))
            }
        }
    }

    fn try_operate(
        &mut self,
        route: &str,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Step, Interrupt> {
        if matches!(route, "sign-in" | "sign-out") {
            allow("POST", request)?;
            if !request.is_same_site() {
                return Err(Interrupt::Reject(Problem::CrossSite));
            }
        }
        if route == "sign-in" {
            return self.sign_in(request, now, answers).map(Step::Answer);
        }
        if route == "sign-out" {
            return self.sign_out(request, now, answers).map(Step::Answer);
        }
        let operator = self.operator(request, now, answers)?;
        let tenant = self.chosen(&operator, request)?;
        let step = match route {
            "whoami" => {
                allow("GET, HEAD", request)?;
                Ok(Step::Answer(self.whoami(&operator)))
            }
            "metrics" | "overview" | "logs" => {
                allow("GET, HEAD", request)?;
                let answer = self.tell(route, tenant.as_ref(), request, now, answers);
                answer.map(Step::Answer)
            }
            _ if is_of_deployment(route) => {
                if operator.authority != Authority::Deployment {
                    return Err(Interrupt::Reject(Problem::NotAllowed));
                }
                let administered = self.administer(route, request, now, answers);
                administered.map(Step::Answer)
            }
            _ => self.operate_tenant(tenant, request, now, answers),
        }?;
        Ok(match (step, operator.renewed) {
            (Step::Answer(answer), renewed @ Some(_)) => Step::Answer(answer.with_cookie(renewed)),
            (step, _) => step,
        })
    }

    /// What concerns one tenant is that tenant's gateway's.
    fn operate_tenant(
        &mut self,
        tenant: Option<TenantId>,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Step, Interrupt> {
        let tenant = match tenant {
            Some(tenant) => {
                self.ready(&tenant, now, answers)?;
                tenant
            }
            None => self.tenant_of(request.location.authority, now, answers)?,
        };
        let step = self.at(&tenant, now, |gateway| {
            let step = gateway.admit(request, Asker::Operator, now, answers);
            (step, gateway.recorder.take_labels())
        });
        let (step, labels) = step.ok_or(Interrupt::Reject(Problem::Internal))?;
        self.labels = RequestLabels {
            is_operators: true,
            ..labels
        };
        Ok(step)
    }

    /// Who is asking.
    fn operator(
        &mut self,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Operator, Interrupt> {
        let is_bearing = request.header("authorization").is_some();
        if is_bearing {
            self.check_guesses(request, now)?;
        }
        match self.presented(request, now, answers)? {
            Some(operator) => Ok(operator),
            None if is_bearing => Err(self.wrong_token("admin_token_refused", request, now)),
            None => Err(Interrupt::Reject(Problem::ApiKey)),
        }
    }

    /// Refuses a client that has shown too many wrong tokens before it shows another. What those show
    /// whom nobody tells apart says nothing of one of them.
    pub(super) fn check_guesses(
        &self,
        request: &Request<'_>,
        now: UnixMillis,
    ) -> Result<(), Interrupt> {
        let client = request.client_network();
        match self.guesses.wait(client, now) {
            Some(wait) if client != Network::Unknown => {
                Err(Interrupt::Reject(Problem::TooManyGuesses(wait)))
            }
            _ => Ok(()),
        }
    }

    /// Counts a wrong token, and tells of it until there are too many.
    pub(super) fn wrong_token(
        &mut self,
        event: &'static str,
        request: &Request<'_>,
        now: UnixMillis,
    ) -> Interrupt {
        let verdict = self.guesses.count(request.client_network(), now);
        if !matches!(verdict, Verdict::Over(_)) {
            self.emit(Event::new(Level::Warn, event));
        }
        Interrupt::Reject(match verdict {
            Verdict::First | Verdict::Counted => Problem::ApiKey,
            Verdict::Passed(wait) | Verdict::Over(wait) => Problem::TooManyGuesses(wait),
        })
    }

    /// The operator whose token or badge it is.
    fn presented(
        &mut self,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Option<Operator>, Interrupt> {
        let tokens = self.deployment_tokens();
        if let Some(operator) = bearing(&Authority::Deployment, &tokens, request) {
            return Ok(Some(operator));
        }
        let powers = self.powers(request, now, answers)?;
        let mut powers_shown = powers.iter();
        let bearer =
            powers_shown.find_map(|(authority, tokens)| bearing(authority, tokens, request));
        match bearer {
            Some(operator) => Ok(Some(operator)),
            None => self.wearing(&powers, request, now, answers),
        }
    }

    /// What can be opened under the host of a request, and by which tokens.
    ///
    /// Under a host that a chat server shares, and so its scripts, nobody gets power over others by a cookie:
    /// whatever script runs under the host has it too.
    pub(super) fn powers(
        &mut self,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Vec<(Authority, Vec<ApiKey>)>, Interrupt> {
        if self.registry.is_of_many() && !self.is_consoles_alone(request) {
            match self.tenant_of(request.location.authority, now, answers) {
                Ok(tenant) => {
                    let tokens = self.at(&tenant, now, |gateway| gateway.admin_tokens().to_vec());
                    let tokens = tokens.unwrap_or_default();
                    return Ok(vec![(Authority::Tenant(tenant), tokens)]);
                }
                Err(Interrupt::Reject(Problem::UnknownHost)) => {}
                Err(missing) => return Err(missing),
            }
        }
        let mut powers = vec![(Authority::Deployment, self.deployment_tokens())];
        if self.is_consoles_alone(request) && self.registry.is_of_many() {
            let secrets = &self.deployment.secrets;
            powers.extend(
                secrets
                    .of_tenants("ADMIN_TOKEN")
                    .filter_map(|(id, list)| Some((Authority::Tenant(id), ApiKey::listed(list)?))),
            );
        }
        Ok(powers)
    }

    /// The tenant that is meant: named, or the operator's own; none for all, or for the host's.
    fn chosen(
        &self,
        operator: &Operator,
        request: &Request<'_>,
    ) -> Result<Option<TenantId>, Interrupt> {
        let query = Query::parse_foreign(request.location.query(), &["tenant"]);
        let query = query.map_err(|bad| Interrupt::Reject(bad.into()))?;
        let named = match query.get("tenant") {
            None => None,
            Some(name) => Some(TenantId::parse(name).ok_or(Interrupt::Reject(Problem::NotFound))?),
        };
        match (&operator.authority, named) {
            (Authority::Deployment, named) => match (self.registry.only(), named) {
                (Some(only), Some(named)) if *only != named => {
                    Err(Interrupt::Reject(Problem::NotFound))
                }
                (only, named) => Ok(named.or_else(|| only.cloned())),
            },
            (Authority::Tenant(own), None) => Ok(Some(own.clone())),
            (Authority::Tenant(own), Some(named)) if *own == named => Ok(Some(named)),
            (Authority::Tenant(_), Some(_)) => Err(Interrupt::Reject(Problem::NotAllowed)),
        }
    }

    /// What opens everything; where there is only one tenant, its own tokens do.
    pub(super) fn deployment_tokens(&self) -> Vec<ApiKey> {
        let only = self.registry.only().and_then(|id| self.gateways.get(id));
        if let Some(gateway) = only {
            return gateway.admin_tokens().to_vec();
        }
        let tokens = self.deployment.secrets.of_deployment("ADMIN_TOKEN");
        // One that can be guessed opens nothing.
        tokens.and_then(ApiKey::listed).unwrap_or_default()
    }

    fn whoami(&self, operator: &Operator) -> Answer {
        let (scope, tenant) = match &operator.authority {
            Authority::Deployment => ("deployment", self.registry.only()),
            Authority::Tenant(tenant) => ("tenant", Some(tenant)),
        };
        let body = json!({
            "scope": scope,
            "tenant": tenant.map(TenantId::as_str),
            "documents": self.registry.is_of_many(),
            "expires": operator.expires,
            "idle_seconds": IDLE.0,
            "version": env!("CARGO_PKG_VERSION"),
        });
        Answer::json(200, &body)
    }
}

/// Refuses every method but these.
fn allow(methods: &'static str, request: &Request<'_>) -> Result<(), Interrupt> {
    let is_allowed = methods.split(", ").any(|method| method == request.method);
    is_allowed
        .then_some(())
        .ok_or(Interrupt::Reject(Problem::MethodNotAllowed(methods)))
}

/// Whether what follows is about the tenants themselves.
fn is_of_deployment(route: &str) -> bool {
    route == "preview" || route == "tenants" || route.starts_with("tenants/")
}

/// The operator who presents one of these tokens.
fn bearing(authority: &Authority, tokens: &[ApiKey], request: &Request<'_>) -> Option<Operator> {
    let authorization = request.header("authorization");
    let is_presented = tokens.iter().any(|token| token.is_presented(authorization));
    is_presented.then(|| Operator {
        authority: authority.clone(),
        expires: None,
        renewed: None,
    })
}
