//! Serves the admin API for tenants, which `npm run tenants` uses, too. It belongs to the deployment: it is reachable
//! under any host, and only with the deployment's `ADMIN_TOKEN`.

mod history;
mod preview;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::registry::document_key;
use super::{Interrupt, Router};
use crate::clock::UnixMillis;
use crate::config::Fault;
use crate::effect::{Answers, Body, Found, Need};
use crate::encoding::json;
use crate::encoding::{push_hex, strings};
use crate::http::host::HostPattern;
use crate::http::json;
use crate::http::request::Request;
use crate::response::problem::Problem;
use crate::response::{Answer, DATA_POLICY};
use crate::telemetry::log::{Event, Level};
use crate::tenant::Tenant;
use crate::tenant_id::TenantId;

use history::Revision;

/// Routes that check a document without storing it.
const VALIDATE: &str = "tenants/validate";
const PREVIEW: &str = "preview";

impl Router {
    /// Answers `/admin/tenants…` and `/admin/preview`; `route` is the part after `/admin/`.
    pub(super) fn administer(
        &mut self,
        route: &str,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Answer, Interrupt> {
        let refused = |problem| Err(Interrupt::Reject(problem));
        // Without documents there are no tenants to administer.
        if !self.registry.is_of_many() {
            return refused(Problem::NotFound);
        }
        match (route, request.method) {
            ("tenants", _) => list(answers),
            (VALIDATE, _) => self.validate(request, answers),
            (PREVIEW, _) => self.preview(request, answers),
            (route, method) => {
                let route = route.strip_prefix("tenants/").unwrap_or_default();
                let (id, rest) = route.split_once('/').unwrap_or((route, ""));
                let Some(id) = TenantId::parse(id) else {
                    return refused(Problem::NotFound);
                };
                match (rest, rest.strip_prefix("history/"), method) {
                    ("", _, "PUT") => self.put(&id, request, now, answers),
                    ("", _, "DELETE") => self.delete(&id, request, now, answers),
                    ("", ..) => {
                        let document = stored(document_key(&id), answers)?;
                        Ok(text(&document).with("etag", etag(&document)))
                    }
                    (_, Some(version), _) => history::get(&id, version, answers),
                    _ => history::list(&id, answers),
                }
            }
        }
    }

    fn validate(&self, request: &Request<'_>, answers: &Answers) -> Result<Answer, Interrupt> {
        let (document, _) = body(request, answers)?;
        let faults = self
            .deployment
            .tenant_of(&document)
            .err()
            .unwrap_or_default();
        Ok(Answer::json(200, &json!({ "faults": listed(&faults) })))
    }

    /// Stores a document, then the bindings of its hosts. In this order no host ever points to a missing document.
    fn put(
        &mut self,
        id: &TenantId,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Answer, Interrupt> {
        let (document, text) = body(request, answers)?;
        let tenant = match self.deployment.tenant_of(&document) {
            Ok(tenant) if tenant.id == *id => tenant,
            Ok(_) => {
                let problem =
                    Problem::Invalid("The document's `id` is not that of the path.".to_owned());
                return Err(Interrupt::Reject(problem));
            }
            Err(faults) => {
                return Err(Interrupt::Reject(Problem::Invalid(Fault::join(&faults))));
            }
        };
        let former = read(document_key(id), answers)?;
        check_precondition(request, former.as_deref())?;
        free(&tenant, answers)?;
        let revision = Revision::of(id, former.as_deref(), Some(&text), now, answers)?;
        let claimed: Vec<&str> = tenant.hosts.iter().map(HostPattern::as_str).collect();
        let tag = etag(&text);
        let mut puts = revision.before;
        puts.push((document_key(id), text));
        puts.extend(claimed.iter().map(|host| (host_key(host), id.to_string())));
        puts.extend(revision.after);
        let former = former.as_deref().map(hosts).unwrap_or_default();
        let given_up = former
            .iter()
            .filter(|host| !claimed.contains(&host.as_str()));
        let mut deletes: Vec<String> = given_up.map(|host| host_key(host)).collect();
        deletes.extend(revision.gone);
        let answer = self.keep(puts, deletes, "audit_tenant_put", id, answers)?;
        Ok(answer.with("etag", tag))
    }

    fn delete(
        &mut self,
        id: &TenantId,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Answer, Interrupt> {
        let document = stored(document_key(id), answers)?;
        check_precondition(request, Some(&document))?;
        let revision = Revision::of(id, Some(&document), None, now, answers)?;
        let hosts = hosts(&document);
        let mut deletes: Vec<String> = hosts.iter().map(|host| host_key(host)).collect();
        deletes.push(document_key(id));
        deletes.extend(revision.gone);
        self.keep(
            revision.before,
            deletes,
            "audit_tenant_deleted",
            id,
            answers,
        )
    }

    fn keep(
        &mut self,
        puts: Vec<(String, String)>,
        deletes: Vec<String>,
        event: &'static str,
        id: &TenantId,
        answers: &Answers,
    ) -> Result<Answer, Interrupt> {
        match answers.written() {
            None => Err(Interrupt::Pending(vec![Need::Keep { puts, deletes }])),
            Some(false) => Err(Interrupt::Reject(Problem::TenantsUnavailable)),
            Some(true) => {
                let changed = puts.iter().map(|(key, _)| key).chain(&deletes);
                self.registry.forget_hosts(changed.map(String::as_str));
                self.emit(Event::new(Level::Info, event).of(id));
                Ok(Answer::empty(204))
            }
        }
    }
}

fn list(answers: &Answers) -> Result<Answer, Interrupt> {
    const PREFIX: &str = "tenant:";
    match answers.found(PREFIX) {
        None => Err(Interrupt::Pending(vec![Need::Documents {
            prefix: PREFIX.to_owned(),
        }])),
        Some(Found::Bytes(names)) => {
            let names = core::str::from_utf8(names).unwrap_or_default().lines();
            let ids: Vec<&str> = names.filter_map(|name| name.strip_prefix(PREFIX)).collect();
            Ok(Answer::json(200, &json!({ "tenants": ids })))
        }
        Some(_) => Err(Interrupt::Reject(Problem::TenantsUnavailable)),
    }
}

/// Returns the document under a key, or rejects with `NotFound`.
fn stored(key: String, answers: &Answers) -> Result<String, Interrupt> {
    read(key, answers)?.ok_or(Interrupt::Reject(Problem::NotFound))
}

/// Returns the text under a key, if one is stored.
fn read(key: String, answers: &Answers) -> Result<Option<String>, Interrupt> {
    match answers.found(&key) {
        None => Err(Interrupt::Pending(vec![Need::Document { key }])),
        Some(Found::Bytes(bytes)) => Ok(Some(String::from_utf8_lossy(bytes).into_owned())),
        Some(Found::Absent) => Ok(None),
        Some(Found::Unavailable) => Err(Interrupt::Reject(Problem::TenantsUnavailable)),
    }
}

/// Computes the ETag of a document (RFC 9110 section 8.8.3).
fn etag(document: &str) -> String {
    let hash = Sha256::digest(document);
    let mut tag = "\"".to_owned();
    push_hex(
        &mut tag,
        hash.first_chunk::<16>().map_or(&[][..], |begin| begin),
    );
    tag.push('"');
    tag
}

/// Checks `If-Match`, if the caller sent it, against the stored document (RFC 9110 section 13.1.1).
fn check_precondition(request: &Request<'_>, former: Option<&str>) -> Result<(), Interrupt> {
    let Some(expected) = request.header("if-match") else {
        return Ok(());
    };
    let holds = former.is_some_and(|former| {
        let tag = etag(former);
        let mut tags = expected.split(',').map(str::trim);
        tags.any(|one| one == "*" || one == tag)
    });
    if holds {
        Ok(())
    } else {
        Err(Interrupt::Reject(Problem::PreconditionFailed))
    }
}

/// Checks that no other tenant owns a host of this one.
fn free(tenant: &Tenant, answers: &Answers) -> Result<(), Interrupt> {
    let mut needs = Vec::new();
    for host in &tenant.hosts {
        let key = host_key(host.as_str());
        match answers.found(&key) {
            None => needs.push(Need::Document { key }),
            Some(Found::Bytes(owner)) if owner != tenant.id.as_str().as_bytes() => {
                let owner = String::from_utf8_lossy(owner);
                let host = host.as_str();
                return Err(Interrupt::Reject(Problem::Invalid(format!(
                    "{host} belongs to {owner}; take it from there first."
                ))));
            }
            Some(Found::Unavailable) => return Err(Interrupt::Reject(Problem::TenantsUnavailable)),
            Some(Found::Bytes(_) | Found::Absent) => {}
        }
    }
    if needs.is_empty() {
        Ok(())
    } else {
        Err(Interrupt::Pending(needs))
    }
}

fn body(request: &Request<'_>, answers: &Answers) -> Result<(Value, String), Interrupt> {
    match answers.body() {
        None => Err(Interrupt::Pending(vec![Need::Body {
            limit: json::LARGEST,
        }])),
        Some(Body::TooLarge) => Err(Interrupt::Reject(Problem::BodyTooLarge)),
        Some(Body::Broken) => Err(Interrupt::Reject(Problem::BrokenBody)),
        Some(Body::Bytes(bytes)) => {
            let document = json::object(request, bytes, json::ANY_NUMBER);
            let document = document.map_err(|bad| Interrupt::Reject(Problem::from(bad)))?;
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
    .with("x-content-type-options", "nosniff")
    .with("content-security-policy", DATA_POLICY)
}

fn listed(faults: &[Fault]) -> Value {
    let one = |fault: &Fault| json!({ "path": fault.path, "problem": fault.problem });
    faults.iter().map(one).collect()
}

fn host_key(host: &str) -> String {
    format!("host:{host}")
}

fn hosts(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    strings(document.get("hosts"))
}
