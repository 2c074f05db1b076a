//! Serves `/logout` and `/signed-out`: ends this session or all of the user's, and signs out at the provider too.

use super::finish_login;
use super::form;
use super::theme;
use crate::auth::authorization;
use crate::auth::jws::Unverified;
use crate::cookie::presented::Presented;
use crate::effect::{Found, Need};
use crate::encoding;
use crate::encoding::json;
use crate::gateway::authenticate::Caller;
use crate::gateway::cloudflare_access;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::http::request::Location;
use crate::keys::UserTag;
use crate::response::Answer;
use crate::response::page;
use crate::response::problem::Problem;
use crate::session::id::Handle;
use crate::session::prepared::Prepared;
use crate::session::record::Record;
use crate::session::token_set::TokenSet;
use crate::store::revocations::Subject;

/// Key of the recorded sign-out.
const DEPARTURE: &str = "signs out";

/// Path at which Cloudflare Access signs out; Cloudflare serves it on every host that is behind Access.
const ACCESS_SIGN_OUT: &str = "/cdn-cgi/access/logout";

/// Maximum length of a claim that is used as a hint, in bytes.
const MAX_HINT_LENGTH: usize = 512;

/// Sign-out in progress.
struct Departure {
    handle: Handle,
    /// Tags of the user.
    tags: Vec<UserTag>,
    /// URL at which the browser signs out at the provider.
    provider_url: Option<String>,
}

/// Serves `GET /logout`: asks for confirmation, because a GET must change nothing.
pub(in crate::api) fn confirm_sign_out(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    if !context.request.is_navigation() {
        return Err(Problem::MethodNotAllowed("POST").into());
    }
    // If the session cannot be looked up now, it may be a user's.
    let is_guest = match gateway.authenticate_to_replace(context) {
        Err(interrupt @ Interrupt::Pending(_)) => return Err(interrupt),
        Ok(Caller::Anonymous { .. }) => return Ok(signed_out_page(gateway, context)),
        Ok(Caller::Visitor(visitor)) => visitor.session.record.identity.is_none(),
        Ok(Caller::Over(_)) | Err(_) => false,
    };
    let theme = theme(gateway, context.request);
    Ok(page::confirm_sign_out(
        &theme,
        &gateway.prefix,
        is_guest,
        &provider_origins(gateway),
    ))
}

/// Serves `GET /signed-out`.
pub(in crate::api) fn signed_out_page(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Answer {
    page::signed_out(&theme(gateway, context.request))
}

/// Serves `POST /logout`: ends this session or, with `everywhere`, all of the user's.
pub(in crate::api) fn logout(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    if !gateway.tenant.trusts(context.request) {
        return Err(Problem::CrossSite.into());
    }
    let everywhere = wants_everywhere(context)?;
    // Once begun, the sign-out must be completed, even if the session is over by then.
    if let Some(departure) = Departure::noted(context) {
        return perform(gateway, &departure, everywhere, context);
    }
    // Ending all sessions needs the user, so a cookie by an unknown key is an error here.
    let caller = if everywhere {
        gateway.authenticate(context)?.caller
    } else {
        gateway.authenticate_to_replace(context)?
    };
    match caller {
        Caller::Visitor(visitor) if visitor.is_recorded() => {
            Err(note_departure(gateway, &visitor.session, context)?)
        }
        // A genuine cookie with a replaced id may still end its own session. It learns nothing about that session, and
        // ends no other.
        Caller::Over(Problem::SessionRotated | Problem::SessionReplaced) => {
            if let Some(handle) = end_by_cookie(gateway, context)? {
                gateway.recorder.note_ended(handle, "logout");
            }
            Ok(signed_out(gateway, None, context))
        }
        // Another sign-out may have ended it without the revocation being known everywhere. This call returns once it
        // is.
        Caller::Over(Problem::SessionEnded) if !everywhere => {
            end_by_cookie(gateway, context)?;
            Ok(signed_out(gateway, None, context))
        }
        // A session that is over can end no other.
        Caller::Over(problem) if everywhere => Err(Interrupt::Reject {
            problem: problem.into(),
            clear_cookie: true,
        }),
        Caller::Visitor(_) | Caller::Anonymous { .. } | Caller::Over(_) => {
            Ok(signed_out(gateway, None, context))
        }
    }
}

/// Performs the recorded sign-out.
fn perform(
    gateway: &mut Gateway,
    departure: &Departure,
    everywhere: bool,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    if context.answers.written().is_none() && everywhere && !departure.tags.is_empty() {
        let subjects: Vec<_> = departure
            .tags
            .iter()
            .map(|tag| Subject::User(*tag))
            .collect();
        gateway
            .sessions
            .revoke(&subjects, context.answers, context.now)?;
    }
    gateway.sessions.end(
        &mut gateway.recorder,
        departure.handle,
        context.answers,
        context.now,
    )?;
    let reason = if everywhere { "everywhere" } else { "logout" };
    gateway.recorder.note_ended(departure.handle, reason);
    Ok(signed_out(
        gateway,
        departure.provider_url.as_deref(),
        context,
    ))
}

/// Returns the origins to which a sign-out form may redirect, because browsers apply `form-action` to redirects, too.
fn provider_origins(gateway: &Gateway) -> Vec<String> {
    let providers = gateway.tenant.methods.oidc.iter();
    let endpoint = |issuer: &str| {
        gateway
            .logins
            .known_sign_out(issuer)
            .unwrap_or(issuer.to_owned())
    };
    let urls = providers.map(|provider| format!("{}/", endpoint(&provider.issuer)));
    urls.filter_map(|url| {
        let location = Location::parse(&url)?;
        Some(format!("{}://{}", location.scheme, location.authority))
    })
    .collect()
}

/// Records the session, its user's tags and the provider's URL, before the session that holds them ends.
fn note_departure(
    gateway: &mut Gateway,
    session: &Prepared,
    context: &RequestContext<'_>,
) -> Result<Interrupt, Interrupt> {
    let departure = Departure {
        handle: session.record.handle,
        tags: session.tags.clone(),
        provider_url: provider_url(gateway, session, context)?,
    };
    Ok(Interrupt::Pending(vec![Need::Note {
        key: DEPARTURE.to_owned(),
        text: departure.to_text(),
    }]))
}

fn provider_url(
    gateway: &mut Gateway,
    session: &Prepared,
    context: &RequestContext<'_>,
) -> Result<Option<String>, Interrupt> {
    let Some(grant) = &session.record.grant else {
        return Ok(None);
    };
    if cloudflare_access::began(&session.record) {
        // Access would sign the user in again with the next page.
        return Ok(Some(ACCESS_SIGN_OUT.to_owned()));
    }
    let Some(provider) = gateway.tenant.methods.provider(&grant.provider).cloned() else {
        return Ok(None);
    };
    let endpoint = match gateway.logins.metadata(
        &mut gateway.recorder,
        &provider.issuer,
        context.answers,
        context.now,
    ) {
        Ok(metadata) => metadata.end_session_endpoint,
        Err(Interrupt::Pending(needs)) => return Err(Interrupt::Pending(needs)),
        // A failing provider must not prevent signing out here.
        Err(_) => None,
    };
    let Some(endpoint) = endpoint else {
        return Ok(None);
    };
    let location = &context.request.location;
    let (scheme, authority) = (location.scheme, location.authority);
    let back = format!("{scheme}://{authority}{}/signed-out", gateway.prefix);
    let id_token = grant.id_token.as_deref();
    let hint = logout_hint(&session.record, grant);
    Ok(Some(authorization::sign_out_url(
        &endpoint, &provider, id_token, &hint, &back,
    )))
}

fn signed_out(
    gateway: &Gateway,
    provider_url: Option<&str>,
    context: &RequestContext<'_>,
) -> Answer {
    // Providers refuse frames.
    let is_framed = gateway.tenant.shows_in_frame(context.request);
    let provider_url = provider_url.filter(|_| !is_framed);
    let answer = match (context.request.is_navigation(), provider_url) {
        (true, Some(url)) => Answer::empty(303).with("location", url),
        (true, None) => {
            Answer::empty(303).with("location", format!("{}/signed-out", gateway.prefix))
        }
        (false, Some(url)) => Answer::json(200, &json!({ "continue": url })),
        (false, None) => Answer::empty(204),
    };
    let answer = answer.with_cookies(gateway.tenant.clear_cookies(context.cookie));
    let answer = finish_login::with_site_data(answer, &gateway.tenant.clear_site_data);
    let foreign = finish_login::foreign_cookies(gateway, context).into_iter();
    foreign.fold(answer, |answer, line| answer.with("set-cookie", line))
}

/// Ends the session of the cookie, if there is a genuine one.
fn end_by_cookie(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Option<Handle>, Interrupt> {
    let Some(handle) = named_by_cookie(gateway, context) else {
        return Ok(None);
    };
    let (answers, now) = (context.answers, context.now);
    gateway
        .sessions
        .end(&mut gateway.recorder, handle, answers, now)?;
    Ok(Some(handle))
}

fn named_by_cookie(gateway: &Gateway, context: &RequestContext<'_>) -> Option<Handle> {
    let header = context.request.header("cookie").unwrap_or_default();
    let (keys, now) = (&gateway.tenant.keys, context.now.seconds());
    let name = gateway.tenant.cookie_name(context.cookie);
    let Presented::Genuine { verified, .. } = Presented::find(header, &name, keys, now) else {
        return None;
    };
    Some(verified.token.handle)
}

impl Departure {
    fn noted(context: &RequestContext<'_>) -> Option<Self> {
        let Some(Found::Bytes(text)) = context.answers.found(DEPARTURE) else {
            return None;
        };
        let text = core::str::from_utf8(text).ok()?;
        let mut fields = text.split('\t');
        let handle = Handle::parse(fields.next()?)?;
        let provider_url = fields
            .next()
            .filter(|url| !url.is_empty())
            .map(str::to_owned);
        let tags = fields.filter_map(encoding::from_base64url_exact).collect();
        Some(Self {
            handle,
            tags,
            provider_url,
        })
    }

    fn to_text(&self) -> String {
        let mut text = self.handle.to_text();
        text.push('\t');
        text.push_str(self.provider_url.as_deref().unwrap_or_default());
        for tag in &self.tags {
            text.push('\t');
            text.push_str(&encoding::base64url(tag));
        }
        text
    }
}

/// Returns the provider's hint for the user who signs out: `login_hint` (Microsoft Entra), the name or address of the
/// sign-in, or else `sub`.
fn logout_hint(record: &Record, grant: &TokenSet) -> String {
    let id_token = grant.id_token.as_deref().map(Unverified::parse);
    let token = id_token.and_then(Result::ok);
    let text = |name: &str| {
        let claim = token.as_ref()?.claims.get(name)?.as_str()?;
        (!claim.is_empty() && claim.len() <= MAX_HINT_LENGTH).then(|| claim.to_owned())
    };
    let email = record.identity.as_ref().and_then(|who| who.email.clone());
    text("login_hint")
        .or_else(|| text("preferred_username"))
        .or(email)
        .unwrap_or_else(|| grant.subject.clone())
}

/// Returns whether to end all of the user's sessions; `false` without a body.
fn wants_everywhere(context: &RequestContext<'_>) -> Result<bool, Interrupt> {
    if context.request.header("content-type").is_none() {
        return Ok(false);
    }
    let fields = form::object(context, &[], &["everywhere"])?;
    Ok(form::flag(&fields, "everywhere"))
}
