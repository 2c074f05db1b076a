//! The visitor's own sessions: see them, end one, end this one, end all.

use super::parts::{Recorder, Sessions};
use serde_json::{Value, json};

use super::authenticate::{Caller, Visitor};
use super::update::{Update, UpdateError, UpdateOutcome};
use super::{Gateway, Interrupt, RequestContext};
use crate::clock::UnixMillis;
use crate::cookie::set_cookie;
use crate::effect::{Answers, Found, Need};
use crate::keys::UserTag;
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::change::Change;
use crate::session::id::{Handle, PublicName};
use crate::session::record::Epoch;
use crate::store::revocations::Subject;
use crate::store::session_index;
use crate::telemetry::log::{Event, Level};
use crate::tenant::Consistency;

/// The most sessions a visitor's list shows.
const MAX_LISTED: usize = 100;

impl Gateway {
    /// `GET /sessions`: the sessions of whoever is calling; a guest has this one only.
    pub(super) fn devices(&mut self, context: &RequestContext<'_>) -> Result<Answer, Interrupt> {
        let visitor = self.own_session(context)?;
        let current = visitor.session.record.handle;
        let sessions = if visitor.session.tags.is_empty() {
            vec![visitor.session.clone()]
        } else {
            let (mut sessions, _) = self.sessions.list(
                &mut self.recorder,
                Some(&visitor.session.tags),
                None,
                MAX_LISTED,
                context,
            )?;
            // A list may be behind; this very session is certain.
            if !sessions.iter().any(|one| one.record.handle == current) {
                sessions.push(visitor.session.clone());
            }
            let user = |tags: &[UserTag]| tags.first().copied();
            sessions.retain(|one| user(&one.tags) == user(&visitor.session.tags));
            sessions
        };
        let sessions: Vec<Value> = sessions
            .iter()
            .map(|one| {
                let mut summary = self.summary(&one.record);
                let is_current = one.record.handle == current;
                summary.insert("current".to_owned(), json!(is_current));
                Value::Object(summary)
            })
            .collect();
        Ok(Answer::json(200, &json!({ "sessions": sessions })))
    }

    /// `DELETE /sessions/{name}`: ends one of the caller's own.
    pub(super) fn end_device(
        &mut self,
        name: &str,
        context: &RequestContext<'_>,
    ) -> Result<Answer, Interrupt> {
        if !context.request.is_same_site() {
            return Err(Problem::CrossSite.into());
        }
        let name = PublicName::parse(name).ok_or(Problem::NotFound)?;
        let handle = name.handle;
        if context.answers.written() == Some(true) {
            // With KV alone it is done by now, and whoever ended this very session is not known any more.
            let own = !matches!(self.authenticate(context)?, Caller::Visitor(_));
            return Ok(self.device_ended(handle, own, context));
        }
        let visitor = self.own_session(context)?;
        let own = visitor.session.record.name() == name;
        if !own && visitor.session.tags.is_empty() {
            return Err(Problem::NotFound.into());
        }
        let change_key = format!("change {}", handle.to_text());
        let under_way =
            context.answers.found(&change_key).is_some() || context.answers.written().is_some();
        if !own && !under_way {
            let theirs = self.sessions.inspect(&mut self.recorder, handle, context)?;
            let theirs = theirs.ok_or(Problem::NotFound)?;
            if !name.is_of(theirs.record.sign_in)
                || !theirs
                    .tags
                    .iter()
                    .any(|tag| visitor.session.tags.contains(tag))
            {
                return Err(Problem::NotFound.into());
            }
        }
        self.sessions
            .end_named(&mut self.recorder, name, context.answers, context.now)?;
        Ok(self.device_ended(handle, own, context))
    }

    fn device_ended(&mut self, handle: Handle, own: bool, context: &RequestContext<'_>) -> Answer {
        self.recorder.note_ended(handle, "device");
        let line = own.then(|| set_cookie::clear(context.cookie));
        Answer::empty(204).with_cookie(line)
    }

    /// The session of whoever is calling; a program without one is told so.
    fn own_session(&mut self, context: &RequestContext<'_>) -> Result<Visitor, Interrupt> {
        match self.authenticate(context)? {
            Caller::Visitor(visitor) => Ok(visitor),
            Caller::Anonymous { forged } => Err(Interrupt::Reject {
                problem: Problem::NoSession,
                clear_cookie: forged,
            }),
            Caller::Over(problem) => Err(Interrupt::Reject {
                problem,
                clear_cookie: true,
            }),
        }
    }
}

impl Sessions {
    /// Ends a session, whoever has signed in, and does not come back before that is certain.
    pub(super) fn end(
        &mut self,
        recorder: &mut Recorder,
        handle: Handle,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<(), Interrupt> {
        self.carry_out_end(recorder, &Update::of(handle, end()), answers, now)
    }

    /// The same, unless the session has another name by now; it is not found then.
    pub(super) fn end_named(
        &mut self,
        recorder: &mut Recorder,
        name: PublicName,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<(), Interrupt> {
        self.carry_out_end(recorder, &Update::of_named(name, end()), answers, now)
    }

    fn carry_out_end(
        &mut self,
        recorder: &mut Recorder,
        alteration: &Update<'_>,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<(), Interrupt> {
        if let Some(acknowledged) = answers.written() {
            return if acknowledged {
                Ok(())
            } else {
                Err(Problem::StoreUnavailable.into())
            };
        }
        match self
            .alter(recorder, alteration, answers, now)
            .map_err(Interrupt::Pending)?
        {
            UpdateOutcome::Ended if !self.writes.is_empty() => {
                Err(Interrupt::Pending(vec![Need::Store]))
            }
            UpdateOutcome::Ended | UpdateOutcome::Not(UpdateError::Absent) => Ok(()),
            UpdateOutcome::Not(UpdateError::Outdated) => Err(Problem::NotFound.into()),
            UpdateOutcome::Live { .. } | UpdateOutcome::Not(_) => {
                Err(Problem::StoreUnavailable.into())
            }
        }
    }

    /// Revokes these subjects, and does not come back before that is certain.
    pub(super) fn revoke(
        &mut self,
        subjects: &[Subject],
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<(), Interrupt> {
        let tenant = &self.tenant;
        let until = now.seconds() + tenant.lifetime.longest();
        let epoch = match tenant.consistency {
            Consistency::Strong => match answers.found(session_index::REVOKED) {
                None => {
                    let need = session_index::revoke(&tenant.id, subjects, until);
                    return Err(Interrupt::Pending(vec![need]));
                }
                Some(Found::Bytes(answer)) => {
                    session_index::read_epoch(answer).ok_or(Problem::StoreUnavailable)?
                }
                Some(Found::Absent | Found::Unavailable) => {
                    return Err(Problem::StoreUnavailable.into());
                }
            },
            Consistency::Eventual => {
                let ttl = crate::session::lifetime::stored_until(until, now.seconds());
                let epoch = Epoch(now.0);
                for subject in subjects {
                    let write = session_index::revocation(&tenant.id, *subject, epoch, ttl);
                    // A step that is asked again revokes once.
                    let (name, _) = write.key.rsplit_once(':').unwrap_or_default();
                    if !self.writes.iter().any(|other| other.key.starts_with(name)) {
                        self.writes.push(write);
                    }
                }
                epoch
            }
        };
        for subject in subjects {
            self.revocations.note(*subject, epoch);
        }
        Ok(())
    }
}

impl Recorder {
    /// Tells that a session was ended, and by what.
    pub(super) fn note_ended(&mut self, handle: Handle, reason: &'static str) {
        let event = Event::new(Level::Info, "session_ended").with("reason", reason);
        self.emit(event.about(handle));
    }
}

fn end() -> Change {
    Change {
        end: true,
        ..Change::default()
    }
}
