//! Notes when sockets and event streams open, because open connections extend a session's life.
//!
//! Traffic on them is use. With `STREAMS=pass-through` no code of Vestibule runs while they are open, and it cannot see
//! their end. So it notes their opening and counts them as open for as long as they may be
//! ([`Lifetime::idle_end`](crate::session::lifetime::Lifetime::idle_end)). For a recorded session the record holds the
//! note. A guest has no record, so the cookie holds it, without storage.

use super::parts::Sessions;

use super::authenticate::Visitor;
use super::response_context::ResponseContext;
use crate::clock::{Seconds, UnixMillis, UnixSeconds};
use crate::cookie::token::{Token, Verified};
use crate::http::request::Request;
use crate::session::id::{Handle, HandleMap};
use crate::session::record::Version;
use crate::tenant::Streams;

/// Maximum number of guests in one generation; some hundred kilobytes.
const MAX_OPENINGS: usize = 4_096;

/// Place that notes an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noting {
    /// No place.
    None,
    /// The guest's cookie.
    Cookie,
    /// The session's record.
    Record,
}

/// Connections that guests opened through this isolate, in two generations.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    young: HandleMap<UnixSeconds>,
    old: HandleMap<UnixSeconds>,
}

impl Openings {
    /// Returns when this guest last opened a connection, or was last seen with one open.
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
    /// Decides how a request's use of its session is stored, at most once per touch interval. Returns where to note an
    /// opened connection, and whether to update the record's time of last use. An opening is use, too, so the record
    /// never gets both.
    pub(crate) fn note_use(
        &mut self,
        visitor: &Visitor,
        request: &Request<'_>,
        now: UnixMillis,
    ) -> (Noting, bool) {
        let record = &visitor.session.record;
        let lifetime = &self.tenant.lifetime;
        let (span, spread, second) = (record.span(), record.spread(), now.seconds());
        let may_open = request.is_websocket()
            || request
                .header("accept")
                .is_some_and(|accept| accept.contains("text/event-stream"));
        let opens = may_open && !visitor.degraded && lifetime.opening_is_due(&span, spread, second);
        let noting = match self.tenant.streams {
            _ if !opens => Noting::None,
            _ if !visitor.is_recorded() => Noting::Cookie,
            Streams::PassThrough => Noting::Record,
            // A followed connection counts as use while it is open.
            Streams::Revocable => Noting::None,
        };
        let touch = noting != Noting::Record
            && record.version > Version::UNSTORED
            && lifetime.touch_is_due(&span, spread, second);
        if touch {
            self.cache
                .note_use(visitor.token.handle, second, &self.tenant.keys);
        }
        (noting, touch)
    }

    /// Returns the guest's cookie that notes an opened connection, if the origin did open one.
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
        // Data stored meanwhile has set a cookie that says so, which must not be replaced.
        if token.least_version > Version::UNSTORED || self.cache.get(token.handle, now).is_some() {
            return None;
        }
        self.openings.note(token.handle, now.seconds());
        let issued = Token::guest_issued(now.seconds(), true);
        let token = Token { issued, ..token };
        Some((token, Seconds(context.cookie_age)))
    }
}

/// Returns whether an origin's response stays open.
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
