//! Sockets and event streams that are opened, and what that means for how long a session lives.
//!
//! Traffic on them is use. Where nobody follows them (`STREAMS=pass-through`) no code of ours runs while they are open,
//! and nobody sees their end. So their opening is noted, and they count as open for as long as they may be
//! ([`Lifetime::idle_end`](crate::session::lifetime::Lifetime::idle_end)). Of a recorded session it is noted in its record. A guest has none: its cookie says it,
//! wherever the guest is served next, and nothing is stored.

use super::parts::Sessions;
use std::collections::HashMap;

use super::authenticate::Visitor;
use super::response_context::ResponseContext;
use crate::clock::{Seconds, UnixMillis, UnixSeconds};
use crate::cookie::token::{Token, Verified};
use crate::http::request::Request;
use crate::session::id::Handle;
use crate::session::record::Version;
use crate::tenant::Streams;

/// So many guests' openings a generation holds; some hundred kilobytes.
const MAX_OPENINGS: usize = 4_096;

/// Who has to note an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noting {
    /// Nobody.
    None,
    /// The guest's cookie.
    Cookie,
    /// The session's record.
    Record,
}

/// Connections that guests opened through this isolate, in two generations.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    young: HashMap<Handle, UnixSeconds>,
    old: HashMap<Handle, UnixSeconds>,
}

impl Openings {
    /// When this guest last opened one, or was last seen to have one open.
    pub(crate) fn at(&self, handle: Handle) -> Option<UnixSeconds> {
        let found = self.young.get(&handle).or_else(|| self.old.get(&handle));
        found.copied()
    }

    pub(crate) fn note(&mut self, handle: Handle, now: UnixSeconds) {
        if self.young.len() >= MAX_OPENINGS {
            self.old = core::mem::take(&mut self.young);
        }
        self.young.insert(handle, now);
    }
}

impl Sessions {
    /// Who has to note it if a request opens a connection, once in a touch interval.
    pub(crate) fn opening_note(
        &self,
        visitor: &Visitor,
        request: &Request<'_>,
        now: UnixMillis,
    ) -> Noting {
        let record = &visitor.session.record;
        let lifetime = &self.tenant.lifetime;
        let is_due = || lifetime.opening_is_due(&record.span(), record.spread(), now.seconds());
        // It asks for a connection that stays open.
        let may_open = request.is_websocket()
            || request
                .header("accept")
                .is_some_and(|accept| accept.contains("text/event-stream"));
        if visitor.degraded || !may_open || !is_due() {
            return Noting::None;
        }
        if !visitor.is_recorded() {
            return Noting::Cookie;
        }
        // What is followed is in use for as long as it is open.
        match self.tenant.streams {
            Streams::PassThrough => Noting::Record,
            Streams::Revocable => Noting::None,
        }
    }

    /// The guest's cookie that notes that a connection was opened, if the origin did open one.
    pub(crate) fn opening_cookie(
        &mut self,
        context: &ResponseContext<'_>,
        status: u16,
        headers: &[(&str, &str)],
        now: UnixMillis,
    ) -> Option<(Token, Seconds)> {
        if !context.opens || !is_opened(status, headers) {
            return None;
        }
        let keys = &self.tenant.keys;
        let Verified { token, .. } = Token::verify(context.cookie, keys, now.seconds()).ok()?;
        // What was stored of it meanwhile has set a cookie that says so, which must not be replaced.
        if token.least_version > Version::UNSTORED || self.cache.get(token.handle, now).is_some() {
            return None;
        }
        self.openings.note(token.handle, now.seconds());
        let issued = Token::guest_issued(now.seconds(), true);
        let token = Token { issued, ..token };
        Some((token, Seconds(context.cookie_age)))
    }
}

/// Whether an origin's answer stays open.
fn is_opened(status: u16, headers: &[(&str, &str)]) -> bool {
    let is_stream = |(name, value): &(&str, &str)| {
        *name == "content-type" && value.starts_with("text/event-stream")
    };
    status == 101 || (status == 200 && headers.iter().any(is_stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_openings_are_bounded() {
        let mut openings = Openings::default();
        let handle = |number: u16| {
            let [high, low] = number.to_be_bytes();
            Handle([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        };
        for number in 0..10_000 {
            openings.note(handle(number), UnixSeconds(u64::from(number)));
        }
        assert_eq!(openings.at(handle(9_999)), Some(UnixSeconds(9_999)));
        assert_eq!(openings.at(handle(6_000)), Some(UnixSeconds(6_000)));
        assert_eq!(openings.at(handle(0)), None);
        assert!(openings.young.len() + openings.old.len() <= 2 * MAX_OPENINGS);
    }
}
