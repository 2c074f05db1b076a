//! Decides which visitors may pass: guests where the tenant admits them, otherwise signed-in users only.

use std::rc::Rc;

use super::assertion;
use super::authenticate::{Authenticated, Caller, Visitor, credential};
use super::guest::unstored;
use super::{Gateway, Interrupt, RequestContext};
use crate::auth::return_url;
use crate::cookie::presented::Presented;
use crate::cookie::token::Token;
use crate::encoding::push_percent_encoded;
use crate::http::request::{Location, Request};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::response::sign_in::SignInProblem;
use crate::session::id::Handle;
use crate::session::record::Version;
use crate::tenant::{AccessRule, Denial};

/// Request of an authorized visitor.
pub(crate) struct Authorized<'a> {
    /// Session of the request.
    pub(crate) visitor: Visitor,
    pub(super) context: &'a RequestContext<'a>,
}

/// Decision about a caller.
pub(crate) enum Access {
    /// The caller continues with its session.
    Visitor(Visitor),
    /// The caller becomes a new guest.
    Guest,
    /// The caller is refused, or must sign in.
    Denied(Interrupt),
}

impl Gateway {
    /// Turns the caller into a visitor, or refuses it.
    ///
    /// # Errors
    /// Returns the needs to perform first, or the refusal.
    pub(crate) fn authorize<'a>(
        &mut self,
        request: Authenticated<'a>,
    ) -> Result<Authorized<'a>, Interrupt> {
        let Authenticated { caller, context } = request;
        // A visitor who was idle too long returns to the server that may still hold the conversation.
        let was_idle = matches!(
            caller,
            Caller::Anonymous { forged: false } | Caller::Over(Problem::SessionExpired)
        );
        let visitor = match self.access(caller, context) {
            Access::Visitor(visitor) => visitor,
            Access::Guest => self.create_guest(was_idle, context)?,
            Access::Denied(interrupt) => return Err(interrupt),
        };
        Ok(Authorized { visitor, context })
    }

    /// Decides whether a caller may enter, and with which session.
    pub(crate) fn access(&self, caller: Caller, context: &RequestContext<'_>) -> Access {
        let access_rule = self.tenant.access_rule(context.request);
        let guests = access_rule.admits_guests();
        match caller {
            Caller::Visitor(visitor)
                if access_rule.max_age.is_some() && is_stale(&visitor, &access_rule, context) =>
            {
                Access::Denied(self.require_reauthentication(&access_rule, context))
            }
            Caller::Visitor(visitor) => {
                let identity = visitor.session.record.identity.as_ref();
                match self.tenant.denial(&access_rule, identity) {
                    None => Access::Visitor(visitor),
                    Some(Denial::Guest) => {
                        Access::Denied(self.deny(Problem::NoSession, false, context))
                    }
                    Some(Denial::Groups) => Access::Denied(self.require_group(context)),
                }
            }
            Caller::Anonymous { .. } if guests => Access::Guest,
            Caller::Anonymous { forged } => {
                Access::Denied(self.deny(Problem::NoSession, forged, context))
            }
            // The browser has a newer cookie, or is about to get one. This response must not clear it.
            Caller::Over(problem @ Problem::SessionReplaced) => Access::Denied(problem.into()),
            // A navigation starts a new session. Other requests get the error once, because it clears the cookie.
            Caller::Over(_) if guests && context.request.is_navigation() => Access::Guest,
            Caller::Over(problem) => Access::Denied(self.deny(problem, true, context)),
        }
    }

    /// Makes the visitor sign in again.
    fn require_reauthentication(
        &self,
        access_rule: &AccessRule,
        context: &RequestContext<'_>,
    ) -> Interrupt {
        if !context.request.is_navigation() {
            return Problem::from(SignInProblem::StepUp).into();
        }
        let max_age = access_rule.max_age.unwrap_or_default();
        let location = login_url(&self.prefix, way_back(context.request));
        let location = format!("{location}&max_age={}", max_age.0);
        Interrupt::Respond(Answer::empty(303).with("location", location).into())
    }

    /// Refuses a user who is in none of the required groups. The session knows the groups of the sign-in, so the page
    /// offers another one. No redirect: a user whom it does not help would go round in circles.
    pub(super) fn require_group(&self, context: &RequestContext<'_>) -> Interrupt {
        let sign_in = if self.tenant.methods.is_empty() {
            String::new()
        } else {
            login_url(&self.prefix, way_back(context.request))
        };
        Problem::GroupRequired { sign_in }.into()
    }

    /// Creates a guest: a cookie without stored data.
    fn create_guest(
        &mut self,
        was_idle: bool,
        context: &RequestContext<'_>,
    ) -> Result<Visitor, Interrupt> {
        let now = context.now.seconds();
        let former = match credential(&self.tenant, context) {
            Presented::Genuine { verified, .. } if was_idle => Some(verified.token),
            _ => None,
        };
        let token = match assertion::begun_guest(context.answers, &self.tenant.keys) {
            Some(begun) => begun,
            None => {
                let id = self.new_session_id(former.as_ref(), context)?;
                Token {
                    handle: Handle::derive(&self.tenant.id, &id),
                    id,
                    created: now,
                    issued: Token::guest_issued(now, false),
                    least_version: Version::UNSTORED,
                }
            }
        };
        let session = Rc::new(self.sessions.prepared(unstored(&token)));
        Ok(Visitor {
            is_new: true,
            ..self.sessions.visitor(session, token, None)
        })
    }

    pub(crate) fn deny(
        &self,
        problem: Problem,
        clear_cookie: bool,
        context: &RequestContext<'_>,
    ) -> Interrupt {
        if self.tenant.access_rule(context.request).admits_guests()
            || !context.request.is_navigation()
        {
            return Interrupt::Reject {
                problem: problem.into(),
                clear_cookie,
            };
        }
        let lines = clear_cookie.then(|| self.tenant.clear_cookies(context.cookie));
        let location = login_url(&self.prefix, way_back(context.request));
        let answer = Answer::empty(303)
            .with("location", location)
            .with_cookies(lines.unwrap_or_default());
        Interrupt::Respond(answer.into())
    }
}

/// Returns whether a user signed in longer ago than the rule allows.
fn is_stale(visitor: &Visitor, access_rule: &AccessRule, context: &RequestContext<'_>) -> bool {
    let record = &visitor.session.record;
    let authenticated = record.authenticated.unwrap_or_default();
    record.identity.is_some()
        && access_rule
            .max_age
            .is_some_and(|most| context.now.seconds().since(authenticated) > most)
}

/// Builds the URL of the login page that returns to the page of this request.
pub(super) fn login_url_back(prefix: &str, request: &Request<'_>) -> String {
    login_url(prefix, way_back(request))
}

/// Builds the URL of the login page with the way back: path and query of this site, nothing else.
fn login_url(prefix: &str, way_back: &str) -> String {
    let mut url = format!("{prefix}/login?return_to=");
    push_percent_encoded(&mut url, way_back);
    url
}

/// Returns the target after the sign-in, which is requested by GET. A form's content is lost, so after a form it is the
/// form's page, if the browser names one of this site. Otherwise it is the front page.
fn way_back<'a>(request: &'a Request<'_>) -> &'a str {
    let Location {
        scheme, authority, ..
    } = request.location;
    if matches!(request.method, "GET" | "HEAD") {
        return request.location.target;
    }
    let page = request.header("referer").and_then(Location::parse);
    let is_own = |page: &Location<'_>| {
        page.scheme == scheme && page.authority.eq_ignore_ascii_case(authority)
    };
    page.filter(|page| request.is_same_site() && is_own(page))
        .map_or(return_url::FRONT, |page| page.target)
}
