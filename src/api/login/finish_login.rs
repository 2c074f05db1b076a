//! Signs an authenticated user in: the browser's session gets a new id, or a new session begins if the old one was
//! another user's.
//!
//! A repeated step must sign in the same session again. So the choice of the session is recorded before any change.

use std::rc::Rc;

use serde_json::Value;

use crate::clock::UnixSeconds;
use crate::cookie::jar;
use crate::cookie::set_cookie;
use crate::cookie::token::Token;
use crate::effect::{Found, Need};
use crate::gateway::authenticate::Caller;
use crate::gateway::client_info::Client;
use crate::gateway::update::{Update, UpdateError, UpdateOutcome};
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::change::Change;
use crate::session::id::Handle;
use crate::session::identity::Identity;
use crate::session::prepared::Prepared;
use crate::session::record::Version;
use crate::session::token_set::TokenSet;
use crate::store::cache::Known;
use crate::telemetry::log::{Event, Level};
use crate::tenant::Consistency;

/// Key of the recorded choice of the session.
const CHOSEN: &str = "signs in";

/// Key of the recorded second choice, if the first session turned out to be over.
const SECOND_CHOICE: &str = "signs in anew";

/// Verified identity of a user.
pub(super) struct Proof {
    /// Sign-in method, for the log.
    pub(super) method: &'static str,
    /// Identity as JSON, for [`crate::session::identity::Identity::parse`].
    pub(super) identity: Value,
    /// Number of groups that the identity omits.
    pub(super) groups_omitted: u32,
    /// Tokens from the provider.
    pub(super) grant: Option<TokenSet>,
    /// Time of the authentication, if it was not now.
    pub(super) authenticated: Option<UnixSeconds>,
}

/// Session after a sign-in.
pub(super) struct SignedIn {
    /// The session.
    pub(super) session: Rc<Prepared>,
    /// Content of its cookie.
    pub(super) token: Token,
    /// `Set-Cookie` lines: our cookie, and removals of the origin's cookies.
    pub(super) cookies: Vec<String>,
    /// Value of `Clear-Site-Data`; empty for none.
    clear_site_data: String,
}

impl SignedIn {
    /// Adds to a response what the browser needs of the sign-in.
    pub(super) fn onto(self, answer: Answer) -> Answer {
        let answer = with_site_data(answer, &self.clear_site_data);
        let cookies = self.cookies.into_iter();
        cookies.fold(answer, |answer, line| answer.with("set-cookie", line))
    }
}

/// Adds `Clear-Site-Data`, unless it is empty.
pub(super) fn with_site_data(answer: Answer, clear: &str) -> Answer {
    if clear.is_empty() {
        return answer;
    }
    answer.with("clear-site-data", clear)
}

/// Signs a user in who wanted to visit `return_to`; empty for an application, which visits no page.
pub(super) fn sign_in(
    gateway: &mut Gateway,
    proof: &Proof,
    return_to: &str,
    context: &RequestContext<'_>,
) -> Result<SignedIn, Interrupt> {
    let (answers, now) = (context.answers, context.now);
    let Some(Found::Bytes(chosen)) = answers.found(CHOSEN) else {
        let text = choose_session(gateway, &proof.identity, context)?;
        let key = CHOSEN.to_owned();
        return Err(Interrupt::Pending(vec![Need::Note { key, text }]));
    };
    let second_choice = match answers.found(SECOND_CHOICE) {
        Some(Found::Bytes(second_choice)) => Some(second_choice),
        _ => None,
    };
    let chosen = core::str::from_utf8(second_choice.unwrap_or(chosen)).unwrap_or_default();
    let mut fields = chosen.split('\t');
    let mut field = || fields.next().unwrap_or_default();
    let (token, other, again) = (field(), field(), !field().is_empty());
    let token = Token::opened(token, &gateway.tenant.keys).ok_or(Problem::Internal)?;
    match answers.written() {
        Some(false) => return Err(Problem::StoreUnavailable.into()),
        // With KV alone, this isolate changed the session and storage acknowledged the write.
        Some(true) if gateway.tenant.consistency == Consistency::Eventual => {
            let known = gateway
                .sessions
                .cache
                .get(token.handle, now)
                .map(|hit| hit.known);
            let Some(Known::Live(session)) = known else {
                return Err(Problem::StoreUnavailable.into());
            };
            return Ok(signed_in(gateway, session, token, (proof, again), context));
        }
        _ => {}
    }
    if let Some(other) = Handle::parse(other) {
        let end = Change {
            end: true,
            ..Change::default()
        };
        let ended = gateway
            .sessions
            .update(&mut gateway.recorder, &Update::of(other, end), answers, now)
            .map_err(Interrupt::Pending)?;
        // The previous user's session must not stay signed in.
        if !matches!(
            ended,
            UpdateOutcome::Ended | UpdateOutcome::Not(UpdateError::Absent | UpdateError::Outdated)
        ) {
            return Err(Problem::StoreUnavailable.into());
        }
    }
    let identity = proof.identity.to_string();
    let user = Identity::parse(&identity).ok();
    let balancer = &gateway.balancer;
    let pin = user.and_then(|(user, _)| balancer.pin_of_user(&token, &user, context.request, now));
    let change = Change {
        pin,
        identify: Some(identity),
        groups_omitted: proof.groups_omitted,
        authenticated: proof.authenticated,
        proved: true,
        grant: proof.grant.clone(),
        ..Change::default()
    };
    let update = Update {
        // The path of this request is one of ours, and says nothing of the visit.
        client: Client::of(context.request).at(return_to),
        ..Update::by(&token, change)
    };
    match gateway
        .sessions
        .update(&mut gateway.recorder, &update, answers, now)
        .map_err(Interrupt::Pending)?
    {
        UpdateOutcome::Live { .. } if !gateway.sessions.writes.is_empty() => {
            Err(Interrupt::Pending(vec![Need::Store]))
        }
        UpdateOutcome::Live { session, .. } => {
            Ok(signed_in(gateway, session, token, (proof, again), context))
        }
        // The session's id is no longer valid, so a new session begins.
        UpdateOutcome::Ended | UpdateOutcome::Not(UpdateError::Outdated)
            if answers.found(SECOND_CHOICE).is_none() =>
        {
            let token = new_token(gateway, context)?;
            let text = token.mint(&gateway.tenant.keys);
            let key = SECOND_CHOICE.to_owned();
            Err(Interrupt::Pending(vec![Need::Note { key, text }]))
        }
        UpdateOutcome::Ended | UpdateOutcome::Not(_) => Err(Problem::StoreUnavailable.into()),
    }
}

/// Chooses the session to sign in, and one to end with that. Returns, separated by tabs, a cookie's value, a handle, and
/// a mark if the browser is signed in as this user already.
fn choose_session(
    gateway: &mut Gateway,
    identity: &Value,
    context: &RequestContext<'_>,
) -> Result<String, Interrupt> {
    let user = identity.get("user").and_then(Value::as_str);
    let mut again = "";
    let (own, other) = match gateway.authenticate_to_replace(context)? {
        Caller::Visitor(visitor) => {
            let before = visitor.session.record.identity.as_ref();
            let is_own = before.is_none_or(|before| Some(before.user.as_str()) == user);
            if is_own && before.is_some() {
                again = "again";
            }
            // A request with an id from before the last rotation must not gain rights.
            if is_own && !visitor.in_grace {
                (Some(visitor.token), None)
            } else {
                (None, (!is_own).then_some(visitor.token.handle))
            }
        }
        Caller::Anonymous { .. } | Caller::Over(_) => (None, None),
    };
    let token = match own {
        Some(token) => token,
        None => new_token(gateway, context)?,
    };
    let other = other.map(Handle::to_text).unwrap_or_default();
    let value = token.mint(&gateway.tenant.keys);
    Ok([&value, "\t", &other, "\t", again].concat())
}

fn new_token(gateway: &mut Gateway, context: &RequestContext<'_>) -> Result<Token, Interrupt> {
    let now = context.now.seconds();
    let id = gateway.new_session_id_of_user(context)?;
    Ok(Token {
        handle: Handle::derive(&gateway.tenant.id, &id),
        id,
        created: now,
        issued: now,
        least_version: Version::UNSTORED,
    })
}

fn signed_in(
    gateway: &mut Gateway,
    session: Rc<Prepared>,
    token: Token,
    (proof, again): (&Proof, bool),
    context: &RequestContext<'_>,
) -> SignedIn {
    let record = &session.record;
    let token = Token {
        id: record.id,
        issued: context.now.seconds(),
        least_version: record.version,
        ..token
    };
    let age = gateway
        .tenant
        .lifetime
        .cookie_age(&record.span(), context.now.seconds());
    let value = token.mint(&gateway.tenant.keys);
    let mut cookies = vec![gateway.tenant.set_cookie(context.cookie, &value, age)];
    cookies.extend(foreign_cookies(gateway, context));
    let event = Event::new(Level::Info, "signed_in").with("method", proof.method);
    gateway.recorder.emit(event.about(record.handle));
    SignedIn {
        session,
        token,
        cookies,
        // Of the user before nothing may be left, whether or not that session is known here. The same user keeps it.
        clear_site_data: if again {
            String::new()
        } else {
            gateway.tenant.clear_site_data.clone()
        },
    }
}

/// Returns the lines that remove the origin's cookies of the previous user.
pub(super) fn foreign_cookies(gateway: &Gateway, context: &RequestContext<'_>) -> Vec<String> {
    let patterns = [
        gateway.tenant.clear_cookies.as_slice(),
        // The browser may have them from a time before the vault kept them.
        &gateway.tenant.vault,
    ]
    .concat();
    let header = context.request.header("cookie").unwrap_or_default();
    let meant = |name: &&str| {
        !context.cookie.is_ours(name) && patterns.iter().any(|pattern| pattern.matches(name))
    };
    let names = jar::names(header).filter(meant);
    names
        .flat_map(|name| {
            set_cookie::clear_foreign(context.cookie, gateway.tenant.same_site(), name)
        })
        .collect()
}
