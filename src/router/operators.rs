//! Authenticates operators and decides their access. Reachable under any host, because the deployment's operators
//! manage all tenants and may be locked out of any host.
//!
//! The deployment's `ADMIN_TOKEN` opens everything. A tenant's own token (`<ID>__ADMIN_TOKEN`) opens that tenant, under
//! its hosts and the console's. A program presents the token as a bearer token. The console exchanges it for a session
//! ([`super::signing`]), which under a tenant's host opens only that tenant.

use super::console_session::IDLE;
use super::{Interrupt, Router};
#[cfg(test)]
use crate::api;
use crate::api::routes;
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
use serde_json::Value;

/// Authority of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// All tenants of the deployment.
    Deployment,
    /// One tenant.
    Tenant(TenantId),
}

impl Authority {
    /// Returns the text that goes into the MAC.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Deployment => "deployment".to_owned(),
            Self::Tenant(tenant) => format!("tenant {tenant}"),
        }
    }
}

/// Operator authenticated by a token or a console session.
pub(super) struct Operator {
    pub(super) authority: Authority,
    /// End of the console session; `None` for a bearer token.
    pub(super) expires: Option<u64>,
    /// `Set-Cookie` line of the console session, if it was renewed.
    pub(super) renewed: Option<String>,
}

impl Router {
    /// Answers `/admin/…`; `route` is the part after it.
    pub(super) fn operate(
        &mut self,
        route: &str,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Step {
        let result = self.try_operate(route, request, now, answers);
        #[cfg(test)]
        match (
            &result,
            request.location.path.strip_prefix(&self.deployment.prefix),
        ) {
            (Err(Interrupt::Reject(problem)), Some(path)) => {
                api::described::check_problem(path, request.method, problem);
            }
            (Ok(Step::Answer(answer)), Some(path)) => {
                api::described::check_answer(path, request.method, answer);
            }
            _ => {}
        }
        match result {
            Ok(step) => step,
            Err(Interrupt::Pending(needs)) => Step::Await(needs),
            Err(Interrupt::Reject(problem)) => {
                self.labels.reason = problem.code();
                Step::Answer(problem.answer(Audience::Program, self.labels.trace_id.as_str()))
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
        let path = request.location.path.strip_prefix(&self.deployment.prefix);
        let served = routes::check(path.unwrap_or_default(), request.method);
        if matches!(route, "sign-in" | "sign-out") {
            served.map_err(Interrupt::Reject)?;
            if !request.is_same_site() {
                return Err(Interrupt::Reject(Problem::CrossSite));
            }
            let answer = match route {
                "sign-in" => self.sign_in(request, now, answers),
                _ => self.sign_out(request, now, answers),
            };
            return answer.map(Step::Answer);
        }
        let operator = self.operator(request, now, answers)?;
        served.map_err(Interrupt::Reject)?;
        let tenant = self.selected_tenant(&operator, request)?;
        let step = match route {
            "whoami" => Ok(Step::Answer(self.whoami(&operator))),
            "metrics" | "overview" | "logs" => {
                let answer = self.serve_telemetry(route, tenant.as_ref(), request, now, answers);
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
            (Step::Answer(answer), renewed @ Some(_)) => {
                Step::Answer(answer.with_cookies(Vec::from_iter(renewed)))
            }
            (step, _) => step,
        })
    }

    /// Passes a request about one tenant to that tenant's gateway.
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
            None => self.tenant_of(request, now, answers)?,
        };
        let step = self.at(&tenant, now, |gateway| {
            // Operators use the deployment's prefix, and the gateway reads that of its own path.
            let location = &request.location;
            let path = &gateway.tenant.brand.path;
            let below = [
                location.scheme,
                "://",
                location.authority,
                path,
                location.target,
            ]
            .concat();
            let request = &request
                .clone()
                .at((!path.is_empty()).then_some(&below))
                .known_canonical();
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

    /// Authenticates the operator.
    fn operator(
        &mut self,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Operator, Interrupt> {
        let has_bearer = request.header("authorization").is_some();
        if has_bearer {
            self.check_guesses(request, now)?;
        }
        match self.presented(request, now, answers)? {
            Some(operator) => Ok(operator),
            None if has_bearer => Err(self.wrong_token("admin_token_refused", request, now)),
            None => Err(Interrupt::Reject(Problem::ApiKey)),
        }
    }

    /// Refuses a client with too many wrong tokens before it tries another. Clients of unknown address are exempt,
    /// because they share one count.
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

    /// Counts a wrong token, and logs it below the limit.
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

    /// Returns the operator of a valid token or console session.
    fn presented(
        &mut self,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Option<Operator>, Interrupt> {
        let tokens = self.deployment_tokens();
        if let Some(operator) = bearer_operator(&Authority::Deployment, &tokens, request) {
            return Ok(Some(operator));
        }
        let authorities = self.authorities(request, now, answers)?;
        let mut candidates = authorities.iter();
        let bearer =
            candidates.find_map(|(authority, tokens)| bearer_operator(authority, tokens, request));
        match bearer {
            Some(operator) => Ok(Some(operator)),
            None => self.session_operator(&authorities, request, now, answers),
        }
    }

    /// Returns the authorities that the request's host allows, with their tokens.
    ///
    /// Under a chat server's host only its own tenant is allowed: any script on that host can use the cookie, too.
    pub(super) fn authorities(
        &mut self,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Vec<(Authority, Vec<ApiKey>)>, Interrupt> {
        if self.registry.is_of_many() && !self.is_consoles_alone(request) {
            match self.tenant_of(request, now, answers) {
                Ok(tenant) => {
                    let tokens = self.at(&tenant, now, |gateway| gateway.admin_tokens().to_vec());
                    let tokens = tokens.unwrap_or_default();
                    return Ok(vec![(Authority::Tenant(tenant), tokens)]);
                }
                Err(Interrupt::Reject(Problem::UnknownHost)) => {}
                Err(missing) => return Err(missing),
            }
        }
        let mut authorities = vec![(Authority::Deployment, self.deployment_tokens())];
        if self.is_consoles_alone(request) && self.registry.is_of_many() {
            let secrets = &self.deployment.secrets;
            authorities.extend(
                secrets
                    .of_tenants("ADMIN_TOKEN")
                    .filter_map(|(id, list)| Some((Authority::Tenant(id), ApiKey::listed(list)?))),
            );
        }
        Ok(authorities)
    }

    /// Returns the tenant that the query or the operator's authority names; `None` for all tenants, or for that of the
    /// host.
    fn selected_tenant(
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

    /// Returns the tokens that open everything. With a single tenant these are that tenant's.
    pub(super) fn deployment_tokens(&self) -> Vec<ApiKey> {
        let only = self.registry.only().and_then(|id| self.gateways.get(id));
        if let Some(gateway) = only {
            return gateway.admin_tokens().to_vec();
        }
        let tokens = self.deployment.secrets.of_deployment("ADMIN_TOKEN");
        // A list with a token short enough to guess opens nothing.
        tokens.and_then(ApiKey::listed).unwrap_or_default()
    }

    fn whoami(&self, operator: &Operator) -> Answer {
        let (scope, tenant) = match &operator.authority {
            Authority::Deployment => ("deployment", self.registry.only()),
            Authority::Tenant(tenant) => ("tenant", Some(tenant)),
        };
        let session = self.deployment.defaults.get("session");
        let streams = session.and_then(|session| session.get("streams"));
        let streams = streams.and_then(Value::as_str).unwrap_or("pass-through");
        let body = json!({
            "scope": scope,
            "tenant": tenant.map(TenantId::as_str),
            "documents": self.registry.is_of_many(),
            "expires": operator.expires,
            "idle_seconds": IDLE.0,
            "version": env!("CARGO_PKG_VERSION"),
            "streams": streams,
        });
        Answer::json(200, &body)
    }
}

/// Returns whether a route manages the tenants themselves.
fn is_of_deployment(route: &str) -> bool {
    route == "preview" || route == "tenants" || route.starts_with("tenants/")
}

/// Returns the operator if the request presents one of these tokens.
fn bearer_operator(
    authority: &Authority,
    tokens: &[ApiKey],
    request: &Request<'_>,
) -> Option<Operator> {
    let authorization = request.header("authorization");
    let is_presented = tokens.iter().any(|token| token.is_presented(authorization));
    is_presented.then(|| Operator {
        authority: authority.clone(),
        expires: None,
        renewed: None,
    })
}
