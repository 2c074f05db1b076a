//! The reserved paths (contract section 5) that need no sign-in method.

use serde_json::{Value, json};

use super::recognition::{Caller, Visitor};
use super::{Gateway, Halt, Passage};
use crate::answer::Answer;
use crate::answer::problem::Problem;
use crate::cookie::set_cookie;
use crate::inbound::request::Request;
use crate::session::lifetime::Span;
use crate::session::record::{Entry, Version};
use crate::store::{Found, Read};

/// The key the readiness probe reads. It never exists; that storage says so is the proof.
const PROBE_KEY: &str = "readiness-probe";

impl Gateway {
    /// Answers a reserved path; `route` is what follows the prefix.
    pub(super) fn reserved(&mut self, route: &str, passage: &Passage<'_>) -> Halt {
        let method = passage.request.method;
        let outcome = match (route, method) {
            ("/healthz", "GET" | "HEAD") => Ok(Answer::json(200, &json!({ "status": "ok" }))),
            ("/readyz", "GET" | "HEAD") => readiness(passage),
            ("/me", "GET" | "HEAD") => self.me(passage),
            ("/logout", "POST") => self.logout(passage),
            // No sign-in method exists in this release, so asking for the page is a mistake of
            // the deployment, not of the visitor.
            ("/login", "GET" | "HEAD") => Err(Problem::LoginUnconfigured.into()),
            ("/healthz" | "/readyz" | "/me" | "/login", _) => {
                Err(Problem::MethodNotAllowed("GET, HEAD").into())
            }
            ("/logout", _) => Err(Problem::MethodNotAllowed("POST").into()),
            _ => Err(Problem::NotFound.into()),
        };
        match outcome {
            Ok(mut answer) => {
                if method == "HEAD" {
                    answer.body.clear();
                }
                Halt::Answer(answer)
            }
            Err(halt) => halt,
        }
    }

    fn me(&mut self, passage: &Passage<'_>) -> Result<Answer, Halt> {
        let caller = self.recognise(passage)?;
        let visitor = self.receive(caller, passage)?;
        let line = visitor.set_cookie.then(|| {
            let age = self.cookie_age(visitor.token.created, passage.now);
            set_cookie::set(passage.cookie, &visitor.cookie, age)
        });
        Ok(Answer::json(200, &self.describe(&visitor, passage)).with_cookie(line))
    }

    fn describe(&self, visitor: &Visitor, passage: &Passage<'_>) -> Value {
        let record = &visitor.session.record;
        let lifetime = &self.deployment.tenant.lifetime;
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
            "tenant": self.deployment.tenant.id.as_str(),
            "state": state,
            "user": null,
            "stored": visitor.token.least_version > Version::UNSTORED,
            "created": record.created.0,
            "expires": lifetime.end(&used).0,
            "idle_seconds_left": lifetime.end(&used).since(now).0,
            "absolute_seconds_left": lifetime.absolute_end(&used).since(now).0,
            "data": serde_json::from_str::<Value>(record.data.to_json()).unwrap_or_default(),
        })
    }

    fn logout(&mut self, passage: &Passage<'_>) -> Result<Answer, Halt> {
        if !is_same_site(passage.request) {
            return Err(Problem::CrossSite.into());
        }
        let signed_out = Answer::empty(204).with_cookie(Some(set_cookie::clear(passage.cookie)));
        match passage.answers.written() {
            Some(true) => return Ok(signed_out),
            Some(false) => return Err(Problem::StoreUnavailable.into()),
            None => {}
        }
        match self.recognise(passage)? {
            Caller::Visitor(visitor) if visitor.token.least_version > Version::UNSTORED => {
                let at = passage.now.seconds();
                self.store(visitor.token.id, Entry::Ended { at }, passage.now);
                Err(Halt::Store)
            }
            Caller::Visitor(_) | Caller::Stranger { .. } | Caller::Over(_) => Ok(signed_out),
        }
    }
}

/// Readiness is shown by storage answering, whatever it answers.
fn readiness(passage: &Passage<'_>) -> Result<Answer, Halt> {
    match passage.answers.read(PROBE_KEY) {
        None => Err(Halt::Read(Read {
            key: PROBE_KEY.to_owned(),
            after_ms: 0,
        })),
        Some((Found::Unavailable, _)) => Err(Problem::StoreUnavailable.into()),
        Some(_) => Ok(Answer::json(200, &json!({ "status": "ready" }))),
    }
}

/// Whether a state-changing call comes from our own page, or from no page at all. Browsers say so
/// in `Sec-Fetch-Site`, or at least in `Origin`; a client that sends neither is no browser and so
/// carries no cookie but the one it means to send.
fn is_same_site(request: &Request<'_>) -> bool {
    match (request.header("sec-fetch-site"), request.header("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => request.location.is_origin(origin),
        (None, None) => true,
    }
}
