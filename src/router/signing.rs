//! Begins, recognises and ends operators' console sessions.

use chacha20::rand_core::Rng as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::console_session::{ConsoleSession, MAX_LENGTH, Scope};
use super::operators::{Authority, Operator};
use super::{Interrupt, Router};
use crate::auth::login_throttle::message::{Command, Reply, Verdict};
use crate::clock::UnixMillis;
use crate::cookie::name::CookieName;
use crate::effect::{Answers, Body, CALL_DEADLINE_MS, Class, Found, Need, Write};
use crate::encoding;
use crate::http::json;
use crate::http::request::Request;
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::telemetry::log::{Event, Level};
use crate::tenant::ApiKey;

/// Key of the answer to ending a console session.
const ENDS: &str = "console session ends";

impl Router {
    /// Answers `POST /admin/sign-in`: exchanges a token for a console session.
    pub(super) fn sign_in(
        &mut self,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Answer, Interrupt> {
        let refused = Interrupt::Reject;
        self.check_console_host(request).map_err(refused)?;
        let shown = shown(request, answers)?;
        let authorities = self.authorities(request, now, answers)?;
        self.check_guesses(request, now)?;
        let matching = authorities.iter().find_map(|(authority, tokens)| {
            let token = tokens.iter().find(|own| own.is_presented(Some(&shown)))?;
            Some((authority, token))
        });
        let Some((authority, token)) = matching else {
            return Err(self.wrong_token("console_sign_in_refused", request, now));
        };
        self.guesses.forget(request.client_network());
        self.emit(Event::new(Level::Info, "audit_console_signed_in"));
        let mut id = [0; 16];
        self.random.fill_bytes(&mut id);
        let name = CookieName::for_location(&request.location);
        let scope = scope(authority, request);
        let now = now.seconds();
        let line = ConsoleSession::new(id, now).set(name, &scope, token, now);
        Ok(Answer::empty(204).with_cookies(vec![line]))
    }

    /// Returns the operator of a valid console session under this host, unless the operator signed out.
    pub(super) fn session_operator(
        &self,
        authorities: &[(Authority, Vec<ApiKey>)],
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Option<Operator>, Interrupt> {
        let now = now.seconds();
        let Some((console_session, authority, token)) =
            self.presented_session(authorities, request, now)
        else {
            return Ok(None);
        };
        // Another site can make the browser send requests with cookies.
        if !request.is_safe() && !request.is_same_site() {
            return Err(Interrupt::Reject(Problem::CrossSite));
        }
        if self.has_ended(&console_session, answers)? {
            return Ok(None);
        }
        let name = CookieName::for_location(&request.location);
        let renewed = console_session.renewed(now);
        Ok(Some(Operator {
            authority: authority.clone(),
            expires: Some(renewed.unwrap_or(console_session).expires().0),
            renewed: renewed.map(|console_session| {
                console_session.set(name, &scope(authority, request), token, now)
            }),
        }))
    }

    /// Answers `POST /admin/sign-out`: clears the cookie and ends all its copies.
    pub(super) fn sign_out(
        &mut self,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Answer, Interrupt> {
        let authorities = self.authorities(request, now, answers)?;
        let presented = self.presented_session(&authorities, request, now.seconds());
        if let Some((console_session, ..)) = presented {
            self.end(&console_session, answers)?;
            self.emit(Event::new(Level::Info, "audit_console_signed_out"));
        }
        let name = CookieName::for_location(&request.location);
        Ok(Answer::empty(204).with_cookies(vec![ConsoleSession::clear(name)]))
    }

    fn presented_session<'p>(
        &self,
        authorities: &'p [(Authority, Vec<ApiKey>)],
        request: &Request<'_>,
        now: crate::clock::UnixSeconds,
    ) -> Option<(ConsoleSession, &'p Authority, &'p ApiKey)> {
        self.check_console_host(request).ok()?;
        let name = CookieName::for_location(&request.location);
        let cookies = request.header("cookie");
        authorities.iter().find_map(|(authority, tokens)| {
            let scope = scope(authority, request);
            let (console_session, token) =
                ConsoleSession::presented(cookies, name, &scope, tokens, now)?;
            Some((console_session, authority, token))
        })
    }

    /// Returns whether the operator signed out. Rejects if the store is unavailable: it may hold the sign-out.
    fn has_ended(
        &self,
        console_session: &ConsoleSession,
        answers: &Answers,
    ) -> Result<bool, Interrupt> {
        let key = key_of(console_session);
        match answers.found(&key) {
            None if self.has_objects() => Err(Interrupt::Pending(vec![attempt_call(
                &Command::Seen,
                &key,
                &key,
            )])),
            None => Err(Interrupt::Pending(vec![Need::read(&key)])),
            Some(Found::Unavailable) => Err(Interrupt::Reject(Problem::StoreUnavailable)),
            Some(Found::Absent) => Ok(false),
            Some(Found::Bytes(_)) if !self.has_objects() => Ok(true),
            Some(Found::Bytes(reply)) => {
                let reply = Reply::parse(reply);
                Ok(reply.is_none_or(|reply| reply.verdict != Verdict::Allowed))
            }
        }
    }

    /// Stores that a console session ended, until it would expire. With KV alone other locations see that late.
    fn end(
        &mut self,
        console_session: &ConsoleSession,
        answers: &Answers,
    ) -> Result<(), Interrupt> {
        let key = key_of(console_session);
        if self.has_objects() {
            return match answers.found(ENDS) {
                None => {
                    let once = Command::Once {
                        until: console_session.ends().0.saturating_mul(1_000),
                        by: self.random.next_u64(),
                    };
                    Err(Interrupt::Pending(vec![attempt_call(&once, &key, ENDS)]))
                }
                Some(Found::Bytes(_)) => Ok(()),
                Some(_) => Err(Interrupt::Reject(Problem::StoreUnavailable)),
            };
        }
        match answers.written() {
            None => {
                self.writes.push(Write {
                    key,
                    value: b"1".to_vec(),
                    ttl: MAX_LENGTH,
                });
                Err(Interrupt::Pending(vec![Need::Store]))
            }
            Some(true) => Ok(()),
            Some(false) => Err(Interrupt::Reject(Problem::StoreUnavailable)),
        }
    }

    fn has_objects(&self) -> bool {
        self.deployment.secrets.has("ATTEMPT_OBJECTS")
    }
}

fn scope(authority: &Authority, request: &Request<'_>) -> Scope {
    Scope::new(&authority.to_text(), request.location.authority)
}

/// Returns the storage key of a session's end: a hash, which reveals no id.
fn key_of(console_session: &ConsoleSession) -> String {
    let hash = Sha256::digest([b"console badge\0", console_session.id()].concat());
    format!("c:{}", encoding::base64url(&hash))
}

/// Builds a call to an object that counts single events.
fn attempt_call(command: &Command, object: &str, key: &str) -> Need {
    Need::Call {
        class: Class::Attempts,
        name: object.to_owned(),
        command: command.to_text(),
        key: key.to_owned(),
        deadline_ms: CALL_DEADLINE_MS,
    }
}

/// Returns the token of the body in the form of an `Authorization` header.
fn shown(request: &Request<'_>, answers: &Answers) -> Result<String, Interrupt> {
    match answers.body() {
        None => {
            let limit = json::LARGEST_UNAUTHENTICATED;
            Err(Interrupt::Pending(vec![Need::Body { limit }]))
        }
        Some(Body::TooLarge) => Err(Interrupt::Reject(Problem::BodyTooLarge)),
        Some(Body::Broken) => Err(Interrupt::Reject(Problem::BrokenBody)),
        Some(Body::Bytes(bytes)) => {
            let body = json::object(request, bytes, json::MAX_UNAUTHENTICATED_LENGTH);
            let body = body.map_err(|bad| Interrupt::Reject(Problem::from(bad)))?;
            let token = body.get("token").and_then(Value::as_str);
            let token = token.filter(|_| body.len() == 1).ok_or_else(|| {
                let what = "The body must hold `token`, and nothing else.";
                Interrupt::Reject(Problem::Invalid(what.to_owned()))
            })?;
            Ok(format!("Bearer {token}"))
        }
    }
}
