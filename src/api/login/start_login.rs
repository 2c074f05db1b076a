//! Serves `GET /login`: shows the sign-in page, or redirects to the only provider.

use super::{refusal, theme};
use crate::auth::authorization;
use crate::auth::handover;
use crate::auth::login_state::{self, Transaction};
use crate::auth::methods::Provider;
use crate::auth::provider::Metadata;
use crate::clock::Seconds;
use crate::cookie::jar;
use crate::cookie::set_cookie;
use crate::encoding::json;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::http::query::Query;
use crate::response::Answer;
use crate::response::page::{self, LoginFault, LoginPage, Popup};
use crate::response::problem::Problem;
use crate::response::sign_in::SignInProblem;
use crate::sorted;
use crate::tenant::Tenant;

/// Maximum size of all pending sign-ins' cookies in a browser's requests, in bytes. Beyond that the oldest are
/// removed, before the header gets too large for a server.
const MAX_BYTES: usize = 4 * 1024;

/// Parameters of the page's URL.
const PARAMETERS: [&str; 4] = ["return_to", "provider", "max_age", "challenge"];

/// Content of the page that depends on the request.
#[derive(Default)]
pub(super) struct Shown<'a> {
    /// Path to return to.
    pub(super) return_to: &'a str,
    /// Maximum age of the user's authentication, if required.
    pub(super) max_age: Option<Seconds>,
    /// Username of the last attempt.
    pub(super) username: &'a str,
    /// Fault of the last attempt.
    pub(super) fault: Option<LoginFault>,
}

/// Serves `GET /login`.
pub(in crate::api) fn login(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let methods = &gateway.tenant.methods;
    if methods.is_empty() {
        return Err(Problem::LoginUnconfigured.into());
    }
    let query = query(context)?;
    let return_to = gateway.return_url(query.get("return_to").unwrap_or_default());
    let max_age = max_age(gateway, &return_to, query.get("max_age"));
    let frame = query
        .get("challenge")
        .filter(|text| !gateway.tenant.embed_sites.is_empty() && handover::is_challenge(text));
    let user = match query.get("provider") {
        None if context.request.is_navigation() => gateway.access_user(context)?,
        _ => None,
    };
    let methods = &gateway.tenant.methods;
    let provider = match query.get("provider") {
        // A provider's page would stay empty in a frame. The sign-in page opens a window for it.
        _ if gateway.tenant.shows_in_frame(context.request) => None,
        Some(name) => Some(methods.provider(name).ok_or(Problem::NotFound)?),
        None if !context.request.is_navigation() => return Ok(describe_methods(gateway)),
        None if user.is_none() && !methods.password && methods.oidc.is_empty() => {
            // Access alone signs in here, and does not vouch for anybody.
            return Err(Problem::from(SignInProblem::Denied).into());
        }
        None => match &methods.oidc[..] {
            [only] if !methods.password => Some(only),
            _ => None,
        },
    };
    let provider = provider.cloned();
    let ticket = gateway.wait_to_sign_in(context)?;
    let answer = match (provider, user) {
        (_, Some(user)) => super::by_access::sign_in(gateway, &user, &return_to, max_age, context)?,
        (Some(provider), None) => {
            let now = context.now.seconds();
            let random = &mut gateway.random;
            let begun = Transaction {
                frame: frame.map(str::to_owned),
                ..Transaction::begin(&provider.name, &return_to, max_age, now, random)
            };
            begin(gateway, &provider, &begun, context)?
        }
        (None, None) => {
            let page = Shown {
                return_to: &return_to,
                max_age,
                ..Shown::default()
            };
            login_page(gateway, 200, &page, context)
        }
    };
    let ticket = ticket.into_iter();
    Ok(ticket.fold(answer, |answer, line| answer.with("set-cookie", line)))
}

/// Returns the maximum age of the authentication: the rule of the return path. Anyone can write the page's URL, so its
/// own value counts only if it is stricter.
fn max_age(gateway: &Gateway, return_to: &str, requested: Option<&str>) -> Option<Seconds> {
    let path = return_to.split(['?', '#']).next().unwrap_or_default();
    let required = gateway.tenant.login_at("GET", path).max_age;
    let requested = requested.and_then(|text| text.parse().ok()).map(Seconds);
    required.into_iter().chain(requested).min()
}

/// Renders the page, with the fault of the last attempt.
pub(super) fn login_page(
    gateway: &Gateway,
    status: u16,
    shown: &Shown<'_>,
    context: &RequestContext<'_>,
) -> Answer {
    let methods = &gateway.tenant.methods;
    let is_framed = gateway.tenant.shows_in_frame(context.request);
    let mut random = gateway.random.clone();
    let begun = (is_framed && !methods.oidc.is_empty()).then(|| {
        let (now, return_to) = (context.now.seconds(), shown.return_to);
        Transaction::begin("", return_to, shown.max_age, now, &mut random)
    });
    let challenge = begun.as_ref().map(Transaction::challenge);
    let popup = begun.as_ref().map(|begun| Popup {
        state: &begun.state,
        challenge: challenge.as_deref().unwrap_or_default(),
    });
    let page = LoginPage {
        prefix: &gateway.prefix,
        return_to: shown.return_to,
        max_age: shown.max_age.map(|age| age.0),
        has_password: methods.password,
        providers: &methods.shown(),
        username: shown.username,
        fault: shown.fault,
        popup,
    };
    let page = page::login(&theme(gateway, context.request), status, &page);
    match begun {
        Some(begun) => kept(gateway, page, &begun, context)
            .unwrap_or_else(|problem| refusal(gateway, &problem, context)),
        None => page,
    }
}

/// Lists the sign-in methods as JSON, for the application's own pages.
fn describe_methods(gateway: &Gateway) -> Answer {
    let methods = &gateway.tenant.methods;
    let providers: Vec<_> = methods
        .oidc
        .iter()
        .map(|provider| json!({ "name": provider.name, "title": provider.title }))
        .collect();
    let methods = json!({ "password": methods.password, "providers": providers });
    Answer::json(200, &methods)
}

/// Redirects the browser to a provider.
fn begin(
    gateway: &mut Gateway,
    provider: &Provider,
    begun: &Transaction,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let metadata = gateway.logins.metadata(
        &mut gateway.recorder,
        &provider.issuer,
        context.answers,
        context.now,
    )?;
    let redirect_uri = callback_url(gateway, provider, &metadata, context);
    let endpoint = &metadata.authorization_endpoint;
    let location = authorization::url(endpoint, provider, &redirect_uri, begun);
    let answer = Answer::empty(303)
        .with("location", location)
        .with("referrer-policy", "no-referrer");
    Ok(kept(gateway, answer, begun, context)?)
}

/// Adds the lines that keep a pending sign-in in the browser.
fn kept(
    gateway: &Gateway,
    answer: Answer,
    begun: &Transaction,
    context: &RequestContext<'_>,
) -> Result<Answer, Problem> {
    let (keys, sent) = (&gateway.tenant.keys, gateway.tenant.same_site());
    let value = begun.seal(keys, &mut gateway.random.clone());
    let value = value.ok_or(Problem::Internal)?;
    let suffix = Transaction::cookie_suffix(&begun.state).ok_or(Problem::Internal)?;
    let cookie = context.cookie.of_sign_in(suffix);
    let length = login_state::MAX_LENGTH;
    let line = set_cookie::set_other(context.cookie, sent, &cookie, &value, length);
    let needed = weight(&cookie, &value);
    Ok(cleared_sign_ins(needed, &gateway.tenant, context)
        .into_iter()
        .fold(answer.with("set-cookie", line), |answer, line| {
            answer.with("set-cookie", line)
        }))
}

/// Returns the URL to which a provider redirects browsers. Each of several providers that do not identify themselves
/// in the response gets its own URL (RFC 9700 section 4.4.2). Otherwise a code could go to the wrong provider.
pub(super) fn callback_url(
    gateway: &Gateway,
    provider: &Provider,
    metadata: &Metadata,
    context: &RequestContext<'_>,
) -> String {
    let location = &context.request.location;
    let (scheme, authority) = (location.scheme, location.authority);
    let url = format!("{scheme}://{authority}{}/callback", gateway.prefix);
    if has_own_callback(gateway, metadata) {
        format!("{url}?idp={}", provider.name)
    } else {
        url
    }
}

/// Returns whether the callback URL must identify the provider.
pub(super) fn has_own_callback(gateway: &Gateway, metadata: &Metadata) -> bool {
    gateway.tenant.methods.oidc.len() > 1 && !metadata.names_itself
}

/// Returns the lines that remove cookies of pending sign-ins to make room for `needed` bytes: first the unusable ones,
/// then the oldest.
fn cleared_sign_ins(needed: usize, tenant: &Tenant, context: &RequestContext<'_>) -> Vec<String> {
    let header = context.request.header("cookie").unwrap_or_default();
    let is_one = |name: &str| context.cookie.is_of_sign_in(name);
    let all = || jar::named(header, is_one);
    let mut total: usize = needed
        + all()
            .map(|(name, value)| weight(name, value))
            .sum::<usize>();
    if total <= MAX_BYTES {
        return Vec::new();
    }
    let mut pending: Vec<_> = all()
        .map(|(name, value)| (Transaction::began(value, &tenant.keys), name, value))
        .collect();
    // Browsers send cookies of the same second in the order in which they were set; the sort keeps it.
    sorted::by(&mut pending, |(one, ..), (other, ..)| one.cmp(other));
    let mut lines = Vec::new();
    for (_, name, value) in pending {
        if total <= MAX_BYTES {
            break;
        }
        total -= weight(name, value);
        lines.push(set_cookie::clear(context.cookie, tenant.same_site(), name));
    }
    lines
}

/// Returns a cookie's size in a request header: `name=value` and a separator.
fn weight(name: &str, value: &str) -> usize {
    name.len() + "=".len() + value.len() + "; ".len()
}

fn query(context: &RequestContext<'_>) -> Result<Query, Interrupt> {
    let query = context.request.location.query();
    Query::parse_foreign(query, &PARAMETERS).map_err(|bad| Problem::from(bad).into())
}
