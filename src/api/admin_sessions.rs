//! Serves the admin API for sessions: list them, view one, end one, a user's, or all.

use super::admin_origins;
use super::explain;
use super::login::accounts;
use super::summary;
use crate::encoding::json;
use crate::gateway::parts::Sessions;
use serde_json::{Map, Value};

use crate::effect::Need;
use crate::gateway::{Asker, Gateway, Interrupt, RequestContext};
use crate::http::query::Query;
use crate::keys::UserTag;
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::id::PublicName;
use crate::session::record::Record;
use crate::session::redaction::{Redacted, redacted};
use crate::store::revocations::Subject;
use crate::telemetry::log::{Event, Level};

/// Maximum and default number of sessions on a page.
const LARGEST_PAGE: usize = 100;
const PAGE: usize = 50;

/// Serves `/admin/…` to an operator whom the router has authenticated; `route` is the rest of the path.
pub(super) fn respond_to_operator(
    gateway: &mut Gateway,
    route: &str,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    // The router serves the admin API below the deployment's prefix only, where it counts wrong tokens.
    if context.asker != Asker::Operator {
        return Err(Problem::NotFound.into());
    }
    match (route, context.request.method) {
        ("sessions", "DELETE") => end_sessions(gateway, context),
        ("sessions", _) => list_sessions(gateway, context),
        ("explain", _) => explain::explain(gateway, context),
        (route, _) if route == "origins" || route.starts_with("origins/") => {
            let route = route.strip_prefix("origins").unwrap_or_default();
            admin_origins::respond_about_origins(gateway, route, context)
        }
        (route, _) if route == "users" || route.starts_with("users/") => {
            let route = route.strip_prefix("users").unwrap_or_default();
            accounts::respond_about_users(gateway, route, context)
        }
        (route, method) => {
            let name = route.strip_prefix("sessions/").and_then(PublicName::parse);
            let name = name.ok_or(Problem::NotFound)?;
            match method {
                "DELETE" => end_session(gateway, name, context),
                _ => view_session(gateway, name, context),
            }
        }
    }
}

fn list_sessions(gateway: &mut Gateway, context: &RequestContext<'_>) -> Result<Answer, Interrupt> {
    let query = parameters(context, &["tenant", "user", "origin", "limit", "after"])?;
    let limit = match query.get("limit") {
        None => PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
            .ok_or_else(|| Problem::Invalid("`limit` must be 1 to 100.".to_owned()))?,
    };
    let tags = query.get("user").map(|user| tags(&gateway.sessions, user));
    let (sessions, next) = gateway.sessions.list(
        &mut gateway.recorder,
        tags.as_deref(),
        query.get("after"),
        limit,
        context,
    )?;
    // A page may hold fewer sessions than `limit`: the list has no origins, so the filter reads each record.
    let origin = query.get("origin");
    let is_there = |session: &Map<String, Value>| {
        origin.is_none_or(|name| session.get("origin").and_then(Value::as_str) == Some(name))
    };
    let sessions: Vec<Value> = sessions
        .iter()
        .map(|session| summary::summarise(gateway, &session.record))
        .filter(is_there)
        .map(Value::Object)
        .collect();
    Ok(Answer::json(
        200,
        &json!({ "sessions": sessions, "next": next }),
    ))
}

/// Serves a session without its secrets. The log records the access.
fn view_session(
    gateway: &mut Gateway,
    name: PublicName,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let session = gateway
        .sessions
        .inspect(&mut gateway.recorder, name.handle, context)?;
    let session = session.filter(|session| name.is_of_for_operators(session.record.sign_in));
    let session = session.ok_or(Problem::NotFound)?;
    gateway
        .recorder
        .emit(Event::new(Level::Info, "audit_session_viewed").about(name.handle));
    let view = view(gateway, &session.record);
    Ok(Answer::json(200, &Value::Object(view)))
}

fn end_session(
    gateway: &mut Gateway,
    name: PublicName,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let (answers, now) = (context.answers, context.now);
    match name.sign_in {
        // Log lines name a session by its handle alone.
        None => gateway
            .sessions
            .end(&mut gateway.recorder, name.handle, answers, now)?,
        Some(_) => gateway
            .sessions
            .end_named(&mut gateway.recorder, name, answers, now)?,
    }
    gateway
        .recorder
        .emit(Event::new(Level::Info, "audit_session_ended").about(name.handle));
    Ok(Answer::empty(204))
}

fn view(gateway: &Gateway, record: &Record) -> Map<String, Value> {
    let mut view = summary::summarise(gateway, record);
    let identity = record.identity.as_ref();
    let data: Value = serde_json::from_str(record.data.to_json()).unwrap_or_default();
    let Redacted { value, paths } = redacted(&data);
    let absolute_end = gateway.tenant.lifetime.absolute_end(&record.span());
    let vault = record.vault.0.iter();
    let vault: Vec<&str> = vault.map(|cookie| cookie.name.as_str()).collect();
    let tokens = record.grant.as_ref().map(|grant| {
        json!({
            "provider": grant.provider,
            "access_token_expires": grant.expires.map(|at| at.0),
            "renewable": grant.refresh_token.is_some(),
        })
    });
    let more = [
        (
            "email",
            json!(identity.and_then(|who| who.email.as_deref())),
        ),
        ("name", json!(identity.and_then(|who| who.name.as_deref()))),
        ("groups", json!(identity.map_or(&[][..], |who| &who.groups))),
        (
            "groups_omitted",
            json!(identity.map_or(0, |who| who.groups_omitted)),
        ),
        ("absolute_expires", json!(absolute_end.0)),
        ("authenticated", json!(record.authenticated.map(|at| at.0))),
        ("pinned", json!(record.pin.is_some())),
        ("version", json!(record.version.0)),
        ("data", value),
        ("redacted", json!(paths)),
        ("vault", json!(vault)),
        ("tokens", json!(tokens)),
    ];
    view.extend(more.map(|(name, value)| (name.to_owned(), value)));
    view
}

fn end_sessions(gateway: &mut Gateway, context: &RequestContext<'_>) -> Result<Answer, Interrupt> {
    match context.answers.written() {
        Some(true) => return Ok(Answer::empty(204)),
        Some(false) => return Err(Problem::StoreUnavailable.into()),
        None => {}
    }
    let query = parameters(context, &["tenant", "user", "all"])?;
    let subjects = match (query.get("user"), query.get("all")) {
        (Some(user), None) => {
            let tags = tags(&gateway.sessions, user);
            tags.into_iter().map(Subject::User).collect()
        }
        (None, Some("true")) => vec![Subject::Tenant],
        _ => {
            let what = "Name a `user`, or use `all=true` for all sessions.";
            return Err(Problem::Invalid(what.to_owned()).into());
        }
    };
    gateway
        .sessions
        .revoke(&subjects, context.answers, context.now)?;
    let is_tenant_wide = subjects == [Subject::Tenant];
    let event = Event::new(Level::Info, "audit_sessions_revoked");
    gateway
        .recorder
        .emit(event.with("everybody", is_tenant_wide));
    if gateway.sessions.writes.is_empty() {
        Ok(Answer::empty(204))
    } else {
        Err(Interrupt::Pending(vec![Need::Store]))
    }
}

fn tags(sessions: &Sessions, user: &str) -> Vec<UserTag> {
    sessions.tenant.keys.user_tags(user).collect()
}

fn parameters(context: &RequestContext<'_>, known: &[&str]) -> Result<Query, Interrupt> {
    let query = context.request.location.query();
    Query::parse(query, known).map_err(|bad| Problem::from(bad).into())
}
