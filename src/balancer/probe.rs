//! Defines probes: requests of this isolate's own that decide whether an origin is down.
//!
//! A failed request shows a fault somewhere between the client and the origin. One client can make any number of its
//! requests fail: with large headers, with a path that breaks the connection, with an endless body. A probe carries
//! nothing of any client, so only a probe's result can show that an origin is down.

use crate::clock::UnixMillis;

/// Minimum interval between probes of one origin by one isolate, in milliseconds.
const EVERY_MS: u64 = 1_000;

/// Maximum duration of a probe, in milliseconds.
pub(crate) const DEADLINE_MS: u64 = 2_000;

/// Time after which a probe without a result counts as lost, in milliseconds.
const LASTS_MS: u64 = DEADLINE_MS + 500;

/// Statuses with which Cloudflare reports that it could not connect to the origin, so that nothing was sent.
pub(crate) const UNSENT: [u16; 6] = [521, 522, 523, 525, 526, 530];

/// Probe to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Name of the origin.
    pub origin: String,
    /// URL to get.
    pub url: String,
    /// Time of the decision to probe; identifies the probe among those of the same origin.
    pub begun: UnixMillis,
}

/// Result of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The origin responded, with a status that is no gateway error.
    Alive,
    /// The origin responded with a gateway error (502 to 504).
    Faulty,
    /// The origin did not respond in time.
    Silent,
    /// The connection was refused, or broke.
    Dead,
}

impl Verdict {
    /// Judges an origin by its response to a probe: the status, and the `Server` header.
    #[must_use]
    pub(crate) fn of_answer(status: u16, server: Option<&str>) -> Self {
        match status {
            502..=504 => Self::Faulty,
            _ if UNSENT.contains(&status) && server == Some("cloudflare") => Self::Dead,
            _ => Self::Alive,
        }
    }
}

/// Probes of one origin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probes {
    /// Start of the last probe, if it is still in progress.
    under_way: Option<UnixMillis>,
    /// Start of the last probe.
    begun: UnixMillis,
    /// Result of the latest finished probe, with its start.
    found: Option<(UnixMillis, Verdict)>,
}

impl Probes {
    /// Returns whether to begin a probe now; if so, marks it as begun.
    pub(super) fn begin(&mut self, now: UnixMillis) -> bool {
        let is_due = !self.is_under_way(now)
            && (self.begun == UnixMillis(0) || now.millis_since(self.begun) >= EVERY_MS);
        if is_due {
            self.begun = now;
            self.under_way = Some(now);
        }
        is_due
    }

    /// Returns whether a probe is in progress.
    pub(super) fn is_under_way(&self, now: UnixMillis) -> bool {
        let is_young = |begun: UnixMillis| now.millis_since(begun) < LASTS_MS;
        self.under_way.is_some_and(is_young)
    }

    /// Records the result of the probe that began at `begun`. Returns whether it is newer than the last result.
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

    /// Returns the latest result, if its probe began at `since` or later.
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
        assert_eq!(of_cloudflare(521), Verdict::Dead, "nothing was sent");
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
        // A late result of the first probe is older than the second probe's.
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
        // The last result counts until the next probe ends.
        probes.begin(at(2_000));
        assert_eq!(probes.found_since(at(0)), Some(Verdict::Alive));
    }
}
