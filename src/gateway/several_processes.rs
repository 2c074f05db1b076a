//! Notices an origin that is several processes behind one port, such as `gunicorn -w 2`.
//!
//! Each process knows only the Engine.IO ids that it issued, and the kernel chooses the process of each connection. So
//! the origin rejects ids of its own with status 400 ("Session ID unknown"), again and again for one session. No proxy
//! can help: the log names the cure. An origin that was restarted rejects each id once.

use super::parts::{Balancer, Recorder, Sessions};
use super::response_context::ResponseContext;
use crate::clock::UnixMillis;
use crate::cookie::token::Token;
use crate::http::rate_limit::{RateLimit, Verdict};
use crate::session::id::Handle;
use crate::telemetry::log::{ConfigName, Event, Level};

/// Number of rejections of one session that a restart may explain, per minute: two for each of a few tabs.
const EXPLAINED: u32 = 8;

/// Period in which the log names an origin at most once, in milliseconds.
const LOG_PERIOD_MS: u64 = 10 * 60_000;

/// Rejected Engine.IO ids.
#[derive(Debug)]
pub(crate) struct RejectedIds {
    by_session: RateLimit<Handle>,
    logged: RateLimit,
}

impl Default for RejectedIds {
    fn default() -> Self {
        Self {
            by_session: RateLimit::new(EXPLAINED, 60_000),
            logged: RateLimit::new(1, LOG_PERIOD_MS),
        }
    }
}

impl Balancer {
    /// Counts a response by which an origin may reject an id of its own, and logs the cure once it must be several
    /// processes.
    pub(super) fn note_rejected_id(
        &mut self,
        sessions: &Sessions,
        recorder: &mut Recorder,
        (context, status): (&ResponseContext<'_>, u16),
        now: UnixMillis,
    ) {
        if status != 400 || !context.engine_id {
            return;
        }
        let keys = &sessions.tenant.keys;
        let Ok(verified) = Token::verify(context.cookie, keys, now.seconds()) else {
            return;
        };
        let RejectedIds { by_session, logged } = &mut self.rejected_ids;
        let verdict = by_session.count(&verified.token.handle, now);
        if matches!(verdict, Verdict::Passed(_)) && logged.count(context.origin, now).is_first() {
            let event = Event::new(Level::Warn, "origin_is_several_processes");
            let event = event.with("origin", ConfigName(context.origin));
            recorder.emit(event.with("reason", "run_one_process_per_port"));
        }
    }
}
