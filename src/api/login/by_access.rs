//! Signs in the user for whom Cloudflare Access vouches, in `GET /login`.

use super::callback::not_admitted;
use super::finish_login::{self, Proof};
use crate::clock::{Seconds, UnixSeconds};
use crate::gateway::cloudflare_access::AccessUser;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::response::sign_in::SignInProblem;

/// Signs the user of a valid assertion in, and redirects to the page that the visitor wanted.
pub(super) fn sign_in(
    gateway: &mut Gateway,
    user: &AccessUser,
    return_to: &str,
    max_age: Option<Seconds>,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let claimed = match &user.claimed {
        Ok(claimed) => claimed,
        Err(reason) => return Err(not_admitted(&mut gateway.recorder, &user.issuer, *reason)),
    };
    // Access renews assertions without asking the user, so one proves no recent sign-in. Only Access can ask, so a redirect
    // would go round in circles.
    if max_age.is_some() {
        return Err(Problem::from(SignInProblem::StepUp).into());
    }
    let proof = Proof {
        method: "access",
        identity: claimed.identity.clone(),
        groups_omitted: claimed.groups_omitted,
        grant: Some(user.grant()),
        authenticated: Some(UnixSeconds(0)),
    };
    let signed_in = finish_login::sign_in(gateway, &proof, return_to, context)?;
    let answer = Answer::empty(303)
        .with("location", return_to)
        .with("vary", "Cookie");
    Ok(signed_in.onto(answer))
}
