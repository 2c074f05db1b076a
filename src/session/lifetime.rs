//! Decides how long a session lives, by idle and absolute limit, and when to note its use.
//!
//! Every use checks the limits (P9 of `docs/internals/session-engine.md`). The time to live in storage only deletes
//! expired bytes.

use crate::clock::{Seconds, UnixSeconds};

/// Minimum time to live that storage accepts.
const MIN_STORED_LENGTH: Seconds = Seconds(60);

/// Seconds that storage keeps a record beyond its limit, so that this code finds the expired record and reports the
/// limit.
const STORED_MARGIN: u64 = 60;

/// Time for which an opened connection counts as use, because Vestibule does not see its end. People rarely stay on one
/// page longer without loading anything.
const MAY_BE_OPEN: Seconds = Seconds(86_400);

/// Limits of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// Time without use that ends a session.
    pub idle: Seconds,
    /// Time after its begin that ends a session in any case.
    pub absolute: Seconds,
    /// Replaces both limits for a user who chose to stay signed in; counted from the sign-in.
    pub remember: Seconds,
}

/// Times that decide whether a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Time when the session began.
    pub created: UnixSeconds,
    /// Time of the last noted use.
    pub seen: UnixSeconds,
    /// Time when a socket or event stream that is not followed was last opened.
    pub opened: Option<UnixSeconds>,
    /// Own idle limit of this session, if the origin requested one.
    pub idle: Option<Seconds>,
    /// Time of the sign-in, if the user chose to stay signed in.
    pub remembered: Option<UnixSeconds>,
}

impl Lifetime {
    /// Returns the idle limit of this session: its own if set, and at most the absolute limit.
    #[must_use]
    pub(crate) fn idle_of(&self, span: &Span) -> Seconds {
        match (span.idle, span.remembered) {
            (Some(own), Some(_)) => own.min(self.remember),
            (None, Some(_)) => self.remember,
            (own, None) => own.unwrap_or(self.idle).min(self.absolute),
        }
    }

    /// Returns whether an origin may request this idle limit.
    #[must_use]
    pub(crate) fn allows_idle(&self, idle: Seconds) -> bool {
        idle >= MIN_STORED_LENGTH && idle <= self.absolute
    }

    /// Returns the time of the absolute limit.
    #[must_use]
    pub(crate) fn absolute_end(&self, span: &Span) -> UnixSeconds {
        match span.remembered {
            Some(since) => (since + self.remember).max(span.created + self.absolute),
            None => span.created + self.absolute,
        }
    }

    /// Returns how long a browser keeps the cookie of a session: until its absolute end.
    #[must_use]
    pub(crate) fn cookie_age(&self, span: &Span, now: UnixSeconds) -> Seconds {
        self.absolute_end(span).since(now)
    }

    /// Returns the maximum duration of this tenant's sessions.
    #[must_use]
    pub(crate) fn longest(&self) -> Seconds {
        self.absolute.max(self.remember)
    }

    /// Returns the session's end without further use.
    #[must_use]
    pub(crate) fn end(&self, span: &Span) -> UnixSeconds {
        self.idle_end(span).min(self.absolute_end(span))
    }

    /// Returns the time of the idle limit without further use. A connection that is not followed counts as use for a
    /// day.
    #[must_use]
    pub(crate) fn idle_end(&self, span: &Span) -> UnixSeconds {
        let unused = span.seen + self.idle_of(span);
        span.opened
            .map_or(unused, |since| unused.max(since + MAY_BE_OPEN))
    }

    /// Returns whether a connection that is not followed may still be open.
    #[must_use]
    pub(crate) fn may_be_open(span: &Span, now: UnixSeconds) -> bool {
        span.opened.is_some_and(|since| now < since + MAY_BE_OPEN)
    }

    /// Returns whether an opened connection must be noted: not if one was noted within the touch interval.
    #[must_use]
    pub(crate) fn opening_is_due(&self, span: &Span, spread: u8, now: UnixSeconds) -> bool {
        span.opened
            .is_none_or(|since| now.since(since) >= self.touch_interval(span, spread))
    }

    /// Returns whether a limit has passed.
    #[must_use]
    pub(crate) fn has_ended(&self, span: &Span, now: UnixSeconds) -> bool {
        now >= self.end(span)
    }

    /// Returns the touch interval: `max(60 s, idle / 8)`, reduced by up to a tenth per session. `spread` is any evenly
    /// distributed number, so that sessions that began together do not keep writing together. At most half the idle
    /// limit: otherwise a short limit could end a session in use before its use is noted.
    #[must_use]
    pub(crate) fn touch_interval(&self, span: &Span, spread: u8) -> Seconds {
        let idle = self.idle_of(span).0;
        let base = (idle / 8).max(60);
        let jitter = base / 10 * u64::from(spread) / 256;
        Seconds((base - jitter).min(idle / 2))
    }

    /// Returns whether the last noted use is old enough to note this one.
    #[must_use]
    pub(crate) fn touch_is_due(&self, span: &Span, spread: u8, now: UnixSeconds) -> bool {
        now.since(span.seen) >= self.touch_interval(span, spread)
    }

    /// Returns the record's time to live in storage.
    #[must_use]
    pub(crate) fn stored_for(&self, span: &Span, now: UnixSeconds) -> Seconds {
        stored_until(self.end(span), now)
    }
}

/// Returns the time to live in storage of an entry that is over at `end`: longer, so that this code finds the limit,
/// and at least the minimum of storage.
#[must_use]
pub(crate) fn stored_until(end: UnixSeconds, now: UnixSeconds) -> Seconds {
    Seconds(end.since(now).0 + STORED_MARGIN).max(MIN_STORED_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Lifetime = Lifetime {
        idle: Seconds(1_800),
        absolute: Seconds(43_200),
        remember: Seconds(2_592_000),
    };

    fn span(created: u64, seen: u64) -> Span {
        Span {
            created: UnixSeconds(created),
            seen: UnixSeconds(seen),
            opened: None,
            idle: None,
            remembered: None,
        }
    }

    #[test]
    fn session_ends_at_the_earlier_limit() {
        assert!(!POLICY.has_ended(&span(0, 0), UnixSeconds(1_799)));
        assert!(POLICY.has_ended(&span(0, 0), UnixSeconds(1_800)));
        assert!(!POLICY.has_ended(&span(0, 43_000), UnixSeconds(43_199)));
        assert!(POLICY.has_ended(&span(0, 43_000), UnixSeconds(43_200)));
    }

    #[test]
    fn own_idle_limit_never_exceeds_the_absolute_limit() {
        let own = Span {
            idle: Some(Seconds(1_000_000)),
            ..span(0, 0)
        };
        assert_eq!(POLICY.end(&own), UnixSeconds(43_200));
        assert!(!POLICY.allows_idle(Seconds(59)));
        assert!(POLICY.allows_idle(Seconds(60)));
        assert!(!POLICY.allows_idle(Seconds(43_201)));
    }

    #[test]
    fn open_connection_extends_idle_by_a_day_within_the_absolute_limit() {
        let policy = Lifetime {
            absolute: Seconds(1_000_000),
            ..POLICY
        };
        let open = Span {
            opened: Some(UnixSeconds(100)),
            ..span(0, 100)
        };
        assert!(!policy.has_ended(&open, UnixSeconds(86_499)));
        assert!(policy.has_ended(&open, UnixSeconds(86_500)));
        assert!(POLICY.has_ended(&open, UnixSeconds(43_200)));
        let used_since = Span {
            seen: UnixSeconds(86_000),
            ..open
        };
        assert_eq!(policy.end(&used_since), UnixSeconds(87_800));
    }

    #[test]
    fn remembered_session_lasts_from_its_sign_in() {
        let signed_in = Span {
            remembered: Some(UnixSeconds(1_000)),
            ..span(0, 1_000)
        };
        assert_eq!(POLICY.end(&signed_in), UnixSeconds(2_593_000));
        assert_eq!(POLICY.longest(), Seconds(2_592_000));
    }

    #[test]
    fn touch_is_due_each_eighth_of_idle_but_not_within_a_minute() {
        assert_eq!(POLICY.touch_interval(&span(0, 0), 0), Seconds(225));
        let short = Span {
            idle: Some(Seconds(300)),
            ..span(0, 0)
        };
        assert_eq!(POLICY.touch_interval(&short, 0), Seconds(60));
        let shortest = Span {
            idle: Some(Seconds(60)),
            ..span(0, 0)
        };
        assert_eq!(POLICY.touch_interval(&shortest, 0), Seconds(30));
    }

    proptest! {
        #[test]
        fn session_in_steady_use_never_idles_out(idle in 60_u64..100_000, spread: u8) {
            let policy = Lifetime { idle: Seconds(idle), absolute: Seconds(1_000_000), remember: Seconds(1) };
            let mut own = span(0, 0);
            for now in (0..idle * 4).step_by(usize::try_from(idle / 4).unwrap()) {
                let now = UnixSeconds(now);
                prop_assert!(!policy.has_ended(&own, now));
                if policy.touch_is_due(&own, spread, now) {
                    own.seen = now;
                }
            }
        }
    }
}
