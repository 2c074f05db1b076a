//! How long a session lives: the idle and the absolute limit, and when activity is written down.
//!
//! Enforced here on every use (P9 of `docs/internals/session-engine.md`). The time to live given to storage only makes expired
//! bytes disappear.

use crate::clock::{Seconds, UnixSeconds};

/// Storage refuses shorter times to live.
const MIN_STORED_LENGTH: Seconds = Seconds(60);

/// How much longer storage keeps a record than it is valid, so that a limit is always found by
/// this code and reported as what it is.
const STORED_MARGIN: u64 = 60;

/// For so long a connection that was handed on may still be open: nobody sees its end. Longer than people stay at one
/// page without loading anything else.
const MAY_BE_OPEN: Seconds = Seconds(86_400);

/// A tenant's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// Ends a session that is not used for so long.
    pub idle: Seconds,
    /// Ends a session so long after it began, whatever happens.
    pub absolute: Seconds,
    /// Takes the place of both for a visitor who asked to stay signed in, counted from the sign-in.
    pub remember: Seconds,
}

/// The times that decide whether one session still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// When the session began.
    pub created: UnixSeconds,
    /// When it was last known to be used.
    pub seen: UnixSeconds,
    /// When a socket or an event stream was last opened whose end nobody sees.
    pub opened: Option<UnixSeconds>,
    /// This session's own idle limit, if the origin asked for one.
    pub idle: Option<Seconds>,
    /// When the visitor signed in, if they asked to stay so.
    pub remembered: Option<UnixSeconds>,
}

impl Lifetime {
    /// The idle limit of this session: its own, never beyond the absolute one.
    #[must_use]
    pub(crate) fn idle_of(&self, span: &Span) -> Seconds {
        match (span.idle, span.remembered) {
            (Some(own), Some(_)) => own.min(self.remember),
            (None, Some(_)) => self.remember,
            (own, None) => own.unwrap_or(self.idle).min(self.absolute),
        }
    }

    /// The idle limits an origin may ask for.
    #[must_use]
    pub(crate) fn allows_idle(&self, idle: Seconds) -> bool {
        idle >= MIN_STORED_LENGTH && idle <= self.absolute
    }

    /// When the absolute limit strikes.
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

    /// The longest any session of this tenant can last.
    #[must_use]
    pub(crate) fn longest(&self) -> Seconds {
        self.absolute.max(self.remember)
    }

    /// When the session ends if it is not used again.
    #[must_use]
    pub(crate) fn end(&self, span: &Span) -> UnixSeconds {
        self.idle_end(span).min(self.absolute_end(span))
    }

    /// When the idle limit strikes if the session is not used again. What may still be open is use: a connection that
    /// nobody follows keeps the session for a day from when it was opened.
    #[must_use]
    pub(crate) fn idle_end(&self, span: &Span) -> UnixSeconds {
        let unused = span.seen + self.idle_of(span);
        span.opened
            .map_or(unused, |since| unused.max(since + MAY_BE_OPEN))
    }

    /// Whether a connection may still be open whose end nobody sees.
    #[must_use]
    pub(crate) fn may_be_open(span: &Span, now: UnixSeconds) -> bool {
        span.opened.is_some_and(|since| now < since + MAY_BE_OPEN)
    }

    /// Whether it is to be noted that a connection is opened whose end nobody sees: unless that was noted a moment ago.
    #[must_use]
    pub(crate) fn opening_is_due(&self, span: &Span, spread: u8, now: UnixSeconds) -> bool {
        span.opened
            .is_none_or(|since| now.since(since) >= self.touch_interval(span, spread))
    }

    /// Whether a limit has struck.
    #[must_use]
    pub(crate) fn has_ended(&self, span: &Span, now: UnixSeconds) -> bool {
        now >= self.end(span)
    }

    /// Activity is written down at most once in so long: `max(60 s, idle / 8)`, spread by up to a
    /// tenth per session (`spread` is any evenly distributed number), so that sessions which began
    /// together do not write together for ever. Never more than half the idle limit: a short limit
    /// that were touched too late would strike down a session in use.
    #[must_use]
    pub(crate) fn touch_interval(&self, span: &Span, spread: u8) -> Seconds {
        let idle = self.idle_of(span).0;
        let base = (idle / 8).max(60);
        let jitter = base / 10 * u64::from(spread) / 256;
        Seconds((base - jitter).min(idle / 2))
    }

    /// Whether the last noted use is old enough to note this one.
    #[must_use]
    pub(crate) fn touch_is_due(&self, span: &Span, spread: u8, now: UnixSeconds) -> bool {
        now.since(span.seen) >= self.touch_interval(span, spread)
    }

    /// How long storage should keep the record.
    #[must_use]
    pub(crate) fn stored_for(&self, span: &Span, now: UnixSeconds) -> Seconds {
        stored_until(self.end(span), now)
    }
}

/// How long storage should keep what is over at `end`: longer, so that the limit is found by this
/// code, and never less than storage accepts.
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
