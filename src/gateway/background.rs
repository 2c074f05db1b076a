//! Runs the work that can wait until after the response, such as noting use of a session, rereading it, and polling
//! revocations.

use super::parts::{Recorder, Sessions};
use super::response_context::ResponseContext;
use super::update::Update;
use super::{Gateway, Interrupt};
use crate::clock::UnixMillis;
use crate::cookie::token::Token;
use crate::effect::{Answers, Found, Need};
use crate::session::change::Change;
use crate::session::id::RecordName;

impl Gateway {
    /// Does the work that [`Forward::run_background`](super::Forward::run_background) announced. Returns its needs;
    /// [`Sessions::take_writes`](super::parts::Sessions::take_writes) returns its writes.
    pub(crate) fn run_background(
        &mut self,
        response_context: &str,
        now: UnixMillis,
        answers: &Answers,
    ) -> Vec<Need> {
        let Some(context) = ResponseContext::parse(response_context) else {
            return Vec::new();
        };
        self.recorder.labels = context.request_labels();
        let mut needs = Vec::new();
        if context.sync_origins {
            needs.extend(self.balancer.sync_origins(answers, now));
        }
        let keys = &self.tenant.keys;
        let Ok(verified) = Token::verify(context.cookie, keys, now.seconds()) else {
            return needs;
        };
        if context.refeed {
            needs.extend(
                self.sessions
                    .reload_revocations(&mut self.recorder, answers, now),
            );
        }
        if context.refresh {
            needs.extend(self.logins.refresh_in_background(
                &mut self.sessions,
                &mut self.recorder,
                verified.token.handle,
                answers,
                now,
            ));
        }
        if context.touch {
            needs.extend(
                self.sessions
                    .touch(&mut self.recorder, &verified.token, answers, now),
            );
        } else if context.reread {
            needs.extend(
                self.sessions
                    .reread(&mut self.recorder, &verified.token, answers),
            );
        }
        needs
    }
}

impl Sessions {
    fn reload_revocations(
        &mut self,
        recorder: &mut Recorder,
        answers: &Answers,
        now: UnixMillis,
    ) -> Option<Need> {
        let polls = self.learn_revocations(recorder, answers, now);
        (polls == 0).then(|| self.revocations_need())
    }

    /// Stores that the session is in use. With KV alone this reads the freshest copy first. So a late write neither
    /// revives an ended session nor undoes a change.
    fn touch(
        &mut self,
        recorder: &mut Recorder,
        token: &Token,
        answers: &Answers,
        now: UnixMillis,
    ) -> Vec<Need> {
        let update = Update::by(token, Change::touch());
        self.update(recorder, &update, answers, now)
            .err()
            .unwrap_or_default()
    }

    fn reread(
        &mut self,
        recorder: &mut Recorder,
        token: &Token,
        answers: &Answers,
    ) -> Option<Need> {
        let name = RecordName::derive(&self.tenant.id, token.handle);
        let Some(answer) = answers.read(name.as_str()) else {
            return Some(Need::read(name.as_str()));
        };
        match answer.found {
            Found::Bytes(bytes) => {
                // A later request handles an unreadable record, once the copy is too old for use.
                let _: Result<_, Interrupt> =
                    self.open(recorder, token.handle, &name, bytes, answer.asked);
            }
            // With KV alone no other store can confirm the absence. An ended session would have a tombstone.
            Found::Absent | Found::Unavailable => {}
        }
        None
    }
}
