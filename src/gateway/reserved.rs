//! The reserved paths (`docs/reference/paths.md`).

use serde_json::{Value, json};

use super::authenticate::Visitor;
use super::{Gateway, Interrupt, RequestContext};
use crate::cookie::set_cookie;
use crate::effect::{Found, Need};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::lifetime::Span;

/// The key the readiness probe reads. It never exists; that storage says so is the proof.
const PROBE_KEY: &str = "readiness-probe";

impl Gateway {
    /// Answers a reserved path; `route` is what follows the prefix.
    pub(super) fn reserved(&mut self, route: &str, context: &RequestContext<'_>) -> Interrupt {
        let method = context.request.method;
        let outcome = match (route, method) {
            ("/healthz", "GET" | "HEAD") => Ok(Answer::json(200, &json!({ "status": "ok" }))),
            ("/readyz", "GET" | "HEAD") => readiness(context),
            ("/me", "GET" | "HEAD") => self.me(context),
            ("/login", "GET" | "HEAD") => self.login(context),
            ("/login", "POST") => self.login_by_password(context),
            ("/callback", "GET") => self.callback(context),
            ("/token", "POST") => self.exchange_token(context),
            ("/password", "GET" | "HEAD" | "POST") => self.password(context),
            ("/jwks.json", "GET" | "HEAD") => self.assertions.public_keys(context),
            ("/logout", "GET" | "HEAD") => self.confirm_sign_out(context),
            ("/logout", "POST") => self.logout(context),
            ("/signed-out", "GET" | "HEAD") => Ok(self.signed_out_page(context)),
            ("/backchannel-logout", "POST") => self.backchannel_logout(context),
            ("/sessions", "GET" | "HEAD") => self.devices(context),
            ("/healthz" | "/readyz" | "/me" | "/sessions" | "/signed-out" | "/jwks.json", _) => {
                Err(Problem::MethodNotAllowed("GET, HEAD").into())
            }
            ("/callback", _) => Err(Problem::MethodNotAllowed("GET").into()),
            ("/login" | "/password" | "/logout", _) => {
                Err(Problem::MethodNotAllowed("GET, HEAD, POST").into())
            }
            ("/token" | "/backchannel-logout", _) => Err(Problem::MethodNotAllowed("POST").into()),
            _ => self.reserved_below(route, context),
        };
        match outcome {
            Ok(mut answer) => {
                if method == "HEAD" {
                    answer.body.clear();
                }
                Interrupt::Respond(answer)
            }
            Err(interrupt) => interrupt,
        }
    }

    /// The paths that name something further.
    fn reserved_below(
        &mut self,
        route: &str,
        context: &RequestContext<'_>,
    ) -> Result<Answer, Interrupt> {
        if let Some(route) = route.strip_prefix("/api/sessions/") {
            self.session_api(route, context)
        } else if let Some(route) = route.strip_prefix("/admin/") {
            self.operate(route, context)
        } else if let Some(handle) = route.strip_prefix("/sessions/") {
            match context.request.method {
                "DELETE" => self.end_device(handle, context),
                _ => Err(Problem::MethodNotAllowed("DELETE").into()),
            }
        } else {
            Err(Problem::NotFound.into())
        }
    }

    fn me(&mut self, context: &RequestContext<'_>) -> Result<Answer, Interrupt> {
        let caller = self.authenticate(context)?;
        let visitor = self.authorize(caller, context)?;
        let line = visitor.set_cookie.then(|| {
            let age = self
                .sessions
                .cookie_age(&visitor.session.record, context.now);
            set_cookie::set(context.cookie, &visitor.cookie, age)
        });
        Ok(Answer::json(200, &self.describe(&visitor, context)).with_cookie(line))
    }

    fn describe(&self, visitor: &Visitor, context: &RequestContext<'_>) -> Value {
        let record = &visitor.session.record;
        let lifetime = &self.tenant.lifetime;
        let now = context.now.seconds();
        let used = Span {
            seen: now,
            ..record.span()
        };
        let state = match visitor {
            Visitor { is_new: true, .. } => "new",
            Visitor { degraded: true, .. } => "degraded",
            _ => "active",
        };
        json!({
            "handle": visitor.session.handle,
            "tenant": self.tenant.id.as_str(),
            "state": state,
            "user": record.identity.as_ref().map(|who| who.user.as_str()),
            "email": record.identity.as_ref().and_then(|who| who.email.as_deref()),
            "name": record.identity.as_ref().and_then(|who| who.name.as_deref()),
            "groups": record.identity.as_ref().map(|who| &who.groups),
            "stored": visitor.is_recorded(),
            "created": record.created.0,
            "expires": lifetime.end(&used).0,
            "idle_seconds_left": lifetime.end(&used).since(now).0,
            "absolute_seconds_left": lifetime.absolute_end(&used).since(now).0,
            "data": serde_json::from_str::<Value>(record.data.to_json()).unwrap_or_default(),
        })
    }
}

/// Readiness is shown by storage answering, whatever it answers.
fn readiness(context: &RequestContext<'_>) -> Result<Answer, Interrupt> {
    match context.answers.found(PROBE_KEY) {
        None => Err(Interrupt::Pending(vec![Need::read(PROBE_KEY)])),
        Some(Found::Unavailable) => Err(Problem::StoreUnavailable.into()),
        Some(_) => Ok(Answer::json(200, &json!({ "status": "ready" }))),
    }
}
