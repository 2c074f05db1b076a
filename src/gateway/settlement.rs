//! The way out: what the origin asks of the session, and what the client gets to see.

use super::recognition::Standing;
use super::ticket::Ticket;
use super::{Gateway, Halt};
use crate::answer::Answer;
use crate::answer::problem::Problem;
use crate::clock::UnixMillis;
use crate::cookie::set_cookie;
use crate::cookie::token::Token;
use crate::forward::controls;
use crate::forward::response::{Context, Edits};
use crate::session::changes::{self, Refused, Wishes};
use crate::session::id::SessionId;
use crate::session::record::{Record, Version};
use crate::store::{Answers, Read};
use crate::telemetry::log::{Event, Level};

/// What becomes of an origin's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It goes to the client as it is.
    Untouched,
    /// It goes to the client with these edits.
    Edited(Edits),
    /// The client gets this instead.
    Replaced(Answer),
    /// Read this, then ask again.
    Read(Read),
    /// Store what [`Gateway::take_writes`] holds, wait for the acknowledgement, then ask again.
    Store,
}

/// What an answer has to wait for.
enum Lack {
    Read(Read),
    Store,
}

/// What an answer does to the visitor's cookie.
enum Cookie {
    Keep,
    Set(Token),
    Clear,
}

impl Gateway {
    /// Settles an answer of `status` with `headers` (packed like a request's, without the two
    /// first lines) to the request that `ticket` was issued for.
    pub fn settle(
        &mut self,
        ticket: &str,
        status: u16,
        headers: &str,
        now: UnixMillis,
        answers: &Answers,
    ) -> Settled {
        let Some(ticket) = Ticket::parse(ticket) else {
            return Settled::Replaced(Problem::Internal.answer(false, ""));
        };
        if status != 101 && !(200..=599).contains(&status) {
            let event = Event::new(Level::Warn, "origin_protocol").with("origin", ticket.origin);
            self.note(event.with("status", status));
            return Settled::Replaced(Problem::OriginProtocol.answer(false, ticket.trace_id));
        }
        let headers = unpack(headers);
        let cookie = match self.change_session(&ticket, &headers, now, answers) {
            Ok(cookie) => cookie,
            Err(Lack::Read(read)) => return Settled::Read(read),
            Err(Lack::Store) => return Settled::Store,
        };
        self.suspicions.clear(ticket.origin);
        let set_cookie = match cookie {
            Cookie::Set(token) => {
                let value = token.mint(&self.deployment.tenant.keys);
                Some(set_cookie::set(
                    ticket.name,
                    &value,
                    self.cookie_age(token.created, now),
                ))
            }
            Cookie::Clear => Some(set_cookie::clear(ticket.name)),
            Cookie::Keep => self.due_cookie(&ticket, now),
        };
        let public_base = format!("{}://{}", ticket.public_base.0, ticket.public_base.1);
        let origin = self.deployment.tenant.pool.named(ticket.origin);
        let edits = Edits::plan(
            &headers,
            Context {
                cookie: ticket.name,
                set_cookie,
                public_base: &public_base,
                origin_base: origin.map_or("", |origin| origin.base.as_str()),
            },
        );
        if edits.is_empty() {
            Settled::Untouched
        } else {
            Settled::Edited(edits)
        }
    }

    /// The cookie as the way in prepared it, if it must be set.
    fn due_cookie(&self, ticket: &Ticket<'_>, now: UnixMillis) -> Option<String> {
        if !ticket.set_cookie {
            return None;
        }
        let keys = &self.deployment.tenant.keys;
        let verified = Token::verify(ticket.cookie, keys, now.seconds()).ok()?;
        let age = self.cookie_age(verified.token.created, now);
        Some(set_cookie::set(ticket.name, ticket.cookie, age))
    }

    fn change_session(
        &mut self,
        ticket: &Ticket<'_>,
        headers: &[(&str, &str)],
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Cookie, Lack> {
        let (mut wishes, malformed) = controls::read(headers);
        if wishes == Wishes::default() && !ticket.pin {
            self.note_malformed(&malformed, ticket);
            return Ok(Cookie::Keep);
        }
        let Ok(verified) =
            Token::verify(ticket.cookie, &self.deployment.tenant.keys, now.seconds())
        else {
            return Ok(Cookie::Keep);
        };
        if let (true, Some(acknowledged)) = (wishes.destroy, answers.written()) {
            if !acknowledged {
                self.note_lost_change(ticket);
            }
            return Ok(Cookie::Clear);
        }
        let freshest = self
            .freshest(&verified.token, now, answers)
            .map_err(Lack::Read)?;
        // Only now, because all of the above may be done twice.
        self.note_malformed(&malformed, ticket);
        let Some((id, record)) = freshest else {
            self.note_lost_change(ticket);
            return Ok(Cookie::Keep);
        };
        if id != verified.token.id {
            // The id rotated while this request was under way: that wish is fulfilled already.
            wishes.rotate = false;
        }
        if ticket.pin {
            let hashed = self.deployment.tenant.pool.best(record.handle, |_| true);
            let elsewhere = hashed.is_none_or(|hashed| hashed.name != ticket.origin);
            wishes.pin = Some(elsewhere.then(|| ticket.origin.to_owned()));
        }
        let cookie = self.grant(id, &record, &wishes, verified.token, now);
        // That a session is over is not told before storage knows.
        if wishes.destroy && !self.writes.is_empty() {
            Err(Lack::Store)
        } else {
            Ok(cookie)
        }
    }

    fn note_malformed(&mut self, malformed: &[controls::Malformed], ticket: &Ticket<'_>) {
        for control in malformed {
            let event = Event::new(Level::Warn, "control_ignored").with("header", control.0);
            let event = event.with("origin", ticket.origin);
            self.note(event.with("trace_id", ticket.trace_id));
        }
    }

    fn note_lost_change(&mut self, ticket: &Ticket<'_>) {
        let event = Event::new(Level::Error, "session_change_lost").with("origin", ticket.origin);
        self.note(event.with("trace_id", ticket.trace_id));
    }

    fn grant(
        &mut self,
        id: SessionId,
        record: &Record,
        wishes: &Wishes,
        token: Token,
        now: UnixMillis,
    ) -> Cookie {
        let tenant = &self.deployment.tenant;
        let outcome = changes::apply(
            id,
            record,
            wishes,
            &tenant.lifetime,
            &tenant.keys,
            now.seconds(),
        );
        for refused in outcome.refused {
            let reason = match refused {
                Refused::Patch(reason) => format!("patch: {reason:?}"),
                Refused::Idle(idle) => format!("ttl out of bounds: {}", idle.0),
            };
            self.note(
                Event::new(Level::Warn, "control_ignored")
                    .about(record.handle)
                    .with("reason", reason),
            );
        }
        let written = !outcome.writes.is_empty();
        for (id, entry) in outcome.writes {
            self.store(id, entry, now);
        }
        match outcome.session {
            None => Cookie::Clear,
            Some((id, record)) if written || id != token.id => Cookie::Set(Token {
                id,
                issued: now.seconds(),
                least_version: record.version,
                ..token
            }),
            Some(_) => Cookie::Keep,
        }
    }

    /// The freshest copy of a session that is about to change: storage's, or this isolate's own if
    /// that is newer. `None` when the session is over or cannot be read.
    pub(super) fn freshest(
        &mut self,
        token: &Token,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Option<(SessionId, Record)>, Read> {
        let unstored = token.least_version == Version::UNSTORED;
        if unstored && self.cache.get(&token.id, u64::MAX, now).is_none() {
            return Ok(Some((token.id, self.unstored(token))));
        }
        let max_age = if unstored { u64::MAX } else { 0 };
        match self.look_up(token, max_age, answers, now) {
            Ok(Standing::Live { id, session, .. }) => Ok(Some((id, session.record.clone()))),
            Err(Halt::Read(read)) => Err(read),
            Ok(Standing::Unseen | Standing::Over(_)) | Err(_) => Ok(None),
        }
    }
}

fn unpack(packed: &str) -> Vec<(&str, &str)> {
    let mut lines = packed.split('\n');
    let mut headers = Vec::with_capacity(24);
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        headers.push((name, value));
    }
    headers
}
