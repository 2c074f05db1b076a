//! Serves `POST /backchannel-logout`: a provider reports that a user signed out there (OpenID Connect Back-Channel
//! Logout 1.0).

use super::form;
use crate::auth::claims::{self, Expected};
use crate::auth::jws::{BadToken, Unverified};
use crate::auth::logout_token;
use crate::auth::methods::Provider;
use crate::effect::Need;
use crate::encoding::json;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::http::json::LARGEST_UNAUTHENTICATED;
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::token_set;
use crate::store::revocations::Subject;
use crate::telemetry::log::{ConfigName, Event, Level};
use crate::tenant::Consistency;

/// Serves `POST /backchannel-logout`.
pub(in crate::api) fn backchannel_logout(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let outcome = match form::fields(context, LARGEST_UNAUTHENTICATED, &["logout_token"]) {
        Ok(fields) => {
            let token = fields.get("logout_token").unwrap_or_default();
            handle_logout_token(gateway, token, context)?
        }
        Err(Interrupt::Reject { problem, .. }) if matches!(*problem, Problem::Invalid(_)) => {
            Err(BadToken("no form"))
        }
        Err(interrupt) => return Err(interrupt),
    };
    Ok(match outcome {
        Ok(()) => Answer::empty(200),
        Err(BadToken(reason)) => {
            gateway
                .recorder
                .emit(Event::new(Level::Warn, "logout_token_refused").with("reason", reason));
            let error = json!({ "error": "invalid_request", "error_description": reason });
            Answer::json(400, &error)
        }
    })
}

fn handle_logout_token(
    gateway: &mut Gateway,
    presented: &str,
    context: &RequestContext<'_>,
) -> Result<Result<(), BadToken>, Interrupt> {
    let checked = Unverified::parse(presented)
        .and_then(|token| Ok((checked(gateway, &token, context)?, token)));
    let (provider, token) = match checked {
        Ok(checked) => checked,
        Err(bad) => return Ok(Err(bad)),
    };
    let metadata = gateway.logins.metadata(
        &mut gateway.recorder,
        &provider.issuer,
        context.answers,
        context.now,
    )?;
    let verdict = gateway.logins.is_signed(
        &mut gateway.recorder,
        &token,
        &metadata.jwks_uri,
        context.answers,
        context.now,
    )?;
    let logout = match verdict.and_then(|()| logout_token::read(&token.claims)) {
        Ok(logout) => logout,
        Err(bad) => return Ok(Err(bad)),
    };
    // With KV alone repeated tokens are not detected; ending a session twice is harmless.
    let counts = gateway.tenant.consistency == Consistency::Strong;
    let what = ["logout", &provider.issuer, logout.id];
    if counts && super::exchange::is_seen(&gateway.sessions, &what, context)? {
        return Ok(Err(BadToken("used before")));
    }
    match context.answers.written() {
        Some(true) => {
            let event = Event::new(Level::Info, "signed_out_at_provider");
            gateway
                .recorder
                .emit(event.with("provider", ConfigName(&provider.name)));
            return Ok(Ok(()));
        }
        Some(false) => return Err(Problem::StoreUnavailable.into()),
        None => {}
    }
    // A token with `sid` ends that sign-in; one with only a user ends all of the user's sign-ins.
    let issuer = &provider.issuer;
    let subject = match (logout.sid, logout.subject) {
        (Some(sid), _) => token_set::sid_of(issuer, sid),
        (None, subject) => token_set::subject_of(issuer, subject.unwrap_or_default()),
    };
    let tags = gateway.tenant.keys.user_tags(&subject);
    let subjects: Vec<Subject> = tags.map(Subject::User).collect();
    gateway
        .sessions
        .revoke(&subjects, context.answers, context.now)?;
    if !gateway.sessions.writes.is_empty() {
        return Err(Interrupt::Pending(vec![Need::Store]));
    }
    // Marks the token as used only now: if the revocation fails, the provider must be able to send it again.
    if counts && !super::exchange::is_first_time(&mut gateway.sessions, &what, &token, context)? {
        return Ok(Err(BadToken("used before")));
    }
    gateway.recorder.emit(
        Event::new(Level::Info, "signed_out_at_provider")
            .with("provider", ConfigName(&provider.name)),
    );
    Ok(Ok(()))
}

/// Finds the provider that the token names, and makes all checks that need no key.
fn checked(
    gateway: &Gateway,
    token: &Unverified,
    context: &RequestContext<'_>,
) -> Result<Provider, BadToken> {
    let named = claims::text(&token.claims, "iss")?;
    let mut why = BadToken("another issuer");
    for provider in &gateway.tenant.methods.oidc {
        if Some(provider.issuer.as_str()) != named {
            continue;
        }
        let expected = Expected {
            issuer: &provider.issuer,
            audience: &provider.client_id,
            now: context.now.seconds(),
        };
        let checked = claims::check(&token.claims, &expected)
            .and_then(|()| claims::check_party(&token.claims, expected.audience));
        match checked {
            Ok(()) if logout_token::is_of_kind(token, provider.untyped_logout_tokens) => {
                return Ok(provider.clone());
            }
            Ok(()) => why = BadToken("another kind of token"),
            Err(bad) => why = bad,
        }
    }
    Err(why)
}
