//! Ends sessions: one, or all of a user or a tenant.

use super::parts::{Recorder, Sessions};

use super::Interrupt;
use super::update::{Update, UpdateError, UpdateOutcome};
use crate::clock::UnixMillis;
use crate::effect::{Answers, Found, Need};
use crate::response::problem::Problem;
use crate::session::change::Change;
use crate::session::id::{Handle, PublicName};
use crate::session::record::Epoch;
use crate::store::revocations::Subject;
use crate::store::session_index;
use crate::telemetry::log::{Event, Level};
use crate::tenant::Consistency;

impl Sessions {
    /// Ends a session, whichever user signed in, and returns only once the end is certain.
    pub(crate) fn end(
        &mut self,
        recorder: &mut Recorder,
        handle: Handle,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<(), Interrupt> {
        self.carry_out_end(recorder, &Update::of(handle, end()), answers, now)
    }

    /// Ends a session as above, but returns `NotFound` if it has another name by now.
    pub(crate) fn end_named(
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
        update: &Update<'_>,
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
            .update(recorder, update, answers, now)
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

    /// Revokes these subjects. With objects returns only once that is certain; with KV alone queues the writes.
    pub(crate) fn revoke(
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
                    // A repeated step revokes once.
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
    /// Logs that a session ended, and why.
    pub(crate) fn note_ended(&mut self, handle: Handle, reason: &'static str) {
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
