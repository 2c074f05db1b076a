//! Serves `/popup`: a window signs in for a frame of another site's page, because identity providers refuse frames.
//!
//! The sign-in page in the frame begins a sign-in of its own, with a verifier in a cookie of the frame's. The window
//! signs in with the challenge, and ends with a code instead of a session ([`Handover`]). The frame's page posts the
//! code here, and the frame's session is signed in.

use chacha20::rand_core::Rng as _;

use super::finish_login::Proof;
use super::{form, refusal, theme};
use crate::auth::handover::{self, Handover};
use crate::auth::login_state::Transaction;
use crate::auth::login_throttle::message::Command;
use crate::cookie::{jar, set_cookie};
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::http::query::Query;
use crate::response::Answer;
use crate::response::page;
use crate::response::problem::Problem;
use crate::response::sign_in::SignInProblem;
use crate::tenant::Consistency;

/// Maximum size of the form: the code holds the provider's tokens.
const MAX_FORM_SIZE: usize = 64 * 1024;

/// Serves `GET /popup`: the window's first page. It goes on to the sign-in, unless an earlier window left a code.
pub(in crate::api) fn popup(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let query = context.request.location.query();
    let parameters = Query::parse_foreign(query, &["challenge"]).map_err(Problem::from)?;
    let challenge = parameters.get("challenge").unwrap_or_default();
    if gateway.tenant.embed_sites.is_empty() || !handover::is_challenge(challenge) {
        return Err(Problem::NotFound.into());
    }
    let next = [&gateway.prefix, "/login?", query].concat();
    let theme = theme(gateway, context.request);
    Ok(page::hand_over(&theme, "", challenge, &next))
}

/// Ends the window's sign-in with a code for the owner of `challenge`.
pub(super) fn offer(
    gateway: &mut Gateway,
    proof: Proof,
    challenge: String,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let handover = Handover {
        challenge,
        at: context.now.seconds(),
        identity: proof.identity,
        groups_omitted: proof.groups_omitted,
        authenticated: proof.authenticated,
        grant: proof.grant,
    };
    let code = handover.seal(&gateway.tenant.keys, &mut gateway.random);
    let code = code.ok_or(Problem::Internal)?;
    let theme = theme(gateway, context.request);
    Ok(page::hand_over(&theme, &code, &handover.challenge, ""))
}

/// Serves `POST /popup`: signs the frame's session in. Any outcome ends the frame's sign-in.
pub(in crate::api) fn redeem(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    if !context.request.is_same_site() {
        return Err(Problem::CrossSite.into());
    }
    let fields = form::fields(context, MAX_FORM_SIZE, &["state", "code"])?;
    let state = fields.get("state").unwrap_or_default();
    let cookie = Transaction::cookie_suffix(state).map(|suffix| context.cookie.of_sign_in(suffix));
    let outcome = match &cookie {
        Some(cookie) => finish(gateway, &fields, state, cookie, context),
        None => Err(Problem::from(SignInProblem::State).into()),
    };
    let answer = match outcome {
        Err(Interrupt::Reject { problem, .. }) => refusal(gateway, &problem, context),
        outcome => outcome?,
    };
    let sent = gateway.tenant.same_site();
    let over = cookie.map(|cookie| set_cookie::clear(context.cookie, sent, &cookie));
    Ok(match over {
        Some(line) => answer.with("set-cookie", line),
        None => answer,
    })
}

fn finish(
    gateway: &mut Gateway,
    fields: &Query,
    state: &str,
    cookie: &str,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let header = context.request.header("cookie").unwrap_or_default();
    let (keys, now) = (&gateway.tenant.keys, context.now.seconds());
    let begun = jar::candidates(header, cookie)
        .find_map(|value| Transaction::open(value, state, keys, now))
        // Another sign-in goes to a provider, and ends at the callback.
        .filter(|begun| begun.provider.is_empty());
    let code = fields.get("code").unwrap_or_default();
    let handed = begun.and_then(|begun| {
        let handover = Handover::open(code, &begun.challenge(), keys, now)?;
        Some((begun, handover))
    });
    let Some((begun, handover)) = handed else {
        return Err(Problem::from(SignInProblem::State).into());
    };
    if !is_first_use(gateway, &handover, context)? {
        return Err(Problem::from(SignInProblem::State).into());
    }
    let proof = Proof {
        method: "oidc",
        identity: handover.identity,
        groups_omitted: handover.groups_omitted,
        authenticated: handover.authenticated,
        grant: handover.grant,
    };
    let signed_in = super::finish_login::sign_in(gateway, &proof, &begun.return_to, context)?;
    let answer = Answer::empty(303)
        .with("location", begun.return_to)
        .with("vary", "Cookie");
    Ok(signed_in.onto(answer))
}

/// Returns whether a code is used for the first time. With KV alone uses are not counted: there the browser's cookie,
/// which the first use removes, is the only bound.
fn is_first_use(
    gateway: &mut Gateway,
    handover: &Handover,
    context: &RequestContext<'_>,
) -> Result<bool, Interrupt> {
    if gateway.tenant.consistency != Consistency::Strong {
        return Ok(true);
    }
    let end = handover.at + handover::MAX_AGE;
    let once = Command::Once {
        until: end.0.saturating_mul(1_000),
        by: gateway.random.next_u64(),
    };
    let what = [PURPOSE_OF_USE, &handover.challenge];
    super::exchange::is_first(&gateway.sessions, &what, &once, context)
}

/// Kind of the one-time tokens, for the object that counts uses.
const PURPOSE_OF_USE: &str = "handover";
