//! Serves the reserved paths (`docs/reference/paths.md`).

mod admin_origins;
mod admin_sessions;
mod body;
pub(crate) mod built_file;
#[cfg(test)]
pub(crate) mod described;
mod explain;
mod leases;
mod login;
mod my_sessions;
mod origins;
pub(crate) mod routes;
mod session;
mod summary;

use serde_json::Value;

use crate::effect::{Found, Need};
use crate::encoding::json;
use crate::gateway::authenticate::Visitor;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::lifetime::Span;

/// Name of the record that the readiness probe reads. It never exists; any answer of storage shows that storage works.
const PROBE: &str = "readiness-probe";

/// Serves a reserved path; `route` is the part after the prefix.
pub(crate) fn respond(
    gateway: &mut Gateway,
    route: &str,
    context: &RequestContext<'_>,
) -> Interrupt {
    let interrupt = try_respond(gateway, route, context);
    #[cfg(test)]
    match &interrupt {
        Interrupt::Reject { problem, .. } => {
            described::check_problem(route, context.request.method, problem);
        }
        Interrupt::Respond(answer) | Interrupt::RespondFile(answer) => {
            described::check_answer(route, context.request.method, answer);
        }
        Interrupt::Pending(_) => {}
    }
    interrupt
}

fn try_respond(gateway: &mut Gateway, route: &str, context: &RequestContext<'_>) -> Interrupt {
    let method = context.request.method;
    if let Err(problem) = routes::check(route, method) {
        return problem.into();
    }
    let outcome = match (route, method) {
        ("/healthz", _) => Ok(Answer::json(200, &json!({ "status": "ok" }))),
        ("/readyz", _) => readiness(gateway, context),
        ("/openapi.json", _) => return built_file::description(context),
        ("/me", _) => me(gateway, context),
        ("/login", "POST") => login::password::login_by_password(gateway, context),
        ("/login", _) => login::start_login::login(gateway, context),
        ("/callback", _) => login::callback::callback(gateway, context),
        ("/popup", "POST") => login::popup::redeem(gateway, context),
        ("/popup", _) => login::popup::popup(gateway, context),
        ("/token", _) => login::exchange::exchange_token(gateway, context),
        ("/password", _) => login::password::password(gateway, context),
        ("/jwks.json", _) => gateway.assertions.public_keys(context),
        ("/logout", "POST") => login::sign_out::logout(gateway, context),
        ("/logout", _) => login::sign_out::confirm_sign_out(gateway, context),
        ("/signed-out", _) => Ok(login::sign_out::signed_out_page(gateway, context)),
        ("/backchannel-logout", _) => login::backchannel::backchannel_logout(gateway, context),
        ("/sessions", _) => my_sessions::list_my_sessions(gateway, context),
        _ => reserved_below(gateway, route, context),
    };
    match outcome {
        Ok(mut answer) => {
            if method == "HEAD" {
                answer.body.clear();
            }
            Interrupt::Respond(answer.into())
        }
        Err(interrupt) => interrupt,
    }
}

/// Serves the paths with variable parts.
fn reserved_below(
    gateway: &mut Gateway,
    route: &str,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    if let Some(route) = route.strip_prefix("/api/sessions/") {
        session::session_api(gateway, route, context)
    } else if let Some(route) = route.strip_prefix("/api/origins/") {
        origins::respond_to_origin(gateway, route, context)
    } else if let Some(route) = route.strip_prefix("/admin/") {
        admin_sessions::respond_to_operator(gateway, route, context)
    } else if let Some(handle) = route.strip_prefix("/sessions/") {
        my_sessions::end_my_session(gateway, handle, context)
    } else {
        Err(Problem::NotFound.into())
    }
}

fn me(gateway: &mut Gateway, context: &RequestContext<'_>) -> Result<Answer, Interrupt> {
    let authenticated = gateway.authenticate(context)?;
    let visitor = gateway.authorize(authenticated)?.visitor;
    let line = visitor.set_cookie.then(|| {
        let lifetime = &gateway.tenant.lifetime;
        let age = lifetime.cookie_age(&visitor.session.record.span(), context.now.seconds());
        gateway
            .tenant
            .set_cookie(context.cookie, &visitor.cookie, age)
    });
    Ok(Answer::json(200, &describe(gateway, &visitor, context)).with_cookies(Vec::from_iter(line)))
}

fn describe(gateway: &Gateway, visitor: &Visitor, context: &RequestContext<'_>) -> Value {
    let record = &visitor.session.record;
    let lifetime = &gateway.tenant.lifetime;
    let now = context.now.seconds();
    let used = Span {
        seen: now,
        ..record.span()
    };
    let state = match visitor {
        Visitor { is_new: true, .. } => "new",
        Visitor { degraded: true, .. } => "degraded",
        _ => "active",
    };
    json!({
        "handle": visitor.session.handle,
        "tenant": gateway.tenant.id.as_str(),
        "state": state,
        "user": record.identity.as_ref().map(|who| who.user.as_str()),
        "email": record.identity.as_ref().and_then(|who| who.email.as_deref()),
        "name": record.identity.as_ref().and_then(|who| who.name.as_deref()),
        "groups": record.identity.as_ref().map(|who| &who.groups),
        "stored": visitor.is_recorded(),
        "created": record.created.0,
        "expires": lifetime.end(&used).0,
        "idle_seconds_left": lifetime.end(&used).since(now).0,
        "absolute_seconds_left": lifetime.absolute_end(&used).since(now).0,
        "data": serde_json::from_str::<Value>(record.data.to_json()).unwrap_or_default(),
    })
}

/// Reports ready if the tenant's storage answers.
fn readiness(gateway: &Gateway, context: &RequestContext<'_>) -> Result<Answer, Interrupt> {
    let key = format!("s:{}:{PROBE}", gateway.tenant.id);
    match context.answers.found(&key) {
        None => Err(Interrupt::Pending(vec![Need::read(&key)])),
        Some(Found::Unavailable) => Err(Problem::StoreUnavailable.into()),
        Some(_) => Ok(Answer::json(200, &json!({ "status": "ready" }))),
    }
}
