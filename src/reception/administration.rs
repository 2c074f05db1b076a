//! The admin API on tenants, for programs: what `npm run tenants` does for people. It is the
//! deployment's, not a tenant's, so it is reached under any host, and only with the deployment's own
//! `ADMIN_TOKEN`.

use serde_json::{Value, json};

use super::{Missing, Reception};
use crate::answer::Answer;
use crate::answer::problem::Problem;
use crate::document::Fault;
use crate::inbound::host::HostPattern;
use crate::inbound::json;
use crate::inbound::request::Request;
use crate::store::{Answers, Body, Found, Need};
use crate::telemetry::log::{Event, Level};
use crate::tenant::Tenant;
use crate::tenant_id::TenantId;

/// What the route is that asks only whether a document is good.
const VALIDATE: &str = "/validate";

impl Reception {
    /// Answers what is about the tenants themselves; `route` is what follows `/admin/`.
    pub(super) fn administer(
        &mut self,
        route: &str,
        request: &Request<'_>,
        answers: &Answers,
    ) -> Result<Answer, Missing> {
        let refused = |problem| Err(Missing::Refused(problem));
        // Without documents there are none to look after.
        let route = route.strip_prefix("tenants");
        let Some(route) = route.filter(|_| self.catalogue.is_of_many()) else {
            return refused(Problem::NotFound);
        };
        match (route, request.method) {
            ("", "GET" | "HEAD") => list(answers),
            ("", _) => refused(Problem::MethodNotAllowed("GET, HEAD")),
            (VALIDATE, "POST") => self.validate(request, answers),
            (VALIDATE, _) => refused(Problem::MethodNotAllowed("POST")),
            (route, method) => {
                let Some(id) = route.strip_prefix('/').and_then(TenantId::parse) else {
                    return refused(Problem::NotFound);
                };
                match method {
                    "GET" | "HEAD" => Ok(text(&stored(&id, answers)?)),
                    "PUT" => self.put(&id, request, answers),
                    "DELETE" => self.delete(&id, answers),
                    _ => refused(Problem::MethodNotAllowed("GET, HEAD, PUT, DELETE")),
                }
            }
        }
    }

    fn validate(&self, request: &Request<'_>, answers: &Answers) -> Result<Answer, Missing> {
        let (document, _) = body(request, answers)?;
        let faults = self
            .deployment
            .tenant_of(&document)
            .err()
            .unwrap_or_default();
        Ok(Answer::json(200, &json!({ "faults": listed(&faults) })))
    }

    /// Stores a document, and leads its hosts to it. In that order: a host never leads to nobody.
    fn put(
        &mut self,
        id: &TenantId,
        request: &Request<'_>,
        answers: &Answers,
    ) -> Result<Answer, Missing> {
        let (document, text) = body(request, answers)?;
        let tenant = match self.deployment.tenant_of(&document) {
            Ok(tenant) if tenant.id == *id => tenant,
            Ok(_) => {
                let problem =
                    Problem::Invalid("The document's `id` is not that of the path.".to_owned());
                return Err(Missing::Refused(problem));
            }
            Err(faults) => {
                let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
                return Err(Missing::Refused(Problem::Invalid(told.join(" "))));
            }
        };
        free(&tenant, answers)?;
        let former = match stored(id, answers) {
            Ok(former) => hosts(&former),
            Err(Missing::Refused(Problem::NotFound)) => Vec::new(),
            Err(missing) => return Err(missing),
        };
        let claimed: Vec<&str> = tenant.hosts.iter().map(HostPattern::as_str).collect();
        let mut puts = vec![(format!("tenant:{id}"), text)];
        puts.extend(
            claimed
                .iter()
                .map(|host| (format!("host:{host}"), id.to_string())),
        );
        let gone = former
            .iter()
            .filter(|host| !claimed.contains(&host.as_str()));
        let deletes = gone.map(|host| format!("host:{host}")).collect();
        self.keep(puts, deletes, "audit_tenant_put", id, answers)
    }

    fn delete(&mut self, id: &TenantId, answers: &Answers) -> Result<Answer, Missing> {
        let hosts = hosts(&stored(id, answers)?);
        let mut deletes: Vec<String> = hosts.iter().map(|host| format!("host:{host}")).collect();
        deletes.push(format!("tenant:{id}"));
        self.keep(Vec::new(), deletes, "audit_tenant_deleted", id, answers)
    }

    fn keep(
        &mut self,
        puts: Vec<(String, String)>,
        deletes: Vec<String>,
        event: &'static str,
        id: &TenantId,
        answers: &Answers,
    ) -> Result<Answer, Missing> {
        match answers.written() {
            None => Err(Missing::Asked(vec![Need::Keep { puts, deletes }])),
            Some(false) => Err(Missing::Refused(Problem::TenantsUnavailable)),
            Some(true) => {
                self.note(Event::new(Level::Info, event).of(id));
                Ok(Answer::empty(204))
            }
        }
    }
}

fn list(answers: &Answers) -> Result<Answer, Missing> {
    const PREFIX: &str = "tenant:";
    match answers.found(PREFIX) {
        None => Err(Missing::Asked(vec![Need::Documents {
            prefix: PREFIX.to_owned(),
        }])),
        Some(Found::Bytes(names)) => {
            let names = core::str::from_utf8(names).unwrap_or_default().lines();
            let ids: Vec<&str> = names.filter_map(|name| name.strip_prefix(PREFIX)).collect();
            Ok(Answer::json(200, &json!({ "tenants": ids })))
        }
        Some(_) => Err(Missing::Refused(Problem::TenantsUnavailable)),
    }
}

/// The document that is stored under an id.
fn stored(id: &TenantId, answers: &Answers) -> Result<String, Missing> {
    let key = format!("tenant:{id}");
    match answers.found(&key) {
        None => Err(Missing::Asked(vec![Need::Document { key }])),
        Some(Found::Bytes(bytes)) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Some(Found::Absent) => Err(Missing::Refused(Problem::NotFound)),
        Some(Found::Unavailable) => Err(Missing::Refused(Problem::TenantsUnavailable)),
    }
}

/// Sees to it that nobody else has a host that this tenant claims.
fn free(tenant: &Tenant, answers: &Answers) -> Result<(), Missing> {
    let mut lacking = Vec::new();
    for host in &tenant.hosts {
        let key = format!("host:{}", host.as_str());
        match answers.found(&key) {
            None => lacking.push(Need::Document { key }),
            Some(Found::Bytes(owner)) if owner != tenant.id.as_str().as_bytes() => {
                let owner = String::from_utf8_lossy(owner);
                let host = host.as_str();
                return Err(Missing::Refused(Problem::Invalid(format!(
                    "{host} belongs to {owner}; take it from there first."
                ))));
            }
            Some(Found::Unavailable) => return Err(Missing::Refused(Problem::TenantsUnavailable)),
            Some(Found::Bytes(_) | Found::Absent) => {}
        }
    }
    if lacking.is_empty() {
        Ok(())
    } else {
        Err(Missing::Asked(lacking))
    }
}

fn body(request: &Request<'_>, answers: &Answers) -> Result<(Value, String), Missing> {
    match answers.body() {
        None => Err(Missing::Asked(vec![Need::Body {
            limit: json::LARGEST,
        }])),
        Some(Body::TooLarge) => Err(Missing::Refused(Problem::BodyTooLarge)),
        Some(Body::Bytes(bytes)) => {
            let document =
                json::object(request, bytes).map_err(|bad| Missing::Refused(Problem::from(bad)))?;
            let text = String::from_utf8_lossy(bytes).into_owned();
            Ok((Value::Object(document), text))
        }
    }
}

fn text(document: &str) -> Answer {
    Answer {
        body: document.to_owned(),
        ..Answer::empty(200)
    }
    .with("content-type", "application/json")
}

fn listed(faults: &[Fault]) -> Value {
    let one = |fault: &Fault| json!({ "path": fault.path, "problem": fault.problem });
    faults.iter().map(one).collect()
}

fn hosts(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let hosts = document.get("hosts").and_then(Value::as_array);
    let texts = hosts.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}
