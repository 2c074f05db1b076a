//! Handles an origin's response: its changes of the session, and its edits for the client.

use super::Gateway;
use super::anonymous::Anonymous;
use super::parts::{Balancer, Recorder, Sessions};
use super::response_context::ResponseContext;
use super::select_origin::needs_pin;
use super::update::{Update, UpdateError, UpdateOutcome};
use crate::clock::{Seconds, UnixMillis};
use crate::cookie::set_cookie;
use crate::cookie::token::{Token, Verified};
use crate::effect::{Answers, Need};
use crate::response::Answer;
use crate::response::problem::{Audience, Problem};
use crate::session::change::{Change, Refused};
use crate::session::record::{Previous, Version};
use crate::session::vault::{self, StoredCookie};
use crate::telemetry::log::{ConfigName, Event, Level};
use crate::tenant::Consistency;
use crate::upstream::public_url::Site;
use crate::upstream::response_headers::{Context, Edits, LOAD};
use crate::upstream::session_controls::{self, Controls};

/// Action for an origin's response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResponseAction {
    /// Send it unchanged.
    Untouched,
    /// Send it with these edits.
    Edited(Edits),
    /// Send this response instead.
    Replaced(Answer),
    /// Perform these needs, then call again.
    Await(Vec<Need>),
}

/// Reasons why a response does not go out as it is.
enum Unsettled {
    /// These needs must be performed first.
    Await(Vec<Need>),
    /// Its change of the session could not be stored.
    Storage,
}

/// Change of the session that a response asks for.
struct Wanted {
    change: Change,
    lease: Option<u64>,
    wait: Seconds,
    /// Controls without effect.
    ignored: Vec<&'static str>,
}

/// Effect of a response on the visitor's cookie.
enum Cookie {
    Keep,
    Set(Token, Seconds),
    Clear,
}

impl Gateway {
    /// Handles a response of `status` with `headers` to the request with `response_context`. The headers are packed
    /// like a request's, without the two first lines.
    pub(crate) fn handle_response(
        &mut self,
        response_context: &str,
        status: u16,
        headers: &str,
        now: UnixMillis,
        answers: &Answers,
    ) -> ResponseAction {
        let Some(context) = ResponseContext::parse(response_context) else {
            return ResponseAction::Replaced(Problem::Internal.answer(Audience::Program, ""));
        };
        self.recorder.labels = context.request_labels();
        self.recorder.state_changed = false;
        if status != 101 && !(200..=599).contains(&status) {
            let event = Event::new(Level::Warn, "origin_protocol")
                .with("origin", ConfigName(context.origin));
            self.recorder.emit(event.with("status", status));
            return ResponseAction::Replaced(
                Problem::OriginProtocol.answer(Audience::Program, context.trace_id),
            );
        }
        let headers = unpack(headers);
        let patched =
            match self.patch_response(&context, (status, headers.as_slice()), now, answers) {
                Ok(patched) => patched,
                Err(need) => return ResponseAction::Await(vec![need]),
            };
        let cookie = match self.change_session(&context, &headers, now, answers) {
            Ok(cookie) => cookie,
            Err(Unsettled::Await(needs)) => return ResponseAction::Await(needs),
            Err(Unsettled::Storage) => {
                let problem = Problem::StoreUnavailable;
                return ResponseAction::Replaced(
                    problem.answer(Audience::Program, context.trace_id),
                );
            }
        };
        self.balancer
            .record_outcome(&mut self.recorder, &context, status, &headers, now);
        self.balancer
            .note_rejected_id(&self.sessions, &mut self.recorder, (&context, status), now);
        let cookie = match (
            &cookie,
            self.sessions
                .opening_cookie(&context, status, &headers, now),
        ) {
            (Cookie::Keep, Some((token, age))) => Cookie::Set(token, age),
            _ => cookie,
        };
        let set_cookies = match cookie {
            Cookie::Set(token, age) => {
                let value = token.mint(&self.tenant.keys);
                vec![self.tenant.set_cookie(context.name, &value, age)]
            }
            Cookie::Clear => self.tenant.clear_cookies(context.name),
            // As the decision on the request prepared it.
            Cookie::Keep if context.set_cookie => {
                let age = Seconds(context.cookie_age);
                vec![self.tenant.set_cookie(context.name, context.cookie, age)]
            }
            Cookie::Keep => Vec::new(),
        };
        let (scheme, authority) = context.public_base;
        let mut edits = Edits::plan(
            &headers,
            Context {
                cookie: context.name,
                is_public: context.anonymous == Some(Anonymous::Public),
                vault: &self.tenant.vault,
                set_cookies,
                patched,
                site: Site {
                    scheme,
                    authority,
                    origins: &self.balancer.pools,
                },
            },
        );
        if context.framed {
            let policy = self.tenant.frame_policy();
            edits.append.push(("content-security-policy", policy));
        }
        if edits.is_empty() {
            ResponseAction::Untouched
        } else {
            ResponseAction::Edited(edits)
        }
    }

    fn change_session(
        &mut self,
        context: &ResponseContext<'_>,
        headers: &[(&str, &str)],
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Cookie, Unsettled> {
        if context.anonymous.is_some() {
            // Without a session a control has no effect.
            for control in session_controls::named(headers) {
                self.recorder.note_ignored(context, control);
            }
            return Ok(Cookie::Keep);
        }
        let Controls {
            mut change,
            lease,
            wait,
            malformed,
        } = session_controls::read(headers);
        let (keep, not_kept) = self.sessions.cookies_to_keep(context, headers, now);
        change.keep = keep;
        let mut rejected = not_kept;
        if context.in_grace {
            rejected.extend(change.refused_in_grace());
            change = change.in_grace();
        }
        rejected.extend(change.validate(&self.tenant.lifetime));
        if !change.keep.is_empty() && !self.sessions.names_a_version(context) {
            // No cookie is stored, so there is nothing to delete but the cookies of this response.
            change.keep = vault::left_of(change.keep, now.seconds());
        }
        let malformed = malformed.iter().map(|control| control.0);
        let rejected = rejected.iter().map(|control| control.0);
        let ignored: Vec<_> = malformed.chain(rejected).collect();
        if change.is_empty() && !context.pin {
            for control in ignored {
                self.recorder.note_ignored(context, control);
            }
            return Ok(Cookie::Keep);
        }
        let wanted = Wanted {
            change,
            lease,
            wait,
            ignored,
        };
        self.store_change(context, wanted, now, answers)
    }

    /// Stores a change, or a pin. May run more than once for a response, but logs once.
    #[inline(never)]
    fn store_change(
        &mut self,
        context: &ResponseContext<'_>,
        wanted: Wanted,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Cookie, Unsettled> {
        let Wanted {
            mut change,
            lease,
            wait,
            ignored,
        } = wanted;
        let has_change = !change.is_empty();
        self.recorder.state_changed = true;
        let keys = &self.tenant.keys;
        let Ok(Verified { token, .. }) = Token::verify(context.cookie, keys, now.seconds()) else {
            return Ok(Cookie::Keep);
        };
        if context.pin {
            let hashed = self.balancer.hashed(token.handle, token.created);
            let is_pinned = needs_pin(context.origin, hashed, token.created);
            change.pin = Some(is_pinned.then(|| context.origin.to_owned()));
        }
        let ends = change.end;
        // A guest's cookie does not say whether data is stored. The object, if there is one, does.
        let ordered = self.tenant.consistency == Consistency::Strong;
        if ends && !ordered && !self.sessions.is_recorded(&token, now) {
            return Ok(Cookie::Clear);
        }
        if let (true, Some(acknowledged)) = (ends, answers.written()) {
            return if acknowledged {
                self.recorder.note_ended(token.handle, "origin");
                Ok(Cookie::Clear)
            } else {
                Err(self.recorder.lose_change(context, "silent"))
            };
        }
        let update = Update {
            client: context.client,
            lease,
            wait,
            write_behind: true,
            ..Update::by(&token, change)
        };
        let updated = self
            .sessions
            .update(&mut self.recorder, &update, answers, now)
            .map_err(Unsettled::Await)?;
        for control in ignored {
            self.recorder.note_ignored(context, control);
        }
        match updated {
            UpdateOutcome::Live { session, refused } => {
                for what in &refused {
                    self.recorder.note_ignored(context, what);
                }
                let record = &session.record;
                let moved = record.id != token.id || record.version != token.least_version;
                // One hop only: a request with a replaced id gets the next id, not the one after that.
                let came_with = |previous: &Previous| previous.id == token.id;
                let next = record.previous.as_ref().is_some_and(came_with) && !context.in_grace;
                let id = if next { record.id } else { token.id };
                Ok(if moved && record.version > Version::UNSTORED {
                    let age = self
                        .tenant
                        .lifetime
                        .cookie_age(&record.span(), now.seconds());
                    let token = Token {
                        id,
                        issued: now.seconds(),
                        least_version: record.version,
                        ..token
                    };
                    Cookie::Set(token, age)
                } else {
                    Cookie::Keep
                })
            }
            // With KV alone the client learns of the end only once storage has it.
            UpdateOutcome::Ended if ends && !self.sessions.writes.is_empty() => {
                Err(Unsettled::Await(vec![Need::Store]))
            }
            UpdateOutcome::Ended if ends => {
                self.recorder.note_ended(token.handle, "origin");
                Ok(Cookie::Clear)
            }
            UpdateOutcome::Ended => {
                self.recorder.note_lost_change(context, "ended");
                Ok(Cookie::Keep)
            }
            UpdateOutcome::Not(error) => {
                let (reason, is_fault) = match &error {
                    UpdateError::Absent => ("absent", false),
                    UpdateError::Outdated => ("outdated", false),
                    UpdateError::Version => ("version", false),
                    UpdateError::Lease(_) => ("lease", false),
                    UpdateError::Unreadable => ("unreadable", true),
                    UpdateError::NotYetReadable => ("not_yet_readable", true),
                    UpdateError::Silent => ("silent", true),
                    UpdateError::Unannounced => ("unannounced", true),
                };
                if ends && error == UpdateError::Absent {
                    return Ok(Cookie::Clear);
                }
                // A change that the origin requested and believes done must not be lost silently.
                if is_fault && ((has_change && ordered) || ends) {
                    return Err(self.recorder.lose_change(context, reason));
                }
                self.recorder.note_lost_change(context, reason);
                Ok(Cookie::Keep)
            }
        }
    }
}

impl Balancer {
    /// Records the health and load of an origin that its response shows.
    fn record_outcome(
        &mut self,
        recorder: &mut Recorder,
        context: &ResponseContext<'_>,
        status: u16,
        headers: &[(&str, &str)],
        now: UnixMillis,
    ) {
        // Gateway errors mean that the server behind is gone; other errors are the application's.
        if matches!(status, 502..=504) {
            recorder.state_changed = true;
            self.record_failure(recorder, context.origin, "gateway_errors", None, now);
        } else {
            self.health.record_success(context.origin, now);
        }
        for (name, metrics) in headers {
            if *name == LOAD {
                recorder.state_changed = true;
                self.load.report(context.origin, metrics, now);
            }
        }
    }
}

impl Sessions {
    /// Returns the cookies of a response to keep in the vault, in their order, as a browser would keep them. Returns a
    /// refusal for each that a browser would reject.
    #[inline(never)]
    fn cookies_to_keep(
        &self,
        context: &ResponseContext<'_>,
        headers: &[(&str, &str)],
        now: UnixMillis,
    ) -> (Vec<StoredCookie>, Vec<Refused>) {
        let (mut keep, mut not_kept) = (Vec::new(), Vec::new());
        let vault = &self.tenant.vault;
        if vault.is_empty() {
            return (keep, not_kept);
        }
        for (_, line) in headers.iter().filter(|(name, _)| *name == "set-cookie") {
            // A nameless cookie goes, here and for its removal, by the name in the text that browsers send.
            let name = set_cookie::name_of(line);
            if context.name.is_ours(name) || !vault.iter().any(|pattern| pattern.matches(name)) {
                continue;
            }
            match StoredCookie::parse(line, context.path, now.seconds()) {
                Some(kept) => keep.push(kept),
                None => not_kept.push(Refused("vault")),
            }
        }
        (keep, not_kept)
    }

    /// Returns whether the request's cookie names a stored version.
    fn names_a_version(&self, context: &ResponseContext<'_>) -> bool {
        Token::opened(context.cookie, &self.tenant.keys)
            .is_some_and(|token| token.least_version > Version::UNSTORED)
    }

    /// Returns whether any data of a session is stored, by its cookie and this isolate's cache.
    fn is_recorded(&mut self, token: &Token, now: UnixMillis) -> bool {
        token.least_version > Version::UNSTORED || self.cache.get(token.handle, now).is_some()
    }
}

impl Recorder {
    /// Logs a control of the origin that has no effect, by its name, because its value may hold secrets.
    fn note_ignored(&mut self, context: &ResponseContext<'_>, control: &str) {
        let event = Event::new(Level::Warn, "control_ignored").with("control", ConfigName(control));
        let event = event.with("origin", ConfigName(context.origin));
        self.emit(event);
    }

    fn lose_change(&mut self, context: &ResponseContext<'_>, reason: &'static str) -> Unsettled {
        self.note_lost_change(context, reason);
        Unsettled::Storage
    }

    fn note_lost_change(&mut self, context: &ResponseContext<'_>, reason: &'static str) {
        let event = Event::new(Level::Error, "session_change_lost")
            .with("origin", ConfigName(context.origin));
        let event = event.with("reason", reason);
        self.emit(event);
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
