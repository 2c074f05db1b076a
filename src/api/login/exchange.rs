//! Serves `POST /token`: exchanges a token of a trusted issuer for a session.

use crate::api::body;
use crate::encoding::json;
use crate::gateway::parts::Sessions;
use chacha20::rand_core::Rng as _;
use serde_json::Value;

use super::finish_login::Proof;
use crate::auth::claimed;
use crate::auth::claims::{self, Claims, Expected};
use crate::auth::jws::{BadToken, Unverified};
use crate::auth::login_throttle::message::{Command, Reply, Verdict};
use crate::auth::methods::Issuer;
use crate::clock::UnixSeconds;
use crate::effect::Found;
use crate::gateway::password_check::attempt_need;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::response::sign_in::SignInProblem;
use crate::tenant::Consistency;

/// Accepted token types (RFC 9068 for the second and third).
const KINDS: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// Serves `POST /token`.
pub(in crate::api) fn exchange_token(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    if !gateway.tenant.trusts(context.request) {
        return Err(Problem::CrossSite.into());
    }
    let presented = presented(context)?;
    let refused = |gateway: &mut Gateway, issuer: &str, bad: BadToken| {
        gateway
            .recorder
            .note_provider("token_refused", issuer, bad.0);
        Interrupt::from(Problem::from(SignInProblem::Token))
    };
    let token = match Unverified::parse(&presented) {
        Ok(token) => token,
        Err(bad) => return Err(refused(gateway, "", bad)),
    };
    let named = claims::text(&token.claims, "iss").ok().flatten();
    let issuers = gateway.tenant.methods.token.iter();
    let Some(issuer) = issuers
        .filter(|issuer| Some(issuer.issuer.as_str()) == named)
        .find(|issuer| is_for(gateway, issuer, &token, context).is_ok())
        .cloned()
    else {
        let bad = rejection_reason(gateway, named, &token, context);
        return Err(refused(gateway, "", bad));
    };
    let jwks_uri = match &issuer.jwks_uri {
        Some(uri) => uri.clone(),
        None => {
            gateway
                .logins
                .metadata(
                    &mut gateway.recorder,
                    &issuer.issuer,
                    context.answers,
                    context.now,
                )?
                .jwks_uri
        }
    };
    let verdict = gateway.logins.is_signed(
        &mut gateway.recorder,
        &token,
        &jwks_uri,
        context.answers,
        context.now,
    )?;
    if let Err(bad) = verdict {
        return Err(refused(gateway, &issuer.issuer, bad));
    }
    if !is_first_use(&mut gateway.sessions, &issuer, &token, context)? {
        return Err(refused(gateway, &issuer.issuer, BadToken("used before")));
    }
    let claimed = match claimed::identity(&token.claims, &issuer.claims, &issuer.allow) {
        Ok(claimed) => claimed,
        Err(reason) => {
            return Err(super::callback::not_admitted(
                &mut gateway.recorder,
                &issuer.issuer,
                reason,
            ));
        }
    };
    let proof = Proof {
        method: "token",
        identity: claimed.identity,
        groups_omitted: claimed.groups_omitted,
        grant: None,
        authenticated: proved_at(&token.claims),
    };
    let signed_in = super::finish_login::sign_in(gateway, &proof, "", context)?;
    let record = &signed_in.session.record;
    let identity = record.identity.as_ref();
    let body = json!({
        "token": signed_in.token.mint(&gateway.tenant.keys),
        "token_type": "Bearer",
        "expires": gateway.tenant.lifetime.end(&record.span()).0,
        "handle": signed_in.session.handle,
        "user": identity.map(|who| who.user.as_str()),
    });
    let answer = Answer::json(200, &body).with("vary", "Cookie");
    Ok(signed_in.onto(answer))
}

/// Checks a token's claims for an exchange with this issuer's settings.
fn is_for(
    _gateway: &Gateway,
    issuer: &Issuer,
    token: &Unverified,
    context: &RequestContext<'_>,
) -> Result<(), BadToken> {
    if !token.is_of_kind(&KINDS) {
        return Err(BadToken("another kind of token"));
    }
    let token_claims = &token.claims;
    // A logout token proves no sign-in.
    if token_claims.contains_key("events") {
        return Err(BadToken("another kind of token"));
    }
    let expected = Expected {
        issuer: &issuer.issuer,
        audience: &issuer.audience,
        now: context.now.seconds(),
    };
    claims::check(token_claims, &expected)?;
    claims::subject(token_claims)?;
    claims::text(token_claims, "jti")?;
    let times = (
        claims::time(token_claims, "iat")?,
        claims::time(token_claims, "exp")?,
    );
    let (Some(issued), Some(expires)) = times else {
        return Err(BadToken("no times"));
    };
    if expires.since(issued) > issuer.longest {
        return Err(BadToken("valid for too long"));
    }
    Ok(())
}

fn rejection_reason(
    gateway: &Gateway,
    named: Option<&str>,
    token: &Unverified,
    context: &RequestContext<'_>,
) -> BadToken {
    let issuers = gateway.tenant.methods.token.iter();
    issuers
        .filter(|issuer| Some(issuer.issuer.as_str()) == named)
        .find_map(|issuer| is_for(gateway, issuer, token, context).err())
        .unwrap_or(BadToken("another issuer"))
}

/// Returns whether a token with a `jti` is used for the first time. With KV alone uses are not counted.
fn is_first_use(
    sessions: &mut Sessions,
    issuer: &Issuer,
    token: &Unverified,
    context: &RequestContext<'_>,
) -> Result<bool, Interrupt> {
    let id = token.claims.get("jti").and_then(Value::as_str);
    let Some(id) = id.filter(|_| sessions.tenant.consistency == Consistency::Strong) else {
        return Ok(true);
    };
    is_first_time(sessions, &["jti", &issuer.issuer, id], token, context)
}

/// Returns whether a one-time token was used before.
pub(super) fn is_seen(
    sessions: &Sessions,
    what: &[&str],
    context: &RequestContext<'_>,
) -> Result<bool, Interrupt> {
    let key = "seen";
    match context.answers.found(key) {
        None => {
            let tenant = &sessions.tenant.id;
            let need = attempt_need(tenant, what, &Command::Seen, key.to_owned());
            Err(Interrupt::Pending(vec![need]))
        }
        Some(Found::Bytes(verdict)) => Ok(!is_allowed(verdict)),
        Some(_) => Err(Problem::StoreUnavailable.into()),
    }
}

/// Marks a one-time token as used until it expires. Returns whether this is its first use.
pub(super) fn is_first_time(
    sessions: &mut Sessions,
    what: &[&str],
    token: &Unverified,
    context: &RequestContext<'_>,
) -> Result<bool, Interrupt> {
    let expires = claims::time(&token.claims, "exp").ok().flatten();
    let end = expires.unwrap_or_default() + claims::SKEW;
    let once = Command::Once {
        until: end.0.saturating_mul(1_000),
        by: sessions.random.next_u64(),
    };
    is_first(sessions, what, &once, context)
}

/// Performs `once`, which marks something as used. Returns whether this is its first use.
pub(super) fn is_first(
    sessions: &Sessions,
    what: &[&str],
    once: &Command,
    context: &RequestContext<'_>,
) -> Result<bool, Interrupt> {
    let key = "first time";
    match context.answers.found(key) {
        None => {
            let need = attempt_need(&sessions.tenant.id, what, once, key.to_owned());
            Err(Interrupt::Pending(vec![need]))
        }
        Some(Found::Bytes(verdict)) => Ok(is_allowed(verdict)),
        Some(_) => Err(Problem::StoreUnavailable.into()),
    }
}

/// Returns the time of the user's authentication, or else of the token's issue.
fn proved_at(token_claims: &Claims) -> Option<UnixSeconds> {
    let time = |name: &str| claims::time(token_claims, name).ok().flatten();
    time("auth_time").or_else(|| time("iat"))
}

/// Returns the token: from `Authorization`, or `token` in the body.
fn presented(context: &RequestContext<'_>) -> Result<String, Interrupt> {
    let header = context.request.header("authorization");
    if let Some((scheme, token)) = header.and_then(|header| header.split_once(' '))
        && scheme.eq_ignore_ascii_case("bearer")
    {
        return Ok(token.trim().to_owned());
    }
    if header.is_some_and(|header| header.trim().eq_ignore_ascii_case("bearer")) {
        return Err(Problem::from(SignInProblem::Token).into());
    }
    if context.request.header("content-type").is_none() {
        return Err(Problem::from(SignInProblem::Token).into());
    }
    let body = body::unauthenticated_object(context)?;
    match body.get("token") {
        Some(Value::String(token)) if body.len() == 1 => Ok(token.clone()),
        // RFC 6750 section 3: as without a token.
        _ => Err(Problem::from(SignInProblem::Token).into()),
    }
}

/// Returns whether an object that counts attempts allowed this one.
fn is_allowed(reply: &[u8]) -> bool {
    Reply::parse(reply).is_some_and(|reply| reply.verdict == Verdict::Allowed)
}
