//! Serves the visitor's own sessions: lists them, and ends one.

use serde_json::Value;

use super::summary;
use crate::encoding::json;
use crate::gateway::authenticate::{Caller, Visitor};
use crate::gateway::update::CHANGES;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::keys::UserTag;
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::id::{Handle, PublicName};

/// Maximum number of sessions in a visitor's list.
const MAX_LISTED: usize = 100;

/// Serves `GET /sessions`: the sessions of the caller's user; for a guest only this one.
pub(super) fn list_my_sessions(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let visitor = own_session(gateway, context)?;
    let current = visitor.session.record.handle;
    let sessions = if visitor.session.tags.is_empty() {
        vec![visitor.session.clone()]
    } else {
        let (mut sessions, _) = gateway.sessions.list(
            &mut gateway.recorder,
            Some(&visitor.session.tags),
            None,
            MAX_LISTED,
            context,
        )?;
        // The list may be behind; this session certainly exists.
        if !sessions.iter().any(|one| one.record.handle == current) {
            sessions.push(visitor.session.clone());
        }
        let user = |tags: &[UserTag]| tags.first().copied();
        sessions.retain(|one| user(&one.tags) == user(&visitor.session.tags));
        sessions
    };
    let sessions: Vec<Value> = sessions
        .iter()
        .map(|one| {
            let mut summary = summary::summarise(gateway, &one.record);
            let is_current = one.record.handle == current;
            summary.insert("current".to_owned(), json!(is_current));
            Value::Object(summary)
        })
        .collect();
    Ok(Answer::json(200, &json!({ "sessions": sessions })))
}

/// Serves `DELETE /sessions/{name}`: ends one of the caller's own sessions.
pub(super) fn end_my_session(
    gateway: &mut Gateway,
    name: &str,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    if !gateway.tenant.trusts(context.request) {
        return Err(Problem::CrossSite.into());
    }
    let name = PublicName::parse(name).ok_or(Problem::NotFound)?;
    let handle = name.handle;
    if context.answers.written() == Some(true) {
        // With KV alone the session has ended by now. If it was the caller's, the caller is no longer authenticated.
        let own = !matches!(gateway.authenticate(context)?.caller, Caller::Visitor(_));
        return Ok(my_session_ended(gateway, handle, own, context));
    }
    let visitor = own_session(gateway, context)?;
    let own = visitor.session.record.name() == name;
    if !own && visitor.session.tags.is_empty() {
        return Err(Problem::NotFound.into());
    }
    let change_key = format!("{CHANGES}{}", handle.to_text());
    let has_begun =
        context.answers.found(&change_key).is_some() || context.answers.written().is_some();
    if !own && !has_begun {
        let other = gateway
            .sessions
            .inspect(&mut gateway.recorder, handle, context)?;
        let other = other.ok_or(Problem::NotFound)?;
        if !name.is_of(other.record.sign_in)
            || !other
                .tags
                .iter()
                .any(|tag| visitor.session.tags.contains(tag))
        {
            return Err(Problem::NotFound.into());
        }
    }
    gateway
        .sessions
        .end_named(&mut gateway.recorder, name, context.answers, context.now)?;
    Ok(my_session_ended(gateway, handle, own, context))
}

fn my_session_ended(
    gateway: &mut Gateway,
    handle: Handle,
    own: bool,
    context: &RequestContext<'_>,
) -> Answer {
    gateway.recorder.note_ended(handle, "device");
    let lines = own.then(|| gateway.tenant.clear_cookies(context.cookie));
    Answer::empty(204).with_cookies(lines.unwrap_or_default())
}

/// Returns the caller's session, or an error if there is none.
fn own_session(gateway: &mut Gateway, context: &RequestContext<'_>) -> Result<Visitor, Interrupt> {
    match gateway.authenticate(context)?.caller {
        Caller::Visitor(visitor) => Ok(visitor),
        Caller::Anonymous { forged } => Err(Interrupt::Reject {
            problem: Problem::NoSession.into(),
            clear_cookie: forged,
        }),
        Caller::Over(problem) => Err(Interrupt::Reject {
            problem: problem.into(),
            clear_cookie: true,
        }),
    }
}
