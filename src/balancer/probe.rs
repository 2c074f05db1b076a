//! Probes: what this isolate asks an origin itself, in its own words, before it judges it.
//!
//! A request that fails shows that something is wrong between that request and its origin, and one
//! client can make any number of its requests fail: with headers that are too large, with a path that
//! hangs up, with a body that never ends. A probe carries nothing of any client's, so only what
//! becomes of a probe says that the origin is dead.

use crate::clock::UnixMillis;

/// How often an isolate probes one origin at most, in milliseconds.
const EVERY_MS: u64 = 1_000;

/// How long a probe may take, in milliseconds.
pub(crate) const DEADLINE_MS: u64 = 2_000;

/// After this time a probe is taken for lost: its sender is gone.
const LASTS_MS: u64 = DEADLINE_MS + 500;

/// Statuses by which Cloudflare says that it could not connect to the origin, so nothing was sent.
pub(crate) const UNSENT: [u16; 6] = [521, 522, 523, 525, 526, 530];

/// A probe to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    /// The origin's name.
    pub origin: String,
    /// What to get.
    pub url: String,
    /// When it was decided on: the probe's name among those of the same origin.
    pub begun: UnixMillis,
}

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The origin answered, whatever the status.
    Alive,
    /// It answered with a gateway error (502 to 504).
    Faulty,
    /// It did not answer in time.
    Silent,
    /// Its connection was refused, or broke.
    Dead,
}

impl Verdict {
    /// Judges an origin by the status of its answer to a probe, and by who the answer says it is from (`Server`).
    #[must_use]
    pub(crate) fn of_answer(status: u16, server: Option<&str>) -> Self {
        match status {
            502..=504 => Self::Faulty,
            _ if UNSENT.contains(&status) && server == Some("cloudflare") => Self::Dead,
            _ => Self::Alive,
        }
    }
}

/// The probes of one origin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probes {
    /// When the last one was begun, if it still is under way.
    under_way: Option<UnixMillis>,
    /// When the last one was begun.
    begun: UnixMillis,
    /// What the last one found that has ended, and when that one was begun.
    found: Option<(UnixMillis, Verdict)>,
}

impl Probes {
    /// Whether a probe is to be begun now; says so once.
    pub(super) fn begin(&mut self, now: UnixMillis) -> bool {
        let is_due = !self.is_under_way(now)
            && (self.begun == UnixMillis(0) || now.millis_since(self.begun) >= EVERY_MS);
        if is_due {
            self.begun = now;
            self.under_way = Some(now);
        }
        is_due
    }

    /// Whether one is under way.
    pub(super) fn is_under_way(&self, now: UnixMillis) -> bool {
        let is_young = |begun: UnixMillis| now.millis_since(begun) < LASTS_MS;
        self.under_way.is_some_and(is_young)
    }

    /// Takes note of what the one found that was begun then. Whether it is news.
    pub(super) fn end(&mut self, begun: UnixMillis, verdict: Verdict) -> bool {
        if self.under_way == Some(begun) {
            self.under_way = None;
        }
        let is_news = self.found.is_none_or(|(last, _)| last < begun);
        if is_news {
            self.found = Some((begun, verdict));
        }
        is_news
    }

    /// What the last one found, if it was begun at that time or later.
    pub(super) fn found_since(&self, since: UnixMillis) -> Option<Verdict> {
        let (begun, verdict) = self.found?;
        (begun >= since).then_some(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_response_shows_an_origin_is_reachable_and_gateway_errors_count_as_failures() {
        for (status, expected) in [
            (200, Verdict::Alive),
            (404, Verdict::Alive),
            (500, Verdict::Alive),
            (502, Verdict::Faulty),
            (503, Verdict::Faulty),
            (504, Verdict::Faulty),
            (505, Verdict::Alive),
            (521, Verdict::Alive),
        ] {
            assert_eq!(Verdict::of_answer(status, Some("nginx")), expected);
            assert_eq!(Verdict::of_answer(status, None), expected, "{status}");
        }
        let of_cloudflare = |status| Verdict::of_answer(status, Some("cloudflare"));
        assert_eq!(of_cloudflare(200), Verdict::Alive);
        assert_eq!(of_cloudflare(502), Verdict::Faulty);
        assert_eq!(of_cloudflare(521), Verdict::Dead, "it was never asked");
        assert_eq!(of_cloudflare(524), Verdict::Alive);
    }

    #[test]
    fn probes_are_one_second_apart_and_never_concurrent() {
        let mut probes = Probes::default();
        let at = |ms: u64| UnixMillis(1_000_000 + ms);
        assert!(probes.begin(at(0)));
        assert!(!probes.begin(at(1)) && !probes.begin(at(1_500)));
        assert!(probes.end(at(0), Verdict::Alive));
        assert!(probes.begin(at(1_500)));
        probes.end(at(1_500), Verdict::Alive);
        let begun = (0..10_000).filter(|ms| {
            let begins = probes.begin(at(10_000 + ms));
            if begins {
                probes.end(at(10_000 + ms), Verdict::Dead);
            }
            begins
        });
        assert_eq!(begun.count(), 10);
    }

    #[test]
    fn lost_probe_blocks_the_next_one_only_briefly() {
        let mut probes = Probes::default();
        let at = |ms: u64| UnixMillis(1_000_000 + ms);
        assert!(probes.begin(at(0)));
        assert!(!probes.begin(at(LASTS_MS - 1)));
        assert!(probes.begin(at(LASTS_MS)));
        // What the first one says late is older than what the second one said.
        assert!(probes.end(at(LASTS_MS), Verdict::Alive));
        assert!(!probes.end(at(0), Verdict::Dead));
        assert_eq!(probes.found_since(at(0)), Some(Verdict::Alive));
    }

    #[test]
    fn probe_result_does_not_override_later_events() {
        let mut probes = Probes::default();
        let at = |ms: u64| UnixMillis(1_000_000 + ms);
        probes.begin(at(0));
        assert_eq!(probes.found_since(at(0)), None);
        probes.end(at(0), Verdict::Alive);
        assert_eq!(probes.found_since(at(0)), Some(Verdict::Alive));
        assert_eq!(probes.found_since(at(1)), None);
        // What was found last counts until the next one has ended.
        probes.begin(at(2_000));
        assert_eq!(probes.found_since(at(0)), Some(Verdict::Alive));
    }
}
