//! Keeps the revocation list fresh and checks sessions against it.

use super::parts::{Recorder, Sessions};
use crate::clock::UnixMillis;
use crate::effect::{Answers, Found, Need};
use crate::session::prepared::Prepared;
use crate::session::record::Epoch;
use crate::store::revocations::Freshness;
use crate::store::session_index;
use crate::telemetry::log::{Event, Level};
use crate::tenant::Consistency;

/// Maximum number of polls for one request.
const MAX_POLLS: u32 = 2;

/// State of the revocation list.
pub(crate) struct Feed {
    /// Whether an update of the list failed.
    pub(crate) degraded: bool,
    /// Whether to poll in the background.
    pub(crate) poll: bool,
}

impl Sessions {
    /// Ensures that this isolate's revocation list is fresh enough to decide with.
    ///
    /// # Errors
    /// Returns the poll to perform first.
    pub(crate) fn require_revocations(
        &mut self,
        recorder: &mut Recorder,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Feed, Need> {
        let polls = if answers.has_no_reads() {
            0
        } else {
            self.learn_revocations(recorder, answers, now)
        };
        match self
            .revocations
            .freshness(self.tenant.revocations_fresh_ms(), now)
        {
            Freshness::Fresh => Ok(Feed {
                degraded: false,
                poll: false,
            }),
            Freshness::Due => {
                self.revocations.note_asked(now);
                Ok(Feed {
                    degraded: false,
                    poll: true,
                })
            }
            Freshness::Unreachable => Ok(Feed {
                degraded: true,
                poll: false,
            }),
            // Answers take longer than they may be old.
            Freshness::Stale if polls >= MAX_POLLS => Ok(Feed {
                degraded: true,
                poll: false,
            }),
            Freshness::Stale => Err(self.revocations_need()),
        }
    }

    /// Returns the poll for revocations since the last known one.
    pub(crate) fn revocations_need(&self) -> Need {
        let tenant = &self.tenant;
        session_index::ask_feed(&tenant.id, tenant.consistency, self.revocations.last())
    }

    /// Applies the answer of a poll, if there is one. Returns how often this request polled.
    pub(crate) fn learn_revocations(
        &mut self,
        recorder: &mut Recorder,
        answers: &Answers,
        now: UnixMillis,
    ) -> u32 {
        let tenant = &self.tenant;
        let key = session_index::feed_key(&tenant.id, tenant.consistency);
        let Some(answer) = answers.read(&key) else {
            return 0;
        };
        let learned = match (answer.found, tenant.consistency) {
            (Found::Bytes(bytes), Consistency::Strong) => {
                self.revocations.learn(bytes, answer.asked).is_ok()
            }
            (Found::Bytes(bytes), Consistency::Eventual) => {
                let names = session_index::names(bytes);
                self.revocations.learn_names(names, answer.asked);
                true
            }
            (Found::Absent | Found::Unavailable, _) => false,
        };
        if !learned && self.revocations.note_failed(now) {
            recorder.emit(Event::new(Level::Warn, "revocations_unread"));
        }
        answer.attempts
    }

    /// Returns whether the session, its user or its tenant was revoked.
    pub(crate) fn is_revoked(&self, session: &Prepared) -> bool {
        self.revocations
            .covers(&session.record, &session.revocation_subjects)
    }

    /// Returns the revocation epoch of a session that begins now.
    pub(crate) fn epoch(&self, now: UnixMillis) -> Epoch {
        match self.tenant.consistency {
            Consistency::Strong => self.revocations.last(),
            Consistency::Eventual => Epoch(now.0),
        }
    }
}
