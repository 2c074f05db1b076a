//! The reserved paths (`docs/reference/paths.md`).

use serde_json::{Value, json};

use super::authenticate::Visitor;
use super::{Gateway, Interrupt, Passage};
use crate::cookie::set_cookie;
use crate::effect::{Found, Need};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::lifetime::Span;

/// The key the readiness probe reads. It never exists; that storage says so is the proof.
const PROBE_KEY: &str = "readiness-probe";

impl Gateway {
    /// Answers a reserved path; `route` is what follows the prefix.
    pub(super) fn reserved(&mut self, route: &str, passage: &Passage<'_>) -> Interrupt {
        let method = passage.request.method;
        let outcome = match (route, method) {
            ("/healthz", "GET" | "HEAD") => Ok(Answer::json(200, &json!({ "status": "ok" }))),
            ("/readyz", "GET" | "HEAD") => readiness(passage),
            ("/me", "GET" | "HEAD") => self.me(passage),
            ("/login", "GET" | "HEAD") => self.login(passage),
            ("/login", "POST") => self.login_by_password(passage),
            ("/callback", "GET") => self.callback(passage),
            ("/token", "POST") => self.exchange_token(passage),
            ("/password", "GET" | "HEAD" | "POST") => self.password(passage),
            ("/jwks.json", "GET" | "HEAD") => self.public_keys(passage),
            ("/logout", "GET" | "HEAD") => self.confirm_sign_out(passage),
            ("/logout", "POST") => self.logout(passage),
            ("/signed-out", "GET" | "HEAD") => Ok(self.signed_out_page(passage)),
            ("/backchannel-logout", "POST") => self.backchannel_logout(passage),
            ("/sessions", "GET" | "HEAD") => self.devices(passage),
            ("/healthz" | "/readyz" | "/me" | "/sessions" | "/signed-out" | "/jwks.json", _) => {
                Err(Problem::MethodNotAllowed("GET, HEAD").into())
            }
            ("/callback", _) => Err(Problem::MethodNotAllowed("GET").into()),
            ("/login" | "/password" | "/logout", _) => {
                Err(Problem::MethodNotAllowed("GET, HEAD, POST").into())
            }
            ("/token" | "/backchannel-logout", _) => Err(Problem::MethodNotAllowed("POST").into()),
            _ => self.reserved_below(route, passage),
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
    fn reserved_below(&mut self, route: &str, passage: &Passage<'_>) -> Result<Answer, Interrupt> {
        if let Some(route) = route.strip_prefix("/api/sessions/") {
            self.session_api(route, passage)
        } else if let Some(route) = route.strip_prefix("/admin/") {
            self.operate(route, passage)
        } else if let Some(handle) = route.strip_prefix("/sessions/") {
            match passage.request.method {
                "DELETE" => self.end_device(handle, passage),
                _ => Err(Problem::MethodNotAllowed("DELETE").into()),
            }
        } else {
            Err(Problem::NotFound.into())
        }
    }

    fn me(&mut self, passage: &Passage<'_>) -> Result<Answer, Interrupt> {
        let caller = self.recognise(passage)?;
        let visitor = self.receive(caller, passage)?;
        let line = visitor.set_cookie.then(|| {
            let age = self.cookie_age(&visitor.session.record, passage.now);
            set_cookie::set(passage.cookie, &visitor.cookie, age)
        });
        Ok(Answer::json(200, &self.describe(&visitor, passage)).with_cookie(line))
    }

    fn describe(&self, visitor: &Visitor, passage: &Passage<'_>) -> Value {
        let record = &visitor.session.record;
        let lifetime = &self.tenant.lifetime;
        let now = passage.now.seconds();
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
fn readiness(passage: &Passage<'_>) -> Result<Answer, Interrupt> {
    match passage.answers.found(PROBE_KEY) {
        None => Err(Interrupt::Pending(vec![Need::read(PROBE_KEY)])),
        Some(Found::Unavailable) => Err(Problem::StoreUnavailable.into()),
        Some(_) => Ok(Answer::json(200, &json!({ "status": "ready" }))),
    }
}
