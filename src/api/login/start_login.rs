//! `GET /login`: the page, or straight on to the only provider there is.

use super::look;
use crate::auth::authorization;
use crate::auth::login_state::{self, Transaction};
use crate::auth::methods::Provider;
use crate::auth::provider::Metadata;
use crate::auth::return_url;
use crate::clock::Seconds;
use crate::cookie::jar;
use crate::cookie::set_cookie;
use crate::encoding::json;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::http::query::Query;
use crate::keys::KeyRing;
use crate::response::Answer;
use crate::response::page::{self, LoginFault, LoginPage};
use crate::response::problem::Problem;
use crate::sorted;

/// So many bytes the cookies of all sign-ins under way in one browser may take of its requests' headers; beyond
/// that the oldest are taken away, before the header grows too large for a server.
const MAX_BYTES: usize = 4 * 1024;

/// What the page's address may say.
const PARAMETERS: [&str; 3] = ["return_to", "provider", "max_age"];

/// What the page is shown with.
#[derive(Default)]
pub(super) struct Shown<'a> {
    /// Where the visitor wants to go.
    pub(super) return_to: &'a str,
    /// How old the proof may be, if that was asked for.
    pub(super) max_age: Option<Seconds>,
    /// What was entered before.
    pub(super) username: &'a str,
    /// What went wrong with it.
    pub(super) fault: Option<LoginFault>,
}

/// `GET /login`.
pub(in crate::api) fn login(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let methods = &gateway.tenant.methods;
    if methods.is_empty() {
        return Err(Problem::LoginUnconfigured.into());
    }
    let query = query(context)?;
    let return_to = query.get("return_to").unwrap_or(return_url::FRONT);
    let return_to = return_url::sound(return_to, &gateway.prefix).to_owned();
    let max_age = max_age(gateway, &return_to, query.get("max_age"));
    if let Some(name) = query.get("provider") {
        let provider = methods.provider(name).ok_or(Problem::NotFound)?.clone();
        return begin(gateway, &provider, &return_to, max_age, context);
    }
    if !context.request.is_navigation() {
        return Ok(describe_methods(gateway));
    }
    match &gateway.tenant.methods.oidc[..] {
        [only] if !gateway.tenant.methods.password => {
            let provider = only.clone();
            begin(gateway, &provider, &return_to, max_age, context)
        }
        _ => {
            let page = Shown {
                return_to: &return_to,
                max_age,
                ..Shown::default()
            };
            Ok(login_page(gateway, 200, &page, context))
        }
    }
}

/// How old the proof may be: what the rule of the return address says. The page's own address is
/// anybody's to write, so what it asks for counts only where it is stricter.
fn max_age(gateway: &Gateway, return_to: &str, asked: Option<&str>) -> Option<Seconds> {
    let path = return_to.split(['?', '#']).next().unwrap_or_default();
    let ruled = gateway.tenant.login_at("GET", path).max_age;
    let asked = asked.and_then(|text| text.parse().ok()).map(Seconds);
    ruled.into_iter().chain(asked).min()
}

/// The page, with what went wrong before.
pub(super) fn login_page(
    gateway: &Gateway,
    status: u16,
    shown: &Shown<'_>,
    context: &RequestContext<'_>,
) -> Answer {
    let methods = &gateway.tenant.methods;
    let page = LoginPage {
        prefix: &gateway.prefix,
        return_to: shown.return_to,
        max_age: shown.max_age.map(|age| age.0),
        has_password: methods.password,
        providers: &methods.titles(),
        username: shown.username,
        fault: shown.fault,
    };
    page::login(&look(gateway, context.request), status, &page)
}

/// For pages of one's own.
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

/// Sends the browser to a provider.
fn begin(
    gateway: &mut Gateway,
    provider: &Provider,
    return_to: &str,
    max_age: Option<Seconds>,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let metadata = gateway.logins.metadata(
        &mut gateway.recorder,
        &provider.issuer,
        context.answers,
        context.now,
    )?;
    let now = context.now.seconds();
    let begun = Transaction::begin(&provider.name, return_to, max_age, now, &mut gateway.random);
    let sealed = begun.seal(&gateway.tenant.keys, &mut gateway.random);
    let value = sealed.ok_or(Problem::Internal)?;
    let suffix = Transaction::cookie_suffix(&begun.state).ok_or(Problem::Internal)?;
    let cookie = context.cookie.of_sign_in(suffix);
    let redirect_uri = callback_url(gateway, provider, &metadata, context);
    let endpoint = &metadata.authorization_endpoint;
    let location = authorization::url(endpoint, provider, &redirect_uri, &begun);
    let line = set_cookie::set_sign_in(context.cookie, &cookie, &value, login_state::MAX_LENGTH);
    let answer = Answer::empty(303)
        .with("location", location)
        .with("referrer-policy", "no-referrer")
        .with("set-cookie", line);
    let needed = weight(&cookie, &value);
    Ok(surplus(needed, &gateway.tenant.keys, context)
        .into_iter()
        .fold(answer, |answer, line| answer.with("set-cookie", line)))
}

/// Where a provider sends browsers back to. One of several that does not say with its answer who it is
/// gets an address of its own (RFC 9700 section 4.4.2), or a code could be taken to another.
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

/// Whether a provider's answers are told from others' by where they come.
pub(super) fn has_own_callback(gateway: &Gateway, metadata: &Metadata) -> bool {
    gateway.tenant.methods.oidc.len() > 1 && !metadata.names_itself
}

/// What takes away cookies of sign-ins under way, so that there is room for another one of `needed` bytes: first
/// those that nothing can come of any more, then the oldest.
fn surplus(needed: usize, keys: &KeyRing, context: &RequestContext<'_>) -> Vec<String> {
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
    let mut under_way: Vec<_> = all()
        .map(|(name, value)| (Transaction::began(value, keys), name, value))
        .collect();
    // Browsers send those set in the same second in the order in which they were set, and so they stay.
    sorted::by(&mut under_way, |(one, ..), (other, ..)| one.cmp(other));
    let mut lines = Vec::new();
    for (_, name, value) in under_way {
        if total <= MAX_BYTES {
            break;
        }
        total -= weight(name, value);
        lines.push(set_cookie::clear_sign_in(context.cookie, name));
    }
    lines
}

/// What a cookie takes of a request's header: `name=value` and what stands between two.
fn weight(name: &str, value: &str) -> usize {
    name.len() + "=".len() + value.len() + "; ".len()
}

fn query(context: &RequestContext<'_>) -> Result<Query, Interrupt> {
    let query = context.request.location.query();
    Query::parse_foreign(query, &PARAMETERS).map_err(|bad| Problem::from(bad).into())
}
