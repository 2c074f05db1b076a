//! Serves `POST /admin/explain`: explains how a request would be handled, without effects.
//!
//! The steps follow [`Gateway::admit`], and each decision is made by the same function as for a real request. All
//! changes of state are undone: nothing is counted, logged or stored, no session begins, and repeating the call gives
//! the same result. It does not perform sign-ins, token refreshes and assertion signatures.

mod question;
mod routing;
mod session;

use serde_json::Value;

use crate::api::body;
use crate::cookie::name::CookieName;
use crate::encoding::json;
use crate::gateway::anonymous::{self, Anonymous};
use crate::gateway::authenticate::{Caller, Visitor};
use crate::gateway::authorize::Access;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::http::canonical::canonical;
use crate::http::host::{Host, HostPattern};
use crate::http::path::PathClass;
use crate::http::request::Request;
use crate::http::{limits, websocket};
use crate::policy::LoginMode;
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::tenant::{AccessRule, Denial};

use question::{Question, Sender};

/// Reason why the explanation ends before the origin.
enum Stop {
    /// The gateway would interrupt the request like this.
    Interrupt(Interrupt),
    /// A step that is not explained would respond.
    Here {
        /// Status, if it is certain.
        status: Option<u16>,
        /// Reason.
        because: String,
    },
}

impl From<Interrupt> for Stop {
    fn from(interrupt: Interrupt) -> Self {
        Self::Interrupt(interrupt)
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Interrupt(problem.into())
    }
}

/// Explanation of each step; `null` for a step that was not reached.
#[derive(Default)]
struct Explanation {
    tenant: Value,
    path: Value,
    cookie: Value,
    session: Value,
    login: Value,
    origins: Vec<Value>,
    choice: Value,
    /// Reason for the outcome, in addition to the problem's.
    because: Option<String>,
}

/// Explains how the request in the body would be handled.
pub(super) fn explain(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let question = Question::read(&body::object(context)?, context)?;
    let invalid = || Problem::Invalid("`url` must be an http or https URL.".to_owned());
    let request = Request::parse(&question.packed).ok_or_else(invalid)?;
    let sent = canonical(&request.location).unwrap_or_default();
    let request = request.at(sent.as_deref());
    let explained = RequestContext {
        request: &request,
        cookie: CookieName::for_location(&request.location),
        ..*context
    };
    let mut explanation = Explanation::default();
    let result = explain_steps(gateway, question.sender, &explained, &mut explanation);
    let outcome = outcome(result, &mut explanation)?;
    let explanation = json!({
        "tenant": explanation.tenant,
        "path": explanation.path,
        "cookie": explanation.cookie,
        "session": explanation.session,
        "login": explanation.login,
        "origins": explanation.origins,
        "choice": explanation.choice,
        "outcome": outcome,
    });
    Ok(Answer::json(200, &explanation))
}

/// Repeats the steps of [`Gateway::admit`], up to the origin.
fn explain_steps(
    gateway: &mut Gateway,
    sender: Sender,
    context: &RequestContext<'_>,
    explanation: &mut Explanation,
) -> Result<(), Stop> {
    explain_tenant(gateway, sender, context, explanation)?;
    if gateway
        .tenant
        .tenant_by
        .is_ambiguous(context.request.location.path)
    {
        let because = "Some servers find another tenant's segment in the path.";
        explanation.because = Some(because.to_owned());
        return Err(Problem::BadPath.into());
    }
    limits::check(context.request).map_err(Problem::from)?;
    gateway.check_sender(context)?;
    explain_path(gateway, context, explanation)?;
    if context.request.is_websocket() {
        websocket::check(context.request, &gateway.tenant.allowed_origins)
            .map_err(Problem::from)?;
    }
    if let Some(kind) = anonymous::kind(&gateway.tenant, context) {
        explanation.because = Some(
            match kind {
                Anonymous::Preflight => "A preflight carries no credentials. It is forwarded without a session, and the chat server decides what it allows.",
                Anonymous::Public => "The tenant declares the response public (cache). The request is forwarded without a session, and the zone's cache may keep the response.",
            }
            .to_owned(),
        );
        return Ok(routing::explain_routing(
            gateway,
            &gateway.sessions.anonymous_visitor(context),
            context,
            explanation,
        )?);
    }
    let caller = match sender {
        Sender::Presented => session::explain_presented(gateway, context, explanation)?,
        Sender::Named(name) => session::explain_named(gateway, name, context, explanation)?,
    };
    match explain_access(gateway, caller, context, explanation)? {
        Some(visitor) => routing::explain_routing(gateway, &visitor, context, explanation)?,
        None => routing::explain_new_session(gateway, context, explanation)?,
    }
    Ok(())
}

fn explain_tenant(
    gateway: &Gateway,
    sender: Sender,
    context: &RequestContext<'_>,
    explanation: &mut Explanation,
) -> Result<(), Interrupt> {
    let tenant = &gateway.tenant;
    let host = context.request.location.authority;
    let qualifiers = tenant.tenant_by.qualifiers(context.request);
    let claim = Host::canonical(host).and_then(|host| {
        let selects = |one: &&HostPattern| one.selects(&host, &qualifiers);
        let rank = |one: &&HostPattern| (!one.as_str().starts_with('*'), one.as_str().len());
        tenant.hosts.iter().filter(selects).max_by_key(rank)
    });
    let full = qualifiers.first().map_or("", String::as_str);
    let because = match (sender, claim) {
        (Sender::Named(_), _) => {
            "The session was named by its handle. Only this tenant's sessions are searched."
                .to_owned()
        }
        _ if tenant.hosts.is_empty() => {
            "Every host belongs to this tenant: the deployment has no other.".to_owned()
        }
        (_, Some(claim)) if claim.as_str().starts_with('*') || claim.qualifier() != full => {
            format!(
                "The request matches {}. A more specific pattern of another tenant would win, such as {host}{full}.",
                claim.as_str()
            )
        }
        (_, Some(_)) => format!("{host}{full} is listed by name."),
        (_, None) => format!("{host}{full} is not among this tenant's hosts."),
    };
    explanation.tenant = json!({ "id": tenant.id.as_str(), "because": because });
    if sender == Sender::Presented && claim.is_none() && !tenant.hosts.is_empty() {
        let because = "This tenant does not serve the host. If another tenant does, explain the request there.";
        explanation.because = Some(because.to_owned());
        return Err(Problem::UnknownHost.into());
    }
    Ok(())
}

fn explain_path(
    gateway: &Gateway,
    context: &RequestContext<'_>,
    explanation: &mut Explanation,
) -> Result<(), Stop> {
    let RequestContext { request, .. } = context;
    let location = &request.location;
    let prefix = &gateway.prefix;
    let reads = matches!(request.method, "GET" | "HEAD") && !request.is_websocket();
    let (path_class, because, stop) = match gateway.classify(location) {
        PathClass::Ambiguous => (
            "disguised",
            format!("Different programs read the path differently, or read it as a path below {prefix}."),
            Err(Problem::BadPath.into()),
        ),
        PathClass::Reserved(_) => (
            "reserved",
            format!("The path is below {prefix}."),
            Err(Stop::Here {
                status: None,
                because: "Vestibule serves its own paths itself.".to_owned(),
            }),
        ),
        PathClass::Origin => (
            "origin",
            format!("The path is not below {prefix}."),
            match gateway.tenant.assets.at(location).filter(|_| reads) {
                None => Ok(()),
                Some(_) => Err(Stop::Here {
                    status: Some(200),
                    because: "The tenant has a file of its own for this path (assets), which needs no session. While the file is unavailable, the request is forwarded.".to_owned(),
                }),
            },
        ),
    };
    explanation.path = json!({ "territory": path_class, "because": because });
    stop
}

/// Explains the sign-in policy. Returns the visitor; `None` for a new guest.
fn explain_access(
    gateway: &Gateway,
    caller: Caller,
    context: &RequestContext<'_>,
    explanation: &mut Explanation,
) -> Result<Option<Visitor>, Interrupt> {
    let access_rule = gateway.tenant.access_rule(context.request);
    let mode = match access_rule.mode {
        LoginMode::Off => "off",
        LoginMode::Optional => "optional",
        LoginMode::Required => "required",
    };
    let who = match &caller {
        Caller::Visitor(visitor) => visitor.session.record.identity.as_ref(),
        Caller::Anonymous { .. } | Caller::Over(_) => None,
    };
    let groups = required_groups(gateway, &access_rule);
    let lacks_group = gateway.tenant.denial(&access_rule, who) == Some(Denial::Groups);
    let who = who.map(|who| format!("{} has signed in", who.user));
    let is_over = matches!(caller, Caller::Over(_));
    let access = gateway.access(caller, context);
    let because = match (&access, who) {
        (Access::Visitor(_), Some(who)) => format!("{who}."),
        (Access::Visitor(_), None) => "Guests are admitted on this path.".to_owned(),
        (Access::Guest, _) if is_over => {
            "The session is over. A browser opens a page, so the visitor gets a new guest session."
                .to_owned()
        }
        (Access::Guest, _) => {
            "Guests are admitted on this path, and this visitor becomes one.".to_owned()
        }
        (Access::Denied(Interrupt::Reject { .. }), Some(who)) if lacks_group => {
            format!("{who}, but is not in the groups that this path requires: {groups}.")
        }
        (Access::Denied(_), Some(who)) => {
            let most = access_rule.max_age.unwrap_or_default().0;
            format!("{who}, but more than {most} s ago. This path requires a more recent sign-in.")
        }
        (Access::Denied(_), None) if is_over && access_rule.admits_guests() => {
            "The session is over. The request does not open a page, so the program gets an error."
                .to_owned()
        }
        (Access::Denied(_), None) => {
            "This path requires a sign-in, and the visitor has not signed in.".to_owned()
        }
    };
    explanation.login = json!({
        "mode": mode,
        "rule": access_rule.rule_path(),
        "admitted": !matches!(access, Access::Denied(_)),
        "because": because,
    });
    match access {
        Access::Visitor(visitor) => Ok(Some(visitor)),
        Access::Guest => Ok(None),
        Access::Denied(interrupt) => Err(interrupt),
    }
}

/// Names the groups that a rule requires: `ops or sre`.
fn required_groups(gateway: &Gateway, access_rule: &AccessRule) -> String {
    let lists = gateway.tenant.required_groups(access_rule);
    let lists: Vec<String> = lists
        .map(|groups| {
            groups
                .iter()
                .map(|one| one.0.as_str())
                .collect::<Vec<_>>()
                .join(" or ")
        })
        .collect();
    lists.join(", and ")
}

/// Builds the outcome.
///
/// # Errors
/// Returns the needs to answer first.
fn outcome(result: Result<(), Stop>, explanation: &mut Explanation) -> Result<Value, Interrupt> {
    let more = explanation.because.take();
    let (does, status, problem, because) = match result {
        Ok(()) => {
            let because = more.unwrap_or_else(|| "No rule stops the request.".to_owned());
            ("forward", None, None, because)
        }
        Err(Stop::Here { status, because }) => ("answer", status, None, because),
        Err(Stop::Interrupt(Interrupt::Reject { problem, .. })) => {
            let because = match more {
                None => problem.to_sentence(),
                Some(more) => format!("{} {more}", problem.to_sentence()),
            };
            let (status, code) = (problem.status(), problem.code());
            ("answer", Some(status), Some(code), because)
        }
        Err(Stop::Interrupt(Interrupt::Respond(answer))) => {
            let because = "A browser opens a page, so it is redirected to sign in.".to_owned();
            ("answer", Some(answer.status), None, because)
        }
        Err(Stop::Interrupt(interrupt @ (Interrupt::Pending(_) | Interrupt::RespondFile(_)))) => {
            return Err(interrupt);
        }
    };
    Ok(json!({ "does": does, "status": status, "problem": problem, "because": because }))
}
