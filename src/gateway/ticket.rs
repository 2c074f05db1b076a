//! What the way in tells the way out: a text the edge carries along with a request.
//!
//! Nothing is kept in memory for a request on its way, so one that never comes back leaks nothing
//! and an instance that is replaced meanwhile loses nothing.

use core::fmt::Write as _;

use crate::cookie::name::CookieName;

/// The facts of a forwarded request that its answer needs. Not a secret from the edge, which has
/// the cookie anyway; never leaves the isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket<'a> {
    /// The cookie's value: as presented, or as it must be set.
    pub(super) cookie: &'a str,
    /// The cookie must be set.
    pub(super) set_cookie: bool,
    /// Where the conversation is must be written down.
    pub(super) pin: bool,
    /// The client came with the id before the last rotation.
    pub(super) in_grace: bool,
    /// That the session is in use must be written down.
    pub(super) touch: bool,
    /// Storage is to be asked anew.
    pub(super) reread: bool,
    /// The revocations are to be asked for.
    pub(super) refeed: bool,
    /// What is known about origins is to be shared.
    pub(super) share: bool,
    /// Which name our cookie has on this connection.
    pub(super) name: CookieName,
    /// The origin's name.
    pub(super) origin: &'a str,
    /// Scheme and authority the client used.
    pub(super) public_base: (&'a str, &'a str),
    /// For the log.
    pub(super) trace_id: &'a str,
    /// The kind of device and the country the client seems to be in; empty for a session that is
    /// recorded already.
    pub(super) client: (&'a str, &'a str),
    /// How many seconds the browser is to keep the cookie.
    pub(super) cookie_age: u64,
}

impl<'a> Ticket<'a> {
    pub(super) fn to_text(self) -> String {
        let flag = |set: bool, letter: char| if set { letter } else { '-' };
        let mut text = String::with_capacity(192);
        text.push_str(self.cookie);
        text.push('\t');
        text.push(flag(self.set_cookie, 'c'));
        text.push(flag(self.pin, 'p'));
        text.push(flag(self.in_grace, 'g'));
        text.push(flag(self.touch, 't'));
        text.push(flag(self.reread, 'r'));
        text.push(flag(self.refeed, 'f'));
        text.push(flag(self.share, 's'));
        text.push(flag(self.name == CookieName::Loopback, 'l'));
        for field in [
            self.origin,
            self.public_base.0,
            self.public_base.1,
            self.trace_id,
            self.client.0,
            self.client.1,
        ] {
            text.push('\t');
            text.push_str(field);
        }
        let _ = write!(text, "\t{}", self.cookie_age);
        text
    }

    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.split('\t');
        let cookie = fields.next()?;
        let flags = fields.next()?;
        Some(Self {
            cookie,
            set_cookie: flags.contains('c'),
            pin: flags.contains('p'),
            in_grace: flags.contains('g'),
            touch: flags.contains('t'),
            reread: flags.contains('r'),
            refeed: flags.contains('f'),
            share: flags.contains('s'),
            name: if flags.contains('l') {
                CookieName::Loopback
            } else {
                CookieName::Host
            },
            origin: fields.next()?,
            public_base: (fields.next()?, fields.next()?),
            trace_id: fields.next()?,
            client: (fields.next()?, fields.next()?),
            cookie_age: fields.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_comes_back_as_it_was_issued() {
        let ticket = Ticket {
            cookie: "value",
            set_cookie: true,
            pin: false,
            in_grace: true,
            touch: true,
            reread: false,
            refeed: true,
            share: false,
            name: CookieName::Loopback,
            origin: "blue",
            public_base: ("http", "localhost:8787"),
            trace_id: "abc",
            client: ("phone", ""),
            cookie_age: 60,
        };
        assert_eq!(Ticket::parse(&ticket.to_text()), Some(ticket));
        assert_eq!(Ticket::parse("value\tc"), None);
    }
}
