//! Carries what the response needs to know of its request: a text that travels with the request.
//!
//! Nothing is kept in memory for a request on its way, so one that never comes back leaks nothing
//! and an instance that is replaced meanwhile loses nothing.

use core::fmt::Write as _;

use super::anonymous::Anonymous;
use super::client_info::Client;
use crate::cookie::name::CookieName;
use crate::telemetry::labels::RequestLabels;

/// How many fields there are.
const FIELDS: usize = 10;

/// What the response to a forwarded request needs to know of it. Not a secret from the edge, which has
/// the cookie anyway; never leaves the isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseContext<'a> {
    /// The cookie's value: as presented, or as it must be set.
    pub(crate) cookie: &'a str,
    /// The cookie must be set.
    pub(crate) set_cookie: bool,
    /// Where the conversation is must be written down.
    pub(crate) pin: bool,
    /// The client came with the id before the last rotation.
    pub(crate) in_grace: bool,
    /// That the session is in use must be written down.
    pub(crate) touch: bool,
    /// Storage is to be asked again.
    pub(crate) reread: bool,
    /// The revocations are to be asked for.
    pub(crate) refeed: bool,
    /// A new access token is to be asked for.
    pub(crate) refresh: bool,
    /// What is known about origins is to be shared.
    pub(crate) sync_origins: bool,
    /// It went on without a session, and why.
    pub(crate) anonymous: Option<Anonymous>,
    /// It is a guest's, who asks for a connection that stays open: if one is opened the cookie says so.
    pub(crate) opens: bool,
    /// The request names an id of Engine.IO.
    pub(crate) engine_id: bool,
    /// Which name our cookie has on this connection.
    pub(crate) name: CookieName,
    /// The origin's name.
    pub(crate) origin: &'a str,
    /// Scheme and authority the client used.
    pub(crate) public_base: (&'a str, &'a str),
    /// The path that was asked for, if cookies of the origin are kept here.
    pub(crate) path: &'a str,
    /// For the log.
    pub(crate) trace_id: &'a str,
    /// How many seconds the browser is to keep the cookie.
    pub(crate) cookie_age: u64,
    /// Who the client says it is; empty for a session that is recorded already.
    pub(crate) client: Client<'a>,
}

impl<'a> ResponseContext<'a> {
    /// What is told of the request afterwards: which trace it belongs to.
    pub(crate) fn request_labels(&self) -> RequestLabels {
        RequestLabels {
            trace_id: self.trace_id.to_owned(),
            ..RequestLabels::default()
        }
    }

    pub(crate) fn to_text(self) -> String {
        let flag = |set: bool, letter: char| if set { letter } else { '-' };
        let mut text = String::with_capacity(256);
        text.push_str(self.cookie);
        text.push('\t');
        text.push(flag(self.set_cookie, 'c'));
        text.push(flag(self.pin, 'p'));
        text.push(flag(self.in_grace, 'g'));
        text.push(flag(self.touch, 't'));
        text.push(flag(self.reread, 'r'));
        text.push(flag(self.refeed, 'f'));
        text.push(flag(self.refresh, 'n'));
        text.push(flag(self.sync_origins, 's'));
        text.push(flag(self.opens, 'h'));
        text.push(flag(self.engine_id, 'e'));
        text.push(flag(self.name == CookieName::Loopback, 'l'));
        text.push(flag(self.anonymous == Some(Anonymous::Preflight), 'o'));
        text.push(flag(self.anonymous == Some(Anonymous::Public), 'k'));
        for field in [
            self.origin,
            self.public_base.0,
            self.public_base.1,
            self.path,
            self.trace_id,
            self.client.country,
        ] {
            text.push('\t');
            text.push_str(field);
        }
        // What a client says may hold a tab, so it comes last.
        let _ = write!(text, "\t{}\t{}", self.cookie_age, self.client.agent);
        text
    }

    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.splitn(FIELDS, '\t');
        let cookie = fields.next()?;
        let flags = fields.next()?;
        let [
            origin,
            scheme,
            authority,
            path,
            trace_id,
            country,
            cookie_age,
            agent,
        ] = core::array::from_fn(|_| fields.next());
        Some(Self {
            cookie,
            set_cookie: flags.contains('c'),
            pin: flags.contains('p'),
            in_grace: flags.contains('g'),
            touch: flags.contains('t'),
            reread: flags.contains('r'),
            refeed: flags.contains('f'),
            refresh: flags.contains('n'),
            sync_origins: flags.contains('s'),
            anonymous: if flags.contains('k') {
                Some(Anonymous::Public)
            } else {
                flags.contains('o').then_some(Anonymous::Preflight)
            },
            opens: flags.contains('h'),
            engine_id: flags.contains('e'),
            name: if flags.contains('l') {
                CookieName::Loopback
            } else {
                CookieName::Host
            },
            origin: origin?,
            public_base: (scheme?, authority?),
            path: path?,
            trace_id: trace_id?,
            cookie_age: cookie_age?.parse().ok()?,
            client: Client {
                country: country?,
                agent: agent?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_context_round_trips() {
        let context = ResponseContext {
            cookie: "value",
            set_cookie: true,
            pin: false,
            in_grace: true,
            touch: true,
            reread: false,
            refeed: true,
            refresh: true,
            sync_origins: false,
            anonymous: Some(Anonymous::Public),
            opens: true,
            engine_id: true,
            name: CookieName::Loopback,
            origin: "blue",
            public_base: ("http", "localhost:8787"),
            path: "/x",
            trace_id: "abc",
            cookie_age: 60,
            client: Client {
                country: "AT",
                agent: "a tab\tand more",
            },
        };
        assert_eq!(ResponseContext::parse(&context.to_text()), Some(context));
        assert_eq!(ResponseContext::parse("value\tc"), None);
    }
}
