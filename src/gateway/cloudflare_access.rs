//! Verifies the assertion of Cloudflare Access, which comes with every request to a site behind Access, and compares it
//! with the session that it began.
//!
//! Authority: RFC 7519, and Cloudflare's page "Validate JWTs": issuer is the team domain, `aud` has the application's
//! tag, and the keys are at `/cdn-cgi/access/certs` of the team domain.

use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::authenticate::{Caller, Visitor};
use super::authorize::login_url_back;
use super::{Gateway, Interrupt, RequestContext};
use crate::auth::claimed::{self, NotAdmitted};
use crate::auth::claims::{self, Claims, Expected};
use crate::auth::jws::{Algorithm, BadToken, Unverified};
use crate::auth::methods::AccessTeam;
use crate::clock::UnixSeconds;
use crate::encoding;
use crate::http::rate_limit::Verdict;
use crate::policy::LoginMode;
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::identity::Identity;
use crate::session::record::Record;
use crate::session::token_set::TokenSet;

/// Header with the assertion.
pub(crate) const HEADER: &str = "cf-access-jwt-assertion";

/// Path of the keys at the team domain.
const CERTS: &str = "/cdn-cgi/access/certs";

/// Type of token that Access issues for an application's users.
const KINDS: [&str; 1] = ["jwt"];

/// Maximum number of verified assertions in memory. Beyond it all are verified again.
const MAX_KNOWN: usize = 512;

/// User whom a verified assertion names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AccessUser {
    /// Identity as JSON, with the number of omitted groups; or why the tenant does not admit the user.
    pub claimed: Result<claimed::Claimed, NotAdmitted>,
    /// The identity as sessions hold it.
    identity: Option<Identity>,
    /// Issuer and subject, which mark the session.
    pub issuer: String,
    subject: String,
    /// Time of the assertion.
    pub issued: UnixSeconds,
    expires: UnixSeconds,
}

impl AccessUser {
    fn new(claims: &Claims, team: &AccessTeam) -> Result<Self, BadToken> {
        let time = |name| claims::time(claims, name).map(Option::unwrap_or_default);
        let claimed = claimed::identity(claims, &team.claims, &team.allow);
        let identity = claimed.as_ref().ok().and_then(|claimed| {
            let (identity, _) = Identity::parse(&claimed.identity.to_string()).ok()?;
            Some(Identity {
                groups_omitted: claimed.groups_omitted,
                ..identity
            })
        });
        Ok(Self {
            claimed,
            identity,
            issuer: team.issuer.clone(),
            subject: claims::text(claims, "sub")?.unwrap_or_default().to_owned(),
            issued: time("iat")?,
            expires: time("exp")?,
        })
    }

    /// Returns what marks a session as begun by this user's assertion.
    pub(crate) fn grant(&self) -> TokenSet {
        TokenSet {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            ..TokenSet::default()
        }
    }

    /// Returns whether a session is this user's, with the identity that the assertion states.
    fn owns(&self, record: &Record) -> bool {
        let is_same =
            |grant: &TokenSet| grant.issuer == self.issuer && grant.subject == self.subject;
        record.grant.as_ref().is_some_and(is_same)
            && self.identity.is_some()
            && record.identity == self.identity
    }
}

/// Returns whether an assertion of Access began the session. Providers have names, and Access has none.
pub(crate) fn began(record: &Record) -> bool {
    let is_access = |grant: &TokenSet| grant.provider.is_empty() && !grant.issuer.is_empty();
    record.grant.as_ref().is_some_and(is_access)
}

impl Gateway {
    /// Takes a session from a caller whose assertion does not confirm it any more. A session that Access began is worth
    /// nothing without Access.
    ///
    /// # Errors
    /// Returns the needs to perform first, or that the team's keys are unavailable.
    pub(super) fn confirm_by_access(
        &mut self,
        caller: Caller,
        context: &RequestContext<'_>,
    ) -> Result<Caller, Interrupt> {
        let Caller::Visitor(Visitor { session, .. }) = &caller else {
            return Ok(caller);
        };
        if !began(&session.record) {
            return Ok(caller);
        }
        let session = Rc::clone(session);
        let user = self.access_user(context)?;
        if user.is_some_and(|user| user.owns(&session.record)) {
            return Ok(caller);
        }
        Ok(Caller::Anonymous { forged: false })
    }

    /// Sends a page request of a guest to the sign-in if Access vouches for a user. Where a sign-in is required, the access
    /// rule does that, and where there is none, nobody is sent.
    ///
    /// # Errors
    /// Returns the redirect, or the needs to perform first.
    pub(super) fn sign_in_by_access(
        &mut self,
        caller: &Caller,
        context: &RequestContext<'_>,
    ) -> Result<(), Interrupt> {
        let request = context.request;
        if self.tenant.methods.access.is_none()
            || !request.is_navigation()
            || !matches!(request.method, "GET" | "HEAD")
            || self.tenant.access_rule(request).mode != LoginMode::Optional
        {
            return Ok(());
        }
        if let Caller::Visitor(visitor) = caller
            && visitor.session.record.identity.is_some()
        {
            return Ok(());
        }
        match self.access_user(context)? {
            Some(user) if user.claimed.is_ok() => {
                let location = login_url_back(&self.prefix, request);
                let answer = Answer::empty(303).with("location", location);
                Err(Interrupt::Respond(answer.into()))
            }
            _ => Ok(()),
        }
    }

    /// Returns the user whom the request's assertion names; `None` without a valid one.
    ///
    /// # Errors
    /// Returns the needs to perform first, or that the team's keys are unavailable: then it is not known whether the
    /// assertion is valid, and nobody passes as a guest.
    pub(crate) fn access_user(
        &mut self,
        context: &RequestContext<'_>,
    ) -> Result<Option<Rc<AccessUser>>, Interrupt> {
        let tenant = Rc::clone(&self.tenant);
        let Some(team) = &tenant.methods.access else {
            return Ok(None);
        };
        let Some(text) = context.request.header(HEADER) else {
            return Ok(None);
        };
        let now = context.now.seconds();
        let key = encoding::base64url(&Sha256::digest(text.as_bytes()));
        let known = &mut self.logins.access_users;
        if let Some((user, settings)) = known.get(&key)
            && Rc::ptr_eq(settings, &tenant)
            && now < user.expires + claims::SKEW
        {
            return Ok(Some(Rc::clone(user)));
        }
        match self.verified_by_access(team, text, context)? {
            Ok(user) => {
                let user = Rc::new(user);
                let known = &mut self.logins.access_users;
                if known.len() >= MAX_KNOWN {
                    known.clear();
                }
                known.insert(key, (Rc::clone(&user), tenant));
                Ok(Some(user))
            }
            Err(bad) => {
                // Anybody can invent one where Access does not stand before the Worker.
                let client = context.request.client_network();
                if let Verdict::Passed(wait) | Verdict::Over(wait) =
                    self.limits.forgeries.count(client, context.now)
                {
                    return Err(Problem::TooManyForgeries(wait).into());
                }
                self.recorder
                    .note_provider("access_refused", &team.issuer, bad.0);
                Ok(None)
            }
        }
    }

    fn verified_by_access(
        &mut self,
        team: &AccessTeam,
        text: &str,
        context: &RequestContext<'_>,
    ) -> Result<Result<AccessUser, BadToken>, Interrupt> {
        let token = match parsed(team, text, context.now.seconds()) {
            Ok(token) => token,
            Err(bad) => return Ok(Err(bad)),
        };
        let certs = [&team.issuer, CERTS].concat();
        let signed = self.logins.is_signed(
            &mut self.recorder,
            &token,
            &certs,
            context.answers,
            context.now,
        )?;
        Ok(signed.and_then(|()| AccessUser::new(&token.claims, team)))
    }
}

/// Parses an assertion and checks what needs no key.
fn parsed(team: &AccessTeam, text: &str, now: UnixSeconds) -> Result<Unverified, BadToken> {
    let token = Unverified::parse(text)?;
    if token.algorithm != Algorithm::Rs256 {
        return Err(BadToken("an algorithm that is not accepted"));
    }
    if token.key_id.is_none() {
        return Err(BadToken("no key id"));
    }
    if !token.is_of_kind(&KINDS) {
        return Err(BadToken("another kind of token"));
    }
    let mut outcome = Err(BadToken("another audience"));
    for audience in &team.audiences {
        let expected = Expected {
            issuer: &team.issuer,
            audience,
            now,
        };
        outcome = claims::check(&token.claims, &expected);
        if outcome != Err(BadToken("another audience")) {
            break;
        }
    }
    outcome.map(|()| token)
}
