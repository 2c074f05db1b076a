//! What can wait until the visitor has the answer: noting that a stored session is in use.
//!
//! The freshest copy is read first, so that a note which comes late brings back nothing that was
//! ended meanwhile, and takes back nothing that was changed.

use super::Gateway;
use super::ticket::Ticket;
use crate::clock::UnixMillis;
use crate::cookie::token::Token;
use crate::session::record::{Entry, Record};
use crate::store::{Answers, Read};

impl Gateway {
    /// Does what [`Forward::afterwards`](super::Forward::afterwards) announced. Returns the read it
    /// lacks, if any; what it wants stored is in [`Gateway::take_writes`].
    pub fn afterwards(&mut self, ticket: &str, now: UnixMillis, answers: &Answers) -> Option<Read> {
        let ticket = Ticket::parse(ticket)?;
        let verified =
            Token::verify(ticket.cookie, &self.deployment.tenant.keys, now.seconds()).ok()?;
        let (id, record) = match self.freshest(&verified.token, now, answers) {
            Ok(found) => found?,
            Err(read) => return Some(read),
        };
        let lifetime = self.deployment.tenant.lifetime;
        let span = record.span();
        if !lifetime.has_ended(&span, now.seconds()) {
            self.store(
                id,
                Entry::Live(Record {
                    seen: now.seconds(),
                    ..record
                }),
                now,
            );
        }
        None
    }
}
