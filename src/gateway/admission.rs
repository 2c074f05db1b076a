//! Who may come in: guests where they are welcome, nobody else without a session.

use std::rc::Rc;

use super::recognition::{Caller, Visitor, unstored};
use super::{Gateway, Halt, Passage};
use crate::answer::Answer;
use crate::answer::problem::Problem;
use crate::cookie::set_cookie;
use crate::cookie::token::Token;
use crate::encoding::push_percent_encoded;
use crate::inbound::request::{Location, Request};
use crate::session::id::Handle;
use crate::session::record::Version;

impl Gateway {
    /// Turns whoever is calling into a visitor, or away.
    pub(super) fn receive(
        &mut self,
        caller: Caller,
        passage: &Passage<'_>,
    ) -> Result<Visitor, Halt> {
        let guests = self.admits_guests(passage);
        let navigation = passage.request.is_navigation();
        match caller {
            Caller::Visitor(visitor) if guests || visitor.session.record.identity.is_some() => {
                Ok(visitor)
            }
            // A guest's session does not open a door that asks for more.
            Caller::Visitor(_) => Err(self.turn_away(Problem::NoSession, false, passage)),
            Caller::Stranger { .. } if guests => self.welcome(passage),
            Caller::Stranger { forged } => Err(self.turn_away(Problem::NoSession, forged, passage)),
            // The browser has a newer cookie, or gets it any moment: it must not lose that.
            Caller::Over(problem @ Problem::SessionReplaced) => Err(problem.into()),
            // A person just starts anew; a program is told, once, that its session is gone.
            Caller::Over(_) if guests && navigation => self.welcome(passage),
            Caller::Over(problem) => Err(self.turn_away(problem, true, passage)),
        }
    }

    /// Whether who has not signed in may do this.
    fn admits_guests(&self, passage: &Passage<'_>) -> bool {
        let Request {
            method, location, ..
        } = passage.request;
        self.tenant.login_at(method, location.path).admits_guests()
    }

    /// A new guest: a cookie, and nothing stored.
    fn welcome(&mut self, passage: &Passage<'_>) -> Result<Visitor, Halt> {
        let now = passage.now.seconds();
        let id = self.draw(passage)?;
        let token = Token {
            handle: Handle::derive(&self.tenant.id, &id),
            id,
            created: now,
            issued: now,
            least_version: Version::UNSTORED,
        };
        let session = Rc::new(self.prepared(unstored(&token)));
        Ok(Visitor {
            is_new: true,
            ..self.visitor(session, token, None)
        })
    }

    fn turn_away(&self, problem: Problem, clear_cookie: bool, passage: &Passage<'_>) -> Halt {
        if self.admits_guests(passage) || !passage.request.is_navigation() {
            return Halt::Refuse {
                problem,
                clear_cookie,
            };
        }
        let line = clear_cookie.then(|| set_cookie::clear(passage.cookie));
        let location = login_url(&self.prefix, &passage.request.location);
        Halt::Answer(
            Answer::empty(303)
                .with("location", location)
                .with_cookie(line),
        )
    }
}

/// The login page, with the way back: path and query of this site, nothing else.
fn login_url(prefix: &str, location: &Location<'_>) -> String {
    let mut url = format!("{prefix}/login?return_to=");
    push_percent_encoded(&mut url, location.target);
    url
}
