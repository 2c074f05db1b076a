//! What can wait until the visitor has the answer: noting that a stored session is in use, reading
//! it again, hearing of revocations.

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
    /// Does what [`Forward::run_background`](super::Forward::run_background) announced. Returns what it
    /// lacks; what it wants stored is in [`Sessions::take_writes`](super::parts::Sessions::take_writes).
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
            needs.extend(self.logins.refresh_beside(
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
        let asked = self.learn_revocations(recorder, answers, now);
        (asked == 0).then(|| self.revocations_need())
    }

    /// Notes that the session is in use. With KV alone the freshest copy is read first, so that a
    /// note which comes late brings back nothing that was ended meanwhile, and takes back nothing
    /// that was changed.
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
                // What cannot be read is dealt with when the copy is too old to be used.
                let _: Result<_, Interrupt> =
                    self.open(recorder, token.handle, &name, bytes, answer.asked);
            }
            // With KV alone nobody else can say that it is gone; a tombstone would be there.
            Found::Absent | Found::Unavailable => {}
        }
        None
    }
}
