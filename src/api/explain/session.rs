//! Explains how a request is authenticated: the credential, the session's state, and the source of that.

use serde_json::Value;

use super::Explanation;
use crate::cookie::presented::Presented;
use crate::cookie::token::{Token, Verified};
use crate::effect::{Answers, Found, Need};
use crate::encoding::json;
use crate::gateway::authenticate::{self, Caller};
use crate::gateway::guest::unstored;
use crate::gateway::session_lookup::{LookupResult, object_key};
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::response::problem::Problem;
use crate::session::id::{Handle, PublicName, RecordName};
use crate::session::record::{Record, Version};
use crate::session_object::command::{Operation, Reply, Status};
use crate::store::cache::Known;

/// Authenticates a request by its credential.
pub(super) fn explain_presented(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
    explanation: &mut Explanation,
) -> Result<Caller, Interrupt> {
    let has_cookie = context.request.header("cookie").is_some();
    let verdict = |verdict: &str, because: &str| json!({ "verdict": verdict, "because": because });
    match authenticate::credential(&gateway.tenant, context) {
        Presented::Absent => {
            let caller = gateway.sessions.authenticate_by_route(context);
            let because = match &caller {
                Caller::Visitor(visitor) => {
                    let record = &visitor.session.record;
                    explanation.session = described(gateway, "guest", "cookie", record, context);
                    "There is no cookie. The sid in the URL names a guest's session."
                }
                _ if has_cookie => "No cookie has the session cookie's name.",
                _ => "There is no Cookie header.",
            };
            explanation.cookie = verdict("absent", because);
            Ok(caller)
        }
        Presented::Forged => {
            let because = "No key of this tenant gives its MAC. It is forged, belongs to another tenant or deployment, or was signed by a removed key.";
            explanation.cookie = verdict("forged", because);
            Ok(Caller::Anonymous { forged: true })
        }
        Presented::UnknownKey { vouched } => {
            let because = if vouched {
                "A key that is not in SESSION_KEYS here signed it, and a key that is vouches for that one. A later list has the key: add it here, or give this list a higher epoch to give up the sessions of that key."
            } else {
                "A key that is not in SESSION_KEYS here signed it within the last hour. The key is new and has not arrived, was removed too early, or the cookie is forged."
            };
            explanation.cookie = verdict("unknown key", because);
            Err(Problem::KeyUnknown.into())
        }
        Presented::Genuine { value, verified } => {
            let because = if verified.retired_key {
                "Its MAC is valid under a retired key. The cookie would be set again."
            } else {
                "Its MAC is valid."
            };
            explanation.cookie = verdict("genuine", because);
            explain_genuine(gateway, verified, value, context, explanation)
        }
    }
}

fn explain_genuine(
    gateway: &mut Gateway,
    verified: Verified,
    value: &str,
    context: &RequestContext<'_>,
    explanation: &mut Explanation,
) -> Result<Caller, Interrupt> {
    let handle = verified.token.handle;
    let (caller, known) = without_effect(gateway, handle, |gateway| {
        let caller = gateway.sessions.authenticate_genuine(
            &mut gateway.recorder,
            verified,
            value,
            context,
        )?;
        let known = gateway.sessions.cache.get(handle, context.now);
        Ok((caller, known.map(|hit| hit.known)))
    })?;
    explanation.session = match &caller {
        Caller::Visitor(visitor) if !visitor.is_recorded() => {
            described(gateway, "guest", "cookie", &visitor.session.record, context)
        }
        Caller::Visitor(visitor) => {
            let record = &visitor.session.record;
            // A session that storage does not show yet is served from the cookie.
            let source = if record.version > Version::UNSTORED {
                source(gateway, handle, context.answers)
            } else {
                "cookie"
            };
            described(gateway, "live", source, record, context)
        }
        Caller::Anonymous { .. } => {
            let guest = unstored(&verified.token);
            described(gateway, "expired", "cookie", &guest, context)
        }
        Caller::Over(problem) => {
            let source = source(gateway, handle, context.answers);
            explain_over(gateway, problem, handle, known.as_ref(), source, context)
        }
    };
    Ok(caller)
}

/// Finds a session by its handle alone, as [`Sessions::inspect`](crate::gateway::parts::Sessions::inspect) does.
pub(super) fn explain_named(
    gateway: &mut Gateway,
    name: PublicName,
    context: &RequestContext<'_>,
    explanation: &mut Explanation,
) -> Result<Caller, Interrupt> {
    let handle = name.handle;
    explanation.cookie = json!({
        "verdict": "not asked",
        "because": "The session was named by its handle.",
    });
    let (found, is_revoked) = without_effect(gateway, handle, |gateway| {
        let found = gateway
            .sessions
            .load_authoritative(&mut gateway.recorder, handle, context)?;
        let is_revoked = match &found {
            LookupResult::Found(Known::Live(session)) => gateway.sessions.is_revoked(session),
            _ => false,
        };
        Ok((found, is_revoked))
    })?;
    let found = match found {
        LookupResult::Found(Known::Live(session))
            if !name.is_of_for_operators(session.record.sign_in) =>
        {
            LookupResult::Nothing
        }
        found => found,
    };
    let source = source(gateway, handle, context.answers);
    let known = match &found {
        LookupResult::Found(known) => Some(known),
        LookupResult::Nothing | LookupResult::Corrupt | LookupResult::Unavailable => None,
    };
    let problem = match &found {
        LookupResult::Found(Known::Live(_)) if is_revoked => Problem::SessionEnded,
        LookupResult::Found(Known::Live(session)) => {
            let record = &session.record;
            let lifetime = &gateway.tenant.lifetime;
            if !lifetime.has_ended(&record.span(), context.now.seconds()) {
                explanation.session = described(gateway, "live", source, record, context);
                let token = Token {
                    handle,
                    id: record.id,
                    created: record.created,
                    issued: record.seen,
                    least_version: record.version,
                };
                let session = session.clone();
                return Ok(Caller::Visitor(gateway.sessions.visitor(
                    session,
                    token,
                    Some(""),
                )));
            }
            Problem::SessionExpired
        }
        LookupResult::Found(Known::Ended) => Problem::SessionEnded,
        LookupResult::Found(Known::Absent(_)) | LookupResult::Nothing => Problem::SessionUnknown,
        LookupResult::Corrupt => Problem::SessionCorrupt,
        LookupResult::Unavailable => return Err(Problem::StoreUnavailable.into()),
    };
    if problem == Problem::SessionUnknown {
        let guest = "Nothing is stored under this name. The session is over, has another name since a sign-in, or is a guest's without data, which exists only as a cookie.";
        explanation.because = Some(guest.to_owned());
    }
    explanation.session = explain_over(gateway, &problem, handle, known, source, context);
    Ok(Caller::Over(problem))
}

/// Describes a session that does not serve this cookie, from what is `known` of it.
fn explain_over(
    gateway: &Gateway,
    problem: &Problem,
    handle: Handle,
    known: Option<&Known>,
    source: &str,
    context: &RequestContext<'_>,
) -> Value {
    let record = match known {
        Some(Known::Live(session)) => Some(&session.record),
        Some(Known::Ended | Known::Absent(_)) | None => None,
    };
    let state = match (problem, record) {
        // Its record exists, but the session, its user or the whole tenant was revoked.
        (Problem::SessionEnded, Some(_)) => "revoked",
        (Problem::SessionEnded, None) => "ended",
        (Problem::SessionExpired, _) => "expired",
        (Problem::SessionCorrupt, _) => "unreadable",
        // The session continues under a newer cookie.
        (Problem::SessionRotated | Problem::SessionReplaced, _) => "live",
        _ => "unknown",
    };
    match record {
        Some(record) => described(gateway, state, source, record, context),
        None => json!({
            "state": state,
            "source": source,
            "handle": handle.to_text(),
            "user": Value::Null,
            "version": 0,
            "idle_seconds_left": 0,
            "absolute_seconds_left": 0,
        }),
    }
}

fn described(
    gateway: &Gateway,
    state: &str,
    source: &str,
    record: &Record,
    context: &RequestContext<'_>,
) -> Value {
    let lifetime = &gateway.tenant.lifetime;
    let (span, now) = (record.span(), context.now.seconds());
    let idle_end = lifetime.idle_end(&span);
    json!({
        "state": state,
        "source": source,
        "handle": record.public_name(),
        "user": record.identity.as_ref().map(|who| who.user.as_str()),
        "version": record.version.0,
        "idle_seconds_left": idle_end.since(now).0,
        "absolute_seconds_left": lifetime.absolute_end(&span).since(now).0,
    })
}

/// Returns the source of the session's state, derived from the answers.
fn source(gateway: &Gateway, handle: Handle, answers: &Answers) -> &'static str {
    let object = match answers.found(&object_key(handle)) {
        Some(Found::Bytes(bytes)) => Reply::parse(bytes).map(|reply| reply.is),
        _ => None,
    };
    let name = RecordName::derive(&gateway.tenant.id, handle);
    let namespace = answers.found(name.as_str());
    match (object, namespace) {
        (Some(Status::Live | Status::Ended | Status::Unreadable), _) => "object",
        (_, Some(Found::Bytes(_))) | (None, Some(Found::Absent)) => "namespace",
        // The object has nothing, and no other source had anything.
        (Some(_), _) => "object",
        (None, _) => "isolate",
    }
}

/// Runs `look` without effects: restores the session's cache entry, and drops log events and writes. The object is
/// read, but gets no command to repair anything.
fn without_effect<T>(
    gateway: &mut Gateway,
    handle: Handle,
    look: impl FnOnce(&mut Gateway) -> Result<T, Interrupt>,
) -> Result<T, Interrupt> {
    let cache = gateway.sessions.cache.of_one(handle);
    let cache = core::mem::replace(&mut gateway.sessions.cache, cache);
    let revocations = gateway.sessions.revocations.clone();
    let events = core::mem::take(&mut gateway.recorder.events);
    let writes = core::mem::take(&mut gateway.sessions.writes);
    let series = core::mem::take(&mut gateway.recorder.series);
    let labels = gateway.recorder.labels.clone();
    let seen = look(gateway);
    gateway.sessions.cache = cache;
    gateway.sessions.revocations = revocations;
    gateway.recorder.events = events;
    gateway.sessions.writes = writes;
    gateway.recorder.series = series;
    gateway.recorder.labels = labels;
    let Err(Interrupt::Pending(mut needs)) = seen else {
        return seen;
    };
    let read = object_key(handle);
    for need in &mut needs {
        if matches!(need, Need::Call { key, .. } if *key == read) {
            let order = gateway.sessions.command(Operation::Read);
            *need = order.need(&gateway.tenant.id, handle, read.clone());
        }
    }
    Err(Interrupt::Pending(needs))
}
