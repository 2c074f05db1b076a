//! Serves `GET /callback`: the browser returns from its provider.
//!
//! OpenID Connect Core section 3.1 and RFC 9700 define the checks and their order: this browser began the sign-in, and
//! the right provider responds. Only then does Vestibule call the provider. Any failure ends the pending sign-in, so
//! that the next one begins clean.

use super::refusal;
use crate::gateway::parts::Recorder;
use serde_json::{Map, Value};

use super::finish_login::Proof;
use crate::auth::authorization;
use crate::auth::claimed::{self, NotAdmitted};
use crate::auth::claims::{self, Claims, Expected};
use crate::auth::jws::{BadToken, Unverified};
use crate::auth::login_state::Transaction;
use crate::auth::methods::Provider;
use crate::auth::provider::Metadata;
use crate::clock::UnixSeconds;
use crate::cookie::jar;
use crate::cookie::set_cookie;
use crate::effect::Reply;
use crate::gateway::authenticate::Caller;
use crate::gateway::providers::{Fetched, fetch};
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::http::query::Query;
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::response::sign_in::SignInProblem;
use crate::session::token_set::{Finished, TokenSet};

/// Parameters that a provider may send in the URL.
const PARAMETERS: [&str; 5] = ["state", "code", "iss", "error", "idp"];

/// Maximum length of a code, in bytes.
const MAX_CODE_LENGTH: usize = 4_096;

/// Response of a token endpoint.
struct Tokens {
    answer: Map<String, Value>,
    id_token: String,
    access_token: String,
}

/// Serves `GET /callback`.
pub(in crate::api) fn callback(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let query = context.request.location.query();
    let parameters = Query::parse_foreign(query, &PARAMETERS);
    // Any failure ends the pending sign-in that the state names.
    let named = Query::parse_foreign(query, &["state"]);
    let state = named.as_ref().ok().and_then(|named| named.get("state"));
    let cookie = state
        .and_then(Transaction::cookie_suffix)
        .map(|suffix| context.cookie.of_sign_in(suffix));
    let over = cookie
        .as_ref()
        .map(|cookie| set_cookie::clear(context.cookie, gateway.tenant.same_site(), cookie));
    let outcome = match &parameters {
        Ok(parameters) => finish(gateway, parameters, cookie.as_deref(), context),
        Err(_) => Err(Problem::from(SignInProblem::State).into()),
    };
    let answer = match outcome {
        Ok(answer) => answer,
        Err(Interrupt::Reject {
            problem,
            clear_cookie,
        }) => {
            let lines = clear_cookie.then(|| gateway.tenant.clear_cookies(context.cookie));
            refusal(gateway, &problem, context).with_cookies(lines.unwrap_or_default())
        }
        Err(interrupt) => return Err(interrupt),
    };
    let answer = answer.with("referrer-policy", "no-referrer");
    Ok(match over {
        Some(line) => answer.with("set-cookie", line),
        None => answer,
    })
}

fn finish(
    gateway: &mut Gateway,
    parameters: &Query,
    cookie: Option<&str>,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let state = || Problem::from(SignInProblem::State);
    let Some(begun) = transaction(gateway, parameters, cookie, context) else {
        return finished_before(gateway, parameters, context);
    };
    // The tenant may have removed the provider meanwhile.
    let provider = gateway.tenant.methods.provider(&begun.provider);
    let provider = provider.ok_or_else(state)?.clone();
    let metadata = gateway.logins.metadata(
        &mut gateway.recorder,
        &provider.issuer,
        context.answers,
        context.now,
    )?;
    let is_right = match parameters.get("iss") {
        Some(issuer) => issuer == provider.issuer,
        None => !metadata.names_itself,
    };
    let has_own = parameters.get("idp") == Some(provider.name.as_str());
    if !is_right || has_own != super::start_login::has_own_callback(gateway, &metadata) {
        gateway
            .recorder
            .note_provider("idp_mixup", &provider.issuer, "another iss");
        return Err(Problem::from(SignInProblem::Mixup).into());
    }
    let code = match (parameters.get("code"), parameters.get("error")) {
        (Some(code), None) if !code.is_empty() && code.len() <= MAX_CODE_LENGTH => code,
        (None, Some(_)) => {
            gateway
                .recorder
                .note_provider("idp_denied", &provider.issuer, "error");
            return Err(Problem::from(SignInProblem::Denied).into());
        }
        _ => return Err(state().into()),
    };
    let tokens = exchange_code(gateway, &provider, &metadata, code, &begun, context)?;
    let id_token = match Unverified::parse(&tokens.id_token) {
        Ok(token) => token,
        Err(bad) => return Err(bad_token(&mut gateway.recorder, &provider, bad)),
    };
    let verdict = gateway.logins.is_signed(
        &mut gateway.recorder,
        &id_token,
        &metadata.jwks_uri,
        context.answers,
        context.now,
    )?;
    let expected = Expected {
        issuer: &provider.issuer,
        audience: &provider.client_id,
        now: context.now.seconds(),
    };
    let checked = verdict.and_then(|()| {
        if !id_token.is_of_kind(&claims::ID_TOKEN) {
            return Err(BadToken("another kind of token"));
        }
        let token_claims = &id_token.claims;
        claims::check_id_token(token_claims, &expected, &begun.nonce, begun.max_age)?;
        claims::check_access_token(token_claims, id_token.algorithm, &tokens.access_token)
    });
    if let Err(bad) = checked {
        return Err(bad_token(&mut gateway.recorder, &provider, bad));
    }
    let mut proof = proof(
        gateway,
        &provider,
        &metadata,
        &id_token.claims,
        &tokens,
        context,
    )?;
    proof.authenticated = Some(proved_at(&id_token.claims));
    if let Some(grant) = &mut proof.grant {
        grant.finished.push(Finished {
            state: begun.state.clone(),
            return_to: begun.return_to.clone(),
        });
    }
    if let Some(challenge) = begun.frame {
        return super::popup::offer(gateway, proof, challenge, context);
    }
    let signed_in = super::finish_login::sign_in(gateway, &proof, &begun.return_to, context)?;
    Ok(signed_in.onto(redirect_to(&begun.return_to)))
}

/// Handles a callback that was used before, for example by the Back button: if its sign-in is this session's,
/// redirects to the same place again.
fn finished_before(
    gateway: &mut Gateway,
    parameters: &Query,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let state = parameters.get("state").unwrap_or_default();
    if let Caller::Visitor(visitor) = gateway.authenticate_to_replace(context)?
        && let Some(grant) = &visitor.session.record.grant
        && let Some(return_to) = grant.finished_at(state)
    {
        return Ok(redirect_to(return_to));
    }
    Err(Problem::from(SignInProblem::State).into())
}

/// Finds this browser's pending sign-in for the response.
fn transaction(
    gateway: &Gateway,
    parameters: &Query,
    cookie: Option<&str>,
    context: &RequestContext<'_>,
) -> Option<Transaction> {
    let header = context.request.header("cookie").unwrap_or_default();
    let (state, now) = (parameters.get("state")?, context.now.seconds());
    jar::candidates(header, cookie?)
        .find_map(|value| Transaction::open(value, state, &gateway.tenant.keys, now))
}

fn exchange_code(
    gateway: &mut Gateway,
    provider: &Provider,
    metadata: &Metadata,
    code: &str,
    begun: &Transaction,
    context: &RequestContext<'_>,
) -> Result<Tokens, Interrupt> {
    let redirect_uri = super::start_login::callback_url(gateway, provider, metadata, context);
    let endpoint = &metadata.token_endpoint;
    let response = fetch("tokens", context.answers, || {
        authorization::exchange(endpoint, provider, code, &redirect_uri, begun)
    })?;
    let reason = match response {
        Fetched::Nothing => "the token endpoint does not answer",
        Fetched::Reply(Reply { status, body }, _) => match tokens(status, body) {
            Some(tokens) => return Ok(tokens),
            None => "the token endpoint gave no tokens",
        },
    };
    gateway
        .recorder
        .note_provider("idp_failed", &provider.issuer, reason);
    Err(Problem::from(SignInProblem::ProviderFailed).into())
}

/// Derives the identity from the ID token and, if configured, from the userinfo endpoint.
fn proof(
    gateway: &mut Gateway,
    provider: &Provider,
    metadata: &Metadata,
    token_claims: &Claims,
    tokens: &Tokens,
    context: &RequestContext<'_>,
) -> Result<Proof, Interrupt> {
    let mut all = token_claims.clone();
    if let (true, Some(endpoint)) = (provider.userinfo, &metadata.userinfo_endpoint) {
        let response = fetch("userinfo", context.answers, || {
            authorization::userinfo(endpoint, &tokens.access_token)
        })?;
        let Fetched::Reply(Reply { status: 200, body }, _) = response else {
            gateway
                .recorder
                .note_provider("idp_failed", &provider.issuer, "no userinfo");
            return Err(Problem::from(SignInProblem::ProviderFailed).into());
        };
        all = match claims::userinfo(body, token_claims) {
            Ok(more) => claimed::merged(all, more),
            Err(bad) => return Err(bad_token(&mut gateway.recorder, provider, bad)),
        };
    }
    let claimed = match claimed::identity(&all, &provider.claims, &provider.allow) {
        Ok(claimed) => claimed,
        Err(rejection) => {
            return Err(not_admitted(
                &mut gateway.recorder,
                &provider.issuer,
                rejection,
            ));
        }
    };
    let now = context.now.seconds();
    let text = |name: &str| {
        token_claims
            .get(name)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let given = |name: &str| tokens.answer.get(name).and_then(Value::as_str);
    let grant = TokenSet {
        provider: provider.name.clone(),
        issuer: provider.issuer.clone(),
        subject: text("sub").unwrap_or_default(),
        sid: text("sid"),
        refresh_token: given("refresh_token").map(str::to_owned),
        id_token: Some(tokens.id_token.clone()),
        ..TokenSet::default()
    };
    let grant = grant.with_token(tokens.access_token.clone(), &tokens.answer, now);
    Ok(Proof {
        method: "oidc",
        identity: claimed.identity,
        groups_omitted: claimed.groups_omitted,
        authenticated: None,
        grant: Some(grant),
    })
}

/// Logs why an authenticated user is not admitted.
pub(super) fn not_admitted(
    recorder: &mut Recorder,
    issuer: &str,
    rejection: NotAdmitted,
) -> Interrupt {
    recorder.note_provider("not_admitted", issuer, rejection.reason());
    Problem::from(SignInProblem::NotAdmitted).into()
}

/// Logs why a token is rejected; the visitor learns only that it is.
fn bad_token(recorder: &mut Recorder, provider: &Provider, bad: BadToken) -> Interrupt {
    recorder.note_provider("idp_token_invalid", &provider.issuer, bad.0);
    Problem::from(SignInProblem::ProviderToken).into()
}

/// Redirects to the page that the visitor wanted.
fn redirect_to(return_to: &str) -> Answer {
    Answer::empty(303)
        .with("location", return_to)
        .with("vary", "Cookie")
}

/// Returns the time of the user's authentication according to the provider (`auth_time`). Without that claim it
/// returns 0, which is too old for every rule.
fn proved_at(token_claims: &Claims) -> UnixSeconds {
    let authenticated = claims::time(token_claims, "auth_time").ok().flatten();
    authenticated.unwrap_or_default()
}

/// Parses a token endpoint's response (RFC 6749 section 5.1).
fn tokens(status: u16, body: &str) -> Option<Tokens> {
    let Ok(Value::Object(answer)) = serde_json::from_str(body) else {
        return None;
    };
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_bearer = text("token_type")?.eq_ignore_ascii_case("bearer");
    (status == 200 && is_bearer).then_some(())?;
    Some(Tokens {
        id_token: text("id_token")?,
        access_token: text("access_token")?,
        answer,
    })
}
